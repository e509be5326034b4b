"""A stack sized for a demand: what the stack file leaves open is what the plan says."""

import math
from fractions import Fraction
from typing import Any, TypeVar

from .base import Section
from .capacity import KAFKA_COPIES, KAFKA_KEPT_SECONDS, Plan, Workload, plan
from .demand import Demand, DemandError
from .errors import Finding, shown
from .kafka import KafkaClusterConfig
from .kinds import duration_seconds
from .object_store import MinioConfig
from .platform import ComputeResources
from .stack import StackConfig
from .tempo import (
    CapacityConfig,
    Distributed2Config,
    Distributed3Config,
    MonolithicConfig,
    ProfileConfig,
)

SomeSection = TypeVar("SomeSection", bound=Section)


def sized(stack: StackConfig) -> tuple[StackConfig, list[Finding]]:
    """The stack with the numbers of its `tempo.capacity` where it has none of its own.

    Without a capacity it is the same stack. The findings are about a demand that can't be planned.
    """
    tempo, capacity = stack.tempo, stack.tempo.capacity
    if capacity is None:
        return stack, []
    copies = tempo.ingester.replication_factor if isinstance(tempo, Distributed2Config) else 1
    demand = Demand(capacity.ingest_mbps, capacity.retention, capacity.queries_per_second)
    try:
        planned = plan(tempo.profile, demand, replication_factor=copies)
    except DemandError as error:
        # Never the copies: their own type has the same bounds.
        key = CapacityConfig.model_fields[error.field].alias
        given = shown(getattr(capacity, error.field))
        return stack, [Finding(f"tracing:tempo.capacity.{key}", f"{given} {error}")]
    update: dict[str, Any] = {"tempo": _tempo(tempo, planned)}
    if stack.kafka is not None and planned.kafka_gib is not None:
        update["kafka"] = _kafka(stack.kafka, planned.kafka_gib)
    if isinstance(stack.object_store, MinioConfig):
        update["object_store"] = _store(stack.object_store, planned)
    if (collector := stack.collector) is not None:
        queue = _filled(collector.queue, {"ingest_mbps": capacity.ingest_mbps})
        update["collector"] = collector.model_copy(update={"queue": queue})
    return stack.model_copy(update=update), []


def _tempo(tempo: ProfileConfig, planned: Plan) -> ProfileConfig:
    assert tempo.capacity is not None
    tempo = _filled(tempo, {"block_retention": tempo.capacity.retention})
    if isinstance(tempo, MonolithicConfig):
        return _workload(tempo, planned.workloads["tempo"])
    fields = {field.alias or name: name for name, field in type(tempo).model_fields.items()}
    update: dict[str, Any] = {
        fields[key]: _workload(getattr(tempo, fields[key]), workload)
        for key, workload in planned.workloads.items()
    }
    if isinstance(tempo, Distributed3Config):
        update["kafka"] = _filled(tempo.kafka, {"partitions": planned.partitions})
    return tempo.model_copy(update=update)


def _workload(section: SomeSection, planned: Workload) -> SomeSection:
    """A workload with the plan's numbers where it has none of its own."""
    numbers: dict[str, Any] = {"replicas": planned.replicas, "volume_size": planned.volume}
    if getattr(section, "autoscaling", None) is not None:
        # The cluster chooses.
        del numbers["replicas"]
    given: ComputeResources = getattr(section, "resources")  # noqa: B009
    resources = _filled(given, {"cpu": planned.cpu, "memory": planned.memory})
    return _filled(section, numbers).model_copy(update={"resources": resources})


def _store(store: MinioConfig, planned: Plan) -> MinioConfig:
    """A store whose volumes hold the bucket: all servers' but those that the parity takes."""
    data = store.replicas - store.parity
    return _filled(store, {"volume_size": f"{-(-planned.bucket_gib // data)}Gi"})


def _kafka(kafka: KafkaClusterConfig, planned_gib: int) -> KafkaClusterConfig:
    """A Kafka whose brokers' volumes hold what it keeps; the plan is for a day and three copies."""
    kept = Fraction(duration_seconds(kafka.retention)) / KAFKA_KEPT_SECONDS
    copies = Fraction(min(KAFKA_COPIES, kafka.brokers.replicas), KAFKA_COPIES)
    each = math.ceil(planned_gib * kept * copies / kafka.brokers.replicas)
    brokers = _filled(kafka.brokers, {"volume_size": f"{each}Gi"})
    return kafka.model_copy(update={"brokers": brokers})


def _filled(section: SomeSection, numbers: dict[str, Any]) -> SomeSection:
    """A section with these numbers for those of its fields that the stack file leaves open."""
    fields = type(section).model_fields
    open_ = {
        name: number
        for name, number in numbers.items()
        if name in fields and name not in section.model_fields_set and number is not None
    }
    return section.model_copy(update=open_)
