"""The collector: what is refused, and what the message says."""

from typing import Any

import pytest

from tests.unit.collector_settings import ERRORS, SCALED, TAIL, WRITE
from tests.unit.test_config import refusal

POLICY = "sampling.policies[0]"
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a receiver that there is not": (
        {"receivers": ["opencensus"]},
        "receivers[0]",
        "write one of otlpGrpc",
    ),
    "no receiver at all": ({"receivers": []}, "receivers", "is empty"),
    "a rate above 1": (
        {"sampling": {"type": "probabilistic", "sampleRate": 10}},
        "sampling.sampleRate",
        "10 is out of range; write at most 1",
    ),
    "a rate below 0": (
        {"sampling": {"type": "probabilistic", "sampleRate": -0.1}},
        "sampling.sampleRate",
        "write at least 0",
    ),
    "a policy's rate above 1": (
        {"sampling": TAIL | {"policies": [{"type": "probabilistic", "sampleRate": 1.5}]}},
        f"{POLICY}.sampleRate",
        "write at most 1",
    ),
    "a policy without its attribute": (
        {"sampling": TAIL | {"policies": [{"type": "attribute", "values": ["gold"]}]}},
        f"{POLICY}.key",
        "is missing; write a value for it",
    ),
    "a policy without values of its attribute": (
        {"sampling": TAIL | {"policies": [{"type": "attribute", "key": "t", "values": []}]}},
        f"{POLICY}.values",
        "is empty",
    ),
    "a policy without its service": (
        {"sampling": TAIL | {"policies": [{"type": "service", "sampleRate": 0.5}]}},
        f"{POLICY}.service",
        "is missing",
    ),
    "a policy without its threshold": (
        {"sampling": TAIL | {"policies": [{"type": "slow"}]}},
        f"{POLICY}.threshold",
        "is missing",
    ),
    "a threshold that is no time": (
        {"sampling": TAIL | {"policies": [{"type": "slow", "threshold": "2"}]}},
        f"{POLICY}.threshold",
        "write numbers with units",
    ),
    "a policy that does not say its kind": (
        {"sampling": TAIL | {"policies": [{"threshold": "2s"}]}},
        f"{POLICY}.type",
        "is missing",
    ),
    "a policy of no known kind": (
        {"sampling": TAIL | {"policies": [{"type": "latency"}]}},
        f"{POLICY}.type",
        "write one of errors, slow, service, attribute, probabilistic",
    ),
    "a misspelt key of a policy": (
        {"sampling": TAIL | {"policies": [{"type": "slow", "threshold": "1s", "treshold": "2s"}]}},
        f"{POLICY}.treshold",
        "did you mean threshold?",
    ),
    "tail sampling without a policy": (
        {"sampling": TAIL | {"policies": []}},
        "sampling.policies",
        "is empty",
    ),
    "tail sampling of an unknown number of traces": (
        {"sampling": {"type": "tail", "policies": ERRORS}},
        "sampling.tracesPerSecond",
        "is missing",
    ),
    "a budget that the volume can't hold": (
        {"queue": {"outageMinutes": 30, "ingestMBps": 4, "volumeSize": "10Gi"}, "replicas": 2},
        "queue.volumeSize",
        '"10Gi" can\'t hold 30 minutes of 4 MB a second over 2 pods of opentelemetry-collector; '
        "write 12Gi or more",
    ),
    "a budget that a gateway's volume can't hold": (
        {
            "mode": "agent-gateway",
            "queue": {"ingestMBps": 10, "volumeSize": "2Gi"},
            "gateway": {"replicas": 3},
        },
        "queue.volumeSize",
        "over 3 pods of opentelemetry-collector-gateway; write 7Gi or more",
    ),
    "an outage of no time": ({"queue": {"outageMinutes": 0}}, "queue.outageMinutes", "at least 1"),
    "nothing that arrives": (
        {"queue": {"ingestMBps": 0}},
        "queue.ingestMBps",
        "above 0 and at most 1000",
    ),
    "the budget beside its section": ({"outageMinutes": 5}, "outageMinutes", "queue.outageMinutes"),
    "nodes of a deployment": ({"queue": {"nodes": 3}}, "queue.nodes", "has no effect"),
    "nodes of agents that keep nothing": (
        {"mode": "agent-gateway", "queue": {"nodes": 3}},
        "queue.nodes",
        "has no effect",
    ),
    "replicas of a daemonset": (
        {"mode": "daemonset", "replicas": 2},
        "replicas",
        "one pod on each node; remove it",
    ),
    "replicas of agents, for the gateway": (
        {"mode": "agent-gateway", "replicas": 2},
        "replicas",
        "or write it under tracing:collector.gateway",
    ),
    "autoscaling of a daemonset": (
        {"mode": "daemonset"} | SCALED,
        "autoscaling",
        "has no effect with mode daemonset",
    ),
    "a gateway that is not there": (
        {"gateway": {"replicas": 3}},
        "gateway",
        "write mode: agent-gateway",
    ),
    "autoscaling by a CPU that is not requested": (
        {"resources": {"memory": "1Gi"}, "autoscaling": {"maxReplicas": 3}},
        "resources.cpu",
        "write a request such as 500m",
    ),
    "autoscaling of the gateway to fewer than the least": (
        {"mode": "agent-gateway", "gateway": {"autoscaling": {"maxReplicas": 1}}},
        "gateway.autoscaling.maxReplicas",
        "less than minReplicas 2",
    ),
    "autoscaling with an outage that a pod would not stay for": (
        SCALED | {"queue": {"outageMinutes": 60}},
        "autoscaling",
        "or at most 30 minutes",
    ),
    "a name that leaves no room for the gateway's": (
        {"releaseName": "c" * 45, "mode": "agent-gateway"},
        "releaseName",
        "write at most 44",
    ),
    "a name that is too long for a StatefulSet": (
        {"releaseName": "c" * 53},
        "releaseName",
        "write at most 52",
    ),
    "names to redact while nothing is": (
        {"redaction": {"enabled": False, "attributes": ["pin"]}},
        "redaction.attributes",
        "has no effect",
    ),
    "an attribute that would be a pattern": (
        {"redaction": {"attributes": [".*"]}},
        "redaction.attributes[0]",
        "does not match",
    ),
    "UDP beside TLS": (
        {"receivers": ["otlpGrpc", "jaegerThriftCompact"], "tls": {"secretName": "t"}},
        "receivers[1]",
        "is UDP, which has no TLS",
    ),
    "a network policy of its own": (
        {"networkPolicy": {"namespaces": ["shop"]}},
        "networkPolicy",
        "write its namespaces under tracing:networkPolicies.senders.namespaces",
    ),
    "an attribute longer than the collector reads": (
        {"resourceAttributes": {"team": "x" * 257}},
        "resourceAttributes.team",
        "is too long",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_names_the_key_and_the_remedy(case: str) -> None:
    settings, key, remedy = REFUSED[case]
    messages = refusal({"tracing:collector": settings})
    assert list(messages) == [f"tracing:collector.{key}"]
    assert remedy in messages[f"tracing:collector.{key}"]


BETWEEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "metrics that Tempo makes as well": (
        {
            "tracing:collector": {"metrics": WRITE},
            "tracing:tempo": {"metricsGenerator": WRITE},
        },
        "tracing:collector.metrics",
        "counted twice",
    ),
    "TLS that Linkerd's proxies can't speak": (
        {"tracing:collector": {"tls": {"secretName": "t"}}, "tracing:linkerd": {}},
        "tracing:collector.tls",
        "keeps Linkerd's proxies out",
    ),
    "certificates that Traefik does not have": (
        {
            "tracing:collector": {"tls": {"secretName": "t", "clientCaSecretName": "c"}},
            "tracing:traefik": {},
        },
        "tracing:collector.tls.clientCaSecretName",
        "keeps out tracing:traefik",
    ),
    "certificates that Harness does not have": (
        {
            "tracing:collector": {"tls": {"secretName": "t", "clientCaSecretName": "c"}},
            "tracing:harness": {},
        },
        "tracing:collector.tls.clientCaSecretName",
        "keeps out tracing:harness",
    ),
    "a burst below a batch": (
        {"tracing:collector": {}, "tracing:tempo": {"limits": {"burstMb": 2}}},
        "tracing:tempo.limits.burstMb",
        "for ever; write at least 4",
    ),
    "a tenant's burst below a batch": (
        {"tracing:collector": {}, "tracing:tempo": {"tenants": {"single-tenant": {"burstMb": 1}}}},
        "tracing:tempo.tenants.single-tenant.burstMb",
        "write at least 4",
    ),
    "a gateway with the name of Tempo": (
        {
            "tracing:collector": {
                "mode": "agent-gateway",
                "namespace": "tempo",
                "releaseName": "tempo",
            },
            "tracing:tempo": {"releaseName": "tempo-gateway"},
        },
        "tracing:collector.gateway",
        "two Helm releases",
    ),
}


@pytest.mark.parametrize("case", BETWEEN)
def test_refuses_what_contradicts_another_component(case: str) -> None:
    raw, key, remedy = BETWEEN[case]
    assert remedy in refusal(raw)[key]


def test_all_mistakes_are_shown_at_once() -> None:
    settings = {
        "receivers": ["opencensus"],
        "sampling": {"type": "probabilistic", "sampleRate": 2},
        "queue": {"outageMinutes": 0},
    }
    assert set(refusal({"tracing:collector": settings})) == {
        "tracing:collector.receivers[0]",
        "tracing:collector.sampling.sampleRate",
        "tracing:collector.queue.outageMinutes",
    }
