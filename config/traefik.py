"""Settings of Traefik's tracing and access log."""

from typing import Annotated, Final, Literal

from pydantic import Field

from .base import Section
from .kinds import DnsLabel, NonEmpty, Ratio, ReleaseName, TaggedImage
from .platform import ComputeResources
from .scope import PerEnvironment, Promoted
from .tls import ServerCertificateConfig

Propagator = Literal["tracecontext", "baggage", "b3", "b3multi"]

TRAEFIK_DERIVED_FIELD: Final = "TraceID"
"""Name of the derived field that finds the trace of a line of Traefik's access log."""


class MetricsTlsConfig(ServerCertificateConfig):
    """TLS of the port with Traefik's own metrics, which Prometheus asks; only for
    `install: release`. The certificates of your routes are yours."""


class TraefikConfig(Section):
    """Traefik: where requests enter, and so where traces begin."""

    version: Promoted[Literal[3, 2]] = 3
    """Major version of Traefik. 3 sends OTLP. 2 sends Zipkin and propagates B3, and no other way
    is left to it; this stack does not install it."""
    install: PerEnvironment[Literal["release", "helm-chart-config", "values"]] = "release"
    """`release`: this stack installs Traefik 3. `helm-chart-config`: k3s ships its own Traefik and
    is told the settings by a HelmChartConfig. `values`: the settings are the stack output
    `traefikValues`, for a Traefik whose chart somebody else installs."""
    namespace: PerEnvironment[DnsLabel] = "traefik"
    """Namespace that Traefik runs in; with `install: release` the release is put there. That of
    k3s is always in kube-system."""
    release_name: PerEnvironment[ReleaseName] = "traefik"
    """Name of the Helm release, and of its Service."""
    image: Promoted[TaggedImage | None] = None
    """Image of Traefik, with a digest if wanted (repository:tag@sha256:...); the chart's if not
    given; only for `install: release`."""
    service_type: PerEnvironment[Literal["LoadBalancer", "NodePort", "ClusterIP"]] = "LoadBalancer"
    """Type of Traefik's Service; only for `install: release`."""
    resources: ComputeResources = ComputeResources()
    """CPU and memory of each of its pods; only for `install: release`."""
    metrics_tls: PerEnvironment[MetricsTlsConfig | None] = None
    route_namespaces: PerEnvironment[tuple[DnsLabel, ...]] = ()
    """Namespaces whose Ingresses and IngressRoutes it serves, beside its own and those of this
    stack's Ingresses; each has to be there. It may read the Secrets of these and of no others; of
    the whole cluster if empty. Only for `install: release`."""
    acknowledge_secrets: PerEnvironment[bool] = False
    """Outside `dev`: let it read the Secrets of the whole cluster, or of a namespace with keys of
    this stack (Tempo's, the store's, Kafka's, the collector's)."""
    protocol: Promoted[Literal["grpc", "http"]] = "grpc"
    """OTLP over gRPC or HTTP; only for version 3."""
    ca_file: PerEnvironment[NonEmpty | None] = None
    """PEM file, relative to the project, with the authority of the certificate that spans are sent
    to (`tracing:collector.tls`); `tracing:tls.caFile`, or the usual authorities, if not given.
    Only for version 3."""
    sample_rate: Promoted[Ratio] = 1.0
    """Part of the requests to trace, 0 to 1, of those without a decision of the caller's: one that
    comes with the trace context is followed (Traefik 2, and 3 from 3.6.8 on)."""
    service_name: Promoted[NonEmpty] = "traefik"
    """Service name that Traefik's spans carry."""
    resource_attributes: PerEnvironment[dict[NonEmpty, str]] = Field(default_factory=dict)
    """OpenTelemetry resource attributes, such as deployment.environment.name: prod; only for
    version 3."""
    propagators: Promoted[Annotated[tuple[Propagator, ...], Field(min_length=1)]] = (
        "tracecontext",
        "baggage",
    )
    """Headers that carry the trace context: `tracecontext` is W3C's traceparent, `b3multi` the
    X-B3-... headers, `b3` the single header of that name. Version 2 has b3multi only. Linkerd's
    proxies read tracecontext and b3multi."""
    keep_headers: Promoted[tuple[NonEmpty, ...]] = ()
    """Request headers that the access log keeps; all others are dropped. Version 2 keeps
    X-B3-Traceid as well."""

    @property
    def certificate_name(self) -> str:
        """Secret with the certificate of its metrics, where an issuer makes it."""
        return f"{self.release_name}-metrics-tls"
