"""Settings of the OpenTelemetry collector."""

import re
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from .base import Section
from .kinds import (
    DnsLabel,
    Duration,
    Image,
    NonEmpty,
    Ratio,
    ReleaseName,
    Replicas,
    Size,
)
from .platform import AutoscalingConfig, ComputeResources
from .scope import PerEnvironment, Promoted
from .span_metrics import MetricsOfSpans
from .tls import ClientCertificateConfig, ServerCertificateConfig

ATTRIBUTE_VALUE_MAX: Final = 256
"""Characters that the collector reads of a value in OTEL_RESOURCE_ATTRIBUTES, percent-encoded."""

KUBERNETES_ATTRIBUTES: Final = (
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.pod.uid",
    "k8s.pod.start_time",
    "k8s.node.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
)
"""What the collector adds of the sender's pod, as far as the pod has it."""

REDACTED: Final = ("authorization", "cookie", "cookies", "api-key", "apikey")
"""Attributes that hold credentials, whatever stands before their names (set-cookie, x-api-key)."""

CollectorReceiver = Literal[
    "otlpGrpc",
    "otlpHttp",
    "zipkin",
    "jaegerGrpc",
    "jaegerThriftHttp",
    "jaegerThriftCompact",
    "jaegerThriftBinary",
]


def _ingest(mbps: float) -> float:
    if not 0 < mbps <= 1000:
        raise ValueError("is out of range; write MB a second, above 0 and at most 1000")
    return mbps


def _attribute_value(text: str) -> str:
    if len(quote(text, safe="")) > ATTRIBUTE_VALUE_MAX:
        raise ValueError("is too long for an attribute of every span; write up to 80 letters")
    return text


IngestRate = Annotated[float, AfterValidator(_ingest)]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]{1,255}$")]
AttributeValue = Annotated[NonEmpty, AfterValidator(_attribute_value)]


class QueueConfig(Section):
    """Where spans wait, on disk, while Tempo does not take them."""

    refused: ClassVar = {
        "volume": "follows from the mode: a claim; of a daemonset a volume that lives as long as "
        "its pod; none for agents with a gateway; remove it",
    }

    outage_minutes: PerEnvironment[Annotated[int, Field(ge=1, le=1440)]] = 10
    """How long Tempo may be away without anything being lost, in minutes."""
    ingest_mbps: PerEnvironment[Annotated[IngestRate | None, Field(alias="ingestMBps")]] = None
    """Spans that arrive at all pods together, in MB (10^6 bytes) a second, at peak: above 0, at
    most 1000. If not given: `tempo.capacity.ingestMBps`, or 1 (about 2,300 spans a second)."""
    volume_size: PerEnvironment[Size | None] = None
    """Volume of each pod; what the budget needs if not given. Of a daemonset: how much its pod may
    write on the node's disk before it is evicted. Agents before a gateway have none."""
    nodes: PerEnvironment[Replicas | None] = None
    """Only for a daemonset without a gateway: nodes among which the spans that arrive are spread
    evenly. If not given each pod's queue is sized as if all came from its node."""


class ErrorsPolicy(Section):
    """Keep traces with an error in them."""

    type: Promoted[Literal["errors"]]
    """Traces in which a span's status is an error."""


class SlowPolicy(Section):
    """Keep traces that took long."""

    type: Promoted[Literal["slow"]]
    """Traces that took at least as long as `threshold`."""
    threshold: Promoted[Duration]
    """From the start of the first span to the end of the last one."""


class ServicePolicy(Section):
    """Keep a part of the traces in which a service takes part."""

    type: Promoted[Literal["service"]]
    """Traces with a span of `service`."""
    service: Promoted[NonEmpty]
    """The service's name (`service.name`)."""
    sample_rate: Promoted[Ratio]
    """Part of these traces to keep, 0 to 1."""


class AttributePolicy(Section):
    """Keep a part of the traces that have an attribute with a certain value."""

    type: Promoted[Literal["attribute"]]
    """Traces with a span (or resource) whose attribute `key` is one of `values`."""
    key: Promoted[NonEmpty]
    """The attribute's name."""
    values: Promoted[Annotated[tuple[NonEmpty, ...], Field(min_length=1)]]
    """Values, each compared as a whole."""
    sample_rate: Promoted[Ratio] = 1.0
    """Part of these traces to keep, 0 to 1."""


class ProbabilisticPolicy(Section):
    """Keep a part of all traces."""

    type: Promoted[Literal["probabilistic"]]
    """All traces."""
    sample_rate: Promoted[Ratio]
    """Part of the traces to keep, 0 to 1."""


TailPolicy = Annotated[
    ErrorsPolicy | SlowPolicy | ServicePolicy | AttributePolicy | ProbabilisticPolicy,
    Field(discriminator="type"),
]


class ProbabilisticSampling(Section):
    """Keep a part of the traces, chosen by their id, whatever is in them."""

    type: Promoted[Literal["probabilistic"]]
    """Decides by the trace's id, at once."""
    sample_rate: Promoted[Ratio]
    """Part of the traces to keep, 0 to 1."""


class TailSampling(Section):
    """Keep the traces that a policy asks for, once all their spans are there."""

    type: Promoted[Literal["tail"]]
    """Decides by what is in the trace, after `decisionWait`. Until then spans are in memory."""
    policies: Promoted[Annotated[tuple[TailPolicy, ...], Field(min_length=1)]]
    """A trace is kept if one of them asks for it."""
    traces_per_second: PerEnvironment[Annotated[int, Field(ge=1, le=1_000_000)]]
    """New traces in a second, at peak, at all pods together: sizes what is kept in memory."""
    decision_wait: Promoted[Duration] = "10s"
    """Time from a trace's first span to the decision; at least the longest trace that matters."""


