"""Every metric that a dashboard or an alert asks for is one that the programs really have.

MinIO, Tempo 2, Tempo 3 and the collector run as processes on this machine, under a little traffic;
no cluster is needed. What appears only after a failure, or only with a Kafka, is named in `RARE`,
and its name is looked for in the program itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from minio import Minio
from promql_parser import AggregateExpr, VectorSelector, parse, walk

from components.collector import SPAN_METRICS as COLLECTORS
from components.tempo import SPAN_METRICS as TEMPOS
from components.values.minio import METRICS_PATH
from tests.live.needs import free_port
from tests.live.process import Process, answers, running
from tests.live.waiting import until
from tests.unit.platforms import PLATFORMS, expressions, metrics_of, recorded

APPEAR_SECONDS: Final = 120

PROGRAMS: Final = {
    "minio": "TRACING_MINIO",
    "tempo": "TRACING_TEMPO",
    "tempo3": "TRACING_TEMPO_3",
    "otelcol-contrib": "TRACING_OTELCOL",
}
"""Each program, and the variable that names it where it is not on PATH under this name."""

RARE: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "tempo_discarded_spans_total": (
        "in Tempo 3 after a span was discarded",
        ("tempo", "discarded_spans_total"),
    ),
    "tempodb_blocklist_poll_errors_total": (
        "after a failed poll",
        ("tempodb", "blocklist_poll_errors_total"),
    ),
    "tempo_ingest_group_partition_lag_seconds": (
        "with a Kafka",
        ("tempo", "ingest", "group_partition_lag_seconds"),
    ),
    "tempo_block_builder_flushed_blocks": (
        "with a Kafka",
        ("tempo", "block_builder", "flushed_blocks"),
    ),
    "tempo_block_builder_fetch_errors_total": (
        "with a Kafka that fails",
        ("tempo", "block_builder", "fetch_errors_total"),
    ),
    "tempo_backend_scheduler_jobs_failed_total": (
        "after a failed job",
        ("tempo", "backend_scheduler_jobs_failed_total"),
    ),
}
"""What is not there in a short and happy life: when it is, and how Tempo's source writes its name
(namespace, subsystem, name)."""

PROMETHEUS: Final = {"instance", "job", "le", "namespace"}
"""Labels that Prometheus adds, or that are a histogram's own."""

GENERATED: Final = ("service", "span_name", "span_kind", "status_code", "client", "server")
"""Labels of what Tempo makes of spans."""

Exposed = dict[str, set[str]]
"""The labels of each metric."""


def found(program: str) -> str | None:
    return shutil.which(os.environ.get(PROGRAMS[program]) or program)


missing = [f"{name} (or {PROGRAMS[name]})" for name in PROGRAMS if found(name) is None]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"metrics of the programs: not on PATH: {', '.join(missing)}"
)


def fetched(url: str, data: bytes | None = None) -> bytes | None:
    """The body of an answer; `None` if there is none, or another than 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {} if data is None else {"Content-Type": "application/json"}
    with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
        return opener.open(urllib.request.Request(url, data, headers), timeout=10).read()
    return None


def exposed(url: str) -> Exposed:
    """The metrics at an address, as Prometheus' text format has them."""
    labels: Exposed = {}
    for line in (fetched(url) or b"").decode().splitlines():
        if line and not line.startswith("#"):
            name, brace, rest = line.partition("{")
            inside = rest.rpartition("}")[0] if brace else ""
            names = re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', inside)
            labels.setdefault(name.split(" ")[0], set()).update(names)
    return labels


