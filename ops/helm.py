"""The `helm` command and chart archives, where both are at hand: what a release would install."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from charts import Chart
from ops import UserError

KUBERNETES: Final = "1.36.2"
"""The version that is rendered for if none is named: fixed, because each helm has another one."""


@dataclass(frozen=True, kw_only=True)
class Helm:
    """The `helm` command, and the version of Kubernetes that it renders for."""

    command: str
    kubernetes: str = KUBERNETES


@dataclass(frozen=True, kw_only=True)
class Archives:
    """A directory of chart archives, which need not exist."""

    directory: Path
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by file name, of archives that a site repackaged: in place of the pinned one."""

    def find(self, chart: Chart) -> Path | None:
        """The archive of a chart; `None` if it is missing. Raises UserError if it is another one
        than the pinned one."""
        archive = self.directory / chart.archive_name
        if not archive.is_file():
            return None
        expected = self.expected(chart)
        if expected is not None and (actual := digest(archive)) != expected:
            raise UserError(
                f"{archive}: SHA-256 is {actual}, pinned is {expected}; download the pinned one "
                f"(make charts DIRECTORY={self.directory}), or, if your site repackaged it, write "
                "its digest under tracing:charts.digests"
            )
        return archive

    def expected(self, chart: Chart) -> str | None:
        """The digest that the archive of a chart has to have, if anybody knows it."""
        return self.digests.get(chart.archive_name, chart.sha256)


def digest(file: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def find(kubernetes: str = KUBERNETES) -> Helm | None:
    """The command, if it is on PATH."""
    command = shutil.which("helm")
    return None if command is None else Helm(command=command, kubernetes=kubernetes)


def template(
    helm: Helm, archive: Path, *, release: str, namespace: str, values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The objects that a release would install, custom resource definitions included.

    Raises UserError with what Helm says.
    """
    with tempfile.TemporaryDirectory(prefix="helm-") as directory:
        file = Path(directory) / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
        shown = subprocess.run(
            [
                *(helm.command, "template", release, str(archive), "--namespace", namespace),
                *("--values", str(file), "--include-crds", "--skip-tests"),
                *("--kube-version", helm.kubernetes),
            ],
            # Its caches and settings are none of our business, nor ours its.
            env={"HOME": directory, "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    if shown.returncode != 0:
        raise UserError(f"helm can't render {archive.name}: {_said(shown.stderr)}")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(shown.stdout, Loader=loader) if document]


def _said(text: str) -> str:
    """What Helm says, without its advice to ask for what can't be read."""
    lines = [line for line in text.splitlines() if line.strip() and "--debug" not in line]
    return "\n".join(lines).removeprefix("Error: ")
