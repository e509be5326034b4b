"""Chart archives with nothing in them but the chart's own name and version."""

import hashlib
import io
import tarfile
from pathlib import Path

import yaml

from charts import Chart


def write_archive(directory: Path, chart: Chart) -> str:
    """Packs a chart; the SHA-256 of the archive."""
    directory.mkdir(exist_ok=True)
    content = yaml.safe_dump({"apiVersion": "v2", "name": chart.name, "version": chart.version})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo(f"{chart.name}/Chart.yaml")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content.encode()))
    (directory / chart.archive_name).write_bytes(packed.getvalue())
    return hashlib.sha256(packed.getvalue()).hexdigest()


def digests_of(directory: Path, *charts: Chart) -> str:
    """Packs charts; the lines of a stack file that accept them."""
    sums = {chart.archive_name: write_archive(directory, chart) for chart in charts}
    lines = "".join(f"      {name}: {digest}\n" for name, digest in sums.items())
    return f"  tracing:charts:\n    digests:\n{lines}"
