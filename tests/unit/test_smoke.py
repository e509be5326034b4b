"""`python -m ops smoke`: what it is aimed at, how it walks, and what it prints."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from ops import smoke, stack_files
from ops.commands import main
from ops.hops import journey, reach
from ops.hops.hop import Definite, Finding, Hop, HopFailed, NotApplicable, Patience, walk
from ops.hops.report import document, lines, verdict
from ops.hops.spans import RUN_ATTRIBUTE, SERVICES, make_trace
from ops.hops.target import Address, Target, target_of
from ops.hops.tempo import metric
from ops.registrations import RELEASE
from ops.stack_files import STACK_FILES
from port_forward import PortForward, PortForwardError

EXPLICIT = ["--otlp-grpc", "127.0.0.1:4317", "--tempo", "http://127.0.0.1:3200"]


def never(_: str) -> list[Finding]:
    raise AssertionError("nothing failed")


def refuse(text: str) -> Callable[[], str]:
    def run() -> str:
        raise HopFailed(text)

    return run


def absent(text: str) -> Callable[[], str]:
    def run() -> str:
        raise NotApplicable(text)

    return run


# Its arguments


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "write --stack NAME, or --tempo and at least one of --otlp-grpc and --otlp-http"),
        (["--otlp-grpc", "127.0.0.1:4317"], "nothing says where to send to and where to look"),
        (["--tempo", "http://127.0.0.1:3200"], "nothing says where to send to"),
        (["--stack", "nowhere"], r"there is no Pulumi.nowhere.yaml"),
        ([*EXPLICIT, "--otlp-http", "127.0.0.1:4318"], "is not a URL"),
        ([*EXPLICIT, "--tempo", "ftp://127.0.0.1"], "is not a URL"),
        (["--otlp-grpc", "127.0.0.1", "--tempo", "http://127.0.0.1"], "is not HOST:PORT"),
        (["--otlp-grpc", "a:b", "--tempo", "http://127.0.0.1"], "is not HOST:PORT"),
        ([*EXPLICIT, "--timeout", "0"], "is not a number of seconds from 1 to 3600"),
        ([*EXPLICIT, "--timeout", "soon"], "is not a number of seconds from 1 to 3600"),
        ([*EXPLICIT, "--ca-file", "nowhere.pem"], "there is no file 'nowhere.pem'"),
    ],
)
def test_what_cannot_begin_exits_with_2_and_says_what_to_write(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["smoke", *arguments])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_stack_whose_configuration_is_refused_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {tracing:collectr: {}}\n", "utf-8")
    monkeypatch.setattr(smoke, "ROOT", tmp_path)
    assert main(["smoke", "--stack", "dev"]) == 2
    assert "did you mean collector?" in capsys.readouterr().err


# What it is aimed at


@pytest.mark.parametrize("stack", STACK_FILES)
def test_addresses_and_labels_are_those_that_the_program_gives(stack: str) -> None:
    target, recorded = target_of(stack, STACK_FILES[stack]), stack_files.recorded(stack)
    outputs = {
        "otlpGrpcEndpoint": target.otlp_grpc,
        "otlpHttpEndpoint": target.otlp_http,
        "tempoUrl": target.tempo,
    }
    for name, address in outputs.items():
        url = recorded.outputs[name]
        assert address == (None if url is None else Address(url, in_cluster=True))
    released = {
        (found.inputs["namespace"], f"app.kubernetes.io/instance={found.inputs['name']}")
        for found in recorded.resources
        if found.type == RELEASE and found.parent in ("collector", "tempo")
    }
    charts = {
        (part.namespace, part.selector) for part in target.parts if part.role != "object store"
    }
    assert charts == released
    store = [found for found in recorded.resources if found.name == "minio-server"]
    assert [part.selector for part in target.parts if part.role == "object store"] == [
        f"app.kubernetes.io/instance={found.inputs['metadata']['name']}" for found in store
    ]


@pytest.mark.parametrize(
    ("stack", "writers"),
    [
        (
            "dev",
            "app.kubernetes.io/instance=tempo-distributed,app.kubernetes.io/component=ingester",
        ),
        (
            "kafka",
            "app.kubernetes.io/instance=tempo-distributed,app.kubernetes.io/component=block-builder",
        ),
        ("monolithic", "app.kubernetes.io/instance=tempo"),
    ],
)
def test_who_writes_to_the_store_depends_on_the_profile(stack: str, writers: str) -> None:
    assert target_of(stack, STACK_FILES[stack]).store_writer == writers


def test_encrypted_secrets_and_missing_chart_archives_are_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.mine.yaml"
    file.write_text(
        "encryptionsalt: v1:abc\n"
        "config:\n"
        "  tracing:environment: dev\n"
        "  tracing:kubernetes: {context: mine}\n"
        "  tracing:charts: {directory: nowhere}\n"
        "  tracing:grafana: {url: https://grafana.example.com, organization: 7}\n"
        "  tracing:grafanaAuth: {secure: v1:def}\n"
        "  tracing:loki: {url: https://loki.example.com}\n"
        "  tracing:traefik: {}\n",
        "utf-8",
    )
    target = target_of("mine", file)
    assert target.grafana == Address("https://grafana.example.com")
    assert target.organization == 7
    assert target.loki == Address("https://loki.example.com")
    assert target.kubernetes.context == "mine"


def test_a_grafana_that_the_stack_forwards_is_one_in_the_cluster(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.mine.yaml"
    way = "{namespace: monitoring, resource: deployment/grafana, remotePort: 3000}"
    context = "  tracing:environment: dev\n  tracing:kubernetes: {context: mine}\n"
    grafana = f"  tracing:grafana: {{portForward: {way}}}\n"
    file.write_text(f"config:\n{context}{grafana}", "utf-8")
    assert target_of("mine", file).grafana == Address(
        "http://grafana.monitoring.svc:3000", in_cluster=True, resource="deployment/grafana"
    )


def test_a_given_address_takes_the_place_of_the_stacks() -> None:
    parser = argparse.ArgumentParser()
    smoke.add_arguments(parser)
    target = smoke._target(
        parser.parse_args(["--stack", "dev", "--otlp-grpc", "https://in.example.com:443"])
    )
    assert target.otlp_grpc == Address("https://in.example.com:443")
    assert target.tempo is not None
    assert target.tempo.in_cluster


# How it walks


def test_hops_behind_a_failed_one_are_skipped_and_only_it_is_explained() -> None:
    finding = Finding(cause="the cause", commands=("look",))
    hops = [
        Hop(name="one", run=lambda: "done", diagnose=never),
        Hop(name="two", run=absent("not here"), diagnose=never),
        Hop(
            name="three", run=refuse("no"), diagnose=lambda said: [finding] if said == "no" else []
        ),
        Hop(name="four", run=lambda: "done", diagnose=never),
    ]
    outcomes = list(walk(hops))
    assert [(found.status, found.detail) for found in outcomes] == [
        ("ok", "done"),
        ("skipped", "not here"),
        ("failed", "no"),
        ("skipped", "because three failed"),
    ]
    assert [list(found.findings) for found in outcomes] == [[], [], [finding], []]


def test_a_wait_ends_with_what_was_seen_at_last_or_at_once_if_waiting_is_in_vain() -> None:
    waited = []
    patience = Patience(1.2, lambda what, seconds: waited.append(seconds))
    answers = iter([None, None, "there"])
    assert patience.until("it", lambda: next(answers)) == "there"
    assert len(waited) == 2
    with pytest.raises(HopFailed, match=r"it: not within 1\.2 s; at last: half of it"):
        patience.until("it", refuse("half of it"))

    def in_vain() -> None:
        raise Definite("never")

    with pytest.raises(HopFailed, match=r"^never$"):
        patience.until("it", in_vain)


# What it prints


def test_the_report_has_a_line_for_each_hop_and_the_cause_beneath_the_failed_one() -> None:
    findings = [
        Finding(
            cause="Deployment tempo/distributor is scaled to 0", commands=("kubectl describe",)
        ),
        Finding(cause="it is not reached"),
    ]
    hops = [
        Hop(name="otlp-grpc", run=lambda: "4 spans", diagnose=never),
        Hop(name="tempo-id", run=refuse("not within 60 s"), diagnose=lambda _: findings),
        Hop(name="store", run=lambda: "", diagnose=never),
    ]
    outcomes = list(walk(hops))
    printed = [line for outcome in outcomes for line in lines(outcome, 9)]
    assert printed == [
        "ok      otlp-grpc    0.00 s  4 spans",
        "FAILED  tempo-id     0.00 s  not within 60 s",
        "        likely cause: Deployment tempo/distributor is scaled to 0",
        "          look further: kubectl describe",
        "        and: it is not reached",
        "skipped store                because tempo-id failed",
    ]
    assert verdict(outcomes) == "failed: 1 hops ok, 1 failed, 1 skipped, 0.0 s"
    told = document(Target(stack="dev"), "ab12", outcomes)
    assert json.loads(json.dumps(told)) == told
    assert (told["stack"], told["run"], told["ok"]) == ("dev", "ab12", False)
    assert [hop["status"] for hop in told["hops"]] == ["ok", "failed", "skipped"]
    assert told["hops"][1]["causes"][0] == {
        "cause": "Deployment tempo/distributor is scaled to 0",
        "commands": ["kubectl describe"],
    }


def test_nothing_that_listens_is_a_failed_hop_with_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    port, once = free_port(), ["--timeout", "1", "--json"]
    code = main(
        ["smoke", "--otlp-grpc", f"127.0.0.1:{port}", "--tempo", "http://127.0.0.1:1", *once]
    )
    told = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [hop["status"] for hop in told["hops"]] == ["failed"] + ["skipped"] * 7
    assert told["hops"][0]["causes"] == [
        {
            "cause": "nothing answers at that address from here",
            "commands": [f"curl --verbose http://127.0.0.1:{port}"],
        }
    ]


# What it sends


def test_the_trace_is_one_request_through_all_services(monkeypatch: pytest.MonkeyPatch) -> None:
    # What an application is set up with must not reach the trace.
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,secret=1")
    trace = make_trace("ab12")
    spans = sorted(trace.spans, key=lambda span: span.start_time or 0)
    assert [dict(span.resource.attributes) for span in spans] == [
        {"service.name": service} for service, _, _ in SERVICES
    ]
    contexts = [span.get_span_context() for span in spans]
    assert {f"{context.trace_id:032x}" for context in contexts if context} == {trace.trace_id}
    parents = [None if span.parent is None else span.parent.span_id for span in spans]
    assert parents == [None, *(context.span_id for context in contexts[:-1] if context)]
    for outer, inner in itertools.pairwise(spans):
        assert (outer.start_time or 0) < (inner.start_time or 0)
        assert (inner.end_time or 0) < (outer.end_time or 0)
    assert all((span.attributes or {})[RUN_ATTRIBUTE] == "ab12" for span in spans)


def test_a_sampling_collector_has_reasons_to_keep_the_trace() -> None:
    spans = make_trace("ab12").spans
    assert all((span.attributes or {})["sampling.priority"] == 1 for span in spans)
    assert [
        span.resource.attributes["service.name"] for span in spans if not span.status.is_ok
    ] == ["smoke-db"]


def test_a_metric_is_summed_over_its_series() -> None:
    text = (
        "# HELP tempo_ingester_blocks_flushed_total x\n"
        "# TYPE tempo_ingester_blocks_flushed_total counter\n"
        'tempo_ingester_blocks_flushed_total{tenant="a b"} 2\n'
        'tempo_ingester_blocks_flushed_total{tenant="c"} 1.5e+01\n'
        "tempo_ingester_blocks_flushed_total_more 100\n"
    )
    assert metric(text, "tempo_ingester_blocks_flushed_total") == 17
    assert metric(text, "tempo_ingester_failed_flushes_total") == 0
    assert metric("up 3\n", "up") == 3


# How it gets there


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


FORWARDER = """
import signal, socket, sys, os
local, remote = sys.argv[-1].split(":")
with socket.socket() as listener:
    listener.bind(("127.0.0.1", int(local or 0)))
    listener.listen()
    open(os.environ["CALLED"], "w").write(" ".join(sys.argv[1:]) + " as " + str(os.getpid()))
    print(f"Forwarding from 127.0.0.1:{listener.getsockname()[1]} -> {remote}", flush=True)
    signal.pause()
