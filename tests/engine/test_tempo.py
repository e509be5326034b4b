"""Another profile of Tempo on a live stack: shown as what it is, and the bucket stays."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Sandbox, SandboxError
from tests.engine.conftest import BoxOf

TEMPO_3 = {
    "profile": "distributed-3",
    "acknowledgeNoDowngrade": True,
    "kafka": {"address": "kafka.kafka:9092"},
}

ONE_PROCESS = {
    "network-policies-tempo": "update",
    "network-policies-tempo-distributor": "delete",
    "network-policies-tempo-on-store": "delete",
    "network-policies-tempo-query-frontend": "delete",
    "network-policies-minio": "update",
    "network-policies-collector": "update",
    # Its microservices talked to each other.
    "open-hops": "update",
}

SWITCHES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "to Tempo 3, in place": (
        TEMPO_3,
        {
            "tempo-release": "update",
            "network-policies-tempo": "update",
            "network-policies-tempo-on-store": "update",
            "network-policies-tempo-on-kafka": "create",
            # The dev stack goes without memcached.
            "network-policies-tempo-memcached": "create",
            "network-policies-minio": "update",
            # The way to Kafka is one more.
            "open-hops": "update",
        },
    ),
    "to one process, as another release": (
        {"profile": "monolithic"},
        {"tempo-release": "replace", "collector-release": "update"} | ONE_PROCESS,
    ),
    "to one process of the same name, in place": (
        {"profile": "monolithic", "releaseName": "tempo-distributed"},
        {"tempo-release": "update", "collector-release": "update"} | ONE_PROCESS,
    ),
}


OWN_KAFKA = {"profile": "distributed-3", "acknowledgeNoDowngrade": True}


def refused(operation: Callable[[], object]) -> str:
    """The text of an operation that has to fail."""
    with pytest.raises(SandboxError) as refusal:
        operation()
    return str(refusal.value)


def changed(box: Sandbox) -> dict[str, str]:
    """What a preview says is to happen, by logical name; components left out."""
    components = {"kafka", "namespaces", "tempo"}
    return {s.name: s.op for s in box.preview().changed() if s.name not in components}


def test_more_partitions_are_one_change_of_the_topic_and_of_tempo(box_of: BoxOf) -> None:
    box = box_of("dev")
    box.set_config("tracing:kafka", {})
    box.set_config("tracing:tempo", OWN_KAFKA | {"kafka": {"partitions": 3}})
    box.up()
    box.set_config("tracing:tempo", OWN_KAFKA | {"kafka": {"partitions": 6}})
    assert changed(box) == {"kafka-topic": "update", "tempo-release": "update"}
    box.up()
    assert box.preview().changes == {}


def test_kafka_of_a_stack_that_keeps_its_data_is_neither_destroyed_nor_renamed(
    applied_box_of: BoxOf,
) -> None:
    box = applied_box_of("strimzi")
    assert "kafka-topic" in refused(box.destroy)
    box.up()
    box.set_config("tracing:kafka.name", "other")
    # Pulumi's words for a protected resource that would be replaced.
    assert "unable to replace resource" in refused(box.up)
    box.remove_config("tracing:kafka.name")
    # Another topic would leave the spans of this one to nobody.
    box.set_config("tracing:tempo.kafka.topic", "other")
    assert "kafka-topic" in refused(box.up)
    topic = ("kubernetes", "KafkaTopic.kafka.strimzi.io", "kafka/tempo-traces")
    assert box.cloud.get(*topic) is not None
    # As it was: nothing is left of either attempt.
    box.remove_config("tracing:tempo.kafka")
    box.up()
    assert box.preview().changes == {}


def test_what_the_operator_has_to_let_go_is_deleted_before_the_operator(box_of: BoxOf) -> None:
    box = box_of("strimzi")
    box.set_config("tracing:deleteData", True)
    box.up()
    steps = [step.name for step in box.destroy().changed()]
    order = ["kafka-topic", "kafka-cluster", "kafka-brokers", "kafka-operator-release"]
    assert sorted(order, key=steps.index) == order
    assert steps.index("tempo-release") < steps.index("kafka-topic")


@pytest.mark.parametrize("case", SWITCHES)
def test_another_profile_shows_as_what_it_is_and_never_touches_the_bucket(
    applied_box_of: BoxOf, case: str
) -> None:
    tempo, expected = SWITCHES[case]
    box = applied_box_of("dev")
    box.set_config("tracing:tempo", tempo | {"blockRetention": "48h"})
    preview = box.preview()
    assert {
        s.name: s.op for s in preview.changed() if s.name not in ("tempo", "network-policies")
    } == expected
    [release] = [step for step in preview.changed() if step.name == "tempo-release"]
    assert "version" in release.diffs
    box.up()
    assert box.preview().changes == {}
    assert [found.id for found in box.cloud.objects("minio", "S3Bucket")] == ["tempo"]
