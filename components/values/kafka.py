"""Strimzi's custom resources of a Kafka cluster for Tempo, and values of the operator's chart."""

from typing import Any, Final

from pulumi import Input

from config.capacity import KAFKA_COPIES
from config.kafka import KafkaBrokersConfig, KafkaClusterConfig, KafkaControllersConfig
from config.kinds import duration_seconds, registry_image
from config.platform import ComputeResources

from .annotations import VERSION_ANNOTATION
from .resources import compute_resources
from .security import RESTRICTED_CONTAINER

USER: Final = "tempo"
"""Who Tempo is for Kafka: the name of the KafkaUser, to which Kafka's rules are bound."""

LISTENER_PORT: Final = 9092

MAX_MESSAGE_BYTES: Final = 16_000_000
"""Tempo sends batches of this size; with Kafka's default of 1 MiB it would refuse them."""

OPERATOR_RESOURCES: Final = ComputeResources(cpu="200m", memory="384Mi")
"""The chart's own default, which a review would not see."""

_PASSWORD_VARIABLE: Final = "TEMPO_PASSWORD"


def copies(settings: KafkaClusterConfig) -> int:
    """Brokers that each span is on: three, if there are as many.

    From Tempo's documentation, "Configure a Kafka-compatible backend", as are the topic's other
    settings and the user's permissions.
    """
    return min(KAFKA_COPIES, settings.brokers.replicas)


def operator_values(settings: KafkaClusterConfig) -> dict[str, Any]:
    """Values of the Helm release of Strimzi's operator."""
    image = None if settings.operator_image is None else _chart_image(settings.operator_image)
    return {
        # With more than this namespace to watch it would need rights in all of them.
        "watchAnyNamespace": False,
        "resources": compute_resources(OPERATOR_RESOURCES),
        # The init container is the one whose image the Kafka does not name.
        **({} if image is None else {"image": image, "kafkaInit": {"image": image}}),
    }


def _chart_image(image: str) -> dict[str, str]:
    # The chart puts a name of its own after the repository, unless it is told none.
    return {**registry_image(image), "name": ""}


def kafka_spec(
    settings: KafkaClusterConfig,
    *,
    secret_name: Input[str],
    secret_version: Input[str],
    clients: Input[str],
) -> dict[str, Any]:
    """The `spec` of the Kafka.

    `secret_name` holds the password of Tempo's user, `secret_version` is another one whenever that
    is; `clients` is the namespace that may connect.
    """
    replicas = copies(settings)
    kafka: dict[str, Any] = {
        "version": settings.version,
        "listeners": [_listener(clients)],
        "authorization": {"type": "simple"},
        "config": {
            "default.replication.factor": replicas,
            "min.insync.replicas": _in_sync(replicas),
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": _in_sync(replicas),
            # A topic that somebody mistyped would be one more that nobody reads.
            "auto.create.topics.enable": False,
        },
        "template": {
            "pod": {
                # Brokers read the password when they start, as Tempo does: with only one of the two
                # restarted Tempo would be refused.
                "metadata": {"annotations": {VERSION_ANNOTATION: secret_version}},
                "topologySpreadConstraints": _spread(settings),
            },
            "kafkaContainer": {
                # Here, and not by the operator's environment: one that is not the stack's makes
                # the same pods.
                "securityContext": RESTRICTED_CONTAINER,
                "env": [
                    {
                        "name": _PASSWORD_VARIABLE,
                        "valueFrom": {"secretKeyRef": {"name": secret_name, "key": "password"}},
                    }
                ],
            },
        },
    }
    if settings.rack is not None:
        kafka["rack"] = {"topologyKey": settings.rack}
        # It asks for the rack of its node.
        kafka["template"]["initContainer"] = {"securityContext": RESTRICTED_CONTAINER}
    if settings.image is not None:
        kafka["image"] = settings.image
    return {"kafka": kafka, "entityOperator": _entity_operator(settings)}


def _entity_operator(settings: KafkaClusterConfig) -> dict[str, Any]:
    image = {} if settings.operator_image is None else {"image": settings.operator_image}
    container = {"securityContext": RESTRICTED_CONTAINER}
    return {
        "topicOperator": image,
        "userOperator": image,
        "template": {"topicOperatorContainer": container, "userOperatorContainer": container},
    }


