"""Alert rules for the Prometheus operator: when somebody has to do something.

The numbers follow Tempo's own mixin (operations/tempo-mixin) where it has the same alert. Each has
its section in docs/runbooks.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..contracts import CollectorMetrics, PlatformMetrics, Scraped, TempoMetrics


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert rule."""

    name: str
    severity: Literal["critical", "warning"]
    """critical: traces are being lost or can't be found; warning: soon, or in part."""
    expr: str
    """PromQL; each series of its answer is one alert."""
    lasting: str
    """How long it has to hold (Prometheus' `for`)."""
    summary: str
    description: str


def alert_groups(platform: PlatformMetrics) -> dict[str, list[Alert]]:
    """The rules for what the stack has, by the name of their group."""
    groups = {"tempo": tempo_alerts(platform.tempo)}
    if platform.collector is not None:
        groups["collector"] = collector_alerts(platform.collector)
    if platform.minio is not None:
        groups["minio"] = minio_alerts(platform.minio)
    return groups


def rule_spec(groups: Mapping[str, list[Alert]], runbooks: str) -> dict[str, Any]:
    """The `spec` of the PrometheusRule; `runbooks` is the address of docs/runbooks.md."""
    return {
        "groups": [
            {
                "name": f"tracing-{group}",
                "rules": [
                    {
                        "alert": alert.name,
                        "expr": alert.expr,
                        "for": alert.lasting,
                        "labels": {"severity": alert.severity},
                        "annotations": {
                            "summary": alert.summary,
                            "description": alert.description,
                            # Anchors of headings are in lower case.
                            "runbook_url": f"{runbooks}#{alert.name.lower()}",
                        },
                    }
                    for alert in alerts
                ],
            }
            for group, alerts in groups.items()
        ]
    }


def _rate(scraped: Scraped, metric: str, by: str, *conditions: str) -> str:
    return _rate_of(scraped.series(metric, *conditions), by)


def _rate_of(series: str, by: str) -> str:
    return f"sum by ({by}) (rate({series}[5m]))"


def _failing(scraped: Scraped, metric: str) -> str:
    """More than two in the last hour, and still: one that was tried again is no alert."""
    series = scraped.series(metric)
    return f"sum(increase({series}[1h])) > 2 and sum(increase({series}[5m])) > 0"


def tempo_alerts(tempo: TempoMetrics) -> list[Alert]:
    """Rules for Tempo."""
    scraped = tempo.scraped
    requests = "tempo_request_duration_seconds_count"
    backend = "tempodb_backend_request_duration_seconds_count"
    api = 'route=~"api_.*"'
    return [
        Alert(
            name="TempoDown",
            severity="critical",
            expr=f"absent({scraped.up()} == 1)",
            lasting="5m",
            summary="No pod of Tempo answers Prometheus.",
            description="Spans are refused and no trace can be found; or Prometheus does not ask.",
        ),
        Alert(
            name="TempoComponentDown",
            severity="critical",
            expr=f"max by (job) ({scraped.up()}) == 0",
            lasting="5m",
            summary="{{ $labels.job }} is down.",
            description="None of its pods answers Prometheus.",
        ),
        Alert(
            name="TempoRefusesSpans",
            severity="critical",
            expr=f"{_rate(scraped, 'tempo_receiver_refused_spans', 'receiver')} > 0",
            lasting="10m",
            summary="Tempo refuses spans.",
            description='{{ $labels.receiver }}: {{ $value | printf "%.1f" }} spans a second. The '
            "collector sends them again; applications without one lose them.",
        ),
        Alert(
            name="TempoDiscardsSpans",
            severity="warning",
            expr=f"{_rate(scraped, 'tempo_discarded_spans_total', 'tenant, reason')} > 0",
            lasting="10m",
            summary="Tempo discards spans of {{ $labels.tenant }}: {{ $labels.reason }}.",
            description='{{ $value | printf "%.1f" }} spans a second are lost for good.',
        ),
        *(_kafka_alerts(scraped) if tempo.profile == "distributed-3" else _flush_alerts(scraped)),
        Alert(
            name="TempoCompactionFails",
            severity="warning",
            expr=_failing(scraped, "tempodb_compaction_errors_total"),
            lasting="30m",
            summary="Tempo fails to merge or delete blocks.",
            description="Queries get slower, and traces older than the retention stay.",
        ),
        Alert(
            name="TempoStoreFails",
            severity="critical",
            expr=_rate(scraped, backend, "operation", 'status_code=~"5..|403|429"')
            + f" / {_rate(scraped, backend, 'operation')} > 0.05",
            lasting="10m",
            summary="The object store answers {{ $labels.operation }} of Tempo with errors.",
            description="{{ $value | humanizePercentage }} of the requests. Blocks are not "
            "written, or not read.",
        ),
        Alert(
            name="TempoBlockListFails",
            severity="critical",
            expr=_failing(scraped, "tempodb_blocklist_poll_errors_total"),
            lasting="5m",
            summary="Tempo can't read the list of blocks.",
            description="Traces that were written since then are not found.",
        ),
        Alert(
            name="TempoQueriesFail",
            severity="warning",
            expr=_rate(scraped, requests, "route", api, 'status_code=~"5.."')
            + f" / {_rate(scraped, requests, 'route', api)} > 0.05",
            lasting="10m",
            summary="Queries of {{ $labels.route }} fail.",
            description="{{ $value | humanizePercentage }} of them are answered with an error.",
        ),
        *(_generator_alerts(scraped) if tempo.generator else []),
    ]


def _flush_alerts(tempo: Scraped) -> list[Alert]:
    return [
        Alert(
            name="TempoFlushesFail",
            severity="critical",
            expr=_failing(tempo, "tempo_ingester_failed_flushes_total"),
            lasting="5m",
            summary="Ingesters can't write blocks to the store.",
            description="The traces are on the ingesters' volumes, until these are full.",
        )
    ]


