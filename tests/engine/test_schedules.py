"""Random faults over a stack's life, each schedule from its seed; afterwards the stack is whole."""

import contextlib
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import grpc
import pytest

from sandbox import Sandbox, SandboxError
from sandbox.shell import Shell
from tests.engine import guide
from tests.engine.whole import assert_valid, assert_whole, full_run

SEEDS = range(1, 201) if full_run() else range(1, 9)
STEPS = 3
MOST_FAULTS = 3
LIKELY_OPERATIONS = 12
"""How far into an update a fault may lie; where the update has fewer, it does not happen."""
CODES = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
SETTINGS = {
    "tracing:tempo.blockRetention": ("24h", "72h"),
    "tracing:objectStore.keyVersion": (2, 3),
    "tracing:collector.resources.memory": ("1Gi", "2Gi"),
    "tracing:traefik.sampleRate": (0.5, 0.1),
}


@pytest.fixture(scope="module")
def open_stack() -> Callable[[Path], Sandbox]:
    """One operation at a time: each schedule begins with the same state."""
    return partial(guide.sandbox, parallel=1)


def add_faults(box: Sandbox, rng: random.Random) -> None:
    for _ in range(rng.randint(1, MOST_FAULTS)):
        number = rng.randint(1, LIKELY_OPERATIONS)
        match rng.choice(("error", "error", "crash", "hang", "kill", "kill", "lost answer")):
            case "error":
                box.cloud.fail(nth=number, code=rng.choice(CODES))
            case "crash":
                box.cloud.fail(nth=number, act=box.crash)
            case "hang":
                box.cloud.fail(nth=number, act=box.hang)
            case "kill":
                box.cloud.fail(nth=number, when=rng.choice(("before", "after")), act=box.kill)
            case "lost answer":
                # Not of a creation: what that leaves is adopted, and not by these commands.
                operation = rng.choice(("update", "delete", "read"))
                box.cloud.fail(operation, nth=number, when="after", act=box.crash)


def step(box: Sandbox, rng: random.Random) -> None:
    """One operation, which may fail in any of the ways that were asked for."""
    match rng.choice(("up", "up", "change", "change", "refresh", "destroy")):
        case "up":
            box.up()
        case "change":
            key = rng.choice(sorted(SETTINGS))
            box.set_config(key, rng.choice(SETTINGS[key]))
            box.up()
        case "refresh":
            box.refresh()
        case "destroy":
            box.destroy()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_schedule_of_faults_ends_in_a_whole_stack(
    request: pytest.FixtureRequest, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    directory = tmp_path / "box"
    if rng.random() < 0.7:
        shutil.copytree(request.getfixturevalue("applied"), directory, symlinks=True)
    with guide.sandbox(directory, parallel=rng.choice((1, 4))) as box:
        shell = Shell(box)
        for _ in range(STEPS):
            add_faults(box, rng)
            with contextlib.suppress(SandboxError):
                step(box, rng)
            assert_valid(box)
            box.cloud.forget_faults()
            if locked(box):
                shell.run(guide.commands("recover")[0])
        recover(shell)
        assert_whole(box)


def recover(shell: Shell) -> None:
    """What the guide has for an update that was killed; where that says `already exists`, what it
    has for that."""
    try:
        shell.run(guide.procedures()["recover"], hurry=True)
    except SandboxError as error:
        # A destroy that ended halfway took the store's server, and let its volume be.
        if "already exists" not in str(error):
            raise
        shell.run(guide.procedures()["adopt"], hurry=True)


def locked(box: Sandbox) -> bool:
    """Whether the engine was killed, and nothing more is done without `make recover`."""
    return any("locks" in path.parts for path in box.state_files)
