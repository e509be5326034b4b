"""What Harness' own library chart makes of the overrides: which services are told to trace.

The charts of the services are not to be had, but each of them asks the library chart
(`harnesscommon.monitoring.config`) what to put into its ConfigMap. Here the umbrella is rebuilt of
charts that do nothing else. Needs `helm`, and `harness-common-<version>.tgz` in TRACING_CHARTS.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.harness_services import LAST_MINOR, SERVICES, Proof
from ops.registrations import record
from tests.live.test_manifests import KUBERNETES

ENDPOINT = "http://opentelemetry-collector.otel.svc.cluster.local:4317/"

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Chart.Name }}
data:
{{ include "harnesscommon.monitoring.config" . | indent 2 }}
"""

PRESENT = [each for each in SERVICES if each.proof(LAST_MINOR) is not Proof.ABSENT]


def chart(directory: Path, name: str) -> Path:
    """A chart that has nothing in it yet."""
    (directory / "charts").mkdir(parents=True)
    described = {"apiVersion": "v2", "name": name, "version": "1.0.0"}
    (directory / "Chart.yaml").write_text(json.dumps(described), encoding="utf-8")
    return directory


def umbrella(directory: Path, library: Path) -> Path:
    """Charts of all services, in the modules in which Harness has them."""
    top = chart(directory / "harness", "harness")
    monitoring = {"enabled": False, "path": "/metrics", "port": 8889}
    values = {"global": {"monitoring": monitoring}}
    (top / "values.yaml").write_text(json.dumps(values), encoding="utf-8")
    for module in {each.module for each in PRESENT}:
        chart(top / "charts" / module, module)
    for each in PRESENT:
        part = chart(top / "charts" / each.module / "charts" / each.name, each.name)
        (part / "templates").mkdir()
        (part / "templates" / "config.yaml").write_text(CONFIG_MAP, encoding="utf-8")
        shutil.copy(library, part / "charts")
    return top


@pytest.fixture(scope="module")
def umbrellas(charts: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    libraries = sorted(charts.glob("harness-common-*.tgz"))
    if not libraries:
        pytest.skip("manifests: no harness-common-<version>.tgz is in TRACING_CHARTS")
    return [umbrella(tmp_path_factory.mktemp(library.stem), library) for library in libraries]


@pytest.mark.parametrize(
    ("services", "traced"),
    [
        (None, {each.name for each in PRESENT}),
        (["access-control"], {"access-control"}),
        (["ng-manager", "ci-manager"], {"ng-manager", "ci-manager"}),
    ],
    ids=["all", "one", "two of two modules"],
)
@pytest.mark.parametrize("install", ["values", "release"])
def test_the_services_asked_for_are_traced_and_no_other(
    umbrellas: list[Path],
    install: str,
    services: list[str] | None,
    traced: set[str],
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {"install": install}
    if services is not None:
        settings["services"] = services
    run = record("dev", {"tracing:collector": {}, "tracing:harness": settings}, {})
    values = tmp_path / "values.yaml"
    values.write_text(run.outputs["harnessValues"], encoding="utf-8")
    if install == "release":
        values.write_text(json.dumps(run.helm_values()["harness"]), encoding="utf-8")
    for top in umbrellas:
        command = ["helm", "template", "harness", str(top), f"--values={values}"]
        command += ["--kube-version", KUBERNETES]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        data = {d["metadata"]["name"]: d["data"] for d in yaml.safe_load_all(text) if d}
        assert len(data) == len(PRESENT)
        told = {name for name, each in data.items() if each.get("ENABLE_OPENTELEMETRY") == "true"}
        assert told == traced, top
        for name in told:
            assert data[name]["OTEL_EXPORTER_OTLP_ENDPOINT"] == ENDPOINT
            assert data[name]["OTEL_SERVICE_NAME"] == name
