"""The collector's agents and their gateway in a cluster: agents without a queue and without root,
whole traces on one pod of the gateway, by DNS alone.

One story, told in order. The pods of the gateway have a claim each.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from components.values.collector_metrics import METRICS_PORT
from tests.live.figures import Figures
from tests.live.needs import STACK, Needs
from tests.live.otelcol import Sender
from tests.live.platform import (
    GONE_SECONDS,
    PODS_SECONDS,
    TRACE_SECONDS,
    Platform,
    applied,
    operations,
    small_store,
)
from tests.live.traces import SENDERS, TOGETHER, export_request, load, span_ids, span_names
from tests.live.waiting import until

NAMES = f"tracing-live-{secrets.token_hex(4)}"
AGENT = "opentelemetry-collector"
GATEWAY = f"{AGENT}-gateway"
REPLICAS = 2
TRACES = 20
SPANS = 100_000
LOAD_SECONDS = 120
SENT = re.compile(r"^otelcol_exporter_sent_spans(?:_total)?\{.*\} (\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def platform(
    needs: Needs,
    figures: Figures,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """Tempo as one process behind agents and a gateway that samples tails, applied."""
    changes: dict[str, Any] = {
        "deleteData": True,
        "objectStore": small_store(NAMES),
        "tempo": {"profile": "monolithic", "namespace": NAMES},
        "traefik": None,
        "collector": {
            "namespace": f"{NAMES}-collector",
            "mode": "agent-gateway",
            "gateway": {"replicas": REPLICAS, "resources": {"cpu": "50m", "memory": "256Mi"}},
            "queue": {"outageMinutes": 1, "ingestMBps": 0.1},
            "sampling": {
                "type": "tail",
                "tracesPerSecond": 10,
                "decisionWait": "2s",
                "policies": [{"type": "probabilistic", "sampleRate": 1.0}],
            },
        },
    }
    with applied(needs, figures, tmp_path_factory.mktemp("agents"), STACK, changes) as platform:
        yield platform


def test_it_goes_up_as_the_sandbox_says(platform: Platform, figures: Figures) -> None:
    assert operations(platform.previewed) == operations(platform.foretold)
    assert operations(platform.applied) == operations(platform.previewed)
    with figures.timed("agents and gateway: pods ready after up"):
        until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)


def test_there_is_an_agent_on_each_node_and_a_bound_claim_for_each_pod_of_the_gateway(
    platform: Platform,
) -> None:
    objects = platform.cluster.objects
    namespace = f"--namespace={NAMES}-collector"
    nodes = {node["metadata"]["name"] for node in objects("nodes")}
    agents = [
        pod["spec"]["nodeName"]
        for pod in objects("pods", namespace, f"--selector=app.kubernetes.io/instance={AGENT}")
    ]
    assert sorted(agents) == sorted(nodes)
    claims = {
        claim["metadata"]["name"]: claim["status"]["phase"]
        for claim in objects("persistentvolumeclaims", namespace)
    }
    assert claims == {f"queue-{GATEWAY}-{number}": "Bound" for number in range(REPLICAS)}


def test_a_preview_and_a_refresh_find_nothing_to_change(platform: Platform) -> None:
    assert platform.project.preview().changes == {}
    assert platform.project.refresh().changes == {}
    assert platform.project.preview().changes == {}


def sent(platform: Platform, pod: str) -> float:
    """The spans that a pod of the collector handed on."""
    # Not by a forward, which arrives at the pod's loopback: these are served at its address.
    path = f"/api/v1/namespaces/{NAMES}-collector/pods/{pod}:{METRICS_PORT}/proxy/metrics"
    return sum(float(count) for count in SENT.findall(platform.cluster.run("get", "--raw", path)))


def test_every_trace_is_whole_and_both_pods_of_the_gateway_had_some(platform: Platform) -> None:
    traces = {secrets.token_hex(16): [f"{part} of {n}" for part in "ab"] for n in range(TRACES)}
    for output, send in SENDERS.items():
        half = 0 if output == "otlpGrpcEndpoint" else 1
        with platform.cluster.forwarded(platform.at(output)) as receiver:
            for trace_id, names in traces.items():
                send(receiver, export_request(trace_id, names[half]))
    with platform.cluster.forwarded(platform.at("tempoUrl")) as tempo:
        for trace_id, names in traces.items():

            def whole(trace_id: str = trace_id, names: list[str] = names) -> bool:
                found = span_names(tempo, trace_id)
                assert sorted(found or []) == names
                return True

            until(f"both spans of trace {trace_id}", TRACE_SECONDS, whole)
    handed_on = [sent(platform, f"{GATEWAY}-{number}") for number in range(REPLICAS)]
    assert sum(handed_on) == 2 * TRACES
    # By their ids; that one pod has all of twenty is as likely as that of coins.
    assert all(count > 0 and count % 2 == 0 for count in handed_on), handed_on


def test_agents_that_are_thrown_away_under_load_lose_nothing_that_was_acknowledged(
    platform: Platform, figures: Figures
) -> None:
    requests = load(SPANS)
    agents = (f"--namespace={NAMES}-collector", f"--selector=app.kubernetes.io/instance={AGENT}")
    with (
        platform.cluster.kept_forward(platform.at("otlpGrpcEndpoint")) as receiver,
        Sender(receiver, requests.values()) as sender,
    ):
        for share in (1 / 3, 2 / 3):

            def part(share: float = share) -> bool:
                return len(sender.acknowledged) >= share * SPANS

            until(f"{share:.0%} are acknowledged", LOAD_SECONDS, part)
            # With all that is theirs; at once, as a node takes its pods along.
            platform.cluster.run("delete", "pods", *agents, "--force", "--grace-period=0")
            assert len(sender.acknowledged) < SPANS, "it was over before"
        sender.wait()
    assert len(sender.acknowledged) == SPANS
    figures.add("agents thrown away: requests refused, and sent again", len(sender.refusals), "")
    missing = {*requests}
    with platform.cluster.forwarded(platform.at("tempoUrl")) as tempo:

        def all_whole() -> bool:
            for trace_id in sorted(missing):
                assert len(span_ids(tempo, trace_id)) == TOGETHER
                missing.remove(trace_id)
            return True

        until(f"every trace of {SPANS} spans is whole", TRACE_SECONDS, all_whole)


def test_it_comes_down_and_leaves_nothing_in_the_cluster(platform: Platform) -> None:
    platform.project.destroy()
    until("nothing of the stack is in the cluster", GONE_SECONDS, platform.is_gone)
