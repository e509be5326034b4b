"""Settings of Grafana Tempo."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from .base import Section
from .kinds import DnsLabel, Duration, ReleaseName, Replicas, Size
from .platform import ComputeResources


def _no_opencensus(value: object) -> object:
    if value == "opencensus":
        raise ValueError(
            "is gone: Tempo has no OpenCensus receiver since 2.10.6; send OpenCensus to a "
            "collector that translates it to OTLP, and remove it here"
        )
    return value


TempoReceiver = Annotated[
    Literal[
        "otlpGrpc",
        "otlpHttp",
        "zipkin",
        "jaegerGrpc",
        "jaegerThriftHttp",
        "jaegerThriftCompact",
        "jaegerThriftBinary",
    ],
    BeforeValidator(_no_opencensus),
]


class LogReceivedSpansConfig(Section):
    """Log each span the distributor receives; for finding out why spans are missing."""

    enabled: bool = False
    """Log one line for each span."""
    include_all_attributes: bool = False
    """Put all attributes of the span in its line."""
    filter_by_status_error: bool = False
    """Log only spans whose status is an error."""


class TempoWorkloadConfig(Section):
    """One of Tempo's microservices."""

    replicas: Replicas = 1
    """Pods of this microservice."""
    resources: ComputeResources = ComputeResources()


class IngesterConfig(Section):
    """The ingester: holds the newest traces until they are flushed to the store."""

    replicas: Replicas = 3
    """Pods of the ingester, at least as many as replicationFactor."""
    replication_factor: Annotated[int, Field(ge=1, le=5)] = 3
    """Ingesters that each trace is written to."""
    volume_size: Size = "10Gi"
    """Volume of the write-ahead log; what was not flushed yet survives a restart on it."""
    resources: ComputeResources = ComputeResources()


class TempoConfig(Section):
    """Grafana Tempo, in microservices mode."""

    profile: Literal["distributed-2"] = "distributed-2"
    """Tempo 2 as microservices (chart tempo-distributed 2.x)."""
    namespace: DnsLabel = "tempo"
    """Namespace of the release, and of the Secret with the store's keys."""
    release_name: ReleaseName = "tempo-distributed"
    """Name of the Helm release, and the beginning of every Service's name."""
    block_retention: Duration = "48h"
    """How long traces are kept."""
    receivers: tuple[TempoReceiver, ...] = ("otlpGrpc", "otlpHttp")
    """Protocols that the distributor accepts."""
    log_received_spans: LogReceivedSpansConfig = LogReceivedSpansConfig()
    gateway: bool = False
    """Put the chart's nginx gateway before Tempo's HTTP API."""
    memcached: bool = True
    """Cache blooms and parquet footers in memcached."""
    distributor: TempoWorkloadConfig = TempoWorkloadConfig()
    ingester: IngesterConfig = IngesterConfig()
    querier: TempoWorkloadConfig = TempoWorkloadConfig()
    query_frontend: TempoWorkloadConfig = TempoWorkloadConfig()
    compactor: TempoWorkloadConfig = TempoWorkloadConfig()
