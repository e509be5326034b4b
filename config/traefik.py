"""Settings of Traefik's tracing and access log."""

from typing import Annotated, Final, Literal

from pydantic import Field

from .base import Section
from .kinds import DnsLabel, NonEmpty, Ratio, ReleaseName

Propagator = Literal["tracecontext", "baggage", "b3", "b3multi"]

TRAEFIK_DERIVED_FIELD: Final = "TraceID"
"""Name of the derived field that finds the trace of a line of Traefik's access log."""


class TraefikConfig(Section):
    """Traefik 3: where requests enter, and so where traces begin."""

    install: Literal["release", "helm-chart-config"] = "release"
    """`release`: this stack installs Traefik. `helm-chart-config`: k3s ships its own Traefik and
    is told the settings by a HelmChartConfig."""
    namespace: DnsLabel = "traefik"
    """Namespace of the release; a HelmChartConfig is always in kube-system."""
    release_name: ReleaseName = "traefik"
    """Name of the Helm release, and of its Service."""
    service_type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = "LoadBalancer"
    """Type of Traefik's Service; only for `install: release`."""
    protocol: Literal["grpc", "http"] = "grpc"
    """OTLP over gRPC or HTTP."""
    sample_rate: Ratio = 1.0
    """Part of the requests to trace, 0 to 1."""
    service_name: NonEmpty = "traefik"
    """Service name that Traefik's spans carry."""
    resource_attributes: dict[NonEmpty, str] = Field(default_factory=dict)
    """OpenTelemetry resource attributes, such as deployment.environment.name: prod."""
    propagators: Annotated[tuple[Propagator, ...], Field(min_length=1)] = (
        "tracecontext",
        "baggage",
    )
    """Headers that carry the trace context. Linkerd's proxies read b3multi and tracecontext."""
    keep_headers: tuple[NonEmpty, ...] = ()
    """Request headers that the access log keeps; all others are dropped."""
