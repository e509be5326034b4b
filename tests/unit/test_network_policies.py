"""Who reaches whom in every stack: the rendered policies, worked out, against what is meant."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ops.registrations import Recorded, record
from ops.stack_files import STACK_FILES, settings
from tests.chart_pods import pods
from tests.connectivity import Node, Port, allowed
from tests.unit.world import CANARY, PORTS, PROXY, port_of, recorded, world_of

TEMPO_2 = "compactor distributor ingester querier query-frontend"
TEMPO_3 = (
    "backend-scheduler backend-worker block-builder distributor live-store querier query-frontend"
)
TEMPO_2_ON_STORE = "compactor ingester querier query-frontend"
TEMPO_3_ON_STORE = "backend-scheduler backend-worker block-builder querier query-frontend"
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
TRAEFIK_OF_SHOP = TRAEFIK.replace(
    f"traefik -> {CLUSTER}: *", "traefik -> shop: *\ntraefik -> elsewhere: 443 6443"
)
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
        {TEMPO_2_ON_STORE} -> minio: 9000
        opentelemetry-collector -> distributor: 4317
    """,
    "staging": f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {TRAEFIK_OF_SHOP}
        {AMONG_TEMPO_2}
        gateway -> query-frontend: 3200
        gateway -> distributor: 4317 4318
        {TEMPO_2_ON_STORE} -> minio: 9000
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
        {TRAEFIK_OF_SHOP.replace("opentelemetry-collector", "opentelemetry-collector-agent")}
        {AMONG_TEMPO_2_UNCACHED}
        gateway -> query-frontend: 3200
        {TEMPO_2_ON_STORE} -> store: 9000
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
        {TEMPO_2_ON_STORE} -> minio: 9000
        opentelemetry-collector -> distributor: 4317
        harness -> opentelemetry-collector: 4317
        grafana -> gateway: 8080
    """,
    "picluster": f"""
        {EVERYWHERE}
        * -> linkerd: 8080 8086 8090
        {AMONG_TEMPO_2}
        {TEMPO_2_ON_STORE} -> internet: 9091
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
        {TEMPO_3_ON_STORE} -> minio: 9000
        block-builder distributor live-store -> kafka: 9092
        opentelemetry-collector -> distributor: 4317
        shop -> opentelemetry-collector: 4317 4318
    """,
    "strimzi": f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {AMONG_TEMPO_3}
        {TEMPO_3_ON_STORE} -> {ADDRESSES} elsewhere: 443
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
        {TEMPO_2_ON_STORE} -> internet store: 9000
        opentelemetry-collector -> distributor: 4317
    """,
}
"""Who is meant to reach whom: clients -> servers: ports. `*` are all pods of the stack, or all
ports."""


Edge = tuple[str, str, Port]


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


