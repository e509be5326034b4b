"""The configuration of the collector itself, for each tier.

Spans pass: receivers, then the first tier's processors, then (on the last tier) what counts and
what samples, then the exporter with its queue. Names of components are those of collector 0.158.0.

What is told to a sender as taken in is in the exporter's queue on disk: nothing on the way there
holds spans back. So there is no `batch` processor, which answers first and keeps them in memory:
the queue's own `batch` takes them from the disk, and removes them there once they are sent. Agents
with a gateway behind them have no queue: they tell a sender what the gateway tells them. The
exception is tail sampling, which has to wait for the rest of a trace.
"""

from collections.abc import Iterable
from typing import Any, Final

from config.collector import (
    KUBERNETES_ATTRIBUTES,
    REDACTED,
    CollectorConfig,
    SpanMetricsConfig,
    redaction_pattern,
)
from config.collector_tiers import Queue, Tier, needs_whole_traces
from config.tenancy import TenancyConfig

from ..contracts import TENANT_HEADER, Endpoint
from . import collector_tenants as tenants
from .collector_metrics import metrics_readers, offered_metrics
from .collector_sampling import literal, sampling_processor
from .collector_tls import client_tls, server_tls, telemetry_tls

HEALTH_CHECK_PORT: Final = 13133
"""The chart's probes ask this port."""

RECEIVER_PORTS: Final = {
    "otlpGrpc": ("otlp", 4317),
    "otlpHttp": ("otlp-http", 4318),
    "zipkin": ("zipkin", 9411),
    "jaegerGrpc": ("jaeger-grpc", 14250),
    "jaegerThriftHttp": ("jaeger-thrift", 14268),
    "jaegerThriftCompact": ("jaeger-compact", 6831),
    "jaegerThriftBinary": ("jaeger-binary", 6832),
}
"""The name of each receiver's port in the chart, and its number."""

UDP_RECEIVERS: Final = frozenset({"jaegerThriftCompact", "jaegerThriftBinary"})

STORAGE: Final = "file_storage/queue"
STORAGE_PATH: Final = "/var/lib/otelcol/queue"

MESSAGE_MAX: Final = 4 * 2**20
"""Bytes of a message that gRPC takes by default, at our receivers as at Tempo's."""

TIER_MESSAGE_MAX_MIB: Final = 16
"""MiB of a message that the gateway takes of the first tier: a request of `MESSAGE_MAX` grew by 6 %
with six attributes for each of 900 resources."""

BATCH_MAX: Final = 3_000_000
"""Bytes of a batch at most: below `MESSAGE_MAX` by what attributes that we add may take."""

BATCH_MIN: Final = 500_000
"""Bytes for which a batch waits, `BATCH_WAIT` at most. Tempo asks for few large requests rather
than many small ones."""

BATCH_WAIT: Final = "200ms"

COMPACT_ABOVE_MIB: Final = 100
COMPACT_BELOW_MIB: Final = 10
"""The queue's file is made small again after it was above the one, when what is in it is below the
other (the extension's defaults)."""

NODE_ATTRIBUTES: Final = {
    "ec2": ("host.id", "host.image.id", "host.name", "host.type", "cloud.availability_zone"),
    "azure": (
        "host.id",
        "host.name",
        "azure.vm.name",
        "azure.vm.scaleset.name",
        "azure.vm.size",
    ),
    "gcp": (
        "host.id",
        "host.name",
        "host.type",
        "cloud.availability_zone",
        "gcp.gce.instance_group_manager.name",
        "gcp.gce.instance_group_manager.region",
        "gcp.gce.instance_group_manager.zone",
    ),
}
"""What each detector says of the collector's own node; it is the sender's on a daemonset only."""


