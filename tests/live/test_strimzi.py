"""Tempo 3 on a Kafka of the stack's own: Strimzi's operator, its Kafka, its topic and user.

The cluster has to be able to pull Strimzi's images, and `TRACING_STRIMZI` has to be set: the
operator's custom resource definitions stay in the cluster.
"""

import os
import secrets
from collections.abc import Iterator

import pytest

from tests.live.figures import Figures
from tests.live.needs import Needs
from tests.live.platform import (
    GONE_SECONDS,
    PODS_SECONDS,
    Platform,
    applied,
    operations,
    small_store,
)
from tests.live.traces import SENDERS
from tests.live.waiting import until
from tests.restricted import denied, writable

STACK = "strimzi"
NAMES = f"tracing-live-{secrets.token_hex(4)}"
BLOCK_SECONDS = 600
"""Block-builders write every five minutes."""


@pytest.fixture(scope="module")
def example(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The example on one broker, applied; whatever comes of it, nothing stays behind."""
    if not os.environ.get("TRACING_STRIMZI"):
        pytest.skip("a Kafka of the stack's own: TRACING_STRIMZI is not set")
    changes = {
        "deleteData": True,
        "environment": "dev",
        "objectStore": small_store(NAMES),
        "kafka": {
            "namespace": f"{NAMES}-kafka",
            "brokers": {
                "replicas": 1,
                "volumeSize": "2Gi",
                "resources": {"cpu": "100m", "memory": "1Gi"},
            },
        },
        "tempo": {
            "profile": "distributed-3",
            "acknowledgeNoDowngrade": True,
            "namespace": NAMES,
            "kafka": {"partitions": 2},
        },
        "collector": {"namespace": f"{NAMES}-collector"},
    }
    with applied(needs, figures, tmp_path_factory.mktemp(STACK), STACK, changes) as example:
        yield example


def test_it_goes_up_as_the_sandbox_says(example: Platform) -> None:
    assert operations(example.previewed) == operations(example.foretold)
    assert operations(example.applied) == operations(example.previewed)
    until("every pod is ready", PODS_SECONDS, example.pods_are_ready)


def test_no_pod_may_more_than_the_strictest_level_or_writes_to_its_own_image(
    example: Platform,
) -> None:
    # Those that the operator made as well, which no chart renders.
    pods = [
        pod
        for namespace in example.namespaces
        for pod in example.cluster.objects("pods", f"--namespace={namespace}")
    ]
    parts = {pod["metadata"]["labels"].get("strimzi.io/component-type") for pod in pods}
    assert {"kafka", "entity-operator"} <= parts
    for pod in pods:
        assert denied(pod["spec"]) == [], pod["metadata"]["name"]
        assert writable(pod["spec"]) == [], pod["metadata"]["name"]


def test_a_preview_and_a_refresh_find_nothing_to_change(example: Platform) -> None:
    assert example.project.preview().changes == {}
    assert example.project.refresh().changes == {}
    assert example.project.preview().changes == {}


@pytest.mark.parametrize("output", SENDERS)
def test_a_span_comes_back(example: Platform, output: str) -> None:
    name = f"by {output}"
    assert example.trace(example.send(output, name)) == [name]


def test_its_blocks_are_in_the_bucket(example: Platform, figures: Figures) -> None:
    example.trace(example.send("otlpGrpcEndpoint", "for a block"))
    with figures.timed("strimzi: a block in the bucket"):
        until("a block is in the bucket", BLOCK_SECONDS, example.blocks)


def test_it_comes_down_and_leaves_nothing(example: Platform) -> None:
    example.project.destroy()
    until("nothing of the stack is in the cluster", GONE_SECONDS, example.is_gone)
