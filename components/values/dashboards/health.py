"""The dashboard of the platform's own health."""

from ...contracts import CollectorMetrics, PlatformMetrics, Scraped, TempoMetrics
from .model import RATE, Dashboard, Panel, Query, Row


def health(platform: PlatformMetrics) -> Dashboard:
    """What is taken in, lost, waiting, written and asked, of what the stack has."""
    tempo, collector = platform.tempo, platform.collector
    rows = [
        Row(title="Taken in", panels=_ingest(tempo, collector)),
        Row(title="Refused and lost", panels=_lost(tempo, collector)),
    ]
    if collector is not None:
        rows.append(Row(title="Collector", panels=_collector(collector)))
    rows.append(
        Row(title="On the way to the store", panels=_flushes(tempo.scraped))
        if tempo.profile != "distributed-3"
        else Row(title="From Kafka to the store", panels=_from_kafka(tempo.scraped))
    )
    rows.append(Row(title="Store, as Tempo sees it", panels=_store(tempo.scraped)))
    if platform.minio is not None:
        rows.append(Row(title="MinIO", panels=_minio(platform.minio)))
    rows.append(Row(title="Queries", panels=_queries(tempo.scraped)))
    if tempo.generator:
        rows.append(Row(title="Metrics of spans", panels=_generator(tempo.scraped)))
    return Dashboard(
        key="health",
        title="Tracing: health",
        description="Whether traces arrive, are kept, and can be found.",
        rows=tuple(rows),
    )


def _rate(scraped: Scraped, metric: str, by: str, *conditions: str) -> str:
    return _rate_of(scraped.series(metric, *conditions), by)


def _rate_of(series: str, by: str) -> str:
    return f"sum by ({by}) (rate({series}{RATE}))"


def _tiers(collector: CollectorMetrics) -> str:
    """What to say where two tiers can't be told apart."""
    apart = collector.scraped.jobs is not None or not collector.has_two_tiers
    return "" if apart else " The gateway counts again what the first tier sends it."


def _quantile(quantile: str, scraped: Scraped, histogram: str, by: str, *conditions: str) -> str:
    buckets = _rate(scraped, f"{histogram}_bucket", f"le, {by}", *conditions)
    return f"histogram_quantile({quantile}, {buckets})"


def _ingest(tempo: TempoMetrics, collector: CollectorMetrics | None) -> tuple[Panel, ...]:
    receiver = "receiver, transport"
    panels = [
        Panel(
            title="Spans into Tempo",
            description="By receiver. None while applications work: they, or the collector, can't "
            "reach Tempo.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(tempo.scraped, "tempo_receiver_accepted_spans", receiver),
                    legend="{{receiver}} {{transport}}",
                ),
            ),
        ),
        Panel(
            title="Bytes into Tempo",
            description="By tenant, before compression. A tenant near its limit loses spans.",
            unit="Bps",
            queries=(
                Query(
                    expr=_rate(tempo.scraped, "tempo_distributor_bytes_received_total", "tenant"),
                    legend="{{tenant}}",
                ),
            ),
            stacked=True,
        ),
        _live_traces(tempo),
    ]
    if collector is not None:
        panels.insert(
            0,
            Panel(
                title="Spans into the collector",
                description="By receiver. More than into Tempo, for long: they wait in the queue, "
                f"are sampled out, or are lost.{_tiers(collector)}",
                unit="cps",
                queries=(
                    Query(
                        expr=_rate_of(
                            collector.first_tiers("otelcol_receiver_accepted_spans"), receiver
                        ),
                        legend="{{receiver}} {{transport}}",
                    ),
                ),
            ),
        )
    return tuple(panels)


def _live_traces(tempo: TempoMetrics) -> Panel:
    part = "live_store" if tempo.profile == "distributed-3" else "ingester"
    return Panel(
        title="Traces being received",
        description="By tenant; each counts at every pod that holds it. Growing without end: "
        "traces that are never complete, or blocks that are not cut.",
        unit="short",
        queries=(
            Query(
                expr=f"sum by (tenant) ({tempo.scraped.series(f'tempo_{part}_live_traces')})",
                legend="{{tenant}}",
            ),
        ),
    )


