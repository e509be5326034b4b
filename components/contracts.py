"""What components hand to each other: frozen dataclasses, no resources of their own.

An address is made once, by the component that owns it, from the resources it created. What is not
ours (an external store, a Loki) enters as a contract made from configuration.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import pulumi
from pulumi import Input, Output

from .network import Server

CLUSTER_DOMAIN = "cluster.local"

TENANT_HEADER: Final = "X-Scope-OrgID"
"""The header by which Tempo (and Loki) is told whose something is."""


def joined(*parts: Input[str] | int) -> Input[str]:
    """The parts as one string; an Output only if one of them is.

    Values of charts are built from this, so that a test that gives plain strings gets plain
    strings, without an engine.
    """
    if all(isinstance(part, str | int) for part in parts):
        return "".join(str(part) for part in parts)
    return Output.concat(*(str(part) if isinstance(part, int) else part for part in parts))


def service_host(name: Input[str], namespace: Input[str]) -> Input[str]:
    """DNS name of a Service inside the cluster."""
    return joined(name, ".", namespace, f".svc.{CLUSTER_DOMAIN}")


@dataclass(frozen=True, kw_only=True)
class ChartRef:
    """Where a Helm chart is loaded from."""

    chart: str
    """Name in the repository, or path of an archive."""
    version: str
    repository: str | None
    """URL of the chart repository; `None` for an archive."""


@dataclass(frozen=True, kw_only=True)
class CertificateIssuer:
    """What of cert-manager's signs certificates."""

    name: str
    kind: Literal["Issuer", "ClusterIssuer"]
    group: str
    duration: str
    """How long a certificate is valid, as Go writes it."""


@dataclass(frozen=True, kw_only=True)
class ClusterTls:
    """Who signs the certificates of servers within the cluster."""

    ca_certificate: str
    """PEM of the authority."""
    issuer: CertificateIssuer | None
    """`None` where the certificates are there already."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One address of one protocol."""

    host: Input[str]
    port: int
    tls: bool = False
    ca_certificate: str | None = None
    """PEM of the authority that signed its certificate; the usual ones if `None`."""
    client_certificate: bool = False
    """Whether it wants to see a certificate of the same authority."""
    server: Server | None = None
    """Who answers there; `None` where no network policy is made of it."""

    @property
    def authority(self) -> Input[str]:
        """`host:port`, which is how gRPC clients are told."""
        return joined(self.host, ":", self.port)

    def url(self, path: str = "") -> Input[str]:
        """The address as a URL; `path` begins with a slash."""
        return joined("https://" if self.tls else "http://", self.authority, path)


@dataclass(frozen=True, kw_only=True)
class StoreAdmin:
    """How Pulumi manages what is inside an object store."""

    address: Input[str]
    """`host:port` of the API, reachable from where Pulumi runs."""
    tls: bool
    user: Input[str]
    password: Output[str]
    ca_file: str | None = None
    """PEM file with the authority of the address's certificate; the usual ones if `None`."""
    verified: bool = True
    """Whether the certificate is checked; through a forward it can't be, as it is for other
    names than 127.0.0.1, and need not be, as the tunnel is the API server's."""
    local: bool = False
    """Whether the address is one of this machine's own, of no interest to a reviewer."""
    reachable: Output[None] | None = None
    """Resolves, in an update, once the address answers; `None` where it always does."""
    dies_with: pulumi.Resource | None = None
    """The server's own resource: what is deleted with it needs no call of its own."""


@dataclass(frozen=True, kw_only=True)
class StoreServer:
    """An S3 API, as workloads in the cluster reach it."""

    endpoint: Input[str]
    """`host:port`."""
    insecure: bool
    """The endpoint speaks plain HTTP."""
    path_style: bool
    ca_certificate: str | None = None
    """PEM of the authority that signed the API's certificate; the usual ones if `None`."""
    admin: StoreAdmin | None
    """`None` where bucket and keys are given."""
    server: Server
    """Who answers there."""


@dataclass(frozen=True, kw_only=True)
class CaBundle:
    """A ConfigMap with certificates of authorities, to be mounted by pods of its namespace."""

    config_map: Input[str]
    key: str
    version: str
    """Another one whenever the certificates are others: pods that carry it are restarted then."""


@dataclass(frozen=True, kw_only=True)
class S3Access:
    """A bucket and the Secret that holds the keys to it."""

    endpoint: Input[str]
    """`host:port`."""
    bucket: str
    region: str
    insecure: bool
    path_style: bool
    secret_name: Input[str]
    """Secret in the namespace of the workload, with the two keys below."""
    access_key_variable: str
    secret_key_variable: str
    secret_version: Input[str]
    """Another one whenever the keys are others: pods that carry it are restarted then."""
    server: Server
    """Who answers at the endpoint."""
    ca: CaBundle | None = None
    """What to verify the endpoint's certificate against; the usual authorities if `None`."""
    ready: Sequence[pulumi.Resource] = ()
    """What has to exist before the bucket can be used."""


