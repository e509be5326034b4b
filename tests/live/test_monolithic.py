"""Tempo as one process, on a real cluster: up, a trace in, the trace out, a block, and down."""

import secrets
from collections.abc import Iterator
from functools import partial

import pytest

from sandbox import Sandbox
from tests.live.cluster import Cluster
from tests.live.figures import Figures
from tests.live.needs import Needs, free_port
from tests.live.platform import GONE_SECONDS, PODS_SECONDS, Platform, operations
from tests.live.project import Project
from tests.live.store import forwarded
from tests.live.waiting import until

STACK = "monolithic"


@pytest.fixture(scope="module")
def monolith(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The example, applied; whatever comes of it, nothing stays behind."""
    # A namespace of its own: another story's may still be on its way out.
    namespace = f"tracing-live-{secrets.token_hex(4)}"
    changes = {
        "deleteData": True,
        "objectStore": {
            "namespace": namespace,
            "volumeSize": "1Gi",
            "admin": {"portForward": {"localPort": free_port()}},
        },
        "tempo": {"profile": "monolithic", "blockRetention": "24h", "namespace": namespace},
    }
    settings = needs.settings(STACK, changes)
    project = Project(needs, STACK, settings, tmp_path_factory.mktemp("monolith"), figures.add)
    cluster = Cluster(needs.context)
    with Sandbox(project.directory, STACK) as box:
        reach = partial(forwarded, cluster, project.settings, None, 0)
        monolith = Platform(project, cluster, box, reach)
        try:
            monolith.apply()
            yield monolith
        finally:
            monolith.clear()


def test_it_goes_up_as_the_sandbox_says(monolith: Platform, figures: Figures) -> None:
    assert operations(monolith.previewed) == operations(monolith.foretold)
    assert operations(monolith.applied) == operations(monolith.previewed)
    figures.add("monolithic: resources created", monolith.applied.changes["create"], "resources")
    until("every pod is ready", PODS_SECONDS, monolith.pods_are_ready)


def test_a_preview_and_a_refresh_find_nothing_to_change(monolith: Platform) -> None:
    assert monolith.project.preview().changes == {}
    assert monolith.project.refresh().changes == {}
    assert monolith.project.preview().changes == {}


@pytest.mark.parametrize("output", ["otlpGrpcEndpoint", "otlpHttpEndpoint"])
def test_a_span_comes_back_from_the_process_it_was_sent_to(monolith: Platform, output: str) -> None:
    name = f"by {output}"
    assert monolith.trace(monolith.send(output, name)) == [name]


def test_its_blocks_are_in_the_bucket(monolith: Platform, figures: Figures) -> None:
    before = monolith.blocks()
    monolith.trace(monolith.send("otlpGrpcEndpoint", "to be flushed"))
    with figures.timed("monolithic: a block in the bucket after the flush"):
        monolith.wait_for_another_block(before)


def test_it_comes_down_and_leaves_nothing(monolith: Platform) -> None:
    monolith.project.destroy()
    until("nothing of the stack is in the cluster", GONE_SECONDS, monolith.is_gone)
