"""Owns the OpenTelemetry collector. Needs where to export to. Gives `TraceIngest`."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import Input, ResourceOptions

from config.collector import CollectorConfig
from config.collector_tiers import Tier, first_tier, gateway_tier, tiers
from config.tenancy import TenancyConfig

from .ca_bundle import ca_bundle
from .certificate import certificate
from .contracts import (
    ChartRef,
    ClusterTls,
    CollectorMetrics,
    Endpoint,
    MeshIdentity,
    PrometheusOperator,
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
from .values.collector_tls import CollectorTls

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
    tenancy: TenancyConfig | None = None
    """Whose spans are whose; one tenant if `None`."""
    tls: ClusterTls | None = None
    """Who signs certificates; the usual authorities if `None`."""
    operator: PrometheusOperator | None = None
    """Who is to ask for metrics."""


class Collector(pulumi.ComponentResource):
    """The collector as one Helm release, or two where there is a second tier.

    Applications send their spans to the first one's Service.
    """

    ingest: TraceIngest
    metrics: CollectorMetrics
    traces: TraceMetrics | None
    """What it makes of traces; `None` if nothing."""
    network: Network

    def __init__(self, name: str, args: CollectorArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Collector", name, None, opts)
        settings, tempo = args.settings, args.traces_to.require_otlp_grpc()
        files = self._tls(name, args, tempo)
        ca_certificate = args.tls.ca_certificate if args.tls and settings.tls else None

        def tier_release(role: str, tier: Tier, exports_to: Endpoint) -> HelmRelease:
            return helm_release(
                f"{name}{role}-release",
                chart=args.chart,
                release_name=tier.release_name,
                namespace=args.namespace,
                values=collector_values(
                    settings, tier, exports_to, tempo, files, args.operator, args.tenancy
                ),
                parent=self,
            )

        tenants = 1 if args.tenancy is None else len(args.tenancy.all)
        exports_to, gateway = tempo, gateway_tier(settings, tenants)
        if gateway is not None:
            second = tier_release("-gateway", gateway, tempo)
            exports_to = Endpoint(
                host=service_host(second.name, second.namespace),
                port=RECEIVER_PORTS["otlpGrpc"][1],
                tls=settings.tls is not None,
                ca_certificate=ca_certificate,
            )
        release = tier_release("", first_tier(settings, tenants), exports_to)

        host = service_host(release.name, release.namespace)
        self.network = collector_network(settings, args.namespace, tempo.server, args.surroundings)
        first = self.network.pods[0]

        def receiver(kind: str) -> Endpoint | None:
            if kind not in settings.receivers:
                return None
            port = RECEIVER_PORTS[kind][1]
            return Endpoint(
                host=host,
                port=port,
                tls=settings.tls is not None,
                ca_certificate=ca_certificate,
                client_certificate=(
                    settings.tls is not None and settings.tls.client_ca_secret_name is not None
                ),
                server=at(first, port),
            )

        self.ingest = TraceIngest(
            otlp_grpc=receiver("otlpGrpc"),
            otlp_http=receiver("otlpHttp"),
            zipkin=receiver("zipkin"),
            identity=MeshIdentity(service_account=release.name, namespace=release.namespace),
            receivers=collector_receivers(settings, first),
        )
        # Each tier's Service is a job of its own.
        jobs = tuple(tier.release_name for tier in tiers(settings))
        self.metrics = CollectorMetrics(
            scraped=scraped(args.operator, settings.namespace, "|".join(jobs)),
            tiers=jobs,
            first_has_queue=first_tier(settings).queue is not None,
        )
        self.traces = _traces(settings)
        self.register_outputs({"host": host})

    def _tls(self, name: str, args: CollectorArgs, tempo: Endpoint) -> CollectorTls:
        """What the pods of all tiers verify, and what they show."""
        settings, child = args.settings, ResourceOptions(parent=self)
        tiers = [first_tier(settings), gateway_tier(settings)]
        server = client = ca = None
        if settings.tls is not None:
            server = certificate(
                f"{name}-certificate",
                given=settings.tls.secret_name,
                secret_name=settings.certificate_name,
                namespace=args.namespace,
                dns_names=[service_host(t.release_name, args.namespace) for t in tiers if t],
                tls=args.tls,
                opts=child,
            )
        if tempo.client_certificate:
            given = settings.client_certificate
            client = certificate(
                f"{name}-client-certificate",
                given=given.secret_name if given else None,
                secret_name=settings.client_certificate_name,
                namespace=args.namespace,
                # Nobody calls it by this name: it is who shows the certificate.
                dns_names=[service_host(settings.release_name, args.namespace)],
                tls=args.tls,
                opts=child,
                client=True,
            )
        verified = tempo.tls or (settings.tls and (tiers[1] or args.operator))
        if args.tls is not None and verified:
            ca = ca_bundle(
                f"{name}-ca",
                object_name=f"{settings.release_name}-ca",
                namespace=args.namespace,
                certificate=args.tls.ca_certificate,
                opts=child,
            )
        return CollectorTls(server=server, client=client, ca=ca)


def _traces(settings: CollectorConfig) -> TraceMetrics | None:
    made = settings.metrics
    if made is None:
        return None
    return TraceMetrics(
        spans=SPAN_METRICS if "span-metrics" in made.processors else None,
        service_graph="service-graphs" in made.processors,
    )
