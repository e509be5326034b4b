"""Every Helm chart the program uses: repository, version, digest; and where it is loaded from.

With a chart repository Helm trusts the repository's index: the version is pinned, the digest is
not checked. With a directory of archives (`tracing:charts.directory`) each archive's SHA-256 is
checked before anything is registered.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pulumi

from components.contracts import ChartRef
from config import StackConfig
from config.harness import CHART_VERSION
from config.platform import ChartsConfig


class ChartError(pulumi.RunError):
    """A chart archive is missing or not the pinned one; nothing was registered."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One pinned chart."""

    name: str
    version: str
    repository: str
    """URL of the chart repository."""
    sha256: str | None
    """SHA-256 of the published archive; `None` where it is not known to us: an archive of it in a
    local directory needs its digest under `tracing:charts.digests`."""

    @property
    def archive_name(self) -> str:
        """File name of the archive, as Helm packages it."""
        return f"{self.name}-{self.version}.tgz"


TEMPO: Final = Chart(
    name="tempo",
    version="2.2.4",
    repository="https://grafana-community.github.io/helm-charts",
    sha256="5f3f4b29c4487b9c27715c18bc6c7b0889712b14075d97705f9b151a51725f68",
)
TEMPO_DISTRIBUTED_3: Final = Chart(
    name="tempo-distributed",
    version="3.3.0",
    repository="https://grafana-community.github.io/helm-charts",
    sha256="6f88073b6b6f3cffff1730cf9c5756b674bb90fdd63cec4f72fb75973bbcfe9d",
)
TEMPO_DISTRIBUTED: Final = Chart(
    name="tempo-distributed",
    version="2.26.2",
    repository="https://grafana-community.github.io/helm-charts",
    sha256="4adb4a0a8078fc179435b9e21e4ad90ccb7e471d4571767d1284d11afaa02ea3",
)
OPENTELEMETRY_COLLECTOR: Final = Chart(
    name="opentelemetry-collector",
    version="0.170.0",
    repository="https://open-telemetry.github.io/opentelemetry-helm-charts",
    sha256="ed140b332233075c7fd15eaebba571fdf100926f08c0a5a274c7b32895315137",
)
TRAEFIK: Final = Chart(
    name="traefik",
    version="41.3.0",
    repository="https://traefik.github.io/charts",
    sha256=None,
)
HARNESS: Final = Chart(
    name="harness",
    version=CHART_VERSION,
    repository="https://harness.github.io/helm-charts",
    sha256=None,
)

STRIMZI: Final = Chart(
    name="strimzi-kafka-operator",
    version="1.2.0",
    repository="https://strimzi.io/charts",
    sha256="0f8a50b2f19bd99482f9fd6e17cf42902f72f9e594a136813ac3f0b7af422efd",
)

PINS: Final = (
    STRIMZI,
    TEMPO_DISTRIBUTED,
    TEMPO_DISTRIBUTED_3,
    TEMPO,
    OPENTELEMETRY_COLLECTOR,
    TRAEFIK,
    HARNESS,
)

_PROFILES: Final[Mapping[str, Chart]] = {
    "distributed-2": TEMPO_DISTRIBUTED,
    "distributed-3": TEMPO_DISTRIBUTED_3,
    "monolithic": TEMPO,
}


def used_by(stack: StackConfig) -> dict[str, Chart]:
    """The chart of each component of a stack that has one, by the component's name."""
    charts = {"tempo": _PROFILES[stack.tempo.profile]}
    if stack.kafka is not None and stack.kafka.operator == "release":
        charts["kafka"] = STRIMZI
    if stack.collector is not None:
        charts["collector"] = OPENTELEMETRY_COLLECTOR
    if stack.traefik is not None and stack.traefik.install == "release":
        charts["traefik"] = TRAEFIK
    if stack.harness is not None and stack.harness.install == "release":
        version = stack.harness.chart_version
        charts["harness"] = Chart(
            name=HARNESS.name,
            version=version,
            repository=HARNESS.repository,
            sha256=HARNESS.sha256 if version == HARNESS.version else None,
        )
    return charts


def locate(stack: StackConfig) -> dict[str, ChartRef]:
    """Where each chart of a stack is loaded from, by the component's name.

    Raises ChartError, with all archives that are missing or differ, before anything is registered.
    """
    refs, problems = {}, []
    for component, chart in used_by(stack).items():
        try:
            refs[component] = _ref(chart, stack.charts)
        except ChartError as error:
            problems.append(f"  {error}")
    if problems:
        raise ChartError(
            f"the chart archives in '{stack.charts.directory}' can't be used; nothing was "
            "changed:\n" + "\n".join(problems) + "\ndownload the pinned ones with: "
            f"make charts DIRECTORY={stack.charts.directory}; if your site repackaged a chart, "
            "write the digest of its archive under tracing:charts.digests"
        )
    return refs


def _ref(chart: Chart, source: ChartsConfig) -> ChartRef:
    if source.directory is None:
        return ChartRef(chart=chart.name, version=chart.version, repository=chart.repository)
    archive = Path(source.directory) / chart.archive_name
    _check(archive, source.digests.get(chart.archive_name, chart.sha256))
    # The path as configured, not an absolute one: that would differ between two machines, and
    # every preview on the other one would show a change.
    path = str(archive) if archive.is_absolute() else f"./{archive}"
    return ChartRef(chart=path, version=chart.version, repository=None)


def _check(archive: Path, expected: str | None) -> None:
    if not archive.is_file():
        raise ChartError(f"{archive.name}: is missing")
    actual = hashlib.sha256(archive.read_bytes()).hexdigest()
    if expected is None:
        raise ChartError(
            f"{archive.name}: no digest is pinned for it; check where it comes from, then write "
            f"{archive.name}: {actual} under tracing:charts.digests"
        )
    if actual != expected:
        raise ChartError(f"{archive.name}: SHA-256 is {actual}, pinned is {expected}")
