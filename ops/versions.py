"""The versions of what a stack installs: as its file asks for them, and as they were applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from semver import VersionInfo

import charts
from config import StackConfig
from config.kinds import split_image
from ops import chart_lock
from ops.registrations import RELEASE

TEMPO: Final = "Tempo"
COLLECTOR: Final = "the collector"

Versions = Mapping[str, VersionInfo]
"""By what a reader calls it: `Tempo`, `chart tempo-distributed`, `the collector`."""


def configured(stack: StackConfig) -> Versions:
    """What an update with this checkout would install.

    Without what has no version that could be compared, such as an image by its digest alone.
    """
    used = charts.used_by(stack)
    found: dict[str, Any] = {f"chart {chart.name}": chart.version for chart in used.values()}
    found[TEMPO] = chart_lock.load(used["tempo"].name, used["tempo"].version).app_version
    if stack.collector is not None:
        found[COLLECTOR] = split_image(stack.collector.image).get("tag")
    if stack.kafka is not None:
        found["Kafka"] = stack.kafka.version
    if stack.harness is not None:
        found["chart harness"] = stack.harness.chart_version
    if stack.vulture is not None:
        found["tempo-vulture"] = split_image(stack.vulture.image).get("tag")
    return _parsed(found)


def applied(deployment: Mapping[str, Any]) -> Versions:
    """What the last update installed, from the state as `pulumi stack export` gives it."""
    found: dict[str, Any] = {}
    for resource in deployment.get("resources") or []:
        if resource["type"] != RELEASE:
            continue
        status = (resource.get("outputs") or {}).get("status") or {}
        found[f"chart {status.get('chart')}"] = status.get("version")
        name = resource["urn"].rpartition("::")[2]
        if name == "tempo-release":
            found[TEMPO] = status.get("appVersion")
        if name == "collector-release":
            image = ((resource.get("inputs") or {}).get("values") or {}).get("image") or {}
            found[COLLECTOR] = image.get("tag")
    return _parsed(found)


def _parsed(found: Mapping[str, Any]) -> Versions:
    texts = {name: str(text or "").removeprefix("v") for name, text in found.items()}
    return {
        name: VersionInfo.parse(text) for name, text in texts.items() if VersionInfo.is_valid(text)
    }