Sampling = Annotated[ProbabilisticSampling | TailSampling, Field(discriminator="type")]


class SpanMetricsConfig(MetricsOfSpans):
    """Makes metrics of spans, all of them: before sampling."""

    max_series_per_service: PerEnvironment[Annotated[int, Field(ge=1, le=1_000_000)]] = 2000
    """Combinations of span name, kind and status that each pod tells apart in a service; further
    ones are counted as one, labelled otel_metric_overflow, so that names with ids in them do not
    take the Prometheus down."""


class RedactionConfig(Section):
    """Blanks attributes that hold credentials, wherever they come from."""

    enabled: Promoted[bool] = True
    """Replace the values by ****: of authorization, cookie and api-key, also at the end of a longer
    name (http.request.header.authorization, set-cookie, x_api_key)."""
    attributes: Promoted[tuple[AttributeName, ...]] = ()
    """Names beside these, such as session-id. Upper and lower case, - and _ are the same."""


class ReceiverTlsConfig(ServerCertificateConfig):
    """TLS of everything that applications send to, of the way from tier to tier, and of the
    collector's own metrics.

    The certificate is for the full name of each tier's Service (by default
    opentelemetry-collector.otel.svc.cluster.local and, with a second tier,
    opentelemetry-collector-gateway.otel.svc.cluster.local), from an authority that the senders
    trust.
    """

    client_ca_secret_name: PerEnvironment[DnsLabel | None] = None
    """Secret with the authority of the senders' own certificates (ca.crt): who has none is refused
    (mTLS)."""


def redaction_pattern(name: str) -> str:
    """The regular expression of a name, and of longer ones that end in it."""
    parts = "[-_]".join(re.escape(part) for part in re.split("[-_]", name))
    return f"(?i)(^|[^a-z0-9]){parts}$"


class CollectorTelemetryConfig(Section):
    """What the collector tells of itself. Its metrics are always served, on port 8888, with
    `tls` over TLS."""

    trace_sample_rate: Promoted[Ratio] = 0.0
    """Part of the collector's own work to trace, 0 to 1; its spans go to Tempo directly."""


class GatewayTierConfig(Section):
    """The second tier, between the pods that applications send to and Tempo."""

    replicas: PerEnvironment[Replicas] = 2
    """Pods of the second tier."""
    autoscaling: PerEnvironment[AutoscalingConfig | None] = None
    """In place of `replicas`. Needs `resources.cpu`."""
    resources: ComputeResources = ComputeResources(cpu="200m", memory="1Gi")


class CollectorConfig(Section):
    """The OpenTelemetry collector: where applications send their spans."""

    refused: ClassVar = {
        "outageMinutes": "is part of the queue; write tracing:collector.queue.outageMinutes",
        "networkPolicy": "is part of the stack's network policies, which are on unless they are "
        "turned off; write its namespaces under tracing:networkPolicies.senders.namespaces, and "
        "its metricsNamespaces under tracing:networkPolicies.scrapers.namespaces",
    }

    namespace: PerEnvironment[DnsLabel] = "otel"
    """Namespace of the release."""
    release_name: PerEnvironment[ReleaseName] = "opentelemetry-collector"
    """Name of the Helm release, and of the Service that applications send to."""
    mode: Promoted[Literal["deployment", "daemonset", "agent-gateway"]] = "deployment"
    """`deployment`: replicas behind one Service; `daemonset`: one on each node; `agent-gateway`:
    one on each node, which send to a second tier. The address is the same in each."""
    replicas: PerEnvironment[Replicas] = 1
    """Pods of a deployment; a daemonset has one for each node."""
    autoscaling: PerEnvironment[AutoscalingConfig | None] = None
    """In place of `replicas`. Needs `resources.cpu`."""
    gateway: GatewayTierConfig = GatewayTierConfig()
    image: Promoted[Image] = "docker.io/otel/opentelemetry-collector-contrib:0.158.0"
    """Image of the collector, pinned by tag or digest."""
    receivers: Promoted[Annotated[tuple[CollectorReceiver, ...], Field(min_length=1)]] = (
        "otlpGrpc",
        "otlpHttp",
    )
    """Protocols that applications may use; nothing else is open."""
    tls: PerEnvironment[ReceiverTlsConfig | None] = None
    client_certificate: PerEnvironment[ClientCertificateConfig | None] = None
    queue: QueueConfig = QueueConfig()
    sampling: Promoted[Sampling | None] = None
    metrics: Promoted[SpanMetricsConfig | None] = None
    redaction: RedactionConfig = RedactionConfig()
    resource_attributes: PerEnvironment[dict[AttributeName, AttributeValue]] = Field(
        default_factory=dict
    )
    """Added to each resource that does not have them, such as k8s.cluster.name: prod-1."""
    resource_detectors: PerEnvironment[tuple[Literal["ec2", "azure", "gcp"], ...]] = ()
    """Clouds whose metadata service tells provider, account and region; of a daemonset the node's
    machine as well."""
    telemetry: CollectorTelemetryConfig = CollectorTelemetryConfig()
    resources: ComputeResources = ComputeResources(cpu="200m", memory="512Mi")

    @property
    def certificate_name(self) -> str:
        """Secret with the receivers' certificate, where an issuer makes it."""
        return f"{self.release_name}-tls"

    @property
    def client_certificate_name(self) -> str:
        """Secret with the certificate that Tempo is shown, where an issuer makes it."""
        return f"{self.release_name}-client-tls"
