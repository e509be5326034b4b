"""Who reaches whom in every stack: the rendered policies, worked out, against what is meant."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest

import config
from components.network import Connection, Network, Outside, Pods, at, connections
from components.values.network_policies import DENY_ALL, policy_specs
from ops import stack_files
from ops.registrations import Recorded, record
from ops.stack_files import STACK_FILES, settings
from tests.chart_pods import pods
from tests.connectivity import Node, Port, allowed, matches

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

TEMPO_2 = "compactor distributor ingester querier query-frontend"
TEMPO_3 = (
    "backend-scheduler backend-worker block-builder distributor live-store querier query-frontend"
)
ADDRESSES = "internet api-server store"
CLUSTER = "dns k3s-traefik shop grafana monitoring linkerd elsewhere kafka harness"

EVERYWHERE = "* -> dns: 53 udp/53"
COLLECTOR_ASKS = f"opentelemetry-collector -> {ADDRESSES} elsewhere: 443 6443"
TRAEFIK = f"""
traefik -> opentelemetry-collector: 4317
traefik -> {ADDRESSES}: 443 6443
traefik -> {CLUSTER}: *
{ADDRESSES} metadata {CLUSTER} -> traefik: 8000 8443
traefik -> traefik: 8000 8443
"""
AMONG_TEMPO_2_UNCACHED = f"{TEMPO_2} -> {TEMPO_2}: 3200 7946 9095"
AMONG_TEMPO_2 = f"""
{TEMPO_2} -> {TEMPO_2}: 3200 7946 9095
{TEMPO_2} -> memcached: 11211
"""
AMONG_TEMPO_3 = f"""
{TEMPO_3} -> {TEMPO_3}: 3200 7946 9095
{TEMPO_3} -> memcached: 11211
"""

EXPECTED = {
    "dev": f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {TRAEFIK}
        {TEMPO_2} -> {TEMPO_2}: 3200 7946 9095
        {TEMPO_2} -> minio: 9000
        opentelemetry-collector -> distributor: 4317
    """,
    "staging": f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {TRAEFIK}
        {AMONG_TEMPO_2}
        gateway -> query-frontend: 3200
        gateway -> distributor: 4317 4318
        {TEMPO_2} -> minio: 9000
        opentelemetry-collector -> distributor: 4317
        shop -> opentelemetry-collector: 4317 4318
        harness -> opentelemetry-collector: 4317
        grafana -> gateway: 8080
        monitoring -> {TEMPO_2}: 3200
        monitoring -> opentelemetry-collector: 8888
        monitoring -> traefik: 9100
    """,
    "prod": f"""
        {EVERYWHERE}
        * -> linkerd: 8080 8086 8090
        {COLLECTOR_ASKS.replace("opentelemetry-collector ", "opentelemetry-collector-agent ")}
        {TRAEFIK.replace("opentelemetry-collector", "opentelemetry-collector-agent")}
        {AMONG_TEMPO_2_UNCACHED}
        gateway -> query-frontend: 3200
        {TEMPO_2} -> store: 9000
        opentelemetry-collector-agent -> opentelemetry-collector-gateway: 4317
        opentelemetry-collector-gateway -> distributor: 4317
        opentelemetry-collector-gateway -> monitoring: 9090
        shop linkerd -> opentelemetry-collector-agent: 4317 4318
        harness -> opentelemetry-collector-agent: 4317
        grafana -> gateway: 8080
        monitoring -> {TEMPO_2}: 3200
        monitoring -> opentelemetry-collector-agent opentelemetry-collector-gateway: 8888
        monitoring -> traefik: 9100
    """,
    "harness": f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {AMONG_TEMPO_2}
        gateway -> query-frontend: 3200
        gateway -> distributor: 4317 4318
        {TEMPO_2} -> minio: 9000
        opentelemetry-collector -> distributor: 4317
        harness -> opentelemetry-collector: 4317
        grafana -> gateway: 8080
    """,
    "picluster": f"""
        {EVERYWHERE}
        * -> linkerd: 8080 8086 8090
        {AMONG_TEMPO_2}
        {TEMPO_2} -> internet: 9091
        k3s-traefik dns -> distributor: 4317
        linkerd -> distributor: 4317 4318 9411 14268 udp/6831
        grafana -> query-frontend: 3200
    """,
    "kafka": f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {AMONG_TEMPO_3}
        gateway -> query-frontend: 3200
        gateway -> distributor: 4317 4318
        {TEMPO_3} -> minio: 9000
        block-builder distributor live-store -> kafka: 9092
        opentelemetry-collector -> distributor: 4317
        shop -> opentelemetry-collector: 4317 4318
    """,
    "strimzi": f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {AMONG_TEMPO_3}
        {TEMPO_3} -> {ADDRESSES} elsewhere: 443
        block-builder distributor live-store -> kafka-broker: 9092
        kafka-broker kafka-controller -> kafka-broker kafka-controller: 9090 9091
        kafka-entity-operator -> kafka-broker: 9091
        strimzi-cluster-operator -> kafka-broker kafka-controller: 8443 9090 9091
        kafka-broker kafka-controller kafka-entity-operator strimzi-cluster-operator -> \\
            {ADDRESSES} elsewhere: 443 6443
        opentelemetry-collector -> distributor: 4317
    """,
    "monolithic": f"""
        {EVERYWHERE}
        tempo -> minio: 9000
    """,
    "demo": f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {TRAEFIK}
        tempo -> minio: 9000
        opentelemetry-collector -> tempo: 4317
        traefik -> web: 8080
        web -> emoji voting: 8080
        vote-bot -> web: 8080
        web emoji voting vote-bot -> bridge: 55678
        bridge -> opentelemetry-collector: 4317
        tempo-vulture -> tempo: 3200 4317
    """,
    "private-ca": f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {AMONG_TEMPO_2}
        {TEMPO_2} -> internet store: 9000
        opentelemetry-collector -> distributor: 4317
    """,
}
"""Who is meant to reach whom: clients -> servers: ports. `*` are all pods of the stack, or all
ports."""

