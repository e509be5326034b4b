"""Owns Grafana Tempo. Needs a bucket (`S3Access`). Gives `TraceIngest`, `TraceQuery` and what there
is to see of it."""

from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi import Input, ResourceOptions

from config.external_secrets import ExternalSecretConfig, RemoteKeyConfig
from config.tempo import (
    Distributed2Config,
    Distributed3Config,
    DistributedConfig,
    MonolithicConfig,
    TempoConfig,
)
from config.tenancy import BasicAuthConfig, TenancyConfig

from .ca_bundle import ca_bundle
from .certificate import certificate
from .contracts import (
    ChartRef,
    ClusterTls,
    Endpoint,
    KafkaAccess,
    MeshIdentity,
    PrometheusOperator,
    S3Access,
    SpanMetrics,
    TempoMetrics,
    TraceIngest,
    TraceMetrics,
    TraceQuery,
    joined,
    scraped,
    service_host,
)
from .external_secret import external_secret
from .network import Network, Surroundings, at
from .release import helm_release
from .values.tempo import PodNeeds
from .values.tempo_distributed import tempo_2_values, tempo_3_values
from .values.tempo_gateway import HTPASSWD_KEY
from .values.tempo_monolithic import tempo_monolithic_values
from .values.tempo_network import tempo_network
from .values.tempo_tls import TempoTls

OTLP_GRPC_PORT: Final = 4317
OTLP_HTTP_PORT: Final = 4318
ZIPKIN_PORT: Final = 9411
QUERY_PORT: Final = 3200
GATEWAY_PORT: Final = 80

SERVICES: Final = ("distributor", "query-frontend", "gateway")
"""The roles whose Services others than Tempo itself call."""

SPAN_METRICS: Final = SpanMetrics(
    calls="traces_spanmetrics_calls_total",
    duration="traces_spanmetrics_latency",
    duration_unit="s",
    size="traces_spanmetrics_size_total",
    service="service",
)
"""As Tempo's generator calls them."""


@dataclass(frozen=True, kw_only=True)
class TempoArgs:
    """What Tempo is made from."""

    settings: TempoConfig
    namespace: Input[str]
    chart: ChartRef
    s3: S3Access
    kafka: KafkaAccess | None
    """`None` for a profile that needs no Kafka."""
    surroundings: Surroundings
    tenancy: TenancyConfig | None = None
    """Who may read what; one tenant if `None`."""
    tls: ClusterTls | None = None
    """Who signs certificates; only needed where Tempo has TLS."""
    operator: PrometheusOperator | None = None
    """Who is to ask for metrics."""


