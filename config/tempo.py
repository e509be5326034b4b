"""Settings of Grafana Tempo."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from .base import Section
from .demand import QUERIES_DEFAULT, ingest_of, queries_of, retention_of
from .external_secrets import LoginConfig
from .kinds import (
    DnsLabel,
    Duration,
    HostPort,
    KafkaTopic,
    NonEmpty,
    ReleaseName,
    Replicas,
    Size,
    TaggedImage,
    TenantId,
)
from .platform import AutoscalingConfig, ComputeResources
from .profiles import refused_keys
from .scope import PerEnvironment, Promoted
from .span_metrics import MetricsOfSpans
from .tls import TempoTlsConfig


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

    enabled: PerEnvironment[bool] = False
    """Log one line for each span."""
    include_all_attributes: PerEnvironment[bool] = False
    """Put all attributes of the span in its line."""
    filter_by_status_error: PerEnvironment[bool] = False
    """Log only spans whose status is an error."""


class TempoWorkloadConfig(Section):
    """One of Tempo's microservices."""

    replicas: PerEnvironment[Replicas] = 1
    """Pods of this microservice."""
    resources: ComputeResources = ComputeResources()


class ScaledWorkloadConfig(TempoWorkloadConfig):
    """A microservice that keeps nothing of its own, so that pods may come and go."""

    autoscaling: PerEnvironment[AutoscalingConfig | None] = None
    """In place of `replicas`. Needs `resources.cpu`."""


class GatewayConfig(ScaledWorkloadConfig):
    """The chart's nginx gateway before Tempo's HTTP API."""

    image: Promoted[TaggedImage | None] = None
    """Image of nginx, with a digest if wanted (repository:tag@sha256:...); the chart's if not
    given."""


class IngesterConfig(Section):
    """The ingester: holds the newest traces until they are flushed to the store."""

    replicas: PerEnvironment[Replicas] = 3
    """Pods of the ingester, at least as many as replicationFactor."""
    replication_factor: PerEnvironment[Annotated[int, Field(ge=1, le=5)]] = 3
    """Ingesters that each trace is written to."""
    volume_size: PerEnvironment[Size] = "10Gi"
    """Volume of the write-ahead log; what was not flushed yet survives a restart on it."""
    resources: ComputeResources = ComputeResources()


class LiveStoreConfig(Section):
    """The live-store: answers for the newest traces, which it reads from Kafka."""

    resources: ComputeResources = ComputeResources()


class BackendSchedulerConfig(Section):
    """The backend scheduler, of which there is exactly one: hands compaction to the workers."""

    resources: ComputeResources = ComputeResources()


class BlockBuilderConfig(Section):
    """The block-builder: makes blocks of what is in Kafka."""

    replicas: PerEnvironment[Replicas | None] = None
    """Pods; each takes the same number of Kafka's partitions. One for each partition if not
    given."""
    resources: ComputeResources = ComputeResources()


class LimitsConfig(Section):
    """What one tenant may send, over all distributors together.

    The defaults are Tempo's own (its documentation, "Overrides"), but for `max_live_traces`, which
    is 10,000 there; its own strategy, however, counts at each distributor, and so allows more with
    every one that is added.
    """

    rate_mb_per_second: PerEnvironment[Annotated[int, Field(ge=1, le=100_000)]] = 30
    """Spans, in millions of bytes a second."""
    burst_mb: PerEnvironment[Annotated[int, Field(ge=1, le=100_000)]] = 30
    """Spans at once at one distributor, in millions of bytes; at least a sender's largest batch."""
    max_live_traces: PerEnvironment[Annotated[int, Field(ge=0, le=100_000_000)]] = 0
    """Traces that one ingester or live-store is receiving at a time; 0 for no limit. Tempo drops
    those above it without telling the sender: also those that waited in the collector's queue."""
    max_trace_mb: PerEnvironment[Annotated[int, Field(ge=0, le=100_000)]] = 5
    """Size of one trace, in millions of bytes; 0 for no limit."""


class TenantConfig(LimitsConfig):
    """One tenant's own limits and retention, all of them in place of everybody's."""

    block_retention: PerEnvironment[Duration | None] = None
    """How long its traces are kept; `tracing:tempo.blockRetention` if not given."""