def _lost(tempo: TempoMetrics, collector: CollectorMetrics | None) -> tuple[Panel, ...]:
    panels = [
        Panel(
            title="Refused by Tempo",
            description="Spans told back to the sender, by receiver. The collector sends them "
            "again; applications without one lose them.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(
                        tempo.scraped, "tempo_receiver_refused_spans", "receiver, transport"
                    ),
                    legend="{{receiver}} {{transport}}",
                ),
            ),
        ),
        Panel(
            title="Discarded by Tempo",
            description="Spans lost for good, by reason: rate_limited, live_traces_exceeded, "
            "trace_too_large and others.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(tempo.scraped, "tempo_discarded_spans_total", "tenant, reason"),
                    legend="{{tenant}} {{reason}}",
                ),
            ),
        ),
    ]
    if collector is not None:
        panels += [
            Panel(
                title="Refused by the collector",
                description="Spans told back to the application, by receiver: no memory, no room "
                f"in the queue, or no gateway behind an agent.{_tiers(collector)}",
                unit="cps",
                queries=(
                    Query(
                        expr=_rate_of(
                            collector.first_tiers("otelcol_receiver_refused_spans"),
                            "receiver, transport",
                        ),
                        legend="{{receiver}} {{transport}}",
                    ),
                ),
            ),
            Panel(
                title="Lost by the collector",
                description="Spans that could not be queued, or not be sent after all retries.",
                unit="cps",
                queries=(
                    Query(
                        # What the gateway has no room for, the first tier keeps, if it can.
                        expr=_rate_of(
                            collector.first_queue("otelcol_exporter_enqueue_failed_spans"),
                            "exporter",
                        ),
                        legend="{{exporter}} not queued",
                    ),
                    Query(
                        # Nor is lost what an agent without a queue could not send: it said so.
                        expr=_rate_of(
                            collector.queued("otelcol_exporter_send_failed_spans"), "exporter"
                        ),
                        legend="{{exporter}} not sent",
                    ),
                ),
            ),
        ]
    return tuple(panels)


def _collector(collector: CollectorMetrics) -> tuple[Panel, ...]:
    scraped = collector.scraped
    size = scraped.series("otelcol_exporter_queue_size")
    capacity = scraped.series("otelcol_exporter_queue_capacity")
    # Both tiers may call their exporter the same.
    sender = "job, exporter" if collector.has_two_tiers else "exporter"
    return (
        Panel(
            title="Queue in use",
            description="Part of each queue that is full, by pod and exporter. At 100% spans are "
            "refused.",
            unit="percentunit",
            queries=(
                Query(
                    expr=f"max by (instance, exporter) ({size} / {capacity})",
                    legend="{{instance}} {{exporter}}",
                ),
            ),
        ),
        Panel(
            title="Spans sent",
            description="By exporter, and by tier where there are two.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(scraped, "otelcol_exporter_sent_spans", sender),
                    legend="{{job}} {{exporter}}" if collector.has_two_tiers else "{{exporter}}",
                ),
            ),
        ),
        Panel(
            title="Memory",
            description="By pod. The collector refuses spans at 80% of its limit.",
            unit="bytes",
            queries=(
                Query(
                    expr=f"max by (instance) ({scraped.series('otelcol_process_memory_rss')})",
                    legend="{{instance}}",
                ),
            ),
        ),
    )


def _flushes(tempo: Scraped) -> tuple[Panel, ...]:
    return (
        Panel(
            title="Blocks written",
            description="By ingester, to the store. None for an hour: see failures.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(tempo, "tempo_ingester_blocks_flushed_total", "instance"),
                    legend="{{instance}}",
                ),
            ),
        ),
        Panel(
            title="Failures",
            description="Blocks that could not be written, or not be compacted. They are tried "
            "again; until then they are on the ingesters' volumes.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(tempo, "tempo_ingester_failed_flushes_total", "instance"),
                    legend="{{instance}} flush",
                ),
                Query(
                    expr=_rate(tempo, "tempodb_compaction_errors_total", "instance"),
                    legend="{{instance}} compaction",
                ),
            ),
        ),
        Panel(
            title="Time to write a block",
            description="99 of 100 blocks take less.",
            unit="s",
            queries=(
                Query(
                    expr=_quantile("0.99", tempo, "tempo_ingester_flush_duration_seconds", "job"),
                    legend="p99",
                ),
            ),
        ),
    )


def _from_kafka(tempo: Scraped) -> tuple[Panel, ...]:
    lag = tempo.series("tempo_ingest_group_partition_lag_seconds")
    return (
        Panel(
            title="Behind Kafka",
            description="Age of what each reader has not read yet. Of live-stores: how late a "
            "trace can be found.",
            unit="s",
            queries=(Query(expr=f"max by (group) ({lag})", legend="{{group}}"),),
        ),
        Panel(
            title="Blocks written",
            description="By tenant, to the store. None for an hour: block-builders do not read, "
            "or the store does not take.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(tempo, "tempo_block_builder_flushed_blocks", "tenant"),
                    legend="{{tenant}}",
                ),
            ),
        ),
        Panel(
            title="Failures",
            description="Reads from Kafka, blocks of live-stores, compactions and other jobs of "
            "the backend's workers.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(tempo, "tempo_block_builder_fetch_errors_total", "partition"),
                    legend="partition {{partition}} read",
                ),
                Query(
                    expr=_rate(tempo, "tempo_live_store_failed_completions_total", "instance"),
                    legend="{{instance}} block",
                ),
                Query(
                    expr=_rate(tempo, "tempo_backend_scheduler_jobs_failed_total", "tenant"),
                    legend="{{tenant}} job",
                ),
            ),
        ),
    )