def collector_config(
    settings: CollectorConfig,
    tier: Tier,
    exports_to: Endpoint,
    tempo: Endpoint,
    tenancy: TenancyConfig | None = None,
) -> dict[str, Any]:
    """The whole configuration of one tier.

    `exports_to` is Tempo or the next tier; `tempo` is where the collector's own spans go.
    """
    receivers = _receivers(settings, tier) if tier.is_first else _gateway_receivers(settings, tier)
    processors = {"memory_limiter": _memory_limiter()}
    if tier.is_first:
        processors |= tenants.untrusted(tenancy) | _first_processors(settings, tier, tenancy)
    exporter, exporters = _exporter(settings, tier, exports_to)
    by_tenant = tenancy if tier.is_last else None
    if by_tenant is not None:
        exporter, exporters = tenants.CONNECTOR, tenants.exporters(by_tenant, exporters[exporter])
    sampler = sampling_processor(settings.sampling, tier) if tier.is_last else {}
    metrics = settings.metrics if tier.is_last else None
    connectors: dict[str, Any] = {}
    if metrics is None:
        processors |= sampler
        pipelines = {"traces": _pipeline(receivers, processors, [exporter])}
    else:
        connectors = _span_metrics(metrics)
        # Counted before anything is left out: what is kept goes on in a pipeline of its own.
        onward = "forward" if sampler else exporter
        pipelines = {
            "traces": _pipeline(receivers, processors, [*connectors, onward]),
            "metrics": _pipeline(connectors, {}, ["prometheus_remote_write"]),
        }
        exporters["prometheus_remote_write"] = _remote_write(metrics)
        if sampler:
            processors |= sampler
            connectors["forward"] = {}
            pipelines["traces/sampled"] = _pipeline(["forward"], sampler, [exporter])
    if by_tenant is not None:
        connectors |= tenants.routing(by_tenant)
        pipelines |= tenants.pipelines(by_tenant)
    own = offered_metrics(settings)
    extensions: dict[str, Any] = {"health_check": {"endpoint": _listen(HEALTH_CHECK_PORT)}}
    if tier.queue is not None:
        extensions[STORAGE] = _storage(tier.queue)
    return {
        "extensions": extensions,
        "receivers": receivers | own.get("receivers", {}),
        "processors": processors | own.get("processors", {}),
        "exporters": exporters | own.get("exporters", {}),
        **({"connectors": connectors} if connectors else {}),
        "service": {
            "extensions": list(extensions),
            "telemetry": _telemetry(settings, tempo, tenancy),
            "pipelines": pipelines | own.get("pipelines", {}),
        },
    }


def _pipeline(
    receivers: Iterable[str], processors: Iterable[str], exporters: Iterable[str]
) -> dict[str, list[str]]:
    parts = {"receivers": receivers, "processors": processors, "exporters": exporters}
    return {kind: list(names) for kind, names in parts.items() if names}


def _listen(port: int) -> str:
    # On every address of the pod: `kubectl port-forward`, by which people try the collector,
    # arrives at its loopback one.
    return f"0.0.0.0:{port}"


