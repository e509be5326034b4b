"""Examples with a store in the cluster, for real: a trace in, the trace out, a block, and down."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ops.stack_files import settings as settings_of
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
from tests.live.waiting import until

SMOKE_SECONDS = 600
NAMESPACE = f"tracing-live-{secrets.token_hex(4)}"
"""One of its own: another story's may still be on its way out."""

STACKS: dict[str, dict[str, Any]] = {
    # Without Grafana, of which there is none here.
    "harness": {"grafana": None, "collector": {"namespace": NAMESPACE}},
    "monolithic": {},
}


@pytest.fixture(scope="module", params=STACKS)
def example(
    request: pytest.FixtureRequest,
    needs: Needs,
    figures: Figures,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """An example, applied; whatever comes of it, nothing stays behind."""
    stack = request.param
    given = settings_of(stack)
    changes = {
        "deleteData": True,
        "environment": "dev",
        "objectStore": given.get("tracing:objectStore", {}) | small_store(NAMESPACE),
        "tempo": given["tracing:tempo"] | {"namespace": NAMESPACE},
        **STACKS[stack],
    }
    with applied(needs, figures, tmp_path_factory.mktemp(stack), stack, changes) as example:
        yield example


def test_it_goes_up_as_the_sandbox_says(example: Platform, figures: Figures) -> None:
    assert operations(example.previewed) == operations(example.foretold)
    assert operations(example.applied) == operations(example.previewed)
    figures.add(
        f"{example.project.stack}: resources created",
        example.applied.changes["create"],
        "resources",
    )
    until("every pod is ready", PODS_SECONDS, example.pods_are_ready)


def test_a_preview_and_a_refresh_find_nothing_to_change(example: Platform) -> None:
    assert example.project.preview().changes == {}
    assert example.project.refresh().changes == {}
    assert example.project.preview().changes == {}


@pytest.mark.parametrize("output", ["otlpGrpcEndpoint", "otlpHttpEndpoint"])
def test_a_span_comes_back_from_the_process_it_was_sent_to(example: Platform, output: str) -> None:
    name = f"by {output}"
    assert example.trace(example.send(output, name)) == [name]


def test_its_blocks_are_in_the_bucket(example: Platform, figures: Figures) -> None:
    before = example.blocks()
    example.trace(example.send("otlpGrpcEndpoint", "to be flushed"))
    with figures.timed(f"{example.project.stack}: a block in the bucket after the flush"):
        example.wait_for_another_block(before)


def test_a_smoke_test_passes(example: Platform) -> None:
    stack = f"--stack={example.project.stack}"
    done = subprocess.run(
        [sys.executable, "-m", "ops", "smoke", stack],
        cwd=example.project.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SMOKE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_comes_down_and_leaves_nothing(example: Platform) -> None:
    example.project.destroy()
    until("nothing of the stack is in the cluster", GONE_SECONDS, example.is_gone)
