"""The images that the pinned charts run, known by their versions: for where no chart is at hand.

The live tier compares this with what the charts render, for every stack here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, kw_only=True)
class ChartImage:
    """An image that a chart's pods use."""

    reference: str | None
    """The chart's own choice; `None` where it has none, and is always told one."""
    told: str = ""
    """Path of the values that name another: registry, repository, tag and digest. Empty where this
    program names none."""
    switch: str = ""
    """Path of the value that turns it on or off; empty for one that is always there."""
    on: bool = True
    """Whether it is there when the value is not given."""

    def used_with(self, values: Mapping[str, Any]) -> str | None:
        """The image that the pods have with these values; `None` if there are no such pods."""
        if self.switch and not _at(values, self.switch, self.on):
            return None
        image = _at(values, self.told, {})
        if "repository" not in image:
            return self.reference
        registry = f"{image['registry']}/" if image.get("registry") else ""
        tag = f":{image['tag']}" if image.get("tag") else ""
        digest = f"@{image['digest']}" if image.get("digest") else ""
        return f"{registry}{image['repository']}{tag}{digest}"


def _at(values: Any, path: str, default: Any) -> Any:
    for key in path.split("."):
        if not isinstance(values, Mapping) or key not in values:
            return default
        values = values[key]
    return values


def _tempo_distributed(tempo: str, memcached: str) -> tuple[ChartImage, ...]:
    return (
        ChartImage(reference=tempo, told="tempo.image"),
        ChartImage(reference=memcached, told="memcached.image", switch="memcached.enabled"),
        ChartImage(
            reference="docker.io/nginxinc/nginx-unprivileged:1.31-alpine",
            told="gateway.image",
            switch="gateway.enabled",
            on=False,
        ),
    )


CHART_IMAGES: Final[Mapping[str, tuple[ChartImage, ...]]] = {
    "tempo-2.2.4": (ChartImage(reference="docker.io/grafana/tempo:2.10.8", told="tempo"),),
    "tempo-distributed-2.26.2": _tempo_distributed(
        "docker.io/grafana/tempo:2.10.7", "docker.io/memcached:1.6.43-alpine"
    ),
    "tempo-distributed-3.3.0": _tempo_distributed(
        "docker.io/grafana/tempo:3.0.3", "docker.io/memcached:1.6.45-alpine"
    ),
    "opentelemetry-collector-0.170.0": (ChartImage(reference=None, told="image"),),
    "traefik-41.3.0": (ChartImage(reference="docker.io/traefik:v3.7.11", told="image"),),
    "strimzi-kafka-operator-1.2.0": (
        ChartImage(reference="quay.io/strimzi/operator:1.2.0", told="image"),
    ),
}
"""What each pinned chart runs, with the values that this program gives it."""


def images_of_chart(chart: str, version: str, values: Mapping[str, Any]) -> set[str] | None:
    """The images of a release of a chart; `None` if they are not known."""
    known = CHART_IMAGES.get(f"{chart}-{version}")
    return None if known is None else set(_used(known, values))


def _used(known: tuple[ChartImage, ...], values: Mapping[str, Any]) -> Iterator[str]:
    for image in known:
        if (reference := image.used_with(values)) is not None:
            yield reference