def _receivers(settings: CollectorConfig, tier: Tier) -> dict[str, Any]:
    tls = server_tls(settings, tier)

    def protocol(name: str, **more: Any) -> dict[str, Any]:
        secured = {} if name in UDP_RECEIVERS else tls
        return {"endpoint": _listen(RECEIVER_PORTS[name][1]), **secured, **more}

    def protocols(**names: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        return {
            key: protocol(name, **more)
            for key, (name, more) in names.items()
            if name in settings.receivers
        }

    result: dict[str, Any] = {}
    # Over HTTP no larger requests than over gRPC: the next ones are prepared for those.
    limit = {"max_request_body_size": MESSAGE_MAX}
    if otlp := protocols(grpc=("otlpGrpc", {"keepalive": _KEEPALIVE}), http=("otlpHttp", limit)):
        result["otlp"] = {"protocols": otlp}
    if jaeger := protocols(
        grpc=("jaegerGrpc", {}),
        thrift_http=("jaegerThriftHttp", limit),
        thrift_compact=("jaegerThriftCompact", {}),
        thrift_binary=("jaegerThriftBinary", {}),
    ):
        result["jaeger"] = {"protocols": jaeger}
    if "zipkin" in settings.receivers:
        result["zipkin"] = protocol("zipkin", **limit)
    return result


_KEEPALIVE: Final = {
    # A gRPC connection stays with one pod for ever; so a new pod gets its share.
    "server_parameters": {"max_connection_age": "2m", "max_connection_age_grace": "30s"}
}


def _gateway_receivers(settings: CollectorConfig, tier: Tier) -> dict[str, Any]:
    grpc = {
        "endpoint": _listen(RECEIVER_PORTS["otlpGrpc"][1]),
        **server_tls(settings, tier),
        # What agents have taken in is larger by what they add, and they split nothing.
        "max_recv_msg_size_mib": TIER_MESSAGE_MAX_MIB,
    }
    return {"otlp": {"protocols": {"grpc": grpc}}}


def _memory_limiter() -> dict[str, Any]:
    """First, because only what has not been taken in yet can still be refused."""
    return {"check_interval": "1s", "limit_percentage": 80, "spike_limit_percentage": 20}


def _first_processors(
    settings: CollectorConfig, tier: Tier, tenancy: TenancyConfig | None
) -> dict[str, Any]:
    """Who sends is known from the connection, which only the first tier sees; and what is secret
    is on no disk."""
    processors = {
        "k8s_attributes": _kubernetes_attributes(tier, tenancy),
        "resource_detection": _resource_detection(settings, tier),
    }
    if settings.redaction.enabled:
        processors["redaction"] = {
            "allow_all_keys": True,
            "blocked_key_patterns": [
                redaction_pattern(name) for name in (*REDACTED, *settings.redaction.attributes)
            ],
            "summary": "silent",
        }
    return processors


def _kubernetes_attributes(tier: Tier, tenancy: TenancyConfig | None) -> dict[str, Any]:
    processor: dict[str, Any] = {
        "pod_association": [
            {"sources": [{"from": "resource_attribute", "name": "k8s.pod.ip"}]},
            {"sources": [{"from": "resource_attribute", "name": "k8s.pod.uid"}]},
            {"sources": [{"from": "connection"}]},
        ],
        "extract": {
            # A pod's own words (resource.opentelemetry.io/k8s.namespace.name), which replace the
            # cluster's: by them a pod would name its tenant.
            "otel_annotations": tenancy is None or not tenancy.by_cluster,
            "metadata": [*KUBERNETES_ATTRIBUTES],
        },
    }
    if tier.workload == "daemonset":
        # Otherwise each node would keep the pods of the whole cluster in memory.
        processor["filter"] = {"node_from_env_var": "OTEL_K8S_NODE_NAME"}
    return processor


def _resource_detection(settings: CollectorConfig, tier: Tier) -> dict[str, Any]:
    processor: dict[str, Any] = {
        "detectors": ["env", *settings.resource_detectors],
        # What the sender says of itself is better known.
        "override": False,
        "timeout": "15s",
    }
    if tier.workload != "daemonset":
        for detector in settings.resource_detectors:
            off = {name: {"enabled": False} for name in NODE_ATTRIBUTES[detector]}
            processor[detector] = {"resource_attributes": off}
    return processor


def _storage(queue: Queue) -> dict[str, Any]:
    return {
        "directory": STORAGE_PATH,
        "create_directory": True,
        "max_size": queue.file_bytes,
        # Written for a process that is killed, not for a node that loses power: the file system
        # has the data then. After each write it would be some hundred requests a second at most.
        "fsync": False,
        # A file that a power failure broke is put aside; the collector starts all the same.
        "recreate": True,
        # The file never becomes smaller by itself. Not at the start, when it may be full and its
        # copy would not fit beside it.
        "compaction": {
            "on_rebound": True,
            "directory": STORAGE_PATH,
            "cleanup_on_start": True,
            "rebound_needed_threshold_mib": COMPACT_ABOVE_MIB,
            "rebound_trigger_threshold_mib": COMPACT_BELOW_MIB,
        },
    }


def _resilience(queue: Queue | None) -> dict[str, Any]:
    """Queue and retries of an exporter: what is in the queue stays until it is delivered.

    Without a queue the sender waits meanwhile, and goes on trying when it no longer does.
    """
    return {
        "retry_on_failure": {
            "enabled": True,
            "initial_interval": "1s",
            "randomization_factor": 0.5,
            "multiplier": 1.5,
            "max_interval": "15s",
            # Never given up.
            "max_elapsed_time": "0s",
        },
        "sending_queue": {"enabled": False} if queue is None else _sending_queue(queue),
    }


def _sending_queue(queue: Queue) -> dict[str, Any]:
    return {
        "enabled": True,
        "sizer": "bytes",
        "queue_size": queue.capacity_bytes,
        "storage": STORAGE,
        # A full queue refuses at once, and the sender tries again. Waiting would hold what it sent
        # in memory, of which there is less than disk.
        "block_on_overflow": False,
        "num_consumers": 10,
        "batch": {
            "sizer": "bytes",
            "min_size": BATCH_MIN,
            "max_size": BATCH_MAX,
            "flush_timeout": BATCH_WAIT,
        },
    }


def _exporter(settings: CollectorConfig, tier: Tier, to: Endpoint) -> tuple[str, dict[str, Any]]:
    """The name of the exporter that traces leave by, and the exporters with it."""
    if tier.is_last or not needs_whole_traces(settings):
        exporter = {"endpoint": to.authority, **client_tls(to), **_resilience(tier.queue)}
        return "otlp_grpc", {"otlp_grpc": exporter}
    return "load_balancing", {"load_balancing": _load_balancing(tier, to)}


def _load_balancing(tier: Tier, to: Endpoint) -> dict[str, Any]:
    """All spans of a trace to one pod.

    By DNS, which needs no rights in the Kubernetes API: the Service is headless, and the pods are
    few and seldom change. Queue and retries are before the choice of the pod, so that what one did
    not take goes to whichever has its place; the exporter of each pod has none: its queue would be
    in memory (one on disk would be the same file for all).
    """
    return {
        "routing_key": "traceID",
        **_resilience(tier.queue),
        "protocol": {
            "otlp": {
                # Each pod is called by its address, which is in no certificate.
                **client_tls(to, to.host),
                "timeout": "10s",
                "retry_on_failure": {"enabled": False},
                "sending_queue": {"enabled": False},
            }
        },
        "resolver": {"dns": {"hostname": to.host, "port": str(to.port), "interval": "5s"}},
    }


def _span_metrics(settings: SpanMetricsConfig) -> dict[str, Any]:
    connectors: dict[str, Any] = {}
    if "span-metrics" in settings.processors:
        connectors["span_metrics"] = {
            "aggregation_cardinality_limit": settings.max_series_per_service,
            # By all attributes of a resource each pod of a service would be a series of its own,
            # under the same labels.
            "resource_metrics_key_attributes": ["service.namespace", "service.name"],
            # What no longer comes is forgotten; it would be sent for ever.
            "metrics_expiration": "15m",
            "series_expiration": "15m",
            "exclude_dimensions": ["collector.instance.id"],
            # By these a point on a graph leads to a trace.
            "exemplars": {"enabled": True},
        }
    if "service-graphs" in settings.processors:
        connectors["service_graph"] = {
            # The two sides of a request come in separate batches: 2s and 1000 by default. What is
            # made of them is limited by the number of services only.
            "store": {"ttl": "10s", "max_items": 10_000},
        }
    return connectors


def _remote_write(settings: SpanMetricsConfig) -> dict[str, Any]:
    return {
        "endpoint": literal(settings.remote_write_url),
        # Pods count the same series: without it each would overwrite the other's.
        "external_labels": {"collector": "${env:OTEL_K8S_POD_NAME}"},
    }


def _telemetry(
    settings: CollectorConfig, tempo: Endpoint, tenancy: TenancyConfig | None
) -> dict[str, Any]:
    telemetry: dict[str, Any] = {
        "logs": {"encoding": "json"},
        "metrics": {"readers": metrics_readers(settings)},
    }
    rate = settings.telemetry.trace_sample_rate
    if rate > 0:
        to = {"protocol": "grpc", "endpoint": tempo.url(), **telemetry_tls(tempo)}
        if tenancy is not None:
            to["headers"] = [{"name": TENANT_HEADER, "value": tenancy.default}]
        # Not to the collector itself, which would trace the taking in of its own spans for ever.
        telemetry["traces"] = {
            "processors": [{"batch": {"exporter": {"otlp": to}}}],
            "sampler": {"parent_based": {"root": {"trace_id_ratio_based": {"ratio": rate}}}},
        }
    return telemetry