Edge = tuple[str, str, Port]


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


def solved(
    policies: list[dict[str, Any]], own: dict[str, Node], others: dict[str, Node], *, meshed: bool
) -> set[Edge]:
    """All connections of which one end is the stack's and which both ends let through."""
    nodes = own | others
    return {
        (client, server, port)
        for client in nodes
        for server in nodes
        if client in own or server in own
        for port in {*nodes[server].ports, CANARY, *([PROXY] if meshed else [])}
        if allowed(policies, nodes[client], nodes[server], port)
    }


def meant(text: str, own: dict[str, Node], others: dict[str, Node], *, meshed: bool) -> set[Edge]:
    """The connections of a table such as those in `EXPECTED`."""
    nodes, edges = own | others, set()
    for line in filter(None, map(str.strip, text.replace("\\\n", "").splitlines())):
        match = re.fullmatch(r"(.+?)\s*->\s*(.+?): (.+)", line)
        assert match is not None, line
        clients, servers = (
            {*own} if part == "*" else {*part.split()} for part in match.group(1, 2)
        )
        # Whoever is outside of other stacks may be in this one's own namespace.
        assert clients | servers <= nodes.keys() | PORTS.keys(), line
        for client in clients & nodes.keys():
            for server in servers & nodes.keys():
                ports = set(nodes[server].ports)
                if match[3] == "*":
                    wanted = ports | {CANARY} | ({PROXY} if meshed else set())
                else:
                    wanted = ports & set(map(port_of, match[3].split()))
                if meshed and wanted and server in own:
                    wanted |= {PROXY}
                edges |= {(client, server, port) for port in wanted}
    return edges


def check(run: Recorded, expected: str, *, meshed: bool) -> None:
    policies, own, others = world_of(run)
    found = solved(policies, own, others, meshed=meshed)
    wanted = meant(expected, own, others, meshed=meshed)
    assert sorted(found - wanted) == [], "reached, but not meant to be"
    assert sorted(wanted - found) == [], "meant to be reached, but is not"


@pytest.mark.parametrize("stack", STACK_FILES)
def test_who_reaches_whom_is_what_is_meant_and_nothing_else(stack: str) -> None:
    check(recorded(stack), EXPECTED[stack], meshed="tracing:linkerd" in settings(stack))


