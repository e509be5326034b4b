"""The real charts in a rendered stack and in a bundle. Needs `helm` and TRACING_CHARTS."""

import tarfile
from pathlib import Path

import pytest
import yaml

from charts import OPENTELEMETRY_COLLECTOR, TEMPO_DISTRIBUTED
from ops.commands import main
from ops.helm import digest
from tests.unit.stacks import DEV, Stacks, stacks

__all__ = ["stacks"]


@pytest.fixture
def site(charts: Path, stacks: Stacks) -> Path:
    """The archives, accepted by the dev stack as they are: a site may have packed its own."""
    lines = ""
    for chart in (TEMPO_DISTRIBUTED, OPENTELEMETRY_COLLECTOR):
        archive = charts / chart.archive_name
        if not archive.is_file():
            pytest.skip(f"charts: {archive.name} is not in TRACING_CHARTS")
        lines += f"      {archive.name}: {digest(archive)}\n"
    stacks.write(dev=f"{DEV}  tracing:charts:\n    digests:\n{lines}")
    return charts


def test_what_the_charts_install_is_rendered_and_each_time_the_same(
    site: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        out = tmp_path / name
        assert main(["render", "--stack=dev", f"--charts={site}", f"--out={out}"]) == 0
    sums = [(tmp_path / name / "SHA256SUMS").read_bytes() for name in ("one", "two")]
    assert sums[0] == sums[1]
    release = tmp_path / "one/tempo/releases/tempo-distributed/manifests.yaml"
    installed = list(yaml.safe_load_all(release.read_text(encoding="utf-8")))
    kinds = [manifest["kind"] for manifest in installed]
    assert kinds == sorted(kinds)
    assert "StatefulSet" in kinds
    assert "is missing" not in (tmp_path / "one/README.md").read_text(encoding="utf-8")


def test_a_bundle_lists_the_images_that_charts_bring(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle.tar.gz"
    assert main(["bundle", "--stack=dev", f"--charts={site}", f"--out={out}"]) == 0
    with tarfile.open(out) as archive:
        listed = archive.extractfile("tracing-bundle/images.txt")
        assert listed is not None
        images = listed.read().decode().splitlines()
    assert [image for image in images if image.startswith("docker.io/grafana/tempo:")]
    assert images == sorted(set(images))
