"""Owns Grafana Tempo. Needs a bucket (`S3Access`). Gives `TraceIngest`, `TraceQuery` and what there
is to see of it."""

from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi import Input, ResourceOptions

from config.tempo import (
    Distributed2Config,
    Distributed3Config,
    DistributedConfig,
    MonolithicConfig,
    TempoConfig,
)

from .contracts import (
    ChartRef,
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
from .network import Network, Surroundings, at
from .release import helm_release
from .values.tempo_distributed import tempo_2_values, tempo_3_values
from .values.tempo_monolithic import tempo_monolithic_values
from .values.tempo_network import tempo_network

OTLP_GRPC_PORT: Final = 4317
OTLP_HTTP_PORT: Final = 4318
ZIPKIN_PORT: Final = 9411
QUERY_PORT: Final = 3200
GATEWAY_PORT: Final = 80

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
        release = helm_release(
            f"{name}-release",
            chart=args.chart,
            release_name=settings.release_name,
            namespace=args.namespace,
            values=_values(settings, args),
            parent=self,
            depends_on=[*args.s3.ready, *(args.kafka.ready if args.kafka else ())],
        )

        around = tempo_network(
            settings,
            args.namespace,
            args.s3.server,
            args.kafka.server if args.kafka else None,
            args.surroundings,
        )
        self.network = around.network

        def service(role: str) -> Input[str]:
            # A monolithic Tempo has one Service for everything.
            suffix = "" if isinstance(settings, MonolithicConfig) else f"-{role}"
            return service_host(joined(release.name, suffix), release.namespace)

        def receiver(kind: str, port: int) -> Endpoint | None:
            if kind not in settings.receivers:
                return None
            return Endpoint(host=service("distributor"), port=port, server=at(around.ingest, port))

        self.ingest = TraceIngest(
            otlp_grpc=receiver("otlpGrpc", OTLP_GRPC_PORT),
            otlp_http=receiver("otlpHttp", OTLP_HTTP_PORT),
            zipkin=receiver("zipkin", ZIPKIN_PORT),
            identity=MeshIdentity(service_account=release.name, namespace=release.namespace),
            receivers=around.receivers,
        )
        gateway = isinstance(settings, DistributedConfig) and settings.gateway is not None
        api = (
            Endpoint(host=service("gateway"), port=GATEWAY_PORT)
            if gateway
            else Endpoint(host=service("query-frontend"), port=QUERY_PORT)
        )
        self.query = TraceQuery(url=api.url(), streaming=settings.streaming, server=around.query)
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


def _values(settings: TempoConfig, args: TempoArgs) -> dict[str, Any]:
    match settings:
        case Distributed2Config():
            return tempo_2_values(settings, args.s3, args.operator)
        case Distributed3Config():
            if args.kafka is None:
                raise ValueError("Tempo 3 as microservices needs a Kafka")
            return tempo_3_values(settings, args.s3, args.kafka, args.operator)
        case MonolithicConfig():
            return tempo_monolithic_values(settings, args.s3, args.operator)


def _traces(settings: TempoConfig) -> TraceMetrics | None:
    generator = settings.metrics_generator
    if generator is None:
        return None
    return TraceMetrics(
        spans=SPAN_METRICS if "span-metrics" in generator.processors else None,
        service_graph="service-graphs" in generator.processors,
    )