SCRAPERS = {"scrapers": {"namespaces": ["monitoring"]}}
CASES: dict[str, tuple[dict[str, Any], bool, str]] = {
    "a pool of MinIO with an Ingress, HotROD, Harness as a release": (
        {
            "tracing:objectStore": {"replicas": 4, "ingress": {"host": "s3.example.com"}},
            "tracing:tempo": {"profile": "monolithic", "namespace": "tempo"},
            "tracing:traefik": {},
            "tracing:harness": {"install": "release"},
            "tracing:demoApp": {"app": "hotrod", "ingress": {"host": "hotrod.example.com"}},
            "tracing:prometheus": {"operator": {}},
            "tracing:networkPolicies": {
                **SCRAPERS,
                "ingressControllers": {"namespaces": ["elsewhere"]},
                "visitors": {"cidrs": ["203.0.113.0/24"]},
                "targets": {
                    "backends": {"namespaces": ["shop"]},
                    "apiServer": {"cidrs": ["198.51.100.1/32"], "ports": [6443]},
                },
            },
        },
        False,
        f"""
        {EVERYWHERE}
        tempo -> minio: 9000
        minio -> minio: 9000
        traefik elsewhere -> minio: 9000
        traefik elsewhere -> hotrod: 8080
        traefik elsewhere harness -> harness: *
        harness -> tempo: 4317
        harness -> {ADDRESSES} metadata {CLUSTER}: *
        traefik -> tempo: 4317
        traefik -> shop: *
        traefik -> api-server: 6443
        internet -> traefik: 8000 8443
        hotrod -> tempo: 4318
        monitoring -> tempo: 3200
        monitoring -> minio: 9000
        monitoring -> traefik: 9100
        """,
    ),
    "what a collector may have beside": (
        {
            "tracing:tempo": {"profile": "monolithic"},
            "tracing:collector": {
                "mode": "agent-gateway",
                "receivers": ["otlpGrpc", "zipkin", "jaegerThriftCompact"],
                "resourceDetectors": ["ec2"],
                "telemetry": {"traceSampleRate": 0.1},
                "metrics": {"remoteWriteUrl": "http://203.0.113.9/api/v1/write"},
            },
            "tracing:networkPolicies": {
                "senders": {"namespaces": ["shop"], "cidrs": ["192.0.2.0/24"]},
                "targets": {"apiServer": {"cidrs": ["198.51.100.1/32"]}},
            },
            "tracing:grafana": {"mode": "sidecar", "namespace": "grafana"},
        },
        False,
        f"""
        {EVERYWHERE}
        tempo -> minio: 9000
        shop store -> opentelemetry-collector-agent: 4317 9411 udp/6831
        opentelemetry-collector-agent -> api-server: 443 6443
        opentelemetry-collector-agent -> metadata: 80
        opentelemetry-collector-agent -> opentelemetry-collector-gateway: 4317
        opentelemetry-collector-agent opentelemetry-collector-gateway -> tempo: 4317
        opentelemetry-collector-gateway -> internet: 80
        grafana -> tempo: 3200
        """,
    ),
    "an application with Linkerd's proxies": (
        {
            "tracing:tempo": {"profile": "monolithic"},
            "tracing:demoApp": {"linkerd": True, "voteBot": False},
        },
        True,
        f"""
        {EVERYWHERE}
        * -> linkerd: 8080 8086 8090
        tempo -> minio: 9000
        web -> emoji voting: 8080
        web emoji voting -> bridge: 55678
        bridge -> tempo: 4317
        """,
    ),
    "metrics of Tempo 3, and where a Kafka is": (
        {
            "tracing:tempo": {
                "profile": "distributed-3",
                "acknowledgeNoDowngrade": True,
                "memcached": False,
                "kafka": {"address": "kafka.example.com:9092"},
                "metricsGenerator": {"remoteWriteUrl": "http://prometheus.monitoring.svc:80/write"},
            },
            "tracing:networkPolicies": {
                "targets": {
                    "kafka": {"namespaces": ["kafka"]},
                    "remoteWrite": {"namespaces": ["monitoring"], "ports": [9090]},
                }
            },
        },
        False,
        f"""
        {EVERYWHERE}
        {TEMPO_3} metrics-generator -> {TEMPO_3} metrics-generator: 3200 7946 9095
        {TEMPO_3} metrics-generator -> minio: 9000
        block-builder distributor live-store metrics-generator -> kafka: 9092
        metrics-generator -> monitoring: 9090
        """,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_no_stack_file_has_is_reached_as_it_is_meant(case: str) -> None:
    raw, meshed, expected = CASES[case]
    check(record("dev", raw, {}), expected, meshed=meshed)


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


ADDRESS = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc\.cluster\.local:(\d+)")
BEHIND = {80: 8080}
"""The port of the pods behind a Service, where it is another."""
BOOTSTRAP, BROKERS = "-kafka-bootstrap", "kafka-broker"


@pytest.mark.parametrize("stack", STACK_FILES)
def test_whoever_is_told_an_address_of_the_stack_reaches_it(stack: str) -> None:
    """Found in what is told to charts and pods, not in what the components say of it."""
    run, told = recorded(stack), 0
    rendered, own, _ = world_of(run)
    for resource in run.resources:
        # What belongs to one resource: a release's pods, or the pods of a workload.
        clients = pods(Recorded(resources=(resource,), outputs={}, component_outputs={}))
        if not clients or "strimzi" in resource.type:
            continue
        for service, namespace, number in set(ADDRESS.findall(json.dumps(resource.inputs))):
            name = BROKERS if service.endswith(BOOTSTRAP) else service.removesuffix("-svc")
            servers = [
                node
                for node in own.values()
                if node.namespace == namespace and node.name in (name, f"{name}-agent")
            ]
            if not servers:
                # It is not the stack's.
                assert namespace not in {node.namespace for node in own.values()}, service
                continue
            port = ("TCP", BEHIND.get(int(number), int(number)))
            assert any(
                allowed(rendered, client, server, port) for client in clients for server in servers
            ), (resource.name, service, port)
            told += 1
    # On the home cluster everything that the stack's pods connect to is outside of it.
    assert (told == 0) == (stack == "picluster")


# --- The manifests, one by one --------------------------------------------------------------------

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


# --- What is refused ------------------------------------------------------------------------------

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


# --- The solver itself ----------------------------------------------------------------------------

ONE = Node(name="one", namespace="a", labels={"app": "one"})
TWO = Node(name="two", namespace="b", labels={"app": "two"})
MACHINE = Node(name="machine", namespace=None, address="10.1.2.3")


def policy(namespace: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace}, "spec": {"podSelector": {}, **spec}}


SOLVED: dict[str, tuple[list[dict[str, Any]], Node, Node, bool]] = {
    "no policy": ([], ONE, TWO, True),
    "denied on the way in": ([policy("b", policyTypes=["Ingress"])], ONE, TWO, False),
    "not selected": (
        [policy("b", podSelector={"matchLabels": {"app": "other"}})],
        ONE,
        TWO,
        True,
    ),
    "in another namespace": ([policy("c")], ONE, TWO, True),
    "only the other direction": ([policy("b", policyTypes=["Egress"])], ONE, TWO, True),
    "denied on the way out": ([policy("a", policyTypes=["Egress"])], ONE, TWO, False),
    "types left out": ([policy("a", egress=[])], ONE, TWO, False),
    "a rule for everybody": ([policy("b", ingress=[{}])], ONE, TWO, True),
    "an empty list of peers is everybody": ([policy("b", ingress=[{"from": []}])], ONE, TWO, True),
    "another port": ([policy("b", ingress=[{"ports": [{"port": 81}]}])], ONE, TWO, False),
    "another protocol": (
        [policy("b", ingress=[{"ports": [{"port": 80, "protocol": "UDP"}]}])],
        ONE,
        TWO,
        False,
    ),
    "a range of ports": (
        [policy("b", ingress=[{"ports": [{"port": 79, "endPort": 80}]}])],
        ONE,
        TWO,
        True,
    ),
    "policies add up": (
        [policy("b"), policy("b", ingress=[{"ports": [{"port": 80}]}])],
        ONE,
        TWO,
        True,
    ),
    "pods of one's own namespace": (
        [policy("b", ingress=[{"from": [{"podSelector": {}}]}])],
        ONE,
        TWO,
        False,
    ),
    "all pods": ([policy("b", ingress=[{"from": [{"namespaceSelector": {}}]}])], ONE, TWO, True),
    "all pods are no machines": (
        [policy("b", ingress=[{"from": [{"namespaceSelector": {}}]}])],
        MACHINE,
        TWO,
        False,
    ),
    "a block": (
        [policy("b", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])],
        MACHINE,
        TWO,
        True,
    ),
    "all of a block but": (
        [
            policy(
                "b",
                ingress=[
                    {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}
                ],
            )
        ],
        MACHINE,
        TWO,
        False,
    ),
    "both selectors at once": (
        [
            policy(
                "b",
                ingress=[
                    {
                        "from": [
                            {
                                "namespaceSelector": {
                                    "matchLabels": {"kubernetes.io/metadata.name": "a"}
                                },
                                "podSelector": {"matchLabels": {"app": "two"}},
                            }
                        ]
                    }
                ],
            )
        ],
        ONE,
        TWO,
        False,
    ),
}


@pytest.mark.parametrize("case", SOLVED)
def test_the_solver_knows_what_a_policy_means(case: str) -> None:
    rendered, client, server, expected = SOLVED[case]
    assert allowed(rendered, client, server, ("TCP", 80)) is expected


# --- What is said of whom nobody lets in ----------------------------------------------------------

TOLD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "applications": ({"collector": {}}, ["senders"]),
    "applications beside Traefik may not be there": ({"traefik": {}}, []),
    "meshed applications": ({"traefik": {}, "linkerd": {}}, ["senders"]),
    "a Grafana": ({"traefik": {}, "grafana": {"url": "https://g.example.com"}}, ["readers"]),
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
