"""Kafka's pods, by the labels and ports that Strimzi gives them, and who connects to whom.

Strimzi makes policies of its own for what enters the brokers; these are as narrow, and are about
what leaves them as well.
"""

from typing import Final

from pulumi import Input

from config.kafka import KafkaClusterConfig

from ..network import Network, Pods, Server, Surroundings, at, connections
from .kafka import LISTENER_PORT

CONTROL_PLANE_PORT: Final = 9090
REPLICATION_PORT: Final = 9091
AGENT_PORT: Final = 8443
"""As Strimzi 1.2's cluster operator has them (KafkaCluster.java)."""


def kafka_brokers(settings: KafkaClusterConfig, namespace: Input[str]) -> Server:
    """The brokers, as clients reach them."""
    labels = _labels(settings, "kafka") | {"strimzi.io/broker-role": "true"}
    return at(Pods(role="kafka-brokers", namespace=namespace, labels=labels), LISTENER_PORT)


def kafka_network(
    settings: KafkaClusterConfig,
    namespace: Input[str],
    surroundings: Surroundings,
    *,
    with_operator: bool,
) -> Network:
    """Brokers and controllers, and those who run them.

    An operator that is not this stack's is let in by the policies that it makes itself.
    """
    brokers = kafka_brokers(settings, namespace).at
    assert isinstance(brokers, Pods)
    nodes = Pods(role="kafka", namespace=namespace, labels=_labels(settings, "kafka"))
    entities = Pods(
        role="kafka-entity-operator",
        namespace=namespace,
        labels=_labels(settings, "entity-operator"),
    )
    api_server = surroundings.api_server
    allowed = [
        # Brokers read Secrets by themselves, and where they are of their nodes.
        *connections(nodes, at(nodes, CONTROL_PLANE_PORT, REPLICATION_PORT), api_server),
        *connections(entities, at(nodes, REPLICATION_PORT), api_server),
    ]
    own = [nodes, brokers, entities]
    if with_operator:
        labels = {"strimzi.io/kind": "cluster-operator"}
        operator = Pods(role="kafka-operator", namespace=namespace, labels=labels)
        own.append(operator)
        ports = (CONTROL_PLANE_PORT, REPLICATION_PORT, AGENT_PORT)
        allowed += connections(operator, at(nodes, *ports), api_server)
    return Network(pods=tuple(own), connections=tuple(allowed))


def _labels(settings: KafkaClusterConfig, part: str) -> dict[str, str]:
    return {"strimzi.io/cluster": settings.name, "strimzi.io/name": f"{settings.name}-{part}"}
