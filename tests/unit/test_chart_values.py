"""Every value that the program sets is one that the chart reads."""

from typing import Any

import pytest

import charts
from ops import chart_lock
from ops.registrations import Recorded, record
from ops.stack_files import STACK_FILES, recorded

EVERY_OPTION = {
    "tracing:tempo": {
        "image": "docker.io/grafana/tempo:2.10.7",
        "memcachedImage": "docker.io/memcached:1.6.43-alpine",
        "gateway": {"replicas": 2, "image": "docker.io/nginxinc/nginx-unprivileged:1.31-alpine"},
        "logReceivedSpans": {"enabled": True},
        "distributor": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "ingester": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "querier": {
            "resources": {"cpu": "1", "memory": "1Gi"},
            "autoscaling": {"minReplicas": 2, "maxReplicas": 5, "targetCpuPercent": 70},
        },
        "queryFrontend": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "compactor": {"resources": {"cpu": "1", "memory": "1Gi"}},
    },
    "tracing:collector": {
        "mode": "daemonset",
        "image": f"registry.example.com:5000/otel/col@sha256:{'0' * 64}",
        "receivers": ["otlpGrpc", "otlpHttp", "zipkin", "jaegerGrpc", "jaegerThriftHttp"],
    },
    "tracing:traefik": {
        "image": "docker.io/traefik:v3.7.11",
        "protocol": "http",
        "propagators": ["b3multi"],
        "keepHeaders": ["X-B3-Traceid"],
        "resourceAttributes": {"deployment.environment.name": "dev"},
    },
}

PROFILES: dict[str, dict[str, Any]] = {
    "tempo 3 with every option": {
        "profile": "distributed-3",
        "acknowledgeNoDowngrade": True,
        "kafka": {"address": "kafka:9092", "partitions": 6, "sasl": {"secretName": "kafka"}},
        "blockBuilder": {"replicas": 3, "resources": {"cpu": "1", "memory": "1Gi"}},
        "liveStore": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "backendScheduler": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "backendWorker": {"resources": {"cpu": "1", "memory": "1Gi"}},
        "gateway": {
            "resources": {"cpu": "100m", "memory": "64Mi"},
            "autoscaling": {"maxReplicas": 4},
        },
    },
    "a monolithic tempo with every option": {
        "profile": "monolithic",
        "image": "docker.io/grafana/tempo:2.10.8",
        "resources": {"cpu": "1", "memory": "1Gi"},
        "receivers": ["otlpGrpc", "zipkin", "jaegerThriftHttp"],
    },
}
EVERYWHERE: dict[str, Any] = {
    "tls": {"secretName": "tempo-tls"},
    "limits": {"rateMbPerSecond": 60},
    "tenants": {"single-tenant": {"maxTraceMb": 20}},
    "metricsGenerator": {"remoteWriteUrl": "http://prometheus:9090/api/v1/write"},
}
TLS = {"tracing:tls": {"caFile": "examples/private-ca/ca.pem"}}
PRIVATE_CA = {"endpoint": "s3.example.com", "type": "s3", "caFile": "examples/private-ca/ca.pem"}
GIVEN_KEYS = {"tracing:objectStoreAccessKey": "x", "tracing:objectStoreSecretKey": "x"}

LOCKED = [chart for chart in charts.PINS if chart != charts.HARNESS]


def run_of(case: str) -> Recorded:
    if case in PROFILES:
        raw = {
            "tracing:tempo": PROFILES[case] | EVERYWHERE,
            "tracing:objectStore": PRIVATE_CA,
        } | TLS
        return record("dev", raw, GIVEN_KEYS)
    if case == "every option":
        tempo = EVERY_OPTION["tracing:tempo"] | EVERYWHERE
        return record("dev", EVERY_OPTION | TLS | {"tracing:tempo": tempo}, {})
    return recorded(case)


@pytest.mark.parametrize("case", [*STACK_FILES, "every option", *PROFILES])
def test_the_chart_knows_every_value(case: str) -> None:
    run = run_of(case)
    for component, values in run.helm_values().items():
        inputs = run.one(f"{component}-release").inputs
        lock = chart_lock.load(inputs["chart"], inputs["version"])
        assert chart_lock.unknown_paths(values, lock) == [], component


@pytest.mark.parametrize("chart", LOCKED, ids=lambda chart: f"{chart.name}-{chart.version}")
def test_the_lock_of_the_values_is_of_the_pinned_archive(chart: charts.Chart) -> None:
    lock = chart_lock.load(chart.name, chart.version)
    assert (lock.sha256, lock.repository) == (chart.sha256, chart.repository)


def test_an_image_is_split_as_the_collectors_chart_wants_it() -> None:
    run = record("dev", EVERY_OPTION, {})
    assert run.helm_values()["collector"]["image"] == {
        "repository": "registry.example.com:5000/otel/col",
        "digest": f"sha256:{'0' * 64}",
    }
