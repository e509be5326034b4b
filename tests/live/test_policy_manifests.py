"""The policies over what the real charts make of prod's values: what only manifests can show.

Needs the `helm` command and a directory of chart archives (TRACING_CHARTS).
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import policy
from ops.registrations import RELEASE, Registration
from ops.stack_files import recorded

KUBERNETES = "1.36.2"
RELEASES = tuple(each.name for each in recorded("prod").resources if each.type == RELEASE)


def manifests(release: Registration, charts: Path, directory: Path) -> list[dict[str, Any]]:
    inputs = release.inputs
    archive = charts / f"{inputs['chart']}-{inputs['version']}.tgz"
    if not archive.is_file():
        pytest.skip(f"manifests: {archive.name} is not in TRACING_CHARTS")
    values = directory / "values.json"
    values.write_text(json.dumps(inputs["values"]), encoding="utf-8")
    command = ["helm", "template", inputs["name"], str(archive), "--values", str(values)]
    command += ["--namespace", inputs["namespace"], "--kube-version", KUBERNETES]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [document for document in yaml.safe_load_all(text) if document]


@pytest.mark.parametrize("name", RELEASES)
def test_what_a_chart_makes_of_prod_keeps_every_mandatory_rule(
    name: str, charts: Path, tmp_path: Path
) -> None:
    release = recorded("prod").one(name)
    rendered = [policy.of_manifest(each, name) for each in manifests(release, charts, tmp_path)]
    assert any(resource.kind in ("Deployment", "StatefulSet", "DaemonSet") for resource in rendered)
    found = policy.violations(rendered, "prod")
    assert [str(each) for each in found if each.level is policy.Level.MANDATORY] == []
