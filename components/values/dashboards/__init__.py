"""Dashboards for Grafana: what they show, as plain data, and the JSON that Grafana takes."""

from ...contracts import PlatformMetrics
from .cost import cost
from .health import health
from .model import Dashboard
from .render import dashboard_json
from .services import services


def dashboards(platform: PlatformMetrics, tempo_uid: str) -> list[Dashboard]:
    """The dashboards of a stack: that of services only where something is made of spans."""
    traces = platform.traces
    shown = [] if traces is None else [services(traces, tempo_uid)]
    return [health(platform), *shown, cost(platform)]


__all__ = ["Dashboard", "dashboard_json", "dashboards"]
