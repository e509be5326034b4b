"""Tempo 3 on Kafka, for real: the example of `distributed-3`, on a broker that asks who one is.

Needs an image of Apache Kafka that the cluster can pull (TRACING_KAFKA_IMAGE).
"""

import secrets
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from components.tempo import OTLP_HTTP_PORT, QUERY_PORT
from config.tempo import Distributed3Config
from ops.stack_files import settings as settings_of
from tests.live.cluster import Address, Cluster
from tests.live.figures import Figures
from tests.live.kafka import USER, Kafka
from tests.live.needs import Needs
from tests.live.platform import (
    GONE_SECONDS,
    PODS_SECONDS,
    Platform,
    applied,
    operations,
    small_store,
)
from tests.live.traces import SENDERS, export_request, span_names_in_blocks
from tests.live.waiting import until

STACK = "kafka"
NAMES = f"tracing-live-{secrets.token_hex(4)}"
KAFKA_NAMESPACE, TEMPO_NAMESPACE, OTHERS = f"{NAMES}-kafka", f"{NAMES}-tempo", NAMES
TOPIC = "traces-of-the-live-tests"
GROUP = "block-builder"
"""As which Tempo's block-builders read."""
TRACES = 300
CYCLE_SECONDS = 900
"""A block-builder writes every five minutes, and a querier looks for new blocks as often."""


@pytest.fixture(scope="module")
def namespaces(needs: Needs) -> Iterator[Cluster]:
    """The namespaces that are there before the stack."""
    cluster = Cluster(needs.context)
    made = []
    try:
        for name in (KAFKA_NAMESPACE, TEMPO_NAMESPACE):
            cluster.create(apiVersion="v1", kind="Namespace", metadata={"name": name})
            made.append(name)
        yield cluster
    finally:
        for name in made:
            cluster.run("delete", "namespace", name)


@pytest.fixture(scope="module")
def kafka(namespaces: Cluster, kafka_image: str, figures: Figures) -> Kafka:
    """A broker, before anything of the stack is there."""
    kafka = Kafka(cluster=namespaces, namespace=KAFKA_NAMESPACE, image=kafka_image)
    with figures.timed("Kafka ready"):
        kafka.start()
    return kafka


