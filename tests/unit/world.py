"""The pods of a stack and all that is around them: who is there to reach, or to be kept out."""

from __future__ import annotations

from functools import cache
from typing import Any

from ops import stack_files
from ops.registrations import Recorded
from tests.chart_pods import pods
from tests.connectivity import Node, Port

recorded = cache(stack_files.recorded)

OUTSIDE = [
    Node(name="internet", namespace=None, address="203.0.113.9", ports=frozenset()),
    Node(name="api-server", namespace=None, address="198.51.100.1"),
    Node(name="store", namespace=None, address="192.0.2.20"),
    Node(name="metadata", namespace=None, address="169.254.169.254"),
    Node(name="dns", namespace="kube-system", labels={"k8s-app": "kube-dns"}),
    Node(name="k3s-traefik", namespace="kube-system", labels={"app.kubernetes.io/name": "traefik"}),
    *(
        Node(name=name, namespace=name)
        for name in ("shop", "grafana", "monitoring", "linkerd", "elsewhere", "kafka", "harness")
    ),
]
PORTS: dict[str, str] = {
    "internet": "80 443 4317 6443 9000 9091 9092",
    "api-server": "443 6443",
    "store": "443 9000",
    "metadata": "80",
    "dns": "53 udp/53",
    "k3s-traefik": "8000",
    "shop": "8080",
    "grafana": "3000",
    "monitoring": "9090",
    "linkerd": "8080 8086 8090",
    "elsewhere": "443 8080",
    "kafka": "9092",
    "harness": "9090",
}
CANARY: Port = ("TCP", 12345)
"""A port that nobody's business is."""
PROXY: Port = ("TCP", 4143)


def port_of(text: str) -> Port:
    protocol, _, number = text.rpartition("/")
    return (protocol.upper() or "TCP", int(number))


def world_of(run: Recorded) -> tuple[list[dict[str, Any]], dict[str, Node], dict[str, Node]]:
    """The policies of a stack; its own pods and all else, by short names."""
    policies = [r.inputs for r in run.resources if r.type.endswith(":NetworkPolicy")]
    own = {
        node.labels.get("app.kubernetes.io/component", node.name)
        if node.labels.get("app.kubernetes.io/name") == "tempo"
        else node.name: node
        for node in pods(run)
    }
    places = {node.namespace for node in own.values()}
    others = {
        node.name: Node(
            name=node.name,
            namespace=node.namespace,
            labels=node.labels,
            address=node.address,
            ports=frozenset(map(port_of, PORTS[node.name].split())),
        )
        for node in OUTSIDE
        if node.namespace not in places
    }
    # In each of the stack's namespaces somebody who is none of its pods.
    for place in filter(None, places - {"harness"}):
        others[f"intruder-{place}"] = Node(
            name="intruder", namespace=place, ports=frozenset({("TCP", 8080)})
        )
    return policies, own, others