def _kafka_alerts(tempo: Scraped) -> list[Alert]:
    lag = tempo.series("tempo_ingest_group_partition_lag_seconds")
    return [
        Alert(
            name="TempoBehindKafka",
            severity="critical",
            # Block-builders read in rounds of five minutes.
            expr=f"max by (group, partition) (avg_over_time({lag}[6m])) > 300",
            lasting="10m",
            summary="{{ $labels.group }} is {{ $value | humanizeDuration }} behind Kafka.",
            description="Partition {{ $labels.partition }}. New traces are not found, and are lost "
            "once they are older than Kafka's retention.",
        ),
        Alert(
            name="TempoBackendJobsFail",
            severity="warning",
            expr=_failing(tempo, "tempo_backend_scheduler_jobs_failed_total"),
            lasting="30m",
            summary="Jobs of Tempo's backend workers fail.",
            description="Blocks are not merged, and traces older than the retention stay.",
        ),
    ]


def _generator_alerts(tempo: Scraped) -> list[Alert]:
    limited = _rate(tempo, "tempo_metrics_generator_registry_series_limited_total", "tenant")
    # Prometheus counts its own by the same name.
    failed = _rate(tempo, "prometheus_remote_storage_samples_failed_total", "url", 'tenant!=""')
    return [
        Alert(
            name="TempoSpanMetricsLimited",
            severity="warning",
            expr=f"{limited} > 0",
            lasting="15m",
            summary="Metrics of spans of {{ $labels.tenant }} are above their limit.",
            description="New services and operations have no rates, errors and durations.",
        ),
        Alert(
            name="TempoSpanMetricsNotWritten",
            severity="warning",
            expr=f"{failed} > 0",
            lasting="15m",
            summary="Prometheus does not take the metrics of spans.",
            description='{{ $value | printf "%.1f" }} samples a second to {{ $labels.url }} are '
            "lost.",
        ),
    ]


def collector_alerts(collector: CollectorMetrics) -> list[Alert]:
    """Rules for the collector."""
    scraped = collector.scraped
    size = scraped.series("otelcol_exporter_queue_size")
    capacity = scraped.series("otelcol_exporter_queue_capacity")
    # What the gateway refuses, the tier before it keeps in its queue and no application is told, or
    # it refuses that itself.
    refused = _rate_of(collector.first_tiers("otelcol_receiver_refused_spans"), "receiver")
    not_queued = _rate_of(
        collector.first_queue("otelcol_exporter_enqueue_failed_spans"), "exporter"
    )
    # What an agent without a queue could not send, the application has been told.
    not_sent = _rate_of(collector.queued("otelcol_exporter_send_failed_spans"), "exporter")
    return [
        Alert(
            name="CollectorDown",
            severity="critical",
            # Of each tier: nothing gets past one that is missing.
            expr=" or ".join(
                f"absent({scraped.of_job('up', tier)} == 1)" for tier in collector.tiers
            ),
            lasting="5m",
            summary="No pod of {{ $labels.job }} answers Prometheus.",
            description="No spans get through the collector; or Prometheus does not ask.",
        ),
        Alert(
            name="CollectorRefusesSpans",
            severity="critical",
            expr=f"{refused} > 0",
            lasting="10m",
            summary="The collector refuses spans.",
            description='{{ $labels.receiver }}: {{ $value | printf "%.1f" }} spans a second. '
            "Applications try again for a while, then lose them.",
        ),
        Alert(
            name="CollectorLosesSpans",
            severity="critical",
            expr=f"({not_queued} > 0) or ({not_sent} > 0)",
            lasting="5m",
            summary="The collector loses spans on the way to {{ $labels.exporter }}.",
            description='{{ $value | printf "%.1f" }} spans a second: no room in the queue, or '
            "refused for good.",
        ),
        Alert(
            name="CollectorQueueFills",
            severity="warning",
            expr=f"max by (instance, exporter) ({size} / {capacity}) > 0.7",
            lasting="10m",
            summary="The queue of {{ $labels.instance }} fills.",
            description="It is {{ $value | humanizePercentage }} full: less leaves by "
            "{{ $labels.exporter }} than arrives. A full queue refuses.",
        ),
    ]


def minio_alerts(minio: Scraped) -> list[Alert]:
    """Rules for a MinIO of this stack's own."""
    free = minio.series("minio_cluster_capacity_usable_free_bytes")
    total = minio.series("minio_cluster_capacity_usable_total_bytes")
    return [
        Alert(
            name="MinioDown",
            severity="critical",
            expr=f"absent({minio.up()} == 1)",
            lasting="5m",
            summary="No server of MinIO answers Prometheus.",
            description="Tempo can't write blocks, nor read them; or Prometheus does not ask.",
        ),
        Alert(
            name="MinioServerMissing",
            severity="critical",
            expr=f"max({minio.series('minio_cluster_nodes_offline_total')}) > 0",
            lasting="10m",
            summary="{{ $value }} of MinIO's servers are missing.",
            description="Another one, or the next few, and the store takes nothing.",
        ),
        Alert(
            name="MinioVolumeMissing",
            severity="critical",
            expr=f"max({minio.series('minio_cluster_drive_offline_total')}) > 0",
            lasting="10m",
            summary="{{ $value }} of MinIO's volumes are missing.",
            description="What is on them is rebuilt from the others only once they are back.",
        ),
        Alert(
            name="MinioSpaceLow",
            severity="warning",
            expr=f"min({free}) / max({total}) < 0.15",
            lasting="15m",
            summary="MinIO has {{ $value | humanizePercentage }} of its room left.",
            description="Full, it takes no more blocks.",
        ),
    ]
