"""Owns a Kafka cluster, run by the Strimzi operator. Needs a namespace. Gives `KafkaAccess`."""

from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_random as random
from pulumi import Input, Output, ResourceOptions

from config.kafka import KAFKA_OPERATOR, LOGIN_SECRET, KafkaClusterConfig
from config.tempo import KafkaConfig

from .contracts import ChartRef, KafkaAccess, KafkaLogin, joined, service_host
from .kubernetes_object import WAIT_READY, KubernetesObject, object_metadata
from .network import Network, Surroundings
from .release import helm_release
from .secret_version import secret_version
from .values.kafka import (
    LISTENER_PORT,
    USER,
    brokers_spec,
    controllers_spec,
    kafka_spec,
    operator_values,
    topic_spec,
    user_spec,
)
from .values.kafka_network import kafka_brokers, kafka_network

_API_VERSION: Final = "kafka.strimzi.io/v1"
_USERNAME_KEY: Final = "username"
_PASSWORD_KEY: Final = "password"


@dataclass(frozen=True, kw_only=True)
class KafkaArgs:
    """What a Kafka cluster is made from."""

    settings: KafkaClusterConfig
    topic: KafkaConfig
    """The topic, as Tempo uses it."""
    namespace: Input[str]
    clients: Input[str]
    """Namespace of the pods that may connect."""
    chart: ChartRef | None
    """Chart of the operator; `None` where one is there already."""
    surroundings: Surroundings
    delete_data: bool
    """Allow what deletes the cluster, its topic or their volumes."""


class Kafka(pulumi.ComponentResource):
    """Strimzi's Kafka with its node pools, one topic and one user; and the operator, if wanted."""

    access: KafkaAccess
    network: Network

    def __init__(self, name: str, args: KafkaArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Kafka", name, None, opts)
        settings, topic = args.settings, args.topic
        child = ResourceOptions(parent=self)
        operator: list[pulumi.Resource] = []
        if args.chart is not None:
            operator.append(
                helm_release(
                    f"{name}-operator-release",
                    chart=args.chart,
                    release_name=KAFKA_OPERATOR,
                    namespace=args.namespace,
                    values=operator_values(settings),
                    parent=self,
                )
            )

        def add(
            role: str,
            kind: str,
            object_name: str,
            spec: dict[str, Any],
            *needs: pulumi.Resource,
            ready: bool = True,
            keep: bool = False,
        ) -> KubernetesObject:
            labels = {} if kind == "Kafka" else {"strimzi.io/cluster": settings.name}
            return KubernetesObject(
                f"{name}-{role}",
                {
                    "apiVersion": _API_VERSION,
                    "kind": kind,
                    "metadata": object_metadata(
                        object_name, args.namespace, labels or None, WAIT_READY if ready else None
                    ),
                    "spec": spec,
                },
                ResourceOptions(
                    parent=self,
                    protect=keep and not args.delete_data,
                    # What was made later is deleted first: a topic that outlives its cluster
                    # waits forever for an operator that would let it go.
                    depends_on=[*operator, *needs],
                ),
            )

        password = Output.secret(
            # Letters and digits only: the password is a part of a line of Java's own syntax.
            random.RandomPassword(f"{name}-password", length=40, special=False, opts=child).result
        )

        def secret(role: str, namespace: Input[str]) -> KubernetesObject:
            return KubernetesObject(
                f"{name}-{role}",
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": object_metadata(LOGIN_SECRET, namespace),
                    "stringData": {_USERNAME_KEY: USER, _PASSWORD_KEY: password},
                },
                child,
            )

        # Pods read Secrets of their own namespace only. The two are never one: that is refused.
        version = secret_version(
            f"{name}-login-version", {"user": USER, "password": password}, child
        )
        brokers_login = secret("login", args.namespace)
        tempo_login = secret("tempo-login", args.clients)

        pools = [
            add(
                "brokers",
                "KafkaNodePool",
                "broker",
                brokers_spec(settings, delete_data=args.delete_data),
                ready=False,
                keep=True,
            )
        ]
        if settings.controllers is not None:
            pools.append(
                add(
                    "controllers",
                    "KafkaNodePool",
                    "controller",
                    controllers_spec(settings, settings.controllers, delete_data=args.delete_data),
                    ready=False,
                    keep=True,
                )
            )
        cluster = add(
            "cluster",
            "Kafka",
            settings.name,
            kafka_spec(
                settings,
                secret_name=brokers_login.physical_name,
                secret_version=version,
                clients=args.clients,
            ),
            *pools,
            keep=True,
        )
        traces = add(
            "topic",
            "KafkaTopic",
            topic.topic,
            topic_spec(settings, topic.partitions),
            cluster,
            keep=True,
        )
        user = add("user", "KafkaUser", USER, user_spec(topic.topic), cluster)

        self.network = kafka_network(
            settings, args.namespace, args.surroundings, with_operator=args.chart is not None
        )
        bootstrap = service_host(f"{settings.name}-kafka-bootstrap", args.namespace)
        self.access = KafkaAccess(
            address=joined(bootstrap, ":", LISTENER_PORT),
            login=KafkaLogin(
                secret_name=tempo_login.physical_name,
                username_key=_USERNAME_KEY,
                password_key=_PASSWORD_KEY,
                version=version,
            ),
            server=kafka_brokers(settings, args.namespace),
            ready=(traces, user),
        )
        self.register_outputs({"address": self.access.address})
