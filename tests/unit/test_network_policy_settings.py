"""What the stack file may say of who reaches whom, and what it is told."""

from __future__ import annotations

from typing import Any

import pytest

import config
from ops import stack_files
from ops.registrations import record
from ops.stack_files import settings
from tests.connectivity import allowed
from tests.unit.world import world_of

EVERY: dict[str, Any] = {"cidrs": ["0.0.0.0/0"]}
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "every address": ({"senders": EVERY}, "senders.cidrs", "acknowledgeEveryAddress: true"),
    "every address of version 6": (
        {"targets": {"dns": {"cidrs": ["::/0"]}}},
        "targets.dns.cidrs",
        "is every address",
    ),
    "every address by halves": (
        {"readers": {"cidrs": ["0.0.0.0/1", "10.0.0.0/8", "128.0.0.0/1"]}},
        "readers.cidrs",
        "is every address",
    ),
    "every address that is not reserved": (
        {"readers": {"cidrs": ["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"]}},
        "readers.cidrs",
        "is every address",
    ),
    "every address of the Internet of version 6": (
        {"senders": {"cidrs": ["2000::/3"]}},
        "senders.cidrs",
        "is every address",
    ),
    "every address for Grafana": ({"grafana": EVERY}, "grafana.cidrs", "is every address"),
    "an acknowledgement of nothing": (
        {"senders": {"cidrs": ["10.0.0.0/8"], "acknowledgeEveryAddress": True}},
        "senders.acknowledgeEveryAddress",
        "has no effect",
    ),
    "no CIDR": ({"senders": {"cidrs": ["shop"]}}, "senders.cidrs[0]", "is not a CIDR"),
    "an address without a length": (
        {"senders": {"cidrs": ["10.0.0.1"]}},
        "senders.cidrs[0]",
        "write 10.0.0.1/32",
    ),
    "an address within a network": (
        {"senders": {"cidrs": ["10.0.0.1/8"]}},
        "senders.cidrs[0]",
        "write 10.0.0.0/8",
    ),
    "no namespace": (
        {"senders": {"namespaces": ["Shop"]}},
        "senders.namespaces[0]",
        "is not a Kubernetes name",
    ),
    "an unknown key": ({"sender": {}}, "sender", "senders"),
    "a port that there is not": (
        {"targets": {"apiServer": {"ports": [0]}}},
        "targets.apiServer.ports[0]",
        "1",
    ),
    "words on policies that are off": (
        {"enabled": False, "senders": {"namespaces": ["shop"]}},
        "senders",
        "has no effect while the policies are off",
    ),
    "where a store of the stack's own is": (
        {"targets": {"objectStore": {"cidrs": ["10.0.0.0/8"]}}},
        "targets.objectStore",
        "the store is this stack's own",
    ),
    "where a Kafka is that there is not": (
        {"targets": {"kafka": {"namespaces": ["kafka"]}}},
        "targets.kafka",
        "there is no Kafka outside",
    ),
    "where metrics go that nobody writes": (
        {"targets": {"remoteWrite": {"namespaces": ["monitoring"]}}},
        "targets.remoteWrite",
        "nothing writes metrics",
    ),
    "what a Traefik of others may reach": (
        {"targets": {"backends": {"namespaces": ["shop"]}}},
        "targets.backends",
        "no Traefik of this stack's own",
    ),
    "who visits a Traefik of others": (
        {"visitors": {"namespaces": ["shop"]}},
        "visitors",
        "no Traefik of this stack's own",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_names_the_key_and_the_remedy(case: str) -> None:
    section, key, remedy = REFUSED[case]
    with pytest.raises(config.ConfigError) as refused:
        config.parse({"tracing:networkPolicies": section}, stack="dev", secret_keys=set())
    found = {finding.path: finding.message for finding in refused.value.findings}
    assert list(found) == [f"tracing:networkPolicies.{key}"]
    assert remedy in found[f"tracing:networkPolicies.{key}"]


def test_every_address_is_allowed_once_it_is_acknowledged() -> None:
    section = {"senders": EVERY | {"acknowledgeEveryAddress": True}}
    raw = {"tracing:networkPolicies": section, "tracing:tempo": {"profile": "monolithic"}}
    rendered, own, others = world_of(record("dev", raw, {}))
    assert allowed(rendered, others["internet"], own["tempo"], ("TCP", 4317))
    assert not allowed(rendered, others["internet"], own["tempo"], ("TCP", 3200))


GRAFANA = {"url": "https://g.example.com"}
PLACE = {"namespaces": ["grafana"]}
TOLD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "applications": ({"collector": {}}, ["senders"]),
    "applications beside Traefik may not be there": ({"traefik": {}}, []),
    "meshed applications": (
        {"traefik": {}, "linkerd": {}, "kubernetes": {"linkerdCni": True}},
        ["senders"],
    ),
    "a Grafana": ({"traefik": {}, "grafana": GRAFANA}, ["grafana"]),
    "a Grafana that is where readers are": (
        {"traefik": {}, "grafana": GRAFANA, "networkPolicies": {"readers": PLACE}},
        [],
    ),
    "a Grafana that readers of tenants are not": (
        {
            "traefik": {},
            "collector": {},
            "grafana": GRAFANA,
            "tempo": {"gateway": {}},
            "tenancy": {
                "default": "rest",
                "tenants": {"shop": []},
                "authentication": {
                    "type": "basic",
                    "secretName": "users",
                    "users": {"ann": "shop"},
                },
            },
            "networkPolicies": {"readers": PLACE},
        },
        ["grafana"],
    ),
    "a Grafana that is named": (
        {"traefik": {}, "grafana": GRAFANA, "networkPolicies": {"grafana": PLACE}},
        [],
    ),
    "a Grafana whose namespace is known": (
        {"traefik": {}, "grafana": {"mode": "sidecar"}},
        [],
    ),
    "a Prometheus": ({"traefik": {}, "prometheus": {"operator": {}}}, ["scrapers"]),
    "an Ingress": (
        {"objectStore": {"ingress": {"host": "s3.example.com"}}, "harness": {}},
        ["ingressControllers"],
    ),
    "an Ingress of the stack's own Traefik": (
        {"objectStore": {"ingress": {"host": "s3.example.com"}}, "traefik": {}},
        [],
    ),
    "nobody, where everything is open": ({"networkPolicies": {"enabled": False}}, []),
}


@pytest.mark.parametrize("case", TOLD)
def test_says_whom_the_stack_names_and_lets_in_nowhere(case: str) -> None:
    sections, expected = TOLD[case]
    raw = {f"tracing:{key}": value for key, value in sections.items()}
    raw |= {"tracing:grafanaAuth": "x"} if "grafana" in sections else {}
    if sections.get("grafana", {}).get("mode") == "sidecar":
        del raw["tracing:grafanaAuth"]
    stack = config.parse(raw, stack="dev", secret_keys={"tracing:grafanaAuth"} & raw.keys())
    told = config.kept_out(stack)
    assert [text.split(".namespaces: ")[0] for text in told] == [
        f"tracing:networkPolicies.{key}" for key in expected
    ]


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_the_platforms_own_stacks_let_in_whom_they_name(stack: str) -> None:
    raw = settings(stack) | stack_files.placeholders(settings(stack))
    secret_keys = {*stack_files.placeholders(settings(stack))}
    assert config.kept_out(config.parse(raw, stack=stack, secret_keys=secret_keys)) == []