def _listener(clients: Input[str]) -> dict[str, Any]:
    # `custom`, as of SASL's mechanisms Tempo 3.0 knows only PLAIN, which Strimzi has no type for.
    # The variable is expanded by Kafka itself: the password is in no object but the Secret.
    login = "org.apache.kafka.common.security.plain.PlainLoginModule"
    password = f"${{strimzienv:{_PASSWORD_VARIABLE}}}"
    return {
        "name": "tempo",
        "port": LISTENER_PORT,
        "type": "internal",
        # Tempo speaks no TLS with Kafka before 3.1.
        "tls": False,
        "authentication": {
            "type": "custom",
            "sasl": True,
            "listenerConfig": {
                "sasl.enabled.mechanisms": "PLAIN",
                "plain.sasl.jaas.config": f'{login} required user_{USER}="{password}";',
            },
        },
        "networkPolicyPeers": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": clients}}}
        ],
    }


def _spread(settings: KafkaClusterConfig) -> list[dict[str, Any]]:
    labels = {"strimzi.io/cluster": settings.name, "strimzi.io/name": f"{settings.name}-kafka"}
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def brokers_spec(settings: KafkaClusterConfig, *, delete_data: bool) -> dict[str, Any]:
    """The `spec` of the KafkaNodePool with the brokers."""
    roles = ["broker"] if settings.controllers is not None else ["controller", "broker"]
    return _pool(settings, settings.brokers, roles, delete_data)


def controllers_spec(
    settings: KafkaClusterConfig, controllers: KafkaControllersConfig, *, delete_data: bool
) -> dict[str, Any]:
    """The `spec` of the KafkaNodePool that only keeps the metadata."""
    return _pool(settings, controllers, ["controller"], delete_data)


def _pool(
    settings: KafkaClusterConfig,
    nodes: KafkaBrokersConfig | KafkaControllersConfig,
    roles: list[str],
    delete_data: bool,
) -> dict[str, Any]:
    volume: dict[str, Any] = {
        "id": 0,
        "type": "persistent-claim",
        "size": nodes.volume_size,
        "deleteClaim": delete_data,
        "kraftMetadata": "shared",
    }
    if settings.storage_class is not None:
        volume["class"] = settings.storage_class
    return {
        "replicas": nodes.replicas,
        "roles": roles,
        "storage": {"type": "jbod", "volumes": [volume]},
        **_resources(nodes.resources),
    }


def _resources(resources: ComputeResources) -> dict[str, Any]:
    compute = compute_resources(resources)
    return {"resources": compute} if compute else {}


def topic_spec(settings: KafkaClusterConfig, partitions: int) -> dict[str, Any]:
    """The `spec` of the KafkaTopic of the traces."""
    replicas = copies(settings)
    return {
        "partitions": partitions,
        "replicas": replicas,
        "config": {
            "cleanup.policy": "delete",
            "retention.ms": int(duration_seconds(settings.retention) * 1000),
            "min.insync.replicas": _in_sync(replicas),
            "max.message.bytes": MAX_MESSAGE_BYTES,
        },
    }


def _in_sync(replicas: int) -> int:
    """Copies that a span must be on before it is acknowledged: one broker may be down."""
    return max(1, replicas - 1)


def user_spec(topic: str) -> dict[str, Any]:
    """The `spec` of the KafkaUser: what Tempo may do, and nothing else.

    Without `authentication`: its password is this program's, as Strimzi makes none for PLAIN.
    """

    def allow(kind: str, operations: list[str], name: str | None = None) -> dict[str, Any]:
        resource = {"type": kind} if name is None else {"type": kind, "name": name}
        if name is not None:
            resource["patternType"] = "literal"
        return {"type": "allow", "resource": resource, "operations": operations}

    return {
        "authorization": {
            "type": "simple",
            "acls": [
                allow("cluster", ["Describe"]),
                allow("topic", ["Describe", "Read", "Write"], topic),
                # Tempo names the groups of its live-stores after their pods.
                allow("group", ["Describe", "Read"], "*"),
            ],
        }
    }
