"""Every value that the program sets is one that the chart reads."""

import pytest

import charts
from ops import chart_lock
from ops.registrations import record
from ops.stack_files import STACK_FILES, recorded

EVERY_OPTION = {
    "tracing:tempo": {
        "gateway": True,
        "logReceivedSpans": {"enabled": True},
        "distributor": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "ingester": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "querier": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "queryFrontend": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "compactor": {"resources": {"cpu": "1", "memory": "1Gi"}},
    },
    "tracing:collector": {
        "mode": "daemonset",
        "image": f"registry.example.com:5000/otel/col@sha256:{'0' * 64}",
        "receivers": ["otlpGrpc", "otlpHttp", "zipkin", "jaegerGrpc", "jaegerThriftHttp"],
    },
    "tracing:traefik": {
        "protocol": "http",
        "propagators": ["b3multi"],
        "keepHeaders": ["X-B3-Traceid"],
        "resourceAttributes": {"deployment.environment.name": "dev"},
    },
}

CHARTS = {
    "tempo": charts.TEMPO_DISTRIBUTED,
    "collector": charts.OPENTELEMETRY_COLLECTOR,
    "traefik": charts.TRAEFIK,
}


@pytest.mark.parametrize("stack", [*STACK_FILES, "every option"])
def test_the_chart_knows_every_value(stack: str) -> None:
    run = record("dev", EVERY_OPTION, {}) if stack == "every option" else recorded(stack)
    for component, values in run.helm_values().items():
        chart = CHARTS[component]
        lock = chart_lock.load(chart.name, chart.version)
        assert chart_lock.unknown_paths(values, lock) == [], component


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: chart.name)
def test_the_lock_of_the_values_is_of_the_pinned_archive(chart: charts.Chart) -> None:
    lock = chart_lock.load(chart.name, chart.version)
    assert (lock.sha256, lock.repository) == (chart.sha256, chart.repository)


def test_an_image_is_split_as_the_collectors_chart_wants_it() -> None:
    run = record("dev", EVERY_OPTION, {})
    assert run.helm_values()["collector"]["image"] == {
        "repository": "registry.example.com:5000/otel/col",
        "digest": f"sha256:{'0' * 64}",
    }