class MetricsGeneratorConfig(MetricsOfSpans):
    """Makes metrics of spans, and writes them to a Prometheus."""

    max_active_series: PerEnvironment[Annotated[int, Field(ge=1, le=10_000_000)]] = 50_000
    """Series of one tenant at a time; further ones are dropped, so that an attribute with many
    values does not take the Prometheus down."""
    replicas: PerEnvironment[Replicas] = 1
    """Pods; of a monolithic Tempo it is a part, and this has no effect."""
    resources: ComputeResources = ComputeResources()


class SaslConfig(Section):
    """How to sign in to Kafka, by SASL's mechanism PLAIN: Tempo 3.0 knows no other."""

    secret_name: PerEnvironment[DnsLabel]
    """Secret, in Tempo's namespace, that is there already unless `externalSecret` brings it."""
    external_secret: PerEnvironment[LoginConfig | None] = None
    username_key: PerEnvironment[NonEmpty] = "username"
    """Key of the Secret with the user's name."""
    password_key: PerEnvironment[NonEmpty] = "password"
    """Key of the Secret with the password."""
    version: PerEnvironment[Annotated[int, Field(ge=1, le=9999)] | None] = None
    """Raise it, or write it, once somebody has changed what is in the Secret: what reads it is
    restarted. One that `externalSecret` brings has a version there."""

    @property
    def login_version(self) -> int | None:
        """Version of the login; `None` where nothing says that it ever changed."""
        return self.external_secret.version if self.external_secret else self.version


class KafkaConfig(Section):
    """How Tempo uses the Kafka that keeps traces until they are blocks."""

    refused: ClassVar = {
        "tls": "can't be: Tempo speaks no TLS with Kafka before 3.1, and this is 3.0; remove it, "
        "and see to it that the way to Kafka is private (a NetworkPolicy, a service mesh)"
    }

    address: PerEnvironment[HostPort | None] = None
    """A broker, as Tempo's pods reach it. Without it `tracing:kafka` makes one."""
    topic: PerEnvironment[KafkaTopic] = "tempo-traces"
    """Topic of the traces."""
    partitions: PerEnvironment[Annotated[int, Field(ge=1, le=1000)]] = 3
    """Partitions that the topic has, which is also the number of live-stores. One carries about
    10 MB/s (Tempo's documentation, "Migrate to 3.0")."""
    create_topic: PerEnvironment[bool] = False
    """Let Tempo make the topic. It does so by changing the broker's own default number of
    partitions, for every topic that is made after that: not on a Kafka that others use."""
    sasl: PerEnvironment[SaslConfig | None] = None


def _demand(check: Callable[[Any], object]) -> AfterValidator:
    def checked(value: Any) -> Any:
        check(value)
        return value

    return AfterValidator(checked)


class CapacityConfig(Section):
    """What Tempo has to carry; from it come the numbers that the stack file leaves open: pods, CPU,
    memory, volumes, Kafka's partitions, the size of an in-cluster store."""

    ingest_mbps: PerEnvironment[Annotated[float, _demand(ingest_of)]] = Field(alias="ingestMBps")
    """Spans that arrive, in MB (10^6 bytes) a second, at peak: above 0, at most 1000."""
    retention: PerEnvironment[Annotated[Duration, _demand(retention_of)]] = "48h"
    """How long traces are kept: 45m to 3650d. It is the block retention as well."""
    queries_per_second: PerEnvironment[Annotated[float, _demand(queries_of)]] = QUERIES_DEFAULT
    """Searches and look-ups that people start in a second, at peak."""


