"""The collector itself, as a stack configures it: nothing acknowledged is lost, nothing secret
passes, the right traces are kept, and all spans of a trace meet.

Needs the program otelcol-contrib 0.158 (or otelcol, with the components named in
`components/values/collector_config.py`), on PATH or named in TRACING_OTELCOL; no cluster.
"""

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from components.values.collector_metrics import OWN
from ops.stack_files import STACK_FILES, recorded
from tests.live.figures import Figures
from tests.live.needs import free_port
from tests.live.otelcol import (
    FIRST,
    GATEWAY,
    RETRYABLE,
    Pod,
    Prometheus,
    Sender,
    Sink,
    Tempo,
    configurations,
    export,
    get,
    refused,
    running,
    send,
    variables,
)
from tests.live.waiting import until
from tests.unit.collector_settings import collector_settings

ARRIVE_SECONDS = 180
SEED = 20_260_823


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Where Tempo would be; it is down at first."""
    sink = Sink()
    yield sink
    sink.down()


def attribute(key: str, value: str | list[str]) -> KeyValue:
    if isinstance(value, str):
        return KeyValue(key=key, value=AnyValue(string_value=value))
    items = [AnyValue(string_value=item) for item in value]
    return KeyValue(key=key, value=AnyValue(array_value=ArrayValue(values=items)))


def request_of(
    service: str, spans: list[Span], **resource: str | list[str]
) -> ExportTraceServiceRequest:
    attributes = [attribute("service.name", service)]
    attributes += [attribute(key.replace("_", "."), value) for key, value in resource.items()]
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=attributes), scope_spans=[ScopeSpans(spans=spans)]
            )
        ]
    )


class Spans:
    """Makes spans, the same ones in each run."""

    def __init__(self) -> None:
        self._random = random.Random(SEED)

    def trace_id(self) -> bytes:
        return self._random.randbytes(16)

    def span(self, trace_id: bytes, seconds: float = 0.01, **more: Any) -> Span:
        end = time.time_ns()
        return Span(
            trace_id=trace_id,
            span_id=self._random.randbytes(8),
            name="work",
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=end - int(seconds * 1e9),
            end_time_unix_nano=end,
            **more,
        )


# --- What the program accepts ---------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACK_FILES)
def test_the_program_accepts_the_configuration_of_every_stack(
    otelcol: Path, tmp_path: Path, stack: str
) -> None:
    for name, values in recorded(stack).helm_values().items():
        if name in (FIRST, GATEWAY):
            assert refused(otelcol, values["alternateConfig"], tmp_path) == "", name


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("validate")


@examples(
    max_examples=40,
    derandomize=True,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(settings=collector_settings())
def test_the_program_accepts_whatever_can_be_configured(
    otelcol: Path, scratch: Path, settings: dict[str, Any]
) -> None:
    for tier, configuration in configurations(settings).items():
        assert refused(otelcol, configuration, scratch) == "", tier


def test_the_program_refuses_what_it_does_not_know(otelcol: Path, tmp_path: Path) -> None:
    configuration = configurations({})[FIRST]
    configuration["exporters"]["otlp_grpc"]["sending_queue"]["storrage"] = "file_storage/queue"
    assert "storrage" in refused(otelcol, configuration, tmp_path)


# --- Nothing acknowledged is lost -----------------------------------------------------------------

SINGLE: dict[str, Any] = {}
METRICS = {"remoteWriteUrl": "http://127.0.0.1:1/api/v1/write"}
BY_TRACE = {"replicas": 2, "gateway": {"replicas": 1}, "metrics": METRICS}
AGENTS = {"mode": "agent-gateway", "gateway": {"replicas": 1}}
AGENTS_BY_TRACE = {"mode": "daemonset", "gateway": {"replicas": 1}, "metrics": METRICS}


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        pytest.param(SINGLE, 100_000, id="one tier"),
        pytest.param(BY_TRACE, 20_000, id="two tiers, by trace"),
    ],
)
def test_no_acknowledged_span_is_lost_when_tempo_is_down_and_the_collector_killed(
    otelcol: Path,
    tmp_path: Path,
    sink: Sink,
    figures: Figures,
    settings: dict[str, Any],
    count: int,
) -> None:
    tiers = configurations(settings)
    gateway = [
        Pod(otelcol, tiers[tier], tmp_path / "gateway", [sink.address])
        for tier in tiers
        if tier == GATEWAY
    ]
    exports_to = gateway[0].grpc if gateway else sink.address
    first = Pod(otelcol, tiers[FIRST], tmp_path / "first", [exports_to])
    make = Spans()
    requests = [
        request_of("shop", [make.span(make.trace_id()) for _ in range(100)])
        for _ in range(count // 100)
    ]
    with running(first), Sender(first.grpc, requests) as sender:
        # Whoever comes next is not there, be it Tempo or the gateway.
        until("half is acknowledged", 120, lambda: len(sender.acknowledged) >= count // 2)
        until("it was missed", 60, lambda: "Exporting failed. Will retry" in first.log)
        first.kill()
        first.start()
        sender.wait()
        with running(*gateway):
            if gateway:
                second = gateway[0]
                until("Tempo was missed", 60, lambda: "Exporting failed. Will retry" in second.log)
            # And once more, with everything acknowledged and nothing delivered.
            assert not sink.spans
            for pod in (*gateway, first):
                pod.kill()
            for pod in (*gateway, first):
                pod.start()
            sink.up()
            until(
                "every acknowledged span arrived",
                ARRIVE_SECONDS,
                lambda: sender.acknowledged <= sink.spans.keys(),
            )
    assert len(sender.acknowledged) == count
    figures.add(f"{count} spans acknowledged, lost", count - len(sink.spans), "spans")
    figures.add("of them twice or more", sum(sink.spans.values()) - len(sink.spans), "spans")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(AGENTS, id="to any pod"),
        pytest.param(AGENTS_BY_TRACE, id="by trace"),
    ],
)
def test_an_agent_acknowledges_nothing_that_its_gateway_has_not(
    otelcol: Path,
    tmp_path: Path,
    sink: Sink,
    figures: Figures,
    settings: dict[str, Any],
) -> None:
    count = 100_000
    tiers = configurations(settings)
    gateway = Pod(otelcol, tiers[GATEWAY], tmp_path / "gateway", [sink.address])

    def agent(number: int) -> Pod:
        """A pod of its own, with nothing of the one before it."""
        return Pod(otelcol, tiers[FIRST], tmp_path / f"agent-{number}", [gateway.grpc])

    make = Spans()
    requests = [
        request_of("shop", [make.span(make.trace_id()) for _ in range(100)])
        for _ in range(count // 100)
    ]
    with running(agent(0)) as [alone]:
        with pytest.raises(grpc.RpcError) as refused:
            export(alone.grpc, requests[0], None)
        until("it is counted", 30, lambda: alone.metric("otelcol_receiver_refused_spans") == 100)
    assert refused.value.code() in RETRYABLE
    acknowledged: set[bytes] = set()
    with running(gateway):
        # In the midst of each half, while Tempo is away, agent and gateway are killed: who is told
        # nothing tries again. After each the agent is gone, with all that was its own.
        for number, half in enumerate((requests[: count // 200], requests[count // 200 :]), 1):
            with running(agent(number)) as [pod], Sender(pod.grpc, half) as sender:
                until("some are acknowledged", 120, lambda s=sender: len(s.acknowledged) > 3000)
                pod.kill()
                gateway.kill()
                assert len(sender.acknowledged) < len(half) * 100, "it was over before"
                gateway.start()
                pod.start()
                sender.wait()
                acknowledged |= sender.acknowledged
        assert not sink.spans
        gateway.kill()
        gateway.start()
        sink.up()
        until(
            "every acknowledged span arrived",
            ARRIVE_SECONDS,
            lambda: acknowledged <= sink.spans.keys(),
        )
    assert len(acknowledged) == count
    figures.add(f"{count} spans acknowledged by agents, lost", count - len(sink.spans), "spans")
    figures.add("of them twice or more", sum(sink.spans.values()) - len(sink.spans), "spans")


def test_a_request_that_agents_make_larger_gets_through(
    otelcol: Path, tmp_path: Path, sink: Sink
) -> None:
    attributes = {f"a-{number}": "x" * 40 for number in range(8)}
    settings = AGENTS | {"resourceAttributes": attributes}
    tiers = configurations(settings)
    gateway = Pod(otelcol, tiers[GATEWAY], tmp_path / "gateway", [sink.address])
    given = variables(settings)
    agent = Pod(otelcol, tiers[FIRST], tmp_path / "agent", [gateway.grpc], given)
    make = Spans()
    one = make.trace_id()
    # As many resources as a sender's own limit (4 MiB) has room for.
    request = ExportTraceServiceRequest()
    while request.ByteSize() < 4_150_000:
        spans = [make.span(one) for _ in range(20)]
        for _ in range(20):
            request.MergeFrom(request_of("shop", spans))
    sink.up()
    with running(gateway, agent):
        acknowledged = send(agent.grpc, [request])
        until("it arrived", ARRIVE_SECONDS, lambda: acknowledged <= sink.spans.keys())


def test_a_pod_that_is_asked_to_end_while_tempo_keeps_up_leaves_nothing_in_its_queue(
    otelcol: Path, tmp_path: Path, sink: Sink, figures: Figures
) -> None:
    [configuration] = configurations({"mode": "daemonset"}).values()
    make = Spans()
    requests = [
        request_of("shop", [make.span(make.trace_id()) for _ in range(100)]) for _ in range(400)
    ]
    pod = Pod(otelcol, configuration, tmp_path / "first", [sink.address])
    sink.up()
    with running(pod), Sender(pod.grpc, requests) as sender:
        until("half is acknowledged", 60, lambda: len(sender.acknowledged) >= 20_000)
        pod.end()
        acknowledged = set(sender.acknowledged)
    missing = len(acknowledged - sink.spans.keys())
    figures.add(f"{len(acknowledged)} spans acknowledged, left in the queue", missing, "spans")
    assert not missing


def test_a_full_queue_refuses_and_keeps_what_it_took(
    otelcol: Path, tmp_path: Path, sink: Sink
) -> None:
    configuration = configurations({})[FIRST]
    queue = configuration["exporters"]["otlp_grpc"]["sending_queue"]
    queue["queue_size"] = 600_000
    pod = Pod(otelcol, configuration, tmp_path / "first", [sink.address])
    make = Spans()
    requests = [
        request_of("shop", [make.span(make.trace_id()) for _ in range(100)]) for _ in range(200)
    ]
    with running(pod), Sender(pod.grpc, requests) as sender:
        until("one is refused", 60, lambda: "sending queue is full" in sender.refusals)
        assert pod.metric("otelcol_exporter_enqueue_failed_spans") > 0
        assert len(sender.acknowledged) < 20_000
        sink.up()
        sender.wait()
        until("all arrived", ARRIVE_SECONDS, lambda: sender.acknowledged <= sink.spans.keys())
    assert len(sender.acknowledged) == 20_000


def test_what_tempo_refuses_for_a_limit_arrives_later(
    otelcol: Path, tempo_program: Path, tmp_path: Path, figures: Figures
) -> None:
    limits = {"rateMbPerSecond": 1, "burstMb": 4, "maxLiveTraces": 0}
    tempo = Tempo(tempo_program, tmp_path / "tempo", {"limits": limits})
    pod = Pod(otelcol, configurations({})[FIRST], tmp_path / "first", [tempo.otlp])
    make = Spans()
    # 12 MB, which takes Tempo some eight seconds at its limit.
    filler = [attribute("filler", "x" * 1000)]
    requests = [
        request_of("shop", [make.span(make.trace_id(), attributes=filler) for _ in range(100)])
        for _ in range(110)
    ]
    with tempo.running(), running(pod):
        acknowledged = send(pod.grpc, requests)
        until(
            "Tempo took everything",
            ARRIVE_SECONDS,
            lambda: pod.metric("otelcol_exporter_sent_spans") == len(acknowledged),
        )
    assert "RATE_LIMITED" in pod.log
    assert "Dropping data" not in pod.log
    figures.add("times that Tempo refused", pod.log.count("RATE_LIMITED"), "")


def test_tempo_keeps_all_of_what_waited_for_it(
    otelcol: Path, tempo_program: Path, tmp_path: Path
) -> None:
    tempo = Tempo(tempo_program, tmp_path / "tempo", {})
    pod = Pod(otelcol, configurations({})[FIRST], tmp_path / "first", [tempo.otlp])
    make = Spans()
    # More traces at once than Tempo takes by default.
    requests = [
        request_of("shop", [make.span(make.trace_id()) for _ in range(100)]) for _ in range(300)
    ]
    with running(pod):
        acknowledged = send(pod.grpc, requests)
        with tempo.running():
            until(
                "Tempo took everything",
                ARRIVE_SECONDS,
                lambda: pod.metric("otelcol_exporter_sent_spans") == len(acknowledged) == 30_000,
            )
            assert tempo.discarded() == 0


# --- Nothing secret passes ------------------------------------------------------------------------


def test_credentials_do_not_pass_wherever_they_are(
    otelcol: Path, tmp_path: Path, sink: Sink
) -> None:
    settings = {
        "redaction": {"attributes": ["session-id"]},
        "resourceAttributes": {"k8s.cluster.name": "west, 1 = a"},
    }
    [configuration] = configurations(settings).values()
    given = variables(settings)
    pod = Pod(otelcol, configuration, tmp_path / "first", [sink.address], given)
    secret = "canary-2f7c"
    names = [
        "authorization",
        "Authorization",
        "http.request.header.authorization",
        "http.request.header.proxy-authorization",
        "http.request.header.cookie",
        "http.response.header.set-cookie",
        "set_cookie",
        "http.request.header.x_api_key",
        "x-api-key",
        "apikey",
        "http.request.header.session_id",
    ]
    make = Spans()
    attributes = [attribute(name, secret) for name in names]
    attributes += [attribute(f"http.a.{name}", [secret, f"{secret} 2"]) for name in names]
    span = make.span(
        make.trace_id(),
        attributes=[*attributes, attribute("http.route", "/cookie/authorization")],
        events=[Span.Event(name="request", attributes=attributes)],
    )
    sink.up()
    with running(pod):
        send(pod.grpc, [request_of("shop", [span], authorization=secret)])
        until("the span arrived", ARRIVE_SECONDS, lambda: span.span_id in sink.spans)
    [came] = sink.requests
    assert secret.encode() not in came.SerializeToString()
    [resource] = came.resource_spans
    [out] = resource.scope_spans[0].spans
    seen = {a.key: a.value.string_value for a in out.attributes}
    assert set(names) <= seen.keys()
    assert {seen[name] for name in names} == {"****"}
    assert seen["http.route"] == "/cookie/authorization"
    added = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert added["k8s.cluster.name"] == "west, 1 = a"


# --- The right traces are kept --------------------------------------------------------------------

TRACES = 4000


def test_tail_sampling_keeps_errors_slow_ones_and_a_part_of_the_rest(
    otelcol: Path, tmp_path: Path, sink: Sink, figures: Figures
) -> None:
    settings = {
        "sampling": {
            "type": "tail",
            "tracesPerSecond": 4000,
            "decisionWait": "2s",
            "policies": [
                {"type": "errors"},
                {"type": "slow", "threshold": "3s"},
                {"type": "service", "service": "checkout", "sampleRate": 0.5},
                {"type": "attribute", "key": "tier", "values": ["gold$$1"]},
                {"type": "probabilistic", "sampleRate": 0.1},
            ],
        }
    }
    [configuration] = configurations(settings).values()
    pod = Pod(otelcol, configuration, tmp_path / "first", [sink.address])
    make = Spans()
    kinds: dict[bytes, str] = {}
    requests = []
    for number in range(TRACES):
        kind = ("error", "slow", "gold", "checkout", "other", "other", "other", "other")[number % 8]
        trace = make.trace_id()
        kinds[trace] = kind
        error = Status(code=Status.STATUS_CODE_ERROR) if kind == "error" else Status()
        gold = [attribute("tier", "gold$$1")] if kind == "gold" else []
        root = make.span(trace, 5 if kind == "slow" else 0.01)
        child = make.span(trace, status=error, attributes=gold)
        requests.append(request_of("shop", [root]))
        requests.append(request_of("checkout" if kind == "checkout" else "stock", [child]))
    sink.up()
    with running(pod):
        send(pod.grpc, requests)
        until(
            "every trace was decided on",
            ARRIVE_SECONDS,
            lambda: (
                pod.metric("otelcol_processor_tail_sampling_global_count_traces_sampled_total")
                >= TRACES
                or pod.metric("otelcol_processor_tail_sampling_global_count_traces_sampled")
                >= TRACES
            ),
        )
        until(
            "the queue is empty",
            ARRIVE_SECONDS,
            lambda: (
                pod.metric("otelcol_exporter_queue_size") == 0
                and pod.metric("otelcol_exporter_sent_spans") == sum(sink.spans.values())
            ),
        )
    spans_of = spans_by_trace(sink)
    sent, kept = defaultdict(int), defaultdict(int)
    for trace, kind in kinds.items():
        sent[kind] += 1
        kept[kind] += trace in spans_of
    for kind in ("error", "slow", "gold"):
        assert kept[kind] == sent[kind], kind
    assert within_four_deviations(kept["checkout"], sent["checkout"], 0.5)
    assert within_four_deviations(kept["other"], sent["other"], 0.1)
    # Whole traces: no span of what is kept is missing, whichever policy kept it.
    assert {len(spans) for spans in spans_of.values()} == {2}
    figures.add("kept of the rest (0.1 asked for)", kept["other"] / sent["other"], "")


def test_head_sampling_keeps_a_part_and_all_spans_of_it(
    otelcol: Path, tmp_path: Path, sink: Sink
) -> None:
    settings = {"sampling": {"type": "probabilistic", "sampleRate": 0.25}}
    [configuration] = configurations(settings).values()
    pod = Pod(otelcol, configuration, tmp_path / "first", [sink.address])
    make = Spans()
    traces = [make.trace_id() for _ in range(TRACES)]
    requests = [request_of(name, [make.span(t) for t in traces]) for name in ("shop", "stock")]
    last = make.span(bytes(15) + b"\x01")
    sink.up()
    with running(pod):
        send(pod.grpc, requests)
        until(
            "the queue is empty",
            ARRIVE_SECONDS,
            lambda: (
                pod.metric("otelcol_exporter_sent_spans") == sum(sink.spans.values()) > 0
                and pod.metric("otelcol_exporter_queue_size") == 0
            ),
        )
    spans_of = spans_by_trace(sink)
    spans_of.pop(last.trace_id, None)
    assert within_four_deviations(len(spans_of), TRACES, 0.25)
    assert {len(spans) for spans in spans_of.values()} == {2}


def within_four_deviations(found: int, of: int, rate: float) -> bool:
    """Whether so many are to be expected of a binomial distribution (all but 1 of 16,000 are)."""
    return abs(found - of * rate) <= 4 * (of * rate * (1 - rate)) ** 0.5


def spans_by_trace(sink: Sink) -> dict[bytes, set[bytes]]:
    """What came, by the trace it is of."""
    traces: dict[bytes, set[bytes]] = defaultdict(set)
    for request in sink.requests:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    traces[span.trace_id].add(span.span_id)
    return traces


# --- Every span is counted ------------------------------------------------------------------------


def test_spans_are_counted_before_sampling_and_names_without_end_are_limited(
    otelcol: Path, tmp_path: Path, sink: Sink
) -> None:
    prometheus = Prometheus()
    settings = {
        "sampling": {"type": "probabilistic", "sampleRate": 0.1},
        "metrics": {"remoteWriteUrl": prometheus.url, "maxSeriesPerService": 10},
    }
    [configuration] = configurations(settings).values()
    # What goes by remote write is compressed; the same series are shown here, to be read.
    port = free_port()
    configuration["exporters"]["prometheus"] = {"endpoint": f"127.0.0.1:{port}"}
    configuration["service"]["pipelines"]["metrics"]["exporters"].append("prometheus")
    for connector in configuration["connectors"].values():
        if connector:
            connector["metrics_flush_interval"] = "1s"
    pod = Pod(otelcol, configuration, tmp_path / "first", [sink.address])
    make = Spans()
    requests = []
    for number in range(500):
        # Two pods of one service, and a name with an id in it.
        span = make.span(make.trace_id())
        span.name = f"order {number}"
        requests.append(request_of("shop", [span], k8s_pod_name=f"shop-{number % 2}"))
    sink.up()
    with prometheus.running(), running(pod):
        send(pod.grpc, requests)

        def calls() -> dict[str, float]:
            lines = (get(port, "/metrics") or "").splitlines()
            series = [line for line in lines if line.startswith("traces_span_metrics_calls_total{")]
            return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in series}

        until("all spans are counted", 60, lambda: sum(calls().values()) == 500)
        series = calls()
        until("they were sent on", 60, lambda: prometheus.taken)
    assert 0 < len(sink.spans) < 150
    assert len(series) == 11
    [overflow] = [count for name, count in series.items() if "otel_metric_overflow" in name]
    assert overflow == 490
    assert not [name for name in series if "shop-0" in name]


def test_the_two_sides_of_a_request_are_an_edge_of_the_graph(
    otelcol: Path, tmp_path: Path, sink: Sink
) -> None:
    url = "http://127.0.0.1:1/api/v1/write"
    [configuration] = configurations({"metrics": {"remoteWriteUrl": url}}).values()
    port = free_port()
    configuration["exporters"]["prometheus"] = {"endpoint": f"127.0.0.1:{port}"}
    configuration["service"]["pipelines"]["metrics"]["exporters"].append("prometheus")
    configuration["connectors"]["service_graph"]["metrics_flush_interval"] = "1s"
    pod = Pod(otelcol, configuration, tmp_path / "first", [sink.address])
    make = Spans()
    client = make.span(make.trace_id())
    client.kind = Span.SPAN_KIND_CLIENT
    server = make.span(client.trace_id, parent_span_id=client.span_id)
    with running(pod):
        send(pod.grpc, [request_of("shop", [client]), request_of("stock", [server])])

        def edges() -> list[str]:
            lines = (get(port, "/metrics") or "").splitlines()
            return [line for line in lines if line.startswith("traces_service_graph_request_total")]

        [edge] = until("an edge", 60, edges)
    assert 'client="shop"' in edge
    assert 'server="stock"' in edge


# --- Who may send ---------------------------------------------------------------------------------


def test_a_sender_needs_a_certificate_where_it_is_asked_for(
    otelcol: Path, tmp_path: Path, sink: Sink, authority: trustme.CA
) -> None:
    tls = {"secretName": "otel-tls", "clientCaSecretName": "senders"}
    [configuration] = configurations({"tls": tls}).values()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    (tmp_path / "tls.crt").write_bytes(certificate.cert_chain_pems[0].bytes())
    (tmp_path / "tls.key").write_bytes(certificate.private_key_pem.bytes())
    (tmp_path / "ca.crt").write_bytes(authority.cert_pem.bytes())
    servers = configuration["receivers"]["otlp"]["protocols"]
    for server in (*servers.values(), configuration["exporters"][f"prometheus/{OWN}"]):
        for key in {"cert_file", "key_file", "client_ca_file"} & server["tls"].keys():
            server["tls"][key] = str(tmp_path / Path(server["tls"][key]).name)
    pod = Pod(otelcol, configuration, tmp_path / "first", [sink.address])
    make = Spans()
    request = request_of("shop", [make.span(make.trace_id())])
    root = authority.cert_pem.bytes()
    known = grpc.ssl_channel_credentials(
        root, certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
    )
    sink.up()
    with running(pod):
        for stranger in (None, grpc.ssl_channel_credentials(root)):
            with pytest.raises(grpc.RpcError):
                export(pod.grpc, request, stranger)
        export(pod.grpc, request, known)
        until("the span arrived", ARRIVE_SECONDS, lambda: len(sink.spans) == 1)

        def is_refused() -> bool:
            try:
                export(pod.grpc, request, known)
            except grpc.RpcError:
                return True
            return False

        (tmp_path / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
        until("a withdrawn authority is trusted no longer", ARRIVE_SECONDS, is_refused)


# --- All spans of a trace meet --------------------------------------------------------------------


def test_all_spans_of_a_trace_come_to_one_pod_of_the_gateway(
    otelcol: Path, tmp_path: Path, figures: Figures
) -> None:
    policies = [{"type": "probabilistic", "sampleRate": 1.0}]
    tail = {"type": "tail", "tracesPerSecond": 1000, "decisionWait": "1s", "policies": policies}
    tiers = configurations({"replicas": 2, "sampling": tail})
    # One for each pod of the gateway, to see which spans it had.
    sinks = [Sink(), Sink()]
    gateway = [
        Pod(otelcol, tiers[GATEWAY], tmp_path / f"gateway-{number}", [sink.address])
        for number, sink in enumerate(sinks)
    ]
    first = [
        Pod(otelcol, tiers[FIRST], tmp_path / f"first-{n}", [pod.grpc for pod in gateway])
        for n in range(2)
    ]
    make = Spans()
    traces = [make.trace_id() for _ in range(1000)]
    # Each service sends to another pod of the first tier, as Kubernetes would have it.
    halves = [
        [
            request_of(f"service-{n}", [make.span(t) for t in traces[i : i + 50]])
            for i in range(0, 1000, 50)
        ]
        for n in range(2)
    ]
    for sink in sinks:
        sink.up()
    try:
        with running(*gateway, *first):
            for pod, half in zip(first, halves, strict=True):
                send(pod.grpc, half)
            until(
                "all spans arrived",
                ARRIVE_SECONDS,
                lambda: sum(len(sink.spans) for sink in sinks) == 2000,
            )
    finally:
        for sink in sinks:
            sink.down()
    had = [spans_by_trace(sink) for sink in sinks]
    assert had[0].keys().isdisjoint(had[1])
    assert all(len(spans) == 2 for part in had for spans in part.values())
    assert all(len(part) > 300 for part in had)
    figures.add("traces at the first of two gateway pods, of 1000", len(had[0]), "traces")


def test_what_a_gateway_pod_does_not_take_goes_to_the_other_one(
    otelcol: Path, tmp_path: Path, sink: Sink
) -> None:
    tiers = configurations(BY_TRACE | {"gateway": {"replicas": 2}})
    there = Pod(otelcol, tiers[GATEWAY], tmp_path / "gateway", [sink.address])
    first = Pod(otelcol, tiers[FIRST], tmp_path / "first", [there.grpc, "127.0.0.1:1"])
    make = Spans()
    requests = [request_of("shop", [make.span(make.trace_id()) for _ in range(100)])]
    sink.up()
    with running(there, first):
        acknowledged = send(first.grpc, requests)
        until("a part arrived", ARRIVE_SECONDS, lambda: len(sink.spans) > 0)
        until("a pod was missed", 60, lambda: "Exporting failed. Will retry" in first.log)
        first.kill()
        # As when DNS no longer names the pod that is gone.
        resolver = {"static": {"hostnames": [there.grpc]}}
        first.configuration["exporters"]["load_balancing"]["resolver"] = resolver
        first.start()
        until("all arrived", ARRIVE_SECONDS, lambda: acknowledged <= sink.spans.keys())