class Tempo(pulumi.ComponentResource):
    """Grafana Tempo as a Helm release."""

    ingest: TraceIngest
    query: TraceQuery
    metrics: TempoMetrics
    traces: TraceMetrics | None
    """What it makes of traces; `None` if nothing."""
    network: Network

    def __init__(self, name: str, args: TempoArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Tempo", name, None, opts)
        settings = args.settings
        tls = self._tls(name, args)
        release = helm_release(
            f"{name}-release",
            chart=args.chart,
            release_name=settings.release_name,
            namespace=args.namespace,
            values=_values(settings, args, PodNeeds(s3=args.s3, tls=tls, tenancy=args.tenancy)),
            parent=self,
            depends_on=[
                *args.s3.ready,
                *(args.kafka.ready if args.kafka else ()),
                *self._brought(name, args),
            ],
        )

        ca_certificate = args.tls.ca_certificate if args.tls and tls else None
        around = tempo_network(
            settings,
            args.namespace,
            args.s3.server,
            args.kafka.server if args.kafka else None,
            args.surroundings,
            tenants=args.tenancy is not None,
        )
        self.network = around.network

        def service(role: str) -> Input[str]:
            return _service(settings, release.name, release.namespace, role)

        def receiver(kind: str, port: int) -> Endpoint | None:
            if kind not in settings.receivers:
                return None
            return Endpoint(
                host=service("distributor"),
                port=port,
                tls=tls is not None,
                ca_certificate=ca_certificate,
                client_certificate=tls is not None and tls.client_certificates,
                server=at(around.ingest, port),
            )

        self.ingest = TraceIngest(
            otlp_grpc=receiver("otlpGrpc", OTLP_GRPC_PORT),
            otlp_http=receiver("otlpHttp", OTLP_HTTP_PORT),
            zipkin=receiver("zipkin", ZIPKIN_PORT),
            identity=MeshIdentity(service_account=release.name, namespace=release.namespace),
            receivers=around.receivers,
        )
        # With tenants the gateway is for those who have to say who they are. What is handed this
        # contract names its tenant itself.
        gateway = (
            isinstance(settings, DistributedConfig)
            and settings.gateway is not None
            and args.tenancy is None
        )
        role, port = ("gateway", GATEWAY_PORT) if gateway else ("query-frontend", QUERY_PORT)
        api = Endpoint(host=service(role), port=port, tls=tls is not None)
        self.query = TraceQuery(
            url=api.url(),
            streaming=settings.streaming,
            ca_certificate=ca_certificate,
            tenants=args.tenancy.all if args.tenancy else (),
            server=around.query,
        )
        # The charts label what they let Prometheus ask: by namespace and microservice, or by the
        # one Service.
        monolithic = isinstance(settings, MonolithicConfig)
        jobs = settings.release_name if monolithic else f"{settings.namespace}/.+"
        self.metrics = TempoMetrics(
            scraped=scraped(args.operator, settings.namespace, jobs),
            profile=settings.profile,
            generator=settings.metrics_generator is not None,
        )
        self.traces = _traces(settings)
        self.register_outputs({"queryUrl": self.query.url})

    def _brought(self, name: str, args: TempoArgs) -> list[pulumi.Resource]:
        """The Secrets that come from a store of secrets."""
        found: list[tuple[str, ExternalSecretConfig, str, dict[str, RemoteKeyConfig]]] = []
        sasl = args.settings.kafka.sasl if isinstance(args.settings, Distributed3Config) else None
        if sasl is not None and (login := sasl.external_secret) is not None:
            keys = {sasl.username_key: login.username, sasl.password_key: login.password}
            found.append(("kafka-login", login, sasl.secret_name, keys))
        basic = args.tenancy.authentication if args.tenancy else None
        if isinstance(basic, BasicAuthConfig) and (users := basic.external_secret) is not None:
            keys = {HTPASSWD_KEY: users.htpasswd}
            found.append(("gateway-users", users, basic.secret_name, keys))
        return [
            external_secret(
                f"{name}-{suffix}",
                settings,
                secret_name=secret_name,
                namespace=args.namespace,
                keys=keys,
                opts=ResourceOptions(parent=self),
            )
            for suffix, settings, secret_name, keys in found
        ]

    def _tls(self, name: str, args: TempoArgs) -> TempoTls | None:
        """The certificate for every name that Tempo is called by, and its authority."""
        settings, child = args.settings, ResourceOptions(parent=self)
        if settings.tls is None:
            return None
        if args.tls is None:
            raise ValueError("a Tempo with TLS needs the authority of its certificate")

        def service(role: str) -> Input[str]:
            return _service(settings, settings.release_name, args.namespace, role)

        own = service_host(settings.release_name, args.namespace)
        roles = () if isinstance(settings, MonolithicConfig) else SERVICES
        return TempoTls(
            secret_name=certificate(
                f"{name}-certificate",
                given=settings.tls.secret_name,
                secret_name=settings.certificate_name,
                namespace=args.namespace,
                dns_names=[own, *map(service, roles)],
                tls=args.tls,
                opts=child,
                # Its processes show it to each other.
                client=True,
            ),
            ca=ca_bundle(
                f"{name}-ca",
                object_name=f"{settings.release_name}-ca",
                namespace=args.namespace,
                certificate=args.tls.ca_certificate,
                opts=child,
            ),
            server_name=own,
            client_certificates=settings.tls.client_certificates,
        )


def _service(
    settings: TempoConfig, release: Input[str], namespace: Input[str], role: str
) -> Input[str]:
    """The name of the Service of one of Tempo's roles."""
    # A monolithic Tempo has one Service for everything.
    suffix = "" if isinstance(settings, MonolithicConfig) else f"-{role}"
    return service_host(joined(release, suffix), namespace)


def _values(settings: TempoConfig, args: TempoArgs, pod: PodNeeds) -> dict[str, Any]:
    match settings:
        case Distributed2Config():
            return tempo_2_values(settings, pod, args.operator)
        case Distributed3Config():
            if args.kafka is None:
                raise ValueError("Tempo 3 as microservices needs a Kafka")
            return tempo_3_values(settings, pod, args.kafka, args.operator)
        case MonolithicConfig():
            return tempo_monolithic_values(settings, pod, args.operator)


def _traces(settings: TempoConfig) -> TraceMetrics | None:
    generator = settings.metrics_generator
    if generator is None:
        return None
    return TraceMetrics(
        spans=SPAN_METRICS if "span-metrics" in generator.processors else None,
        service_graph="service-graphs" in generator.processors,
    )
