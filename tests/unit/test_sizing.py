"""A capacity fills in what the stack file leaves open, and nothing that it says."""

from typing import Any

import pytest

import config
from config.capacity import plan
from config.demand import Demand
from config.object_store import MinioConfig
from config.tempo import Distributed2Config, Distributed3Config, MonolithicConfig
from ops.registrations import record
from tests.unit.test_config import refusal

KAFKA = {"address": "kafka.kafka:9092"}
TEMPO_3 = {"profile": "distributed-3", "acknowledgeNoDowngrade": True, "kafka": KAFKA}
CAPACITY = {"ingestMBps": 40, "retention": "14d"}


def parsed(tempo: dict[str, Any], **more: Any) -> config.StackConfig:
    return config.parse({"tracing:tempo": tempo, **more}, stack="dev", secret_keys=set())


def test_every_number_of_tempo_2_comes_from_the_plan() -> None:
    stack = parsed({"capacity": CAPACITY})
    planned = plan("distributed-2", Demand(40, "14d"), replication_factor=3)
    tempo = stack.tempo
    assert isinstance(tempo, Distributed2Config)
    assert tempo.block_retention == "14d"
    for key, section in {
        "distributor": tempo.distributor,
        "ingester": tempo.ingester,
        "querier": tempo.querier,
        "queryFrontend": tempo.query_frontend,
        "compactor": tempo.compactor,
    }.items():
        wanted = planned.workloads[key]
        assert section.replicas == wanted.replicas
        assert (section.resources.cpu, section.resources.memory) == (wanted.cpu, wanted.memory)
    assert tempo.ingester.volume_size == planned.workloads["ingester"].volume
    assert isinstance(stack.object_store, MinioConfig)
    assert stack.object_store.volume_size == f"{planned.bucket_gib}Gi"


def test_tempo_3_gets_partitions_live_stores_and_builders_that_fit_each_other() -> None:
    tempo = parsed(TEMPO_3 | {"capacity": CAPACITY}).tempo
    planned = plan("distributed-3", Demand(40, "14d"), replication_factor=1)
    assert isinstance(tempo, Distributed3Config)
    assert tempo.kafka.partitions == planned.partitions == tempo.block_builder.replicas
    assert tempo.live_store.resources.memory == planned.workloads["liveStore"].memory


def test_one_process_gets_its_size_and_more_than_it_can_carry_is_refused() -> None:
    tempo = parsed({"profile": "monolithic", "capacity": {"ingestMBps": 10}}).tempo
    planned = plan("monolithic", Demand(10, "48h"), replication_factor=1).workloads["tempo"]
    assert isinstance(tempo, MonolithicConfig)
    assert (tempo.resources.cpu, tempo.volume_size) == (planned.cpu, planned.volume)
    messages = refusal({"tracing:tempo": {"profile": "monolithic", "capacity": CAPACITY}})
    assert "distributed-2 or distributed-3" in messages["tracing:tempo.capacity.ingestMBps"]


def test_what_the_stack_file_says_wins() -> None:
    tempo = {
        "capacity": CAPACITY,
        "ingester": {"volumeSize": "99Gi", "resources": {"cpu": "7"}},
        "querier": {"replicas": 3},
    }
    store = {"replicas": 4, "volumeSize": "1Ti"}
    stack = parsed(tempo, **{"tracing:objectStore": store})
    planned = plan("distributed-2", Demand(40, "14d"), replication_factor=3).workloads
    assert isinstance(stack.tempo, Distributed2Config)
    assert stack.tempo.ingester.volume_size == "99Gi"
    assert stack.tempo.ingester.resources.cpu == "7"
    assert stack.tempo.ingester.resources.memory == planned["ingester"].memory
    assert stack.tempo.querier.replicas == 3
    assert isinstance(stack.object_store, MinioConfig)
    assert stack.object_store.volume_size == "1Ti"


def test_the_volumes_of_a_pool_hold_the_bucket_without_those_of_the_parity() -> None:
    stack = parsed({"capacity": CAPACITY}, **{"tracing:objectStore": {"replicas": 4}})
    bucket = plan("distributed-2", Demand(40, "14d"), replication_factor=3).bucket_gib
    assert isinstance(stack.object_store, MinioConfig)
    volume = int(stack.object_store.volume_size.removesuffix("Gi"))
    assert 0 <= volume * 2 - bucket < 2


def test_with_autoscaling_the_cluster_chooses_the_number_and_the_plan_the_size() -> None:
    scaling = {"autoscaling": {"maxReplicas": 60}}
    tempo = parsed({"capacity": CAPACITY, "querier": scaling}).tempo
    assert isinstance(tempo, Distributed2Config)
    assert tempo.querier.replicas == 1
    assert tempo.querier.resources.cpu is not None


def test_a_capacity_reaches_the_chart_and_the_buckets_lifecycle() -> None:
    run = record("dev", {"tracing:tempo": {"capacity": CAPACITY}}, {})
    values = run.helm_values()["tempo"]
    assert values["distributor"]["replicas"] == 4
    [rule] = run.one("store-lifecycle").inputs["rules"]
    assert rule["expiration"] == "19d"


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no traffic": ({"ingestMBps": 0}, "capacity.ingestMBps", "a number above 0"),
    "less than none": ({"ingestMBps": -3}, "capacity.ingestMBps", "a number above 0"),
    "ten terabytes a second": ({"ingestMBps": 10_000_000}, "capacity.ingestMBps", "is above 1000"),
    "a retention that is over before the flush": (
        {"ingestMBps": 1, "retention": "10m"},
        "capacity.retention",
        "write 45m or more",
    ),
    "no demand": ({"retention": "2d"}, "capacity.ingestMBps", "is missing"),
    "text for a number": ({"ingestMBps": "40"}, "capacity.ingestMBps", "write one, without quotes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_demand_that_cannot_be_is_refused_with_the_key_and_the_remedy(case: str) -> None:
    capacity, key, remedy = REFUSED[case]
    messages = refusal({"tracing:tempo": {"capacity": capacity}})
    assert list(messages) == [f"tracing:tempo.{key}"]
    assert remedy in messages[f"tracing:tempo.{key}"]


def test_two_retentions_are_one_too_many() -> None:
    messages = refusal({"tracing:tempo": {"capacity": CAPACITY, "blockRetention": "7d"}})
    assert "the capacity's is taken" in messages["tracing:tempo.blockRetention"]


def test_blocks_are_not_deleted_before_they_are_there() -> None:
    messages = refusal({"tracing:tempo": {"blockRetention": "30m"}})
    assert "write 45m or more" in messages["tracing:tempo.blockRetention"]