class Tempo:
    """One Tempo as one process."""

    def __init__(self, program: str, directory: Path, store: str) -> None:
        self.program, self.directory = found(program) or program, directory
        self.address = f"http://127.0.0.1:{(http := free_port())}"
        self.otlp = f"127.0.0.1:{free_port()}"
        self.generated = directory / "generator"
        configuration: dict[str, Any] = {
            "usage_report": {"reporting_enabled": False},
            "server": {
                "http_listen_address": "127.0.0.1",
                "http_listen_port": http,
                "grpc_listen_address": "127.0.0.1",
                "grpc_listen_port": free_port(),
            },
            "memberlist": {"bind_addr": ["127.0.0.1"], "bind_port": free_port()},
            "distributor": {
                "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": self.otlp}}}}
            },
            "storage": {
                "trace": {
                    "backend": "s3",
                    # What is in the store is told after a look at it.
                    "blocklist_poll": "2s",
                    "wal": {"path": str(directory / "wal")},
                    "s3": {
                        "bucket": "traces",
                        "prefix": program,
                        "endpoint": store,
                        "access_key": "admin",
                        "secret_key": "password",
                        "insecure": True,
                        "forcepathstyle": True,
                    },
                }
            },
            "metrics_generator": {
                "storage": {
                    "path": str(self.generated),
                    "remote_write": [{"url": "http://127.0.0.1:1/"}],
                }
            },
            "overrides": {
                "defaults": {
                    "metrics_generator": {
                        "processors": ["span-metrics", "service-graphs"],
                        "collection_interval": "2s",
                    }
                }
            },
        }
        if program == "tempo":
            configuration["ingester"] = {"max_block_duration": "5s", "trace_idle_period": "1s"}
        directory.mkdir(parents=True)
        self._file = directory / "tempo.yaml"
        self._file.write_text(yaml.safe_dump(configuration), encoding="utf-8")

    def command(self) -> tuple[str, ...]:
        return self.program, f"-config.file={self._file}"

    def metrics(self) -> Exposed:
        """Its own, and the series that it makes of spans, which it keeps until they are sent."""
        made: Exposed = {}
        for file in self.generated.glob("*/wal/*"):
            if file.is_file():
                text = file.read_bytes()
                labels = {label for label in GENERATED if label.encode() in text}
                for name in re.findall(rb"traces_[a-z_]+", text):
                    made[name.decode()] = labels
        return exposed(f"{self.address}/metrics") | made


def collector_configuration(otlp: int, own: int, made: int, tempos: list[Tempo]) -> dict[str, Any]:
    """A collector that sends to each Tempo, and once to nowhere, which is what it then counts."""
    to = {f"otlp_grpc/{index}": tempo.otlp for index, tempo in enumerate(tempos)}
    quick = {"retry_on_failure": {"enabled": False}, "sending_queue": {"queue_size": 1}}
    exporters: dict[str, Any] = {
        name: {"endpoint": address, "tls": {"insecure": True}} for name, address in to.items()
    }
    exporters["otlp_grpc/nowhere"] = {
        "endpoint": "127.0.0.1:1",
        "tls": {"insecure": True},
        **quick,
    }
    connectors = {"span_metrics": {"metrics_flush_interval": "1s"}, "service_graph": {}}
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": own}}}}
    return {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{otlp}"}}}},
        "connectors": connectors,
        "exporters": exporters | {"prometheus": {"endpoint": f"127.0.0.1:{made}"}},
        "service": {
            "telemetry": {"metrics": {"readers": [reader]}},
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": [*exporters, *connectors]},
                "metrics": {"receivers": list(connectors), "exporters": ["prometheus"]},
            },
        },
    }


def request_of_two_services() -> bytes:
    """A trace of one request from a service to another, which fails, as OTLP's JSON."""
    now, trace, caller = time.time_ns(), secrets.token_hex(16), secrets.token_hex(8)

    def span(service: str, kind: int, **more: Any) -> dict[str, Any]:
        name = {"key": "service.name", "value": {"stringValue": service}}
        times = {"startTimeUnixNano": str(now - 10**6), "endTimeUnixNano": str(now)}
        whole = {"traceId": trace, "name": "op", "kind": kind, "status": {"code": 2}, **times}
        return {
            "resource": {"attributes": [name]},
            "scopeSpans": [{"spans": [whole | more]}],
        }

    spans = [
        span("shop", 3, spanId=caller),
        span("stock", 2, spanId=secrets.token_hex(8), parentSpanId=caller),
    ]
    return json.dumps({"resourceSpans": spans}).encode()


