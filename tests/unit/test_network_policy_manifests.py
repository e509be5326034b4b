"""The network policies one by one: which there are, and what stands in them."""

from __future__ import annotations

from typing import Any

import pytest

from components.network import Connection, Network, Outside, Pods, at, connections
from components.values.network_policies import DENY_ALL, policy_specs
from ops.registrations import Recorded, record
from ops.stack_files import STACK_FILES
from tests.connectivity import allowed, matches
from tests.unit.world import CANARY, recorded, world_of


def policies_of(run: Recorded) -> dict[str, Any]:
    return {r.name: r for r in run.resources if r.type.endswith(":NetworkPolicy")}


@pytest.mark.parametrize("stack", STACK_FILES)
def test_every_namespace_of_the_stacks_own_denies_everything_else(stack: str) -> None:
    run = recorded(stack)
    made = {
        r.inputs["metadata"]["name"]
        for r in run.resources
        if r.type == "kubernetes:core/v1:Namespace"
    }
    denying = {
        policy.inputs["metadata"]["namespace"]
        for policy in policies_of(run).values()
        if policy.inputs["spec"] == DENY_ALL
    }
    assert denying == made
    rendered, _, others = world_of(run)
    for place in made - {"harness"}:
        intruder, dns = others[f"intruder-{place}"], others["dns"]
        for port in [*dns.ports, CANARY]:
            assert not allowed(rendered, intruder, dns, port)
            assert not allowed(rendered, dns, intruder, port)


@pytest.mark.parametrize("stack", STACK_FILES)
def test_what_is_allowed_is_there_before_everything_else_is_denied(stack: str) -> None:
    found = policies_of(recorded(stack))
    allowing = {name for name in found if "-default-deny-" not in name}
    assert allowing
    for name in found.keys() - allowing:
        assert allowing <= found[name].depends_on


def test_pods_in_a_namespace_of_others_are_closed_and_their_neighbours_left_alone() -> None:
    run = recorded("kafka")
    names = {p.inputs["metadata"]["name"] for p in policies_of(run).values()}
    places = {p.inputs["metadata"]["namespace"] for p in policies_of(run).values()}
    assert places == {"tempo", "otel"}
    assert "network-policies-default-deny-tempo" not in policies_of(run)
    assert "tracing-tempo-distributor" in names
    rendered, own, others = world_of(run)
    neighbour = others["intruder-tempo"]
    assert allowed(rendered, neighbour, others["internet"], ("TCP", 443))
    for pod in own.values():
        assert not allowed(rendered, neighbour, pod, ("TCP", 3200))


def test_one_switch_leaves_everything_open() -> None:
    run = record(
        "dev", {"tracing:networkPolicies": {"enabled": False}, "tracing:collector": {}}, {}
    )
    assert policies_of(run) == {}
    assert "network-policies" not in run.component_outputs


def test_each_policy_is_about_both_directions_and_none_lets_everybody_in_by_mistake() -> None:
    for stack in STACK_FILES:
        for name, policy in policies_of(recorded(stack)).items():
            spec = policy.inputs["spec"]
            assert spec["policyTypes"] == ["Ingress", "Egress"], name
            for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
                # Empty it is everybody, or everything.
                assert all(rule.values()), name
            if name != "network-policies-traefik":
                assert all("from" in rule for rule in spec.get("ingress", [])), name


A = Pods(role="a", namespace="one", labels={"app": "a"})
B = Pods(role="b", namespace="two", labels={}, one_of={"app": ("b", "c")})
DNS = at(Outside(namespaces=("kube-system",)), 53)


def test_whoever_is_nobody_makes_no_rule() -> None:
    nobody = connections(Outside(), at(A, 80))
    specs = policy_specs([Network(pods=(A,), connections=nobody)], DNS)
    assert "ingress" not in specs["a"][1]


def test_a_connection_is_let_out_by_its_client_and_in_by_its_server() -> None:
    specs = policy_specs([Network(pods=(A, B), connections=connections(A, at(B, 80)))], DNS)
    [_, out] = specs["a"][1]["egress"]
    [into] = specs["b"][1]["ingress"]
    assert out["ports"] == into["ports"] == [{"port": 80, "protocol": "TCP"}]
    [to], [who] = out["to"], into["from"]
    assert matches(to["podSelector"], {"app": "c"})
    assert not matches(to["podSelector"], {"app": "a"})
    assert who["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "one"}}


def test_all_who_use_a_port_are_in_one_rule_and_everybody_swallows_them() -> None:
    some = Outside(namespaces=("shop", "web"), cidrs=("192.0.2.0/24",))
    edges = [Connection(client=each, server=at(A, 80)) for each in (B, some)]
    [rule] = policy_specs([Network(pods=(A,), connections=tuple(edges))], DNS)["a"][1]["ingress"]
    assert len(rule["from"]) == 3
    edges += connections(Outside(everybody=True), at(A, 80))
    [rule] = policy_specs([Network(pods=(A,), connections=tuple(edges))], DNS)["a"][1]["ingress"]
    assert "from" not in rule
