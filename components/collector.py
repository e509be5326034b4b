"""Owns the OpenTelemetry collector. Needs where to export to. Gives `TraceIngest`."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import Input, ResourceOptions

from config.collector import CollectorConfig
from config.collector_tiers import Tier, first_tier, gateway_tier

from .contracts import (
    ChartRef,
    Endpoint,
    MeshIdentity,
    PrometheusOperator,
    Scraped,
    SpanMetrics,
    TraceIngest,
    TraceMetrics,
    scraped,
    service_host,
)
from .network import Network, Surroundings, at
from .release import HelmRelease, helm_release
from .values.collector import collector_values
from .values.collector_config import RECEIVER_PORTS
from .values.collector_network import collector_network, collector_receivers

SPAN_METRICS: Final = SpanMetrics(
    calls="traces_span_metrics_calls_total",
    duration="traces_span_metrics_duration_milliseconds",
    duration_unit="ms",
    size=None,
    service="service_name",
)
"""As its connector `span_metrics` calls them."""


@dataclass(frozen=True, kw_only=True)
class CollectorArgs:
    """What the collector is made from."""

    settings: CollectorConfig
    namespace: Input[str]
    chart: ChartRef
    traces_to: TraceIngest
    surroundings: Surroundings
    operator: PrometheusOperator | None = None
    """Who is to ask for metrics."""


class Collector(pulumi.ComponentResource):
    """The collector as one Helm release, or two where there is a second tier.

    Applications send their spans to the first one's Service.
    """

    ingest: TraceIngest
    metrics: Scraped
    traces: TraceMetrics | None
    """What it makes of traces; `None` if nothing."""
    network: Network

    def __init__(self, name: str, args: CollectorArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Collector", name, None, opts)
        settings, tempo = args.settings, args.traces_to.require_otlp_grpc()

        def tier_release(role: str, tier: Tier, exports_to: Endpoint) -> HelmRelease:
            return helm_release(
                f"{name}{role}-release",
                chart=args.chart,
                release_name=tier.release_name,
                namespace=args.namespace,
                values=collector_values(settings, tier, exports_to, tempo, args.operator),
                parent=self,
            )

        exports_to, gateway = tempo, gateway_tier(settings)
        if gateway is not None:
            second = tier_release("-gateway", gateway, tempo)
            exports_to = Endpoint(
                host=service_host(second.name, second.namespace),
                port=RECEIVER_PORTS["otlpGrpc"][1],
            )
        release = tier_release("", first_tier(settings), exports_to)

        host = service_host(release.name, release.namespace)
        self.network = collector_network(settings, args.namespace, tempo.server, args.surroundings)
        first = self.network.pods[0]

        def receiver(kind: str) -> Endpoint | None:
            if kind not in settings.receivers:
                return None
            port = RECEIVER_PORTS[kind][1]
            return Endpoint(
                host=host, port=port, tls=settings.tls is not None, server=at(first, port)
            )

        self.ingest = TraceIngest(
            otlp_grpc=receiver("otlpGrpc"),
            otlp_http=receiver("otlpHttp"),
            zipkin=receiver("zipkin"),
            identity=MeshIdentity(service_account=release.name, namespace=release.namespace),
            receivers=collector_receivers(settings, first),
        )
        # Each tier's Service is a job of its own.
        jobs = f"{settings.release_name}(-gateway)?"
        self.metrics = scraped(args.operator, settings.namespace, jobs)
        self.traces = _traces(settings)
        self.register_outputs({"host": host})


def _traces(settings: CollectorConfig) -> TraceMetrics | None:
    made = settings.metrics
    if made is None:
        return None
    return TraceMetrics(
        spans=SPAN_METRICS if "span-metrics" in made.processors else None,
        service_graph="service-graphs" in made.processors,
    )