Programs = dict[str, Callable[[], Exposed]]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """What each program exposes, asked anew with each call, while traces pass through them."""
    root = tmp_path_factory.mktemp("metrics")
    store, otlp, own, made = (free_port() for _ in range(4))
    tempos = {name: Tempo(name, root / name, f"127.0.0.1:{store}") for name in ("tempo", "tempo3")}
    configuration = root / "collector.yaml"
    configuration.write_text(
        yaml.safe_dump(collector_configuration(otlp, own, made, list(tempos.values()))),
        encoding="utf-8",
    )
    with contextlib.ExitStack() as stack:
        variables = {
            "MINIO_ROOT_USER": "admin",
            "MINIO_ROOT_PASSWORD": "password",
            "MINIO_PROMETHEUS_AUTH_TYPE": "public",
        }
        minio = f"http://127.0.0.1:{store}"
        stack.enter_context(
            running(
                "minio",
                root / "minio",
                found("minio") or "",
                *("server", str(root / "data"), "--address", f"127.0.0.1:{store}"),
                ready=lambda: answers(f"{minio}/minio/health/ready"),
                environment=os.environ | variables,
            )
        )
        Minio(f"127.0.0.1:{store}", "admin", "password", secure=False).make_bucket("traces")
        for name, tempo in tempos.items():
            stack.enter_context(
                running(
                    name,
                    tempo.directory,
                    *tempo.command(),
                    ready=lambda t=tempo: answers(f"{t.address}/ready"),
                    end=Process.kill,
                )
            )
        takes = partial(fetched, f"http://127.0.0.1:{otlp}/v1/traces", request_of_two_services())
        stack.enter_context(
            running(
                "collector",
                root / "collector",
                *(found("otelcol-contrib") or "", "--config", str(configuration)),
                ready=lambda: takes() is not None,
            )
        )

        def under_traffic(ask: Callable[[], Exposed]) -> Callable[[], Exposed]:
            def asked() -> Exposed:
                for _ in range(5):
                    fetched(f"http://127.0.0.1:{otlp}/v1/traces", request_of_two_services())
                for tempo in tempos.values():
                    fetched(f"{tempo.address}/flush")
                    fetched(f"{tempo.address}/api/search")
                return ask()

            return asked

        yield {
            "tempo": under_traffic(tempos["tempo"].metrics),
            "tempo3": under_traffic(tempos["tempo3"].metrics),
            "collector": under_traffic(lambda: exposed(f"http://127.0.0.1:{own}/metrics")),
            "span metrics": under_traffic(lambda: exposed(f"http://127.0.0.1:{made}/metrics")),
            "minio": under_traffic(lambda: exposed(minio + METRICS_PATH)),
        }


def asked_of(platform: str) -> dict[str, set[str]]:
    """What a stack asks for: each metric, and the labels it is told apart by."""
    asked: dict[str, set[str]] = {}

    def selector(expression: Any) -> None:
        if isinstance(expression, VectorSelector) and expression.name:
            named = {matcher.name for matcher in expression.matchers.matchers}
            asked.setdefault(expression.name, set()).update(named)

    def aggregate(expression: Any) -> None:
        selector(expression)
        if isinstance(expression, AggregateExpr) and expression.modifier is not None:
            for metric in metrics_of(expression.expr):
                asked.setdefault(metric, set()).update(expression.modifier.labels)

    for text in expressions(recorded(platform)):
        walk(parse(text), aggregate)
    return {name: labels - PROMETHEUS for name, labels in asked.items() if name != "up"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_metric_and_label_that_is_asked_for_is_there(
    programs: Programs, platform: str
) -> None:
    tempo = "tempo3" if platform.startswith("Tempo 3") else "tempo"
    asked = asked_of(platform)
    assert len(asked) > 15

    def complete() -> bool:
        there = programs["collector"]() | programs["minio"]() | programs[tempo]()
        absent = sorted(set(asked) - set(there) - set(RARE))
        assert not absent, absent
        wrong = {
            name: sorted(labels - there[name])
            for name, labels in asked.items()
            if name in there and not labels <= there[name]
        }
        assert not wrong, wrong
        return True

    until("every metric", APPEAR_SECONDS, complete)


def test_the_collector_calls_span_metrics_as_the_contract_says(programs: Programs) -> None:
    def complete() -> bool:
        there = programs["span metrics"]()
        names = {COLLECTORS.calls, f"{COLLECTORS.duration}_bucket"}
        names |= {
            "traces_service_graph_request_total",
            "traces_service_graph_request_failed_total",
            "traces_service_graph_request_server_seconds_bucket",
        }
        assert names <= set(there), sorted(names - set(there))
        assert {COLLECTORS.service, "span_name", "span_kind", "status_code"} <= there[
            COLLECTORS.calls
        ]
        assert f"_{'milliseconds' if COLLECTORS.duration_unit == 'ms' else 'seconds'}" in (
            COLLECTORS.duration
        )
        return True

    until("the collector's span metrics", APPEAR_SECONDS, complete)


@pytest.mark.parametrize("tempo", ["tempo", "tempo3"])
def test_tempo_calls_span_metrics_as_the_contract_says(programs: Programs, tempo: str) -> None:
    names = {TEMPOS.calls, f"{TEMPOS.duration}_bucket", TEMPOS.size}
    until("Tempo's span metrics", APPEAR_SECONDS, lambda: names <= set(programs[tempo]()))


def test_what_is_rare_is_in_the_program() -> None:
    asked = {name for platform in PLATFORMS for name in asked_of(platform)}
    assert set(RARE) <= asked, "no longer asked for"
    program = Path(found("tempo3") or "").read_bytes()
    for name, (_, parts) in RARE.items():
        assert "_".join(parts) == name
        assert all(part.encode() in program for part in parts), name