"""


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that listens, and the file in which it says what it was called with."""
    (tmp_path / "forwarder.py").write_text(FORWARDER, "utf-8")
    kubectl = tmp_path / "bin/kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/forwarder.py" "$@"\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(kubectl.parent))
    monkeypatch.setenv("CALLED", str(tmp_path / "called"))
    return tmp_path / "called"


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def gone(process: int) -> bool:
    """Whether it ends, within a time that no machine needs."""
    return Patience(20, lambda *_: None).until("it ended", lambda: not runs(process))


def test_an_address_in_the_cluster_is_forwarded_with_the_stacks_context_and_name(
    called: Path,
) -> None:
    kubernetes = target_of("prod", STACK_FILES["prod"]).kubernetes
    address = Address("https://collector.otel.svc.cluster.local:4318/v1", in_cluster=True)
    with ExitStack() as held:
        opened = reach.Reach(kubernetes, held)
        way = opened.way(address)
        assert opened.way(address) is way
        assert way.server_name == "collector.otel.svc.cluster.local"
        assert way.tls
        host, _, port = way.authority.partition(":")
        assert way.url == f"https://127.0.0.1:{port}/v1"
        assert socket.create_connection((host, int(port)), 5).close() is None
        command, _, process = called.read_text("utf-8").partition(" as ")
        assert command == (
            "port-forward --namespace=otel --address=127.0.0.1 --context=prod "
            "--pod-running-timeout=15s service/collector :4318"
        )
    assert gone(int(process))