class ProfileConfig(Section):
    """What every profile of Tempo has."""

    namespace: PerEnvironment[DnsLabel] = "tempo"
    """Namespace of the release, and of the Secret with the store's keys."""
    release_name: PerEnvironment[ReleaseName] = "tempo-distributed"
    """Name of the Helm release, and the beginning of every Service's name."""
    image: Promoted[TaggedImage | None] = None
    """Image of Tempo, with a digest if wanted (repository:tag@sha256:...); the chart's, which is of
    the version that this program's settings are for, if not given."""
    capacity: PerEnvironment[CapacityConfig | None] = None
    block_retention: PerEnvironment[Duration] = "48h"
    """How long traces are kept."""
    receivers: Promoted[tuple[TempoReceiver, ...]] = ("otlpGrpc", "otlpHttp")
    """Protocols that Tempo accepts."""
    log_received_spans: LogReceivedSpansConfig = LogReceivedSpansConfig()
    tls: PerEnvironment[TempoTlsConfig | None] = None
    streaming: Promoted[bool] = False
    """Show the results of a search while Tempo is still searching; Grafana is told as well."""
    limits: PerEnvironment[LimitsConfig | None] = None
    tenants: PerEnvironment[dict[TenantId, TenantConfig]] = Field(default_factory=dict)
    """Limits and retention of single tenants in place of `limits`, by the tenant's id. Without
    `tracing:tenancy` there is one tenant, called single-tenant."""
    metrics_generator: Promoted[MetricsGeneratorConfig | None] = None

    @property
    def certificate_name(self) -> str:
        """Secret with the certificate of all of Tempo's processes, where an issuer makes it."""
        return f"{self.release_name}-tls"


class DistributedConfig(ProfileConfig):
    """Tempo as microservices."""

    gateway: PerEnvironment[GatewayConfig | None] = None
    memcached: PerEnvironment[bool] = True
    """Cache blooms and parquet footers in memcached."""
    memcached_image: Promoted[TaggedImage | None] = None
    """Image of memcached, with a digest if wanted; the chart's if not given."""
    distributor: ScaledWorkloadConfig = ScaledWorkloadConfig()
    querier: ScaledWorkloadConfig = ScaledWorkloadConfig()
    query_frontend: ScaledWorkloadConfig = ScaledWorkloadConfig()


class Distributed2Config(DistributedConfig):
    """Tempo 2 as microservices (chart tempo-distributed 2.x)."""

    refused: ClassVar = refused_keys("distributed-2")

    profile: Promoted[Literal["distributed-2"]] = "distributed-2"
    """Tempo 2 as microservices."""
    ingester: IngesterConfig = IngesterConfig()
    compactor: TempoWorkloadConfig = TempoWorkloadConfig()


class Distributed3Config(DistributedConfig):
    """Tempo 3 as microservices on Kafka (chart tempo-distributed 3.x)."""

    refused: ClassVar = refused_keys("distributed-3")

    profile: Promoted[Literal["distributed-3"]]
    """Tempo 3 as microservices on Kafka."""
    acknowledge_no_downgrade: PerEnvironment[bool] = False
    """Confirms that Tempo supports no way back from 3 to 2 (its documentation, "Upgrade")."""
    compaction: PerEnvironment[bool] = True
    """Merge and delete blocks. Write false for as long as a Tempo 2 does so in the same bucket."""
    kafka: KafkaConfig = KafkaConfig()
    block_builder: BlockBuilderConfig = BlockBuilderConfig()
    live_store: LiveStoreConfig = LiveStoreConfig()
    backend_scheduler: BackendSchedulerConfig = BackendSchedulerConfig()
    backend_worker: TempoWorkloadConfig = TempoWorkloadConfig()


class MonolithicConfig(ProfileConfig):
    """Tempo 2 as one process (chart tempo): for up to about 25 MB/s."""

    refused: ClassVar = refused_keys("monolithic")

    profile: Promoted[Literal["monolithic"]]
    """Tempo 2 as one process."""
    release_name: PerEnvironment[ReleaseName] = "tempo"
    """Name of the Helm release, and of its Service."""
    volume_size: PerEnvironment[Size] = "10Gi"
    """Volume of the write-ahead log; what was not flushed yet survives a restart on it."""
    resources: ComputeResources = ComputeResources()


def _profile(value: object) -> Any:
    """Which profile a mapping describes; microservices of Tempo 2 when it does not say."""
    if isinstance(value, Mapping):
        return value.get("profile", "distributed-2")
    return getattr(value, "profile", "distributed-2")


TempoConfig = Annotated[
    Annotated[Distributed2Config, Tag("distributed-2")]
    | Annotated[Distributed3Config, Tag("distributed-3")]
    | Annotated[MonolithicConfig, Tag("monolithic")],
    Discriminator(_profile),
]
"""Told apart by `profile`; `distributed-2` if not given."""
