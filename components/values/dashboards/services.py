"""The dashboard of the services that send spans: rate, errors, duration."""

import json
from typing import Final
from urllib.parse import quote

from ...contracts import SpanMetrics, TraceMetrics
from .model import RATE, Dashboard, Link, Panel, Query, Row, Variable

_ENTRY: Final = 'span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"'
"""What a service is asked, not what it asks or does within."""

_ERROR: Final = 'status_code="STATUS_CODE_ERROR"'


def services(traces: TraceMetrics, tempo_uid: str) -> Dashboard:
    """Rate, errors and durations of services, and the requests between them."""
    rows, variables = [], []
    if traces.spans is not None:
        rows += _by_service(traces.spans, tempo_uid)
        query = f"label_values({traces.spans.calls}, {traces.spans.service})"
        variables.append(Variable(name="service", label="Service", query=query))
    if traces.service_graph:
        rows.append(Row(title="Between services", panels=_between(traces.spans is not None)))
    return Dashboard(
        key="services",
        title="Tracing: services",
        description="What services are asked, how much of it fails, and how long it takes; by "
        "their spans.",
        rows=tuple(rows),
        variables=tuple(variables),
        links=(Link(title="Search traces", url=explore(tempo_uid, "{}")),),
    )


def explore(tempo_uid: str, query: str, **variables: str) -> str:
    """Address of a search for traces in Grafana, in the dashboard's own time.

    `variables` are put into it after it is encoded, in place of their names: Grafana looks for its
    own variables in clear.
    """
    variables |= {"FROM": "${__from}", "TO": "${__to}"}
    pane = {
        "datasource": tempo_uid,
        "queries": [
            {
                "refId": "A",
                "datasource": {"type": "tempo", "uid": tempo_uid},
                "queryType": "traceql",
                "query": query,
            }
        ],
        "range": {"from": "FROM", "to": "TO"},
    }
    address = "/explore?schemaVersion=1&panes=" + quote(json.dumps({"traces": pane}))
    for name, variable in variables.items():
        address = address.replace(name, variable)
    return address


def _by_service(spans: SpanMetrics, tempo_uid: str) -> list[Row]:
    service = spans.service
    where = f'{service}=~"$service",{_ENTRY}'
    calls = f"sum by ({service}) (rate({spans.calls}{{{where}}}{RATE}))"
    errors = f"sum by ({service}) (rate({spans.calls}{{{where},{_ERROR}}}{RATE}))"

    def duration(quantile: str, by: str) -> str:
        buckets = f"sum by (le, {by}) (rate({spans.duration}_bucket{{{where}}}{RATE}))"
        return f"histogram_quantile({quantile}, {buckets})"

    label = f"{{{{{service}}}}}"

    def traces_of(more: str = "") -> str:
        name = "${__field.labels." + service + ":percentencode}"
        return explore(tempo_uid, f'{{resource.service.name="SERVICE"{more}}}', SERVICE=name)

    traces = Link(title="Traces of this service", url=traces_of())
    failed = Link(title="Its failed traces", url=traces_of(" && status=error"))
    slow = spans.duration_unit
    by_service = (
        Panel(
            title="Requests",
            description="What each service is asked: its spans of the kinds server and consumer.",
            unit="reqps",
            queries=(Query(expr=calls, legend=label),),
            links=(traces,),
        ),
        Panel(
            title="Failed requests",
            description="Part of the requests whose span has the status error.",
            unit="percentunit",
            queries=(Query(expr=f"({errors}) / ({calls})", legend=label),),
            links=(failed,),
        ),
        Panel(
            title="Duration",
            description="95 of 100 requests take less. A point is one trace.",
            unit=slow,
            queries=(Query(expr=duration("0.95", service), legend=label, exemplars=True),),
            links=(traces,),
        ),
    )
    operation = f"{label} {{{{span_name}}}}"
    names = f"{service}, span_name"
    by_operation = (
        Panel(
            title="Most requested",
            description="The ten operations that are asked for most.",
            unit="reqps",
            queries=(
                Query(
                    expr=f"topk(10, sum by ({names}) (rate({spans.calls}{{{where}}}{RATE})))",
                    legend=operation,
                ),
            ),
            links=(traces,),
        ),
        Panel(
            title="Most failed",
            description="The ten operations with most failed requests.",
            unit="reqps",
            queries=(
                Query(
                    expr=f"topk(10, sum by ({names}) "
                    f"(rate({spans.calls}{{{where},{_ERROR}}}{RATE})))",
                    legend=operation,
                ),
            ),
            links=(failed,),
        ),
        Panel(
            title="Slowest",
            description="The ten operations of which 95 of 100 requests take longest.",
            unit=slow,
            queries=(
                Query(
                    expr=f"topk(10, {duration('0.95', names)})", legend=operation, exemplars=True
                ),
            ),
            links=(traces,),
        ),
    )
    return [
        Row(title="Services", panels=by_service),
        Row(title="Operations", panels=by_operation),
    ]


def _between(chosen: bool) -> tuple[Panel, ...]:
    where = '{server=~"$service"}' if chosen else ""
    pair = "client, server"
    requests = f"sum by ({pair}) (rate(traces_service_graph_request_total{where}{RATE}))"
    failed = f"sum by ({pair}) (rate(traces_service_graph_request_failed_total{where}{RATE}))"
    buckets = (
        f"sum by (le, {pair}) "
        f"(rate(traces_service_graph_request_server_seconds_bucket{where}{RATE}))"
    )
    legend = "{{client}} to {{server}}"
    return (
        Panel(
            title="Requests between services",
            description="Of which both sides sent their spans.",
            unit="reqps",
            queries=(Query(expr=requests, legend=legend),),
        ),
        Panel(
            title="Failed between services",
            description="Requests of which one of the two spans has the status error.",
            unit="reqps",
            queries=(Query(expr=failed, legend=legend),),
        ),
        Panel(
            title="Duration between services",
            description="95 of 100 requests take less, at the side that is asked.",
            unit="s",
            queries=(Query(expr=f"histogram_quantile(0.95, {buckets})", legend=legend),),
        ),
    )
