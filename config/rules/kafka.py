"""Rules on the Kafka of Tempo 3: one that is there already, or one of the stack's own."""

import re
from collections.abc import Iterator
from typing import Final

from ..errors import Finding, shown
from ..kinds import duration_seconds, split_image
from ..platform import Environment
from ..stack import StackConfig
from ..tempo import Distributed3Config
from .registry import rule

LEAST_RETENTION_SECONDS: Final = 40 * 60
"""A live-store that restarts reads this much again (Tempo's documentation, "Configure a
Kafka-compatible backend")."""

_TAG_OF_STRIMZI: Final = re.compile(r"-kafka-(?P<version>\d+(?:\.\d+)+)$")


@rule("kafka", "tempo")
def _kafka_is_one_of_two(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if not isinstance(stack.tempo, Distributed3Config):
        if stack.kafka is not None:
            yield Finding(
                "tracing:kafka",
                f"has no use, as the profile {stack.tempo.profile} needs no Kafka; remove it, or "
                "write tracing:tempo.profile: distributed-3",
            )
        return
    kafka = stack.tempo.kafka
    if stack.kafka is None:
        if kafka.address is None:
            yield Finding(
                "tracing:tempo.kafka.address",
                "is missing; write host:port of a broker, or add tracing:kafka for a Kafka of this "
                "stack's own",
            )
        return
    if kafka.address is not None:
        yield Finding(
            "tracing:tempo.kafka.address",
            f"{shown(kafka.address)} is another Kafka than that of tracing:kafka; remove one of "
            "them",
        )
    if kafka.sasl is not None:
        yield Finding(
            "tracing:tempo.kafka.sasl",
            "is for a Kafka that is not this stack's: with tracing:kafka the Secret is its own; "
            "remove it",
        )
    if kafka.create_topic:
        yield Finding(
            "tracing:tempo.kafka.createTopic",
            "true is for a Kafka that is not this stack's: with tracing:kafka the topic is a "
            "resource of its own; remove it",
        )
    if not re.fullmatch(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", kafka.topic):
        yield Finding(
            "tracing:tempo.kafka.topic",
            f"{shown(kafka.topic)} can't be the name of a Kubernetes object, which a topic of "
            "tracing:kafka is; write lower-case letters, digits, '-' and '.'",
        )


@rule("tempo")
def _a_login_has_one_version(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    sasl = stack.tempo.kafka.sasl if isinstance(stack.tempo, Distributed3Config) else None
    if sasl is not None and sasl.external_secret is not None and sasl.version is not None:
        yield Finding(
            "tracing:tempo.kafka.sasl.version",
            "is of a Secret that is there already, and externalSecret brings this one; remove it, "
            "and raise externalSecret.version",
        )


@rule("tempo")
def _a_login_has_two_keys(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    sasl = stack.tempo.kafka.sasl if isinstance(stack.tempo, Distributed3Config) else None
    if sasl is not None and sasl.username_key == sasl.password_key:
        yield Finding(
            "tracing:tempo.kafka.sasl.passwordKey",
            f"{shown(sasl.password_key)} is also usernameKey, and name and password are two; write "
            "another",
        )


@rule("kafka", "tempo")
def _kafka_has_a_namespace_of_its_own(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.kafka is not None and stack.kafka.namespace == stack.tempo.namespace:
        yield Finding(
            "tracing:kafka.namespace",
            f"{shown(stack.kafka.namespace)} is also tracing:tempo.namespace; the operator may do "
            "everything in its own, so write another",
        )


@rule("kafka")
def _the_nodes_can_agree(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.kafka is None or stack.kafka.controllers is not None:
        return
    if stack.kafka.brokers.replicas not in (1, 3, 5):
        yield Finding(
            "tracing:kafka.brokers.replicas",
            f"{stack.kafka.brokers.replicas} nodes would vote on the cluster's metadata; write 1, "
            "3 or 5, or give that to nodes of their own: tracing:kafka.controllers: {}",
        )


@rule("kafka")
def _the_image_is_of_the_version(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.kafka is None or stack.kafka.image is None:
        return
    # Strimzi's tags end so. Its operator goes by the version: it would configure, and upgrade the
    # data of, another Kafka than the one that runs.
    of = _TAG_OF_STRIMZI.search(split_image(stack.kafka.image).get("tag", ""))
    if of is not None and of["version"] != stack.kafka.version:
        yield Finding(
            "tracing:kafka.image",
            f"{shown(stack.kafka.image)} is of Kafka {of['version']}, and tracing:kafka.version is "
            f"{stack.kafka.version}; write the image of that version, or remove it",
        )


@rule("kafka")
def _spans_are_kept_until_they_are_read(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.kafka is None:
        return
    if duration_seconds(stack.kafka.retention) < LEAST_RETENTION_SECONDS:
        yield Finding(
            "tracing:kafka.retention",
            f"{shown(stack.kafka.retention)} is shorter than a live-store that restarts goes back; "
            "write 40m or more",
        )


@rule("kafka", "environment")
def _one_node_may_fail(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    if stack.kafka is None or environment == "dev":
        return
    nodes = {"brokers": stack.kafka.brokers, "controllers": stack.kafka.controllers}
    for key, pool in nodes.items():
        if pool is not None and pool.replicas < 3:
            yield Finding(
                f"tracing:kafka.{key}.replicas",
                f"{pool.replicas} can't lose a node without losing traces, and this is a "
                f"{environment} stack; write 3 or more, or tracing:environment: dev",
            )
