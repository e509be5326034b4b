"""A bundle, unpacked elsewhere: an update takes the charts from it, and needs no network."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

import charts
from ops.commands import main
from ops.registrations import RELEASE
from ops.stack_files import ROOT
from sandbox import Sandbox, SandboxError
from tests.unit.chart_archives import digests_of
from tests.unit.stacks import DEV, Stacks, stacks

__all__ = ["stacks"]

USED = (charts.TEMPO_DISTRIBUTED, charts.OPENTELEMETRY_COLLECTOR)
NETWORK_OFF = ("unshare", "--map-root-user", "--net", "--", "sh", "-c")
LOOPBACK = 'ip link set lo up && exec "$@"'


@pytest.fixture
def program(stacks: Stacks, tmp_path: Path) -> Path:
    """The program of a bundle of the dev stack, unpacked."""
    site = tmp_path / "site"
    stacks.write(dev=DEV + digests_of(site, *USED))
    out = tmp_path / "bundle.tar.gz"
    assert main(["bundle", "--stack", "dev", "--charts", str(site), "--out", str(out)]) == 0
    # Nothing of what it was made from is there any more.
    shutil.rmtree(site)
    with tarfile.open(out) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    directory = tmp_path / "unpacked/tracing-bundle"
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=directory)
    assert checked.returncode == 0
    return directory / "program"


def releases(box: Sandbox) -> list[dict[str, Any]]:
    return [entry["inputs"] for entry in box.resources() if entry["type"] == RELEASE]


def test_an_update_takes_the_charts_from_the_bundle(program: Path) -> None:
    with Sandbox(program, "dev") as box:
        box.up()
        taken = releases(box)
        assert box.preview().changes == {}
    assert {release["chart"] for release in taken} == {
        f"./charts/{chart.archive_name}" for chart in USED
    }
    assert not [release for release in taken if "repositoryOpts" in release]


def test_an_archive_that_was_changed_on_its_way_is_refused(program: Path) -> None:
    (program / "charts" / USED[0].archive_name).write_bytes(b"another")
    with Sandbox(program, "dev") as box, pytest.raises(SandboxError, match="SHA-256 is"):
        box.up()


def test_an_update_from_the_bundle_needs_no_network(program: Path) -> None:
    """The engine, the providers and the program in a network namespace with only a loopback."""
    tried = [*NETWORK_OFF, LOOPBACK, "sh", "true"]
    if subprocess.run(tried, capture_output=True).returncode != 0:
        pytest.skip("no network namespace can be made here (unshare, ip)")
    up = [sys.executable, "-m", "sandbox", "up", "--project", str(program), "--stack", "dev"]
    done = subprocess.run(
        [*NETWORK_OFF, LOOPBACK, "sh", *up],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tempo-release" in done.stdout
