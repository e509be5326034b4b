"""Who reaches whom: what NetworkPolicies mean, worked out apart from the code that makes them.

By the API's reference (`networking.k8s.io/v1`): a pod that no policy selects for a direction is
open in it; one that is selected lets through what any rule of any of these policies allows. A
connection needs both: what its client lets out and what its server lets in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Port = tuple[str, int]
"""Protocol and number."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A pod, or a machine outside the cluster (`namespace` is `None`)."""

    name: str
    namespace: str | None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    ports: frozenset[Port] = frozenset()
    """Where it listens."""
    address: str = "10.244.0.1"


def allowed(policies: Sequence[Mapping[str, Any]], client: Node, server: Node, port: Port) -> bool:
    """Whether a connection is let out by its client and in by its server."""
    return _passes(policies, "Egress", client, server, port) and _passes(
        policies, "Ingress", server, client, port
    )


def _passes(
    policies: Sequence[Mapping[str, Any]], direction: str, of: Node, peer: Node, port: Port
) -> bool:
    if of.namespace is None:
        return True
    isolating = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == of.namespace
        and matches(policy["spec"].get("podSelector", {}), of.labels)
        and direction in _types(policy["spec"])
    ]
    if not isolating:
        return True
    key, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(
        _rule(rule, side, of, peer, port) for spec in isolating for rule in spec.get(key) or []
    )


def _types(spec: Mapping[str, Any]) -> Iterable[str]:
    # Left out, it is Ingress, and Egress where there are rules for it.
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]


def _rule(rule: Mapping[str, Any], side: str, of: Node, peer: Node, port: Port) -> bool:
    ports, peers = rule.get("ports") or [], rule.get(side) or []
    return (not ports or any(_port(each, port) for each in ports)) and (
        not peers or any(_peer(each, of, peer) for each in peers)
    )


def _port(allowed_port: Mapping[str, Any], port: Port) -> bool:
    protocol, number = port
    if allowed_port.get("protocol", "TCP") != protocol:
        return False
    first = allowed_port.get("port")
    return first is None or first <= number <= allowed_port.get("endPort", first)


def _peer(selected: Mapping[str, Any], of: Node, peer: Node) -> bool:
    if "ipBlock" in selected:
        # Of pods the addresses are not for a policy to know: only machines are selected by them.
        return peer.namespace is None and _in_block(selected["ipBlock"], peer.address)
    if peer.namespace is None:
        return False
    if "namespaceSelector" in selected:
        labels = {"kubernetes.io/metadata.name": peer.namespace}
        if not matches(selected["namespaceSelector"], labels):
            return False
    elif peer.namespace != of.namespace:
        return False
    return matches(selected.get("podSelector", {}), peer.labels)


def _in_block(block: Mapping[str, Any], address: str) -> bool:
    def within(cidr: str) -> bool:
        return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)

    return within(block["cidr"]) and not any(within(cidr) for cidr in block.get("except", []))


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects; an empty one selects everything."""
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        _expression(each, labels) for each in selector.get("matchExpressions", [])
    )


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(other)
