"""The dashboard of what traces cost: bytes by tenant and by service."""

from ...contracts import PlatformMetrics, Scraped, SpanMetrics
from .model import RATE, Dashboard, Panel, Query, Row


def cost(platform: PlatformMetrics) -> Dashboard:
    """Who sends how much, and how much of it is kept."""
    tempo, traces = platform.tempo.scraped, platform.traces
    rows = [Row(title="By tenant", panels=_by_tenant(tempo))]
    if traces is not None and traces.spans is not None:
        rows.append(Row(title="By service", panels=_by_service(traces.spans, tempo)))
    return Dashboard(
        key="cost",
        title="Tracing: cost",
        description="Bytes that are sent, and bytes that are kept.",
        rows=tuple(rows),
    )


def _by_tenant(tempo: Scraped) -> tuple[Panel, ...]:
    received = tempo.series("tempo_distributor_bytes_received_total")
    # Every pod that reads the list of blocks tells the same.
    live = tempo.series("tempodb_backend_bytes_total", 'status="live"')
    spans = tempo.series("tempo_distributor_spans_received_total")
    return (
        Panel(
            title="Bytes received",
            description="Into Tempo, before compression.",
            unit="Bps",
            queries=(Query(expr=f"sum by (tenant) (rate({received}{RATE}))", legend="{{tenant}}"),),
            stacked=True,
        ),
        Panel(
            title="Bytes of a span",
            description="On average. Growing: someone puts whole requests into attributes.",
            unit="bytes",
            queries=(
                Query(
                    expr=f"sum by (tenant) (rate({received}{RATE})) "
                    f"/ sum by (tenant) (rate({spans}{RATE}))",
                    legend="{{tenant}}",
                ),
            ),
        ),
        Panel(
            title="Bytes kept",
            description="In the store, compressed, as of Tempo's last look (every 5 minutes).",
            unit="bytes",
            queries=(Query(expr=f"max by (tenant) ({live})", legend="{{tenant}}"),),
            stacked=True,
        ),
    )


def _by_service(spans: SpanMetrics, tempo: Scraped) -> tuple[Panel, ...]:
    service, label = spans.service, f"{{{{{spans.service}}}}}"
    calls = f"sum by ({service}) (rate({spans.calls}{RATE}))"
    if spans.size is not None:
        size = f"sum by ({service}) (rate({spans.size}{RATE}))"
        description = "Of its spans, as Tempo received them."
    else:
        received = tempo.series("tempo_distributor_bytes_received_total")
        size = (
            f"{calls} / scalar(sum(rate({spans.calls}{RATE}))) "
            f"* scalar(sum(rate({received}{RATE})))"
        )
        description = (
            "Estimated: its part of all spans, of what Tempo received. Nobody counts the bytes of "
            "single spans before Tempo."
        )
    return (
        Panel(
            title="Bytes by service",
            description=description,
            unit="Bps",
            queries=(Query(expr=f"topk(20, {size})", legend=label),),
            stacked=True,
        ),
        Panel(
            title="Spans by service",
            description="The twenty that send most.",
            unit="cps",
            queries=(Query(expr=f"topk(20, {calls})", legend=label),),
            stacked=True,
        ),
    )
