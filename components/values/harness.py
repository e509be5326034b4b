"""Values of the Harness umbrella chart that turn tracing on."""

from typing import Any

from pulumi import Input

from config.harness import HarnessConfig
from config.harness_services import service

from ..contracts import TraceIngest
from .merge import merged


def harness_values(settings: HarnessConfig, traces_to: TraceIngest) -> dict[str, Any]:
    """The overrides: the documented global ones, or those of single services."""
    endpoint = traces_to.require_otlp_grpc().url("/")
    if settings.services is None:
        return {"global": _otel(endpoint)}
    values: dict[str, Any] = {}
    for name in settings.services:
        # Address and switch, and nothing under `global`: the library chart merges a service's
        # settings into the global ones in place, and the next service would find them there.
        where = service(name)
        values = merged(values, {where.module: {where.name: _otel(endpoint)}})
    return values


def _otel(endpoint: Input[str]) -> dict[str, Any]:
    return {"monitoring": {"otel": {"enabled": True, "collectorEndpoint": endpoint}}}
