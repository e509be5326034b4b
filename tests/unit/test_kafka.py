"""A Kafka of the stack's own: what Strimzi is told, and what is refused."""

from typing import Any

import pytest

import config
from ops.registrations import Recorded, record
from tests.restricted import denied, writable
from tests.unit.test_config import refusal

TEMPO: dict[str, Any] = {"profile": "distributed-3", "acknowledgeNoDowngrade": True}


def run_of(cluster: dict[str, Any] | None = None, **tempo: Any) -> Recorded:
    return record("dev", {"tracing:kafka": cluster or {}, "tracing:tempo": TEMPO | tempo}, {})


def spec(run: Recorded, role: str) -> dict[str, Any]:
    return run.one(f"kafka-{role}").inputs["spec"]


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "a Kafka that no Tempo uses": (
        {},
        {"profile": "distributed-2"},
        "kafka",
        "write tracing:tempo.profile: distributed-3",
    ),
    "two Kafkas": (
        {},
        TEMPO | {"kafka": {"address": "kafka.kafka:9092"}},
        "tempo.kafka.address",
        "remove one of them",
    ),
    "a Secret for a Kafka that makes its own": (
        {},
        TEMPO | {"kafka": {"sasl": {"secretName": "mine"}}},
        "tempo.kafka.sasl",
        "remove it",
    ),
    "a topic made by Tempo beside the one of the stack": (
        {},
        TEMPO | {"kafka": {"createTopic": True}},
        "tempo.kafka.createTopic",
        "remove it",
    ),
    "a topic that is no name of an object": (
        {},
        TEMPO | {"kafka": {"topic": "Tempo_Traces"}},
        "tempo.kafka.topic",
        "lower-case letters",
    ),
    "Kafka beside Tempo": (
        {"namespace": "tempo"},
        TEMPO,
        "kafka.namespace",
        "write another",
    ),
    "a number of voters that can be split in halves": (
        {"brokers": {"replicas": 4}},
        TEMPO,
        "kafka.brokers.replicas",
        "tracing:kafka.controllers: {}",
    ),
    "an even number of controllers": (
        {"controllers": {"replicas": 2}},
        TEMPO,
        "kafka.controllers.replicas",
        "write one of 1, 3, 5",
    ),
    "spans that are gone before they are read": (
        {"retention": "30m"},
        TEMPO,
        "kafka.retention",
        "write 40m or more",
    ),
    "a version that the operator does not run": (
        {"version": "3.9.0"},
        TEMPO,
        "kafka.version",
        "write one of 4.3.1",
    ),
    "a key of another operator": ({"zookeeper": {}}, TEMPO, "kafka.zookeeper", "not a known key"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_names_the_key_and_the_remedy(case: str) -> None:
    kafka, tempo, key, remedy = REFUSED[case]
    messages = refusal({"tracing:kafka": kafka, "tracing:tempo": tempo})
    assert list(messages) == [f"tracing:{key}"]
    assert remedy in messages[f"tracing:{key}"]


@pytest.mark.parametrize("nodes", ["brokers", "controllers"])
def test_outside_dev_a_kafka_that_can_lose_no_node_is_refused(nodes: str) -> None:
    raw = {"tracing:kafka": {nodes: {"replicas": 1}}, "tracing:tempo": TEMPO}
    raw["tracing:kubernetes"] = {"context": "staging"}
    assert "can't lose a node" in refusal(raw, stack="staging")[f"tracing:kafka.{nodes}.replicas"]
    config.parse(raw | {"tracing:environment": "dev"}, stack="staging", secret_keys=set())


def test_a_mistake_in_another_section_is_not_taken_for_one_in_the_capacity() -> None:
    tempo = TEMPO | {"capacity": {"ingestMBps": 40, "retention": "14d"}}
    raw = {"tracing:objectStore": {"kind": "s3"}, "tracing:kafka": {}, "tracing:tempo": tempo}
    assert list(refusal(raw)) == ["tracing:objectStore.kind"]


def test_tempo_is_told_the_cluster_and_signs_in_with_the_password_that_the_brokers_know() -> None:
    run = run_of()
    values = run.helm_values()["tempo"]
    assert values["ingest"]["kafka"]["address"] == (
        "tempo-kafka-bootstrap.kafka.svc.cluster.local:9092"
    )
    secrets = [run.one(name).inputs for name in ("kafka-login", "kafka-tempo-login")]
    assert [secret["metadata"]["namespace"] for secret in secrets] == ["kafka", "tempo"]
    assert secrets[0]["stringData"] == secrets[1]["stringData"]
    [name] = {secret["metadata"]["name"] for secret in secrets}
    for workload in ("distributor", "blockBuilder", "liveStore"):
        references = {
            variable["valueFrom"]["secretKeyRef"]["name"]
            for variable in values[workload]["extraEnv"]
            if "valueFrom" in variable
        }
        assert references == {name}
    [variable] = spec(run, "cluster")["kafka"]["template"]["kafkaContainer"]["env"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": name, "key": "password"}
    [listener] = spec(run, "cluster")["kafka"]["listeners"]
    jaas = listener["authentication"]["listenerConfig"]["plain.sasl.jaas.config"]
    assert jaas.endswith(f'required user_tempo="${{strimzienv:{variable["name"]}}}";')


def test_another_password_restarts_tempo_and_the_brokers() -> None:
    run = run_of()
    login = run.one("kafka-tempo-login").inputs["stringData"]
    version = run.one("kafka-login-version")
    read = {"user": login["value"]["username"], "password": login["value"]["password"]}
    assert version.inputs["keepers"]["value"] == read
    values = run.helm_values()["tempo"]
    expected = {"name": "KAFKA_LOGIN_VERSION", "value": "generated-kafka-login-version"}
    for workload in ("distributor", "blockBuilder", "liveStore"):
        assert expected in values[workload]["extraEnv"]
    pod = spec(run, "cluster")["kafka"]["template"]["pod"]
    assert pod["metadata"]["annotations"] == {
        "tracing/secret-version": "generated-kafka-login-version"
    }


def test_only_tempos_namespace_may_connect() -> None:
    run = run_of(namespace="traces")
    [listener] = spec(run, "cluster")["kafka"]["listeners"]
    [peer] = listener["networkPolicyPeers"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "traces"}


def test_tempo_may_do_what_its_documentation_asks_for_and_nothing_else() -> None:
    rules = spec(run_of(None, kafka={"topic": "spans"}), "user")["authorization"]
    allowed = {
        (rule["resource"]["type"], rule["resource"].get("name")): rule["operations"]
        for rule in rules["acls"]
    }
    assert allowed == {
        ("cluster", None): ["Describe"],
        ("topic", "spans"): ["Describe", "Read", "Write"],
        ("group", "*"): ["Describe", "Read"],
    }
    assert spec(run_of(), "cluster")["kafka"]["authorization"] == {"type": "simple"}


@pytest.mark.parametrize(("brokers", "copies", "in_sync"), [(1, 1, 1), (3, 3, 2), (5, 3, 2)])
def test_spans_are_acknowledged_when_they_outlive_a_broker(
    brokers: int, copies: int, in_sync: int
) -> None:
    run = run_of({"brokers": {"replicas": brokers}})
    topic = spec(run, "topic")
    assert (topic["replicas"], topic["config"]["min.insync.replicas"]) == (copies, in_sync)
    config = spec(run, "cluster")["kafka"]["config"]
    assert config["offsets.topic.replication.factor"] == copies
    assert config["min.insync.replicas"] == in_sync


def test_the_topic_has_the_partitions_that_tempo_counts_on() -> None:
    run = run_of({"retention": "36h"}, kafka={"partitions": 6})
    topic = run.one("kafka-topic").inputs
    assert topic["metadata"]["name"] == "tempo-traces"
    assert topic["spec"]["partitions"] == 6
    assert topic["spec"]["config"]["retention.ms"] == 36 * 3600 * 1000
    assert topic["spec"]["config"]["max.message.bytes"] >= 16_000_000
    kafka = run.helm_values()["tempo"]["ingest"]["kafka"]
    assert kafka["auto_create_topic_enabled"] is False
    assert run.helm_values()["tempo"]["liveStore"]["replicas"] == 6


def test_controllers_of_their_own_take_the_metadata_from_the_brokers() -> None:
    both, apart = run_of(), run_of({"controllers": {}, "brokers": {"replicas": 4}})
    assert spec(both, "brokers")["roles"] == ["controller", "broker"]
    assert spec(apart, "brokers")["roles"] == ["broker"]
    assert spec(apart, "controllers")["roles"] == ["controller"]
    assert [resource.name for resource in both.resources if "controllers" in resource.name] == []


def test_each_is_made_after_what_it_needs_and_so_deleted_before_it() -> None:
    run = run_of({"controllers": {}})
    assert {"kafka-operator-release"} <= run.one("kafka-brokers").depends_on
    assert {"kafka-brokers", "kafka-controllers"} <= run.one("kafka-cluster").depends_on
    for name in ("kafka-topic", "kafka-user"):
        assert {"kafka-cluster", "kafka-operator-release"} <= run.one(name).depends_on
    assert {"kafka-topic", "kafka-user"} <= run.one("tempo-release").depends_on


def test_an_update_waits_until_the_operator_says_ready() -> None:
    run = run_of()
    waiting = {
        resource.name
        for resource in run.resources
        if (resource.inputs.get("metadata") or {}).get("annotations", {}).get("pulumi.com/waitFor")
        == "condition=Ready"
    }
    # A node pool has no such condition.
    assert waiting == {"kafka-cluster", "kafka-topic", "kafka-user"}


def test_an_operator_that_is_there_already_is_not_installed_again() -> None:
    run = run_of({"operator": "existing"})
    assert "kafka-operator" not in run.helm_values()
    assert spec(run, "cluster")["kafka"]["version"] == "4.3.1"


@pytest.mark.parametrize("operator", ["release", "existing"])
def test_the_pods_that_an_operator_makes_satisfy_the_strictest_level(operator: str) -> None:
    cluster = spec(run_of({"operator": operator, "rack": "zone"}), "cluster")
    made = {
        "kafka": cluster["kafka"]["template"],
        "entity-operator": cluster["entityOperator"]["template"],
    }
    # The containers of Strimzi 1.2's pods, by the names that its templates have for them.
    expected = {
        "kafka": {"kafkaContainer", "initContainer"},
        "entity-operator": {"topicOperatorContainer", "userOperatorContainer"},
    }
    for pod, names in expected.items():
        containers = [{"name": name, **made[pod][name]} for name in sorted(names)]
        assert denied({"containers": containers}) == []
        assert writable({"containers": containers}) == []
        assert "securityContext" not in made[pod].get("pod", {}), "the group of volumes is its own"


def test_images_are_told_to_everybody_who_starts_one() -> None:
    image = "registry.example.com/strimzi/{}:1.2.0" + "@sha256:" + "0" * 64
    named = {"image": image.format("kafka"), "operatorImage": image.format("operator")}
    run = run_of(named)
    for cluster in (
        spec(run, "cluster"),
        spec(run_of({"operator": "existing", **named}), "cluster"),
    ):
        assert cluster["kafka"]["image"] == named["image"]
        for operator in ("topicOperator", "userOperator"):
            assert cluster["entityOperator"][operator] == {"image": named["operatorImage"]}
    values = run.one("kafka-operator-release").inputs["values"]
    assert values["image"] == values["kafkaInit"]["image"]
    assert values["image"] == {
        "registry": "registry.example.com",
        "repository": "strimzi/operator",
        "name": "",
        "tag": f"1.2.0@sha256:{'0' * 64}",
    }


def test_what_holds_spans_is_protected_unless_the_stack_says_otherwise() -> None:
    raw = {"tracing:kafka": {"controllers": {}}, "tracing:tempo": TEMPO}
    protected = record("dev", raw, {})
    given_up = record("dev", raw | {"tracing:deleteData": True}, {})
    for name in ("brokers", "controllers", "cluster", "topic"):
        assert protected.one(f"kafka-{name}").protect
        assert not given_up.one(f"kafka-{name}").protect
    assert protected.one("namespace-kafka").protect
    [volume] = spec(protected, "brokers")["storage"]["volumes"]
    assert volume["deleteClaim"] is False
    [volume] = spec(given_up, "brokers")["storage"]["volumes"]
    assert volume["deleteClaim"] is True


@pytest.mark.parametrize(
    ("kafka", "each"),
    [
        # 40 MB/s for a day, three copies: 9,656 GiB.
        ({}, 3219),
        ({"retention": "12h"}, 1610),
        ({"brokers": {"replicas": 5}}, 1932),
        ({"brokers": {"replicas": 1}}, 3219),
        ({"brokers": {"volumeSize": "5Ti"}}, None),
    ],
)
def test_the_brokers_volumes_hold_what_the_capacity_brings(
    kafka: dict[str, Any], each: int | None
) -> None:
    run = run_of(kafka, capacity={"ingestMBps": 40, "retention": "14d"})
    [volume] = spec(run, "brokers")["storage"]["volumes"]
    assert volume["size"] == (f"{each}Gi" if each else "5Ti")
