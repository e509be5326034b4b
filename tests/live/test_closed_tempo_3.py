"""Tempo 3 with TLS between all its parts, for real: on a Kafka, with certificates of cert-manager.

Needs cert-manager in the cluster (TRACING_CERT_MANAGER), and an image of Apache Kafka
(TRACING_KAFKA_IMAGE). The way to Kafka alone is open: Tempo 3.0 knows no TLS there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
import trustme

from tests.live import closed as stack
from tests.live.cluster import Cluster
from tests.live.figures import Figures
from tests.live.kafka import USER, Kafka
from tests.live.needs import Needs
from tests.live.platform import GONE_SECONDS, PODS_SECONDS, TRACE_SECONDS, Platform, operations
from tests.live.waiting import until

STACK: Final = "closed-tempo-3"
LOGIN: Final = "kafka-login"
TOPIC: Final = "traces-of-the-live-tests"
PARTITIONS: Final = 2
BLOCK_SECONDS: Final = 900
"""A block-builder writes every five minutes."""


@pytest.fixture(scope="module")
def kafka(needs: Needs, issuer: str, kafka_image: str) -> Iterator[Kafka]:
    """A broker in Tempo's namespace, which is there before the stack, with Tempo's login."""
    cluster = Cluster(needs.context)
    cluster.create(apiVersion="v1", kind="Namespace", metadata={"name": issuer})
    try:
        broker = Kafka(cluster=cluster, namespace=issuer, image=kafka_image)
        broker.start()
        broker.make_topic(TOPIC, PARTITIONS)
        cluster.create(
            apiVersion="v1",
            kind="Secret",
            metadata={"name": LOGIN, "namespace": issuer},
            stringData={"username": USER, "password": broker.password},
        )
        yield broker
    finally:
        cluster.run("delete", "namespace", issuer)


@pytest.fixture(scope="module")
def closed(
    needs: Needs,
    kafka: Kafka,
    issuer: str,
    authority: trustme.CA,
    figures: Figures,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """The stack, applied; whatever comes of it, nothing stays behind."""
    changes = {
        "kubernetes": {"context": needs.context, "existingNamespaces": [issuer]},
        "allowInsecure": {"tempo-to-kafka": "Tempo 3.0 knows no TLS to Kafka"},
        "traefik": None,
        "tempo": {
            "profile": "distributed-3",
            "acknowledgeNoDowngrade": True,
            "namespace": issuer,
            "memcached": False,
            "kafka": {
                "address": kafka.address,
                "topic": TOPIC,
                "partitions": PARTITIONS,
                "sasl": {"secretName": LOGIN},
            },
            "tls": {"clientCertificates": True},
        },
    }
    directory = tmp_path_factory.mktemp(STACK)
    with stack.applied(needs, figures, directory, authority, issuer, STACK, changes) as closed:
        yield closed


def test_it_goes_up_as_the_sandbox_says(closed: Platform) -> None:
    assert operations(closed.previewed) == operations(closed.foretold)
    assert operations(closed.applied) == operations(closed.previewed)
    until("every pod is ready", PODS_SECONDS, closed.pods_are_ready)


def test_a_preview_and_a_refresh_find_nothing_to_change(closed: Platform) -> None:
    assert closed.project.preview().changes == {}
    assert closed.project.refresh().changes == {}
    assert closed.project.preview().changes == {}


def test_a_trace_is_found_and_in_a_block_afterwards(closed: Platform, figures: Figures) -> None:
    trace_id = stack.sent(closed)
    with figures.timed("closed-tempo-3: span back over TLS"):
        until("the trace", TRACE_SECONDS, lambda: stack.is_found(closed, trace_id))
    with figures.timed("closed-tempo-3: a block in the bucket"):
        until("a block is in the bucket", BLOCK_SECONDS, closed.blocks)


def test_destroy_leaves_nothing_of_the_stack(closed: Platform) -> None:
    closed.project.destroy()
    until("nothing of the stack is in the cluster", GONE_SECONDS, closed.is_gone)