def _store(tempo: Scraped) -> tuple[Panel, ...]:
    requests = "tempodb_backend_request_duration_seconds"
    return (
        Panel(
            title="Requests",
            description="By operation and answer. 404 is usual: Tempo asks for what may be there.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(tempo, f"{requests}_count", "operation, status_code"),
                    legend="{{operation}} {{status_code}}",
                ),
            ),
        ),
        Panel(
            title="Failed requests",
            description="Answers of 5xx, 403 and 429, and lists of blocks that could not be read.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(
                        tempo,
                        f"{requests}_count",
                        "operation, status_code",
                        'status_code=~"5..|403|429"',
                    ),
                    legend="{{operation}} {{status_code}}",
                ),
                Query(
                    expr=_rate(tempo, "tempodb_blocklist_poll_errors_total", "tenant"),
                    legend="{{tenant}} list of blocks",
                ),
            ),
        ),
        Panel(
            title="Time of a request",
            description="99 of 100 take less.",
            unit="s",
            queries=(
                Query(
                    expr=_quantile("0.99", tempo, requests, "operation"),
                    legend="{{operation}} p99",
                ),
            ),
        ),
    )


def _minio(minio: Scraped) -> tuple[Panel, ...]:
    def latest(metric: str) -> str:
        # Each server answers for all of them.
        return f"max({minio.series(metric)})"

    def rate(metric: str) -> str:
        each = f"max by (server, api) (rate({minio.series(metric)}{RATE}))"
        return f"sum by (api) ({each})"

    return (
        Panel(
            title="Room",
            description="What can still be stored, and what could at first. Full: Tempo keeps "
            "blocks on its own volumes, until these are full as well.",
            unit="bytes",
            queries=(
                Query(expr=latest("minio_cluster_capacity_usable_free_bytes"), legend="free"),
                Query(expr=latest("minio_cluster_capacity_usable_total_bytes"), legend="all"),
            ),
        ),
        Panel(
            title="Requests",
            description="By kind, and those that failed.",
            unit="cps",
            queries=(
                Query(expr=rate("minio_s3_requests_total"), legend="{{api}}"),
                Query(expr=rate("minio_s3_requests_errors_total"), legend="{{api}} failed"),
            ),
        ),
        Panel(
            title="Missing",
            description="Servers and volumes that should be there and are not.",
            unit="short",
            queries=(
                Query(expr=latest("minio_cluster_nodes_offline_total"), legend="servers"),
                Query(expr=latest("minio_cluster_drive_offline_total"), legend="volumes"),
            ),
        ),
    )


def _queries(tempo: Scraped) -> tuple[Panel, ...]:
    requests, api = "tempo_request_duration_seconds", 'route=~"api_.*"'
    return (
        Panel(
            title="Queries",
            description="By kind and result, as people and Grafana ask them.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(tempo, "tempo_query_frontend_queries_total", "op, result"),
                    legend="{{op}} {{result}}",
                ),
            ),
        ),
        Panel(
            title="Failed queries",
            description="Answers of 5xx, by route.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(tempo, f"{requests}_count", "route", api, 'status_code=~"5.."'),
                    legend="{{route}}",
                ),
            ),
        ),
        Panel(
            title="Time of a query",
            description="99 of 100 take less, and the half of them.",
            unit="s",
            queries=(
                Query(
                    expr=_quantile("0.99", tempo, requests, "route", api), legend="{{route}} p99"
                ),
                Query(expr=_quantile("0.5", tempo, requests, "route", api), legend="{{route}} p50"),
            ),
        ),
    )


def _generator(tempo: Scraped) -> tuple[Panel, ...]:
    return (
        Panel(
            title="Series",
            description="That Tempo makes of spans, by tenant.",
            unit="short",
            queries=(
                Query(
                    expr="sum by (tenant) "
                    f"({tempo.series('tempo_metrics_generator_registry_active_series')})",
                    legend="{{tenant}}",
                ),
            ),
        ),
        Panel(
            title="Lost",
            description="Series above maxActiveSeries, and samples that Prometheus did not take.",
            unit="cps",
            queries=(
                Query(
                    expr=_rate(
                        tempo, "tempo_metrics_generator_registry_series_limited_total", "tenant"
                    ),
                    legend="{{tenant}} series",
                ),
                Query(
                    # Prometheus counts its own by the same name.
                    expr=_rate(
                        tempo,
                        "prometheus_remote_storage_samples_failed_total",
                        "tenant",
                        'tenant!=""',
                    ),
                    legend="{{tenant}} samples",
                ),
            ),
        ),
    )