@dataclass(frozen=True, kw_only=True)
class KafkaLogin:
    """A Secret, in the namespace of the workload, with the name and password of a user."""

    secret_name: Input[str]
    username_key: str
    password_key: str
    version: Input[str] | None = None
    """Another one whenever the login is: pods that read it are restarted then."""


@dataclass(frozen=True, kw_only=True)
class KafkaAccess:
    """A Kafka, and how to sign in to it by SASL's mechanism PLAIN."""

    address: Input[str]
    """`host:port` of a broker."""
    login: KafkaLogin | None
    """`None` where nobody has to sign in."""
    server: Server
    """Who answers there: every broker."""
    ready: Sequence[pulumi.Resource] = ()
    """What has to exist before it can be used."""


@dataclass(frozen=True, kw_only=True)
class MeshIdentity:
    """The service account that a workload runs as, which is its identity in a service mesh."""

    service_account: Input[str]
    namespace: Input[str]


@dataclass(frozen=True, kw_only=True)
class TraceIngest:
    """Where spans are sent to; a protocol that is not open is `None`."""

    otlp_grpc: Endpoint | None
    otlp_http: Endpoint | None
    zipkin: Endpoint | None
    identity: MeshIdentity
    receivers: Server | None = None
    """Who takes spans, on the ports of all protocols that are open; `None` where no network policy
    is made of it."""

    def require_otlp_grpc(self) -> Endpoint:
        """The OTLP gRPC endpoint.

        Raises ValueError if it is not open; the configuration's rules refuse such a stack first.
        """
        if self.otlp_grpc is None:
            raise ValueError("OTLP over gRPC is not open at this ingest")
        return self.otlp_grpc

    def require_otlp_http(self) -> Endpoint:
        """The OTLP HTTP endpoint; raises ValueError like `require_otlp_grpc`."""
        if self.otlp_http is None:
            raise ValueError("OTLP over HTTP is not open at this ingest")
        return self.otlp_http

    def require_zipkin(self) -> Endpoint:
        """The Zipkin endpoint; raises ValueError like `require_otlp_grpc`."""
        if self.zipkin is None:
            raise ValueError("Zipkin is not open at this ingest")
        return self.zipkin


@dataclass(frozen=True, kw_only=True)
class TraceQuery:
    """Tempo's query API."""

    url: Input[str]
    streaming: bool = False
    """Whether it sends what it finds as it finds it."""
    ca_certificate: str | None = None
    """PEM of the authority that signed its certificate, where it has one; the usual ones if
    `None`."""
    tenants: Sequence[str] = ()
    """Who has traces there, the default tenant first; whoever asks says for whom (X-Scope-OrgID).
    Empty where nobody need say."""
    server: Server | None = None
    """Who answers there; `None` where no network policy is made of it."""


@dataclass(frozen=True, kw_only=True)
class LokiRef:
    """A Loki that exists already, as Grafana reaches it."""

    url: str
    log_formats: Sequence["TraceLogFormat"] = ()
    """Of sources that are not this stack's."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Loki's label by the span attribute that has the same value."""


@dataclass(frozen=True, kw_only=True)
class PrometheusOperator:
    """The operator that finds, by their labels, what its Prometheus is to ask and to evaluate."""

    labels: Mapping[str, str]
    """Of the objects (ServiceMonitor, PodMonitor, PrometheusRule) that it takes up."""
    runbooks: str
    """Where people read the page of runbooks; an alert's name is the anchor in it."""


@dataclass(frozen=True, kw_only=True)
class PrometheusRef:
    """A Prometheus data source that exists already in Grafana."""

    datasource_uid: str
    operator: PrometheusOperator | None = None
    """`None` where whoever owns that Prometheus sees to what it asks."""


@dataclass(frozen=True, kw_only=True)
class Scraped:
    """How Prometheus labels what it has from one workload.

    Known only where this stack says how it is asked, which it does by the operator; without one
    everything of the same name counts.
    """

    namespace: str | None
    jobs: str | None
    """Regular expression of its jobs."""

    def series(self, metric: str, *conditions: str) -> str:
        """PromQL for the series of a metric, such as of `status="error"`."""
        if self.namespace is not None:
            conditions = (f'namespace="{self.namespace}"', *conditions)
        return metric + (f"{{{','.join(conditions)}}}" if conditions else "")

    def up(self) -> str:
        """PromQL for whether each pod answers."""
        return self.series("up", *([] if self.jobs is None else [f'job=~"{self.jobs}"']))

    def of_job(self, metric: str, job: str, *conditions: str) -> str:
        """PromQL for the series of a metric that one of its jobs has; of all, where none is known.

        By equality, whose labels `absent` gives to its answer.
        """
        of = () if self.jobs is None else (f'job="{job}"',)
        return self.series(metric, *of, *conditions)