def test_an_address_with_a_resource_of_its_own_is_forwarded_to_that(called: Path) -> None:
    address = Address(
        "http://grafana.monitoring.svc:3000", in_cluster=True, resource="deployment/grafana"
    )
    with ExitStack() as held:
        reach.Reach(Target().kubernetes, held).way(address)
    assert " deployment/grafana :3000 as " in called.read_text("utf-8")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_held_forward_ends_with_who_holds_it_however_that_ends(
    called: Path, how: signal.Signals
) -> None:
    program = (
        "import signal\n"
        "from port_forward import PortForward\n"
        # What runs in the background of a shell is started with it ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "forward = PortForward(remote_port=1, context=None, kubeconfig=None)\n"
        "with forward.held('otel', 'service/collector') as port:\n"
        "    print(port, flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        port = int(holder.stdout.readline())
        socket.create_connection(("127.0.0.1", port), 5).close()
        process = int(called.read_text("utf-8").rpartition(" ")[2])
        assert runs(process)
        holder.send_signal(how)
        holder.wait(timeout=30)
    assert gone(process)


def test_without_kubectl_the_hop_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    address = Address("http://collector.otel.svc.cluster.local:4317", in_cluster=True)
    with ExitStack() as held, pytest.raises(HopFailed, match="kubectl is not installed"):
        reach.Reach(Target().kubernetes, held).way(address)


def test_an_address_outside_is_used_as_it_is() -> None:
    with ExitStack() as held:
        way = reach.Reach(Target().kubernetes, held).way(Address("https://tempo.example.com/"))
    assert way == reach.Way(url="https://tempo.example.com")
    assert way.authority == "tempo.example.com:443"
    assert not way.is_local


def test_a_forward_of_a_fixed_port_names_the_setting_when_it_is_taken(
    called: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        forward = PortForward(
            local_port=port,
            local_port_key="tracing:a.port",
            remote_port=1,
            context=None,
            kubeconfig=None,
        )
        monkeypatch.setattr("port_forward.FREE_TIMEOUT_SECONDS", 0)
        taken = pytest.raises(PortForwardError, match=r"another port under tracing:a\.port")
        with taken, forward.held("otel", "service/x"):
            pass
    assert not called.exists()


# Its credential for Grafana


def test_grafanas_credential_is_the_environments_before_the_stacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRAFANA_AUTH", "token")
    assert journey.grafana_auth("dev") == "token"
    monkeypatch.delenv("GRAFANA_AUTH")
    with pytest.raises(HopFailed, match="set GRAFANA_AUTH"):
        journey.grafana_auth(None)


def test_a_log_line_is_one_that_the_stacks_regular_expression_reads() -> None:
    [traefik] = {target_of(stack, STACK_FILES[stack]).log_format for stack in ("prod", "picluster")}
    assert traefik is not None
    line = journey.log_line(traefik.json_fields, "0af7651916cd43dd8448eb211c80319c")
    found = re.search(traefik.matcher_regex, line)
    assert found is not None
    assert found[1] == "0af7651916cd43dd8448eb211c80319c"