@pytest.fixture(scope="module")
def example(
    kafka: Kafka, needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The example, applied; whatever comes of it, nothing stays behind."""
    tempo = settings_of(STACK)["tracing:tempo"]
    sasl = tempo["kafka"]["sasl"]
    kafka.make_topic(TOPIC, tempo["kafka"]["partitions"])
    kafka.cluster.create(
        apiVersion="v1",
        kind="Secret",
        metadata={"name": sasl["secretName"], "namespace": TEMPO_NAMESPACE},
        stringData={"username": USER, "password": kafka.password},
    )
    its_kafka = {"address": kafka.address, "topic": TOPIC}
    changes = {
        "deleteData": True,
        "environment": "dev",
        "kubernetes": {"context": needs.context, "existingNamespaces": [TEMPO_NAMESPACE]},
        "objectStore": small_store(OTHERS),
        "tempo": tempo | {"namespace": TEMPO_NAMESPACE, "kafka": tempo["kafka"] | its_kafka},
        "collector": {"namespace": OTHERS},
    }
    with applied(needs, figures, tmp_path_factory.mktemp(STACK), STACK, changes) as example:
        yield example


def tempo_of(example: Platform) -> Distributed3Config:
    tempo = example.stack.tempo
    assert isinstance(tempo, Distributed3Config)
    return tempo


def test_it_goes_up_as_the_sandbox_says(example: Platform, figures: Figures) -> None:
    assert operations(example.previewed) == operations(example.foretold)
    assert operations(example.applied) == operations(example.previewed)
    with figures.timed("kafka: pods ready after up"):
        until("every pod is ready", PODS_SECONDS, example.pods_are_ready)


def test_a_preview_and_a_refresh_find_nothing_to_change(example: Platform) -> None:
    assert example.project.preview().changes == {}
    assert example.project.refresh().changes == {}
    assert example.project.preview().changes == {}


@pytest.mark.parametrize("output", SENDERS)
def test_a_span_comes_back_before_it_is_in_a_block(
    example: Platform, figures: Figures, output: str
) -> None:
    name = f"by {output}"
    trace_id = example.send(output, name)
    with figures.timed(f"kafka: span by {output} back from Tempo"):
        assert example.trace(trace_id) == [name]
    assert example.blocks() == []


def test_block_builders_that_are_killed_at_work_lose_nothing(
    example: Platform, kafka: Kafka, figures: Figures
) -> None:
    tempo, cluster = tempo_of(example), example.cluster
    replicas = tempo.block_builder.replicas or tempo.kafka.partitions
    name = f"{tempo.release_name}-block-builder"
    builders = [f"pod/{name}-{number}" for number in range(replicas)]
    in_namespace = f"--namespace={tempo.namespace}"
    receiving = Address(f"{tempo.release_name}-distributor", tempo.namespace, OTLP_HTTP_PORT)
    with cluster.forwarded(receiving) as receiver:
        with figures.timed("kafka: all traces sent"):
            sent = _send(receiver, TRACES)
        # A block-builder that starts begins at once, and not at its next round.
        cluster.run("delete", *builders, in_namespace)

        def at_work() -> bool:
            return "starting consume cycle" in cluster.run("logs", builders[0], in_namespace)

        until("the block-builders are at work", CYCLE_SECONDS, at_work)
        cluster.run("scale", f"statefulset/{name}", "--replicas=0", in_namespace)
        cluster.run("delete", *builders, in_namespace, "--grace-period=0", "--force")
        # Whatever they got done in the seconds that it takes: these are in no block.
        sent |= _send(receiver, TRACES // 10)
    left = kafka.left_to_read(GROUP, TOPIC)
    assert left >= TRACES // 10
    figures.add("kafka: records in no block when the builders were killed", left, "records")
    cluster.run("scale", f"statefulset/{name}", f"--replicas={replicas}", in_namespace)

    queriers = Address(f"{tempo.release_name}-querier", tempo.namespace, QUERY_PORT)
    missing = dict(sent)
    with cluster.forwarded(queriers) as querier, figures.timed("kafka: all traces in blocks"):

        def all_are_in_blocks() -> bool:
            for trace_id in list(missing):
                found = span_names_in_blocks(querier, trace_id)
                if found is None:
                    break
                assert found == [missing.pop(trace_id)]
            assert not missing, f"{len(missing)} of {len(sent)} traces are in no block"
            return True

        until("every trace is in a block", CYCLE_SECONDS, all_are_in_blocks)
    until("every pod is ready", PODS_SECONDS, example.pods_are_ready)


def _send(receiver: str, count: int) -> dict[str, str]:
    """Send traces of one large span each; the spans' names by the traces' ids."""
    sent = {secrets.token_hex(16): f"span {number}" for number in range(count)}
    spans = [_large(export_request(trace_id, name)) for trace_id, name in sent.items()]
    for start in range(0, count, 10):
        together = ExportTraceServiceRequest()
        for request in spans[start : start + 10]:
            together.MergeFrom(request)
        SENDERS["otlpHttpEndpoint"](receiver, together)
    return sent


def _large(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """A span on which a block-builder has work: 80 KB that can't be compressed."""
    [span] = request.resource_spans[0].scope_spans[0].spans
    for number in range(40):
        # Tempo cuts off what is longer than 2048 bytes.
        value = AnyValue(string_value=secrets.token_hex(1000))
        span.attributes.append(KeyValue(key=f"large.{number}", value=value))
    return request


def test_it_comes_down_and_leaves_nothing(example: Platform) -> None:
    example.project.destroy()
    until("nothing of the stack is in the cluster", GONE_SECONDS, example.is_gone)
