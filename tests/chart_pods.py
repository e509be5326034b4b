"""The pods that charts and operators make of a stack: their labels, and where they listen.

Written down, so that tests without charts can look at them; the live tier compares this with what
the real charts render (`tests/live/test_pods.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ops.registrations import RELEASE, Recorded, Registration
from tests.connectivity import Node, Port

TEMPO = frozenset({("TCP", 3200), ("TCP", 7946), ("TCP", 9095)})
RECEIVERS: dict[str, Port] = {
    "otlp.grpc": ("TCP", 4317),
    "otlp.http": ("TCP", 4318),
    "zipkin": ("TCP", 9411),
    "jaeger.grpc": ("TCP", 14250),
    "jaeger.thriftHttp": ("TCP", 14268),
    "jaeger.thriftCompact": ("UDP", 6831),
    "jaeger.thriftBinary": ("UDP", 6832),
}
COLLECTORS = {
    "otlp": ("TCP", 4317),
    "otlp-http": ("TCP", 4318),
    "zipkin": ("TCP", 9411),
    "jaeger-grpc": ("TCP", 14250),
    "jaeger-thrift": ("TCP", 14268),
    "jaeger-compact": ("UDP", 6831),
    "jaeger-binary": ("UDP", 6832),
}
MICROSERVICES = {
    "2": ("compactor", "distributor", "ingester", "querier", "query-frontend"),
    "3": (
        "backend-scheduler",
        "backend-worker",
        "block-builder",
        "distributor",
        "live-store",
        "querier",
        "query-frontend",
    ),
}


def pods(run: Recorded) -> list[Node]:
    """One pod of each kind of a stack, those of its own manifests and those of charts."""
    found: list[Node] = []
    for resource in run.resources:
        if resource.type == RELEASE:
            found += release_pods(resource.inputs)
        else:
            found += _own_pods(resource)
    return [*found, *_kafka_pods(run)]


def release_pods(release: Mapping[str, Any]) -> Iterator[Node]:
    """Of a Helm release."""
    makers = {
        "tempo-distributed": _tempo_distributed,
        "tempo": _tempo,
        "opentelemetry-collector": _collector,
        "traefik": _traefik,
        "strimzi-kafka-operator": _strimzi,
        "harness": _harness,
    }
    return makers[release["chart"]](release, release["values"])


def _node(release: Mapping[str, Any], name: str, labels: dict[str, str], ports: Any) -> Node:
    return Node(name=name, namespace=release["namespace"], labels=labels, ports=frozenset(ports))


def _tempo_distributed(release: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Node]:
    def node(component: str, *ports: Port, gossip: bool = True) -> Node:
        labels = {
            "app.kubernetes.io/name": "tempo",
            "app.kubernetes.io/instance": release["name"],
            "app.kubernetes.io/component": component,
            **({"app.kubernetes.io/part-of": "memberlist"} if gossip else {}),
        }
        return _node(release, f"{release['name']}-{component}", labels, ports)

    generator = ["metrics-generator"] if values.get("metricsGenerator", {}).get("enabled") else []
    for component in (*MICROSERVICES[release["version"][0]], *generator):
        receivers = _open_receivers(values["traces"]) if component == "distributor" else []
        yield node(component, *TEMPO, *receivers)
    if values["gateway"]["enabled"]:
        yield node("gateway", ("TCP", 8080), ("TCP", 4317), gossip=False)
    if values["memcached"]["enabled"]:
        yield node("memcached", ("TCP", 11211), gossip=False)


def _open_receivers(traces: Mapping[str, Any]) -> Iterator[Port]:
    for path, port in RECEIVERS.items():
        section: Any = traces
        for key in path.split("."):
            section = section[key]
        if section["enabled"]:
            yield port


def _tempo(release: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Node]:
    labels = {
        "app.kubernetes.io/name": "tempo",
        "app.kubernetes.io/instance": release["name"],
    }
    # What the chart opens beside is open whether Tempo listens there or not.
    yield _node(release, release["name"], labels, {*TEMPO, *RECEIVERS.values()})


def _collector(release: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Node]:
    kind = "agent" if values["mode"] == "daemonset" else "statefulset"
    labels = {
        "app.kubernetes.io/name": "opentelemetry-collector",
        "app.kubernetes.io/instance": release["name"],
        "component": f"{kind}-collector",
    }
    named = values["ports"]
    ports = [port for name, port in COLLECTORS.items() if named.get(name, {}).get("enabled", True)]
    if "jaeger-binary" not in named:
        ports = [port for port in ports if port != COLLECTORS["jaeger-binary"]]
    name = release["name"] + ("-agent" if kind == "agent" else "")
    yield _node(release, name, labels, {*ports, ("TCP", 8888), ("TCP", 13133)})


def _traefik(release: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Node]:
    labels = {
        "app.kubernetes.io/name": "traefik",
        "app.kubernetes.io/instance": f"{release['name']}-{release['namespace']}",
    }
    ports = {("TCP", port) for port in (8000, 8080, 8443, 9100)}
    yield _node(release, release["name"], labels, ports)


def _strimzi(release: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Node]:
    labels = {"name": "strimzi-cluster-operator", "strimzi.io/kind": "cluster-operator"}
    yield _node(release, "strimzi-cluster-operator", labels, {("TCP", 8080)})


def _harness(release: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Node]:
    # In a namespace that is not the stack's, where its pods are others' as well.
    yield from ()


def _kafka_pods(run: Recorded) -> Iterator[Node]:
    """What Strimzi makes of a Kafka, its node pools and its entity operator (Labels.java,
    KafkaCluster.java of Strimzi 1.2)."""
    for resource in run.resources:
        kind = resource.type.rpartition(":")[2]
        if "strimzi.io" not in resource.type or kind not in {"Kafka", "KafkaNodePool"}:
            continue
        metadata, spec = resource.inputs["metadata"], resource.inputs["spec"]
        pool = kind == "KafkaNodePool"
        cluster = metadata["labels"]["strimzi.io/cluster"] if pool else metadata["name"]
        labels = {"strimzi.io/cluster": cluster}
        if not pool:
            yield Node(
                name="kafka-entity-operator",
                namespace=metadata["namespace"],
                labels=labels | {"strimzi.io/name": f"{cluster}-entity-operator"},
                ports=frozenset({("TCP", 8080), ("TCP", 8081)}),
            )
            continue
        broker, controller = ("broker" in spec["roles"], "controller" in spec["roles"])
        ports = {("TCP", 8443)} | ({("TCP", 9091), ("TCP", 9092)} if broker else set())
        yield Node(
            name=f"kafka-{metadata['name']}",
            namespace=metadata["namespace"],
            labels=labels
            | {
                "strimzi.io/name": f"{cluster}-kafka",
                "strimzi.io/broker-role": str(broker).lower(),
                "strimzi.io/controller-role": str(controller).lower(),
            },
            ports=frozenset(ports | ({("TCP", 9090)} if controller else set())),
        )


def _own_pods(resource: Registration) -> Iterator[Node]:
    kind = resource.inputs.get("kind")
    if kind not in {"Deployment", "StatefulSet", "CronJob"}:
        return
    metadata, spec = resource.inputs["metadata"], resource.inputs["spec"]
    template = (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]
    ports = {
        (port.get("protocol", "TCP"), port["containerPort"])
        for container in template["spec"]["containers"]
        for port in container.get("ports", [])
    }
    yield Node(
        name=metadata["name"],
        namespace=metadata["namespace"],
        labels=template["metadata"]["labels"],
        ports=frozenset(ports),
    )
