"""Providers fail at each operation of an update: the resource is named, and the rerun converges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from sandbox import Sandbox, SandboxError
from sandbox.shell import Shell
from tests.engine import guide
from tests.engine.whole import OPERATIONS, assert_valid, assert_whole, full_run


class Kind(NamedTuple):
    """What a provider does instead of an answer, or as one."""

    message: str = ""
    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    act: Callable[[Sandbox], Any] = lambda box: None


FAULTS = {
    "unavailable": Kind("the server is unable to handle it", grpc.StatusCode.UNAVAILABLE),
    "429": Kind("429 Too Many Requests", grpc.StatusCode.RESOURCE_EXHAUSTED),
    "500": Kind("500 Internal Server Error", grpc.StatusCode.INTERNAL),
    "conflict": Kind("409 the object has been modified", grpc.StatusCode.ABORTED),
    "timeout": Kind("context deadline exceeded", grpc.StatusCode.DEADLINE_EXCEEDED),
    "crash": Kind(act=lambda box: box.crash),
    "hang": Kind("the operation was cancelled", act=lambda box: box.hang),
}
# CI has every other operation fail, and every way of failing at least once.
CASES = [
    (number, fault)
    for number in range(1, OPERATIONS["up"] + 1, 1 if full_run() else 2)
    for index, fault in enumerate(FAULTS)
    if full_run() or number % len(FAULTS) == index
]


@pytest.fixture
def box(tmp_path: Path):
    with guide.sandbox(tmp_path / "box", parallel=1) as opened:
        yield opened


@pytest.mark.parametrize(("number", "fault"), CASES)
def test_an_operation_that_fails_is_named_and_the_rerun_converges(box, number, fault) -> None:
    kind = FAULTS[fault]
    box.cloud.fail(nth=number, message=kind.message, code=kind.code, act=kind.act(box))
    with pytest.raises(SandboxError) as failed:
        box.up()
    _, _, name = box.cloud.log[number - 1]
    assert f"{name}: " in str(failed.value)
    assert kind.message in str(failed.value)
    assert "Traceback" not in str(failed.value)
    assert_valid(box)
    assert box.state().get("pending_operations", []) == []

    box.up()

    assert_whole(box)


MADE = (
    "namespace-tempo",
    "minio-service",
    "minio-volume-0",
    "store-access",
    "minio-server",
    "store-bucket",
    "tempo-release",
    "collector-release",
    "traefik-release",
)
"""What can't be created twice."""


@pytest.mark.parametrize("name", MADE if full_run() else MADE[4:7])
def test_what_was_made_without_the_engine_being_told_is_adopted(box, name: str) -> None:
    """The provider was gone before it could answer, so nothing of it is in the state."""
    box.cloud.fail("create", id=name, when="after", act=box.crash)
    with pytest.raises(SandboxError, match=f"{name}: "):
        box.up()
    with pytest.raises(SandboxError, match=r"already exists|cannot re-use a name"):
        box.up()

    commands = guide.commands("adopt")
    assert len(commands) <= 2
    Shell(box).run("\n".join(commands))

    assert_whole(box)
