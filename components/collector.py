"""Owns the OpenTelemetry collector. Needs where to export to. Gives `TraceIngest`."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import Input, ResourceOptions

from config.collector import CollectorConfig

from .contracts import (
    ChartRef,
    Endpoint,
    MeshIdentity,
    PrometheusOperator,
    Scraped,
    SpanMetrics,
    TraceIngest,
    scraped,
    service_host,
)
from .release import helm_release
from .values.collector import RECEIVER_PORTS, collector_values

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
    operator: PrometheusOperator | None = None
    """Who is to ask for metrics."""


class Collector(pulumi.ComponentResource):
    """The collector as a Helm release; applications send their spans to its Service."""

    ingest: TraceIngest
    metrics: Scraped

    def __init__(self, name: str, args: CollectorArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Collector", name, None, opts)
        settings = args.settings
        release = helm_release(
            f"{name}-release",
            chart=args.chart,
            release_name=settings.release_name,
            namespace=args.namespace,
            values=collector_values(settings, args.traces_to, args.operator),
            parent=self,
        )

        host = service_host(release.name, release.namespace)

        def receiver(kind: str) -> Endpoint | None:
            if kind not in settings.receivers:
                return None
            return Endpoint(host=host, port=RECEIVER_PORTS[kind][1])

        self.ingest = TraceIngest(
            otlp_grpc=receiver("otlpGrpc"),
            otlp_http=receiver("otlpHttp"),
            zipkin=receiver("zipkin"),
            identity=MeshIdentity(service_account=release.name, namespace=release.namespace),
        )
        self.metrics = scraped(args.operator, settings.namespace, settings.release_name)
        self.register_outputs({"host": host})
