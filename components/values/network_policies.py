"""NetworkPolicies: of who connects to whom, what each kind of pods lets in and out."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pulumi import Input

from ..network import Connection, Network, Outside, Peer, Pods, Server, TargetPort

NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""Label of every namespace with its name: Kubernetes sets it."""

DENY_ALL: Final = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
"""The `spec` of a policy that denies all pods of a namespace what no other policy allows."""

PROXY_PORT: Final = 4143
"""Where Linkerd's proxy takes what other proxies send to any port of its pod (Linkerd's
documentation, "Authorization Policy and NetworkPolicy")."""

LINKERD_PORTS: Final = (8080, 8086, 8090)
"""Of Linkerd's control plane: what a proxy asks for identity, destinations and policy."""


def policy_specs(
    networks: Iterable[Network], dns: Server, *, meshed: bool = False
) -> dict[str, tuple[Pods, dict[str, Any]]]:
    """The `spec` of each policy, by the role of the pods that it selects.

    With `meshed` pods may have Linkerd's proxy, which opens the connections to pods that have one
    as well to a port of its own.
    """
    networks = list(networks)
    pods = [each for network in networks for each in network.pods]
    allowed = [each for network in networks for each in network.connections]
    everywhere = [dns]
    if meshed:
        allowed = [_by_proxy(connection) for connection in allowed]
        control_plane = Outside(namespaces=("linkerd",))
        everywhere.append(
            Server(at=control_plane, ports=tuple(TargetPort(number=n) for n in LINKERD_PORTS))
        )
    return {
        each.role: (
            each,
            _spec(
                each,
                [(c.client, c.server.ports) for c in allowed if _is(c.server.at, each)],
                [
                    *((server.at, server.ports) for server in everywhere),
                    *((c.server.at, c.server.ports) for c in allowed if _is(c.client, each)),
                ],
            ),
        )
        for each in pods
    }


def _is(peer: Peer, pods: Pods) -> bool:
    return isinstance(peer, Pods) and peer.role == pods.role


def _by_proxy(connection: Connection) -> Connection:
    server = connection.server
    if isinstance(server.at, Outside) or not server.ports:
        return connection
    proxied = Server(at=server.at, ports=(*server.ports, TargetPort(number=PROXY_PORT)))
    return Connection(client=connection.client, server=proxied)


_Side = Sequence[tuple[Peer, tuple[TargetPort, ...]]]


def _spec(pods: Pods, ingress: _Side, egress: _Side) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "podSelector": _selector(pods),
        # Both, also where one of them has no rule: that is what denies it.
        "policyTypes": ["Ingress", "Egress"],
    }
    for key, direction, side in (("ingress", "from", ingress), ("egress", "to", egress)):
        if rules := _rules(direction, side):
            spec[key] = rules
    return spec


def _rules(direction: str, side: _Side) -> list[dict[str, Any]]:
    """A rule for each set of ports, with all who may use it."""
    by_ports: dict[tuple[TargetPort, ...], list[Peer]] = {}
    for peer, ports in side:
        # Without anybody in it a rule would be one for everybody.
        if not (isinstance(peer, Outside) and peer.nobody):
            by_ports.setdefault(ports, []).append(peer)
    rules: list[dict[str, Any]] = []
    for ports, peers in by_ports.items():
        rule: dict[str, Any] = {}
        if not any(isinstance(peer, Outside) and peer.everybody for peer in peers):
            rule[direction] = [selector for peer in peers for selector in _selectors(peer)]
        if ports:
            rule["ports"] = [{"port": p.number, "protocol": p.protocol} for p in ports]
        rules.append(rule)
    return rules


def _selectors(peer: Peer) -> list[dict[str, Any]]:
    match peer:
        case Pods():
            named = _namespaces([peer.namespace])
            return [{**named, "podSelector": _selector(peer)}]
        case Outside():
            named = [_namespaces(peer.namespaces)] if peer.namespaces else []
            every = [{"namespaceSelector": {}}] if peer.every_namespace else []
            return [*named, *every, *({"ipBlock": {"cidr": cidr}} for cidr in peer.cidrs)]


def _namespaces(names: Sequence[Input[str]]) -> dict[str, Any]:
    if len(names) == 1:
        return {"namespaceSelector": {"matchLabels": {NAME_LABEL: names[0]}}}
    expression = {"key": NAME_LABEL, "operator": "In", "values": list(names)}
    return {"namespaceSelector": {"matchExpressions": [expression]}}


def _selector(pods: Pods) -> dict[str, Any]:
    selector: dict[str, Any] = {}
    if pods.labels:
        selector["matchLabels"] = dict(pods.labels)
    if pods.one_of:
        selector["matchExpressions"] = [
            {"key": key, "operator": "In", "values": list(values)}
            for key, values in pods.one_of.items()
        ]
    return selector