TENANCY = {"default": "rest", "tenants": {"shop": []}}
USERS = {"type": "basic", "secretName": "users", "users": {"ann": "shop"}}
SCRAPERS = {"scrapers": {"namespaces": ["monitoring"]}}
CASES: dict[str, tuple[dict[str, Any], bool, str]] = {
    "a pool of MinIO with an Ingress, HotROD, Harness as a release": (
        {
            "tracing:objectStore": {"replicas": 4, "ingress": {"host": "s3.example.com"}},
            "tracing:tempo": {"profile": "monolithic", "namespace": "tempo"},
            "tracing:traefik": {},
            "tracing:harness": {"install": "release"},
            "tracing:kubernetes": {"existingNamespaces": ["harness"]},
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
        harness -> tempo: 4317
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
    "tenants, whom only the gateway and Grafana are for": (
        {
            "tracing:tenancy": TENANCY | {"authentication": USERS},
            "tracing:tempo": {"gateway": {}},
            "tracing:collector": {},
            "tracing:networkPolicies": {
                "readers": {"namespaces": ["shop"], "cidrs": ["192.0.2.0/24"]},
                "grafana": {"namespaces": ["grafana"]},
            },
        },
        False,
        f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {AMONG_TEMPO_2}
        {TEMPO_2_ON_STORE} -> minio: 9000
        opentelemetry-collector -> distributor: 4317
        gateway -> query-frontend: 3200
        gateway -> distributor: 4317 4318
        shop store -> gateway: 8080
        grafana -> query-frontend: 3200
        """,
    ),
    "tenants whose Grafana takes up its data sources by itself": (
        {
            "tracing:tenancy": TENANCY | {"authentication": USERS},
            "tracing:tempo": {"gateway": {}},
            "tracing:collector": {},
            "tracing:grafana": {"mode": "sidecar", "namespace": "grafana"},
            "tracing:networkPolicies": {"readers": {"namespaces": ["shop"]}},
        },
        False,
        f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        {AMONG_TEMPO_2}
        {TEMPO_2_ON_STORE} -> minio: 9000
        opentelemetry-collector -> distributor: 4317
        gateway -> query-frontend: 3200
        gateway -> distributor: 4317 4318
        shop -> gateway: 8080
        grafana -> query-frontend: 3200
        """,
    ),
    "tenants without a gateway": (
        {
            "tracing:tenancy": TENANCY,
            "tracing:tempo": {"profile": "monolithic"},
            "tracing:collector": {},
            "tracing:networkPolicies": {"grafana": {"namespaces": ["grafana"]}},
        },
        False,
        f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        tempo -> minio: 9000
        opentelemetry-collector -> tempo: 4317
        grafana -> tempo: 3200
        """,
    ),
    "readers and a Grafana of one tenant": (
        {
            "tracing:tempo": {"profile": "monolithic"},
            "tracing:networkPolicies": {
                "readers": {"namespaces": ["shop"]},
                "grafana": {"namespaces": ["grafana"], "cidrs": ["192.0.2.0/24"]},
            },
        },
        False,
        f"""
        {EVERYWHERE}
        tempo -> minio: 9000
        shop grafana store -> tempo: 3200
        """,
    ),
    "Ingresses of which Traefik serves one": (
        {
            "tracing:objectStore": {"ingress": {"host": "s3.example.com", "className": "nginx"}},
            "tracing:tempo": {"profile": "monolithic"},
            "tracing:traefik": {"routeNamespaces": ["shop"]},
            "tracing:demoApp": {"app": "hotrod", "ingress": {"host": "hotrod.example.com"}},
            "tracing:networkPolicies": {
                "ingressControllers": {"namespaces": ["elsewhere"]},
                "targets": {"apiServer": {"cidrs": ["198.51.100.1/32"], "ports": [6443]}},
            },
        },
        False,
        f"""
        {EVERYWHERE}
        tempo -> minio: 9000
        elsewhere -> minio: 9000
        traefik elsewhere -> hotrod: 8080
        traefik -> tempo: 4317
        traefik -> shop: *
        traefik -> traefik: 8000 8443
        traefik -> api-server: 6443
        {ADDRESSES} metadata {CLUSTER} -> traefik: 8000 8443
        hotrod -> tempo: 4318
        """,
    ),
    "an application with Linkerd's proxies": (
        {
            "tracing:tempo": {"profile": "monolithic"},
            "tracing:demoApp": {"linkerd": True, "voteBot": False},
            "tracing:kubernetes": {"linkerdCni": True},
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
    "an application with Linkerd's proxies that send spans": (
        {
            "tracing:tempo": {"profile": "monolithic"},
            "tracing:collector": {},
            "tracing:linkerd": {},
            "tracing:demoApp": {"linkerd": True, "voteBot": False},
            "tracing:kubernetes": {"linkerdCni": True},
        },
        True,
        f"""
        {EVERYWHERE}
        {COLLECTOR_ASKS}
        * -> linkerd: 8080 8086 8090
        tempo -> minio: 9000
        opentelemetry-collector -> tempo: 4317
        web -> emoji voting: 8080
        web emoji voting -> bridge: 55678
        web emoji voting bridge -> opentelemetry-collector: 4317
        """,
    ),
    "metrics of Tempo 2, whose generator asks the store": (
        {
            "tracing:tempo": {
                "memcached": False,
                "metricsGenerator": {"remoteWriteUrl": "http://203.0.113.9/api/v1/write"},
            },
        },
        False,
        f"""
        {EVERYWHERE}
        {TEMPO_2} metrics-generator -> {TEMPO_2} metrics-generator: 3200 7946 9095
        {TEMPO_2_ON_STORE} metrics-generator -> minio: 9000
        metrics-generator -> internet: 80
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
        {TEMPO_3_ON_STORE} -> minio: 9000
        block-builder distributor live-store metrics-generator -> kafka: 9092
        metrics-generator -> monitoring: 9090
        """,
    ),
    "a Kafka by the name of one of its pods, a Prometheus likewise": (
        {
            "tracing:tempo": {
                "profile": "distributed-3",
                "acknowledgeNoDowngrade": True,
                "memcached": False,
                "kafka": {"address": "kafka-0.brokers.kafka.svc.cluster.local:9092"},
                "metricsGenerator": {
                    "remoteWriteUrl": "http://prometheus-0.all.monitoring.svc:9090/write"
                },
            },
        },
        False,
        f"""
        {EVERYWHERE}
        {TEMPO_3} metrics-generator -> {TEMPO_3} metrics-generator: 3200 7946 9095
        {TEMPO_3_ON_STORE} -> minio: 9000
        block-builder distributor live-store metrics-generator -> kafka: 9092
        metrics-generator -> monitoring: 9090
        """,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_no_stack_file_has_is_reached_as_it_is_meant(case: str) -> None:
    raw, meshed, expected = CASES[case]
    check(record("dev", raw, {}), expected, meshed=meshed)


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
