"""Tempo's pods of each profile, by the labels and ports of its charts, and who connects to them."""

from dataclasses import dataclass
from typing import Final

from pulumi import Input

from config.tempo import MonolithicConfig, TempoConfig

from ..network import (
    Connection,
    Network,
    Pods,
    Server,
    Surroundings,
    TargetPort,
    at,
    connections,
)
from .tempo import OFF_STORE

HTTP_PORT: Final = 3200
GRPC_PORT: Final = 9095
GOSSIP_PORT: Final = 7946
GATEWAY_PORT: Final = 8080
MEMCACHED_PORT: Final = 11211

RECEIVERS: Final = {
    "otlpGrpc": TargetPort(number=4317),
    "otlpHttp": TargetPort(number=4318),
    "zipkin": TargetPort(number=9411),
    "jaegerGrpc": TargetPort(number=14250),
    "jaegerThriftHttp": TargetPort(number=14268),
    "jaegerThriftCompact": TargetPort(number=6831, protocol="UDP"),
    "jaegerThriftBinary": TargetPort(number=6832, protocol="UDP"),
}

COMPONENT: Final = "app.kubernetes.io/component"

PROCESSES: Final = {
    "distributed-2": ("compactor", "distributor", "ingester", "querier", "query-frontend"),
    "distributed-3": (
        "backend-scheduler",
        "backend-worker",
        "block-builder",
        "distributor",
        "live-store",
        "querier",
        "query-frontend",
    ),
}
"""The microservices of a profile, without the generator, by the label of the chart."""

ON_KAFKA: Final = ("block-builder", "distributor", "live-store", "metrics-generator")
"""Microservices of Tempo 3 that connect to Kafka."""


@dataclass(frozen=True, kw_only=True)
class TempoNetwork:
    """Who takes spans, who answers questions, and what is allowed."""

    ingest: Pods
    """Who takes spans."""
    receivers: Server
    """The same, on all ports that are open."""
    query: Server
    """Who answers questions."""
    network: Network


def tempo_network(
    settings: TempoConfig,
    namespace: Input[str],
    store: Server,
    kafka: Server | None,
    surroundings: Surroundings,
    tenants: bool = False,
) -> TempoNetwork:
    """Tempo's pods and what they connect to; `kafka` is `None` for a profile without.

    With `tenants` the gateway is for those who have to say who they are, and whoever is handed
    Tempo's own address says it for them.
    """

    def pods(role: str, *components: str) -> Pods:
        one_of = {COMPONENT: components} if len(components) > 1 else {}
        labels = {
            "app.kubernetes.io/name": "tempo",
            "app.kubernetes.io/instance": settings.release_name,
            **({COMPONENT: components[0]} if len(components) == 1 else {}),
        }
        return Pods(role=role, namespace=namespace, labels=labels, one_of=one_of)

    remote_write = surroundings.remote_write if settings.metrics_generator else None
    if isinstance(settings, MonolithicConfig):
        whole = pods("tempo")
        return TempoNetwork(
            ingest=whole,
            receivers=_receivers(settings, whole),
            query=at(whole, HTTP_PORT),
            network=Network(
                pods=(whole,),
                connections=(
                    *connections(whole, store, remote_write),
                    *connections(surroundings.scrapers, at(whole, HTTP_PORT)),
                ),
            ),
        )

    generator = ["metrics-generator"] if settings.metrics_generator else []
    names = (*PROCESSES[settings.profile], *generator)
    processes = pods("tempo", *names)
    distributor = pods("tempo-distributor", "distributor")
    frontend = pods("tempo-query-frontend", "query-frontend")
    own: list[Pods] = [processes, distributor, frontend]
    allowed: list[Connection] = [
        *connections(processes, at(processes, HTTP_PORT, GRPC_PORT, GOSSIP_PORT)),
        *connections(surroundings.scrapers, at(processes, HTTP_PORT)),
    ]

    def more(role: str, *components: str) -> Pods:
        own.append(pods(role, *components))
        return own[-1]

    on_store = [name for name in names if name not in OFF_STORE[settings.profile]]
    allowed += connections(more("tempo-on-store", *on_store), store)
    query = at(frontend, HTTP_PORT)
    if settings.gateway is not None:
        gateway = more("tempo-gateway", "gateway")
        # Not to the other microservices, which it would let shut down.
        allowed += connections(gateway, query, _passed_on(settings, distributor))
        if tenants:
            allowed += connections(surroundings.readers, at(gateway, GATEWAY_PORT))
        else:
            query = at(gateway, GATEWAY_PORT)
    if settings.memcached:
        allowed += connections(processes, at(more("tempo-memcached", "memcached"), MEMCACHED_PORT))
    if remote_write is not None:
        allowed += connections(more("tempo-metrics-generator", *generator), remote_write)
    if kafka is not None:
        on_kafka = [name for name in ON_KAFKA if name in names]
        allowed += connections(more("tempo-on-kafka", *on_kafka), kafka)
    return TempoNetwork(
        ingest=distributor,
        receivers=_receivers(settings, distributor),
        query=query,
        network=Network(pods=tuple(own), connections=tuple(allowed)),
    )


def _passed_on(settings: TempoConfig, pods: Pods) -> Server | None:
    """The receivers that the gateway hands spans to; it has no certificate to show to them."""
    if settings.tls is not None and settings.tls.client_certificates:
        return None
    ports = [RECEIVERS[name] for name in ("otlpGrpc", "otlpHttp") if name in settings.receivers]
    return Server(at=pods, ports=tuple(ports)) if ports else None


def _receivers(settings: TempoConfig, pods: Pods) -> Server:
    return Server(at=pods, ports=tuple(RECEIVERS[name] for name in settings.receivers))