def scraped(operator: PrometheusOperator | None, namespace: str, jobs: str) -> Scraped:
    """What is asked by the operator's Prometheus, or by one of which nothing is known."""
    if operator is None:
        return Scraped(namespace=None, jobs=None)
    return Scraped(namespace=namespace, jobs=jobs)


@dataclass(frozen=True, kw_only=True)
class SpanMetrics:
    """Names of the metrics that are made of spans, which are up to who makes them."""

    calls: str
    """Counter of spans."""
    duration: str
    """Histogram, without `_bucket`."""
    duration_unit: Literal["s", "ms"]
    size: str | None
    """Counter of the spans' bytes; `None` where nobody counts them."""
    service: str
    """Label with the service's name."""


@dataclass(frozen=True, kw_only=True)
class TraceMetrics:
    """What is made of traces, all in the Prometheus that Grafana has as a data source."""

    spans: SpanMetrics | None
    """Rates, errors and durations."""
    service_graph: bool
    """Requests between services (`traces_service_graph_*`, whoever makes them)."""


@dataclass(frozen=True, kw_only=True)
class TempoMetrics:
    """What there is to see of a Tempo."""

    scraped: Scraped
    profile: Literal["distributed-2", "distributed-3", "monolithic"]
    generator: bool
    """Whether it makes metrics of traces."""


@dataclass(frozen=True, kw_only=True)
class CollectorMetrics:
    """What there is to see of a collector; a span that goes through two tiers is counted twice."""

    scraped: Scraped
    """All of its pods."""
    tiers: tuple[str, ...]
    """The job of each tier, in the order in which spans go through them."""
    first_has_queue: bool = True
    """Whether the pods that applications send to keep spans: all do but agents with a gateway."""

    @property
    def has_two_tiers(self) -> bool:
        """Whether a gateway counts what another collector has sent it."""
        return len(self.tiers) > 1

    def first_tiers(self, metric: str) -> str:
        """PromQL for the series of a metric of the pods that applications send to.

        Of all tiers where nobody knows what tells them apart.
        """
        if self.has_two_tiers:
            return self.scraped.of_job(metric, self.tiers[0])
        return self.scraped.series(metric)

    def first_queue(self, metric: str) -> str:
        """PromQL for the series of a metric of the pods with the first queue on a span's way."""
        return self.first_tiers(metric) if self.first_has_queue else self.queued(metric)

    def queued(self, metric: str) -> str:
        """PromQL for the series of a metric of the pods that keep what they have acknowledged."""
        if self.first_has_queue:
            return self.scraped.series(metric)
        return self.scraped.of_job(metric, self.tiers[-1])


@dataclass(frozen=True, kw_only=True)
class PlatformMetrics:
    """What there is to see of the platform; what it does not have is `None`."""

    tempo: TempoMetrics
    collector: CollectorMetrics | None
    minio: Scraped | None
    """A MinIO of this stack's own, where Prometheus may ask it."""
    traces: TraceMetrics | None


@dataclass(frozen=True, kw_only=True)
class TraceLogFormat:
    """How the lines of one log show the id of their trace.

    One truth for two sides: the source writes its log so, Loki's derived field reads it so.
    """

    name: str
    """Name of the derived field."""
    json_fields: tuple[str, ...] = ()
    """Fields of a JSON line that hold the id; the first one found counts."""
    regex: str | None = None
    """In place of them: a regular expression whose first group is the id."""
    label: str | None = None
    """In place of both: the label of Loki that holds the id."""
    url_display_label: str | None = None
    """Text of the link; Grafana's own if `None`."""

    @property
    def matcher_type(self) -> Literal["regex", "label"]:
        """Whether Grafana looks at the line or at its labels."""
        return "regex" if self.label is None else "label"

    @property
    def matcher_regex(self) -> str:
        """The derived field's regular expression.

        Of the line: its first group is the id, which has 16 or 32 hexadecimal digits (W3C Trace
        Context, B3) where the line is JSON. Of the labels: it matches the label's name.
        """
        if self.label is not None:
            return f"^{re.escape(self.label)}$"
        if self.regex is not None:
            return self.regex
        # A dash is nothing special outside of brackets, and better read without its backslash.
        fields = "|".join(re.escape(name).replace(r"\-", "-") for name in self.json_fields)
        return f'"(?:{fields})":\\s*"([0-9a-fA-F]{{16}}(?:[0-9a-fA-F]{{16}})?)"'
