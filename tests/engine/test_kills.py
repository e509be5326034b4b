"""The engine is killed before or after each of its operations, and the guide's commands mend it."""

import base64
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox, SandboxError
from sandbox.shell import Shell
from tests.engine import guide
from tests.engine.whole import OPERATIONS, assert_valid, assert_whole, existing, full_run

NEXT: dict[str, dict[str, Any]] = {
    "rotation": {"tracing:objectStore.keyVersion": 2},
    # The old server is deleted before the new one is made; a release of another name is made first.
    "replacement": {"tracing:objectStore.replicas": 4, "tracing:tempo.releaseName": "tempo2"},
}
"""What is set before an update of a stack that is there."""

# CI: the first update at every operation, the others at every fifth, before and after by turns.
CASES = [
    (update, number, when)
    for update, count in OPERATIONS.items()
    for number in range(1, count + 1, 1 if update == "up" or full_run() else 5)
    for when in ("before", "after")
    if full_run() or (number % 2 == 1) == (when == "before")
]


@pytest.fixture(scope="module")
def open_stack() -> Callable[[Path], Sandbox]:
    """One operation at a time: the operations that are killed are counted."""
    return partial(guide.sandbox, parallel=1)


@pytest.fixture
def box_for(
    open_stack: Callable[[Path], Sandbox], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Sandbox]]:
    """A sandbox in which one of the updates comes next."""
    opened: list[Sandbox] = []

    def open_box(update: str) -> Sandbox:
        directory = tmp_path / "box"
        if update != "up":
            shutil.copytree(request.getfixturevalue("applied"), directory, symlinks=True)
        opened.append(box := open_stack(directory))
        for key, value in NEXT.get(update, {}).items():
            box.set_config(key, value)
        return box

    yield open_box
    for box in opened:
        box.close()


def run(box: Sandbox, update: str) -> None:
    (box.destroy if update == "destroy" else box.up)()


@pytest.mark.parametrize("update", OPERATIONS)
def test_an_update_has_as_many_operations_as_are_killed(box_for, update: str) -> None:
    box = box_for(update)
    run(box, update)
    assert len(box.cloud.log) == OPERATIONS[update]


@pytest.mark.parametrize(("update", "number", "when"), CASES)
def test_a_killed_update_converges_in_two_documented_commands(
    box_for, update: str, number: int, when
) -> None:
    box = box_for(update)
    fault = box.cloud.fail(nth=number, when=when, act=box.kill)
    with pytest.raises(SandboxError, match="ended by SIGKILL"):
        run(box, update)
    assert fault.seen == number
    assert_valid(box)

    commands = guide.commands("recover-destroy" if update == "destroy" else "recover")
    assert len(commands) <= 2
    Shell(box).run("\n".join(commands), hurry=True)

    if update == "destroy":
        assert box.resources() == []
        assert existing(box) == {}
    else:
        assert_whole(box)


def test_recovery_leaves_no_secret_in_clear(box_for) -> None:
    """The state goes through recovery with its secrets decrypted."""
    box = box_for("up")
    box.cloud.fail("create", id="minio-root", when="after", act=box.kill)
    with pytest.raises(SandboxError, match="ended by SIGKILL"):
        box.up()
    text = Shell(box).run(guide.commands("recover")[0])
    secret = box.cloud.get("kubernetes", "Secret", "tempo/minio-root")
    assert secret is not None
    password = secret["data"]["MINIO_ROOT_PASSWORD"]
    hidden = [password, base64.b64decode(password).decode()]
    written = [path.read_text("utf-8", errors="replace") for path in box.state_files]
    assert not [1 for word in hidden for shown in [text, *written] if word in shown]


@pytest.mark.parametrize("made", ["namespace-tempo", "minio-service", "tempo-release"])
def test_what_the_next_update_has_made_is_not_deleted_by_a_late_recovery(
    box_for, made: str
) -> None:
    """The engine still has it for under way, if somebody removed the lock and went on."""
    box = box_for("up")
    box.cloud.fail("create", id=made, when="before", act=box.kill)
    with pytest.raises(SandboxError, match="ended by SIGKILL"):
        box.up()
    for file in box.state_files:
        if "locks" in file.parts:
            file.unlink()
    box.up()
    assert [each["type"] for each in box.state()["pending_operations"]] == ["creating"]
    Shell(box).run(guide.procedures()["recover"], hurry=True)
    assert_whole(box)


LOST: dict[str, tuple[str, Any, str]] = {
    "made first": ("tracing:tempo.releaseName", "tempo2", "tempo-release"),
    "deleted first": ("tracing:objectStore.replicas", 4, "minio-server"),
}


@pytest.mark.parametrize("replacement", LOST)
def test_a_replacement_whose_answer_was_lost_is_taken_over(box_for, replacement: str) -> None:
    key, value, made = LOST[replacement]
    box = box_for("rotation")
    box.remove_config("tracing:objectStore.keyVersion")
    box.set_config(key, value)
    box.cloud.fail("create", id=made, when="after", act=box.crash)
    with pytest.raises(SandboxError):
        box.up()
    with pytest.raises(SandboxError, match=r"already exists|still in use"):
        box.up()
    Shell(box).run(guide.procedures()["adopt"], hurry=True)
    assert_whole(box)


@pytest.mark.parametrize("lost", ["minio-service", "tempo-release"])
def test_an_update_after_a_recovery_that_broke_off_leaves_nothing_out(box_for, lost: str) -> None:
    """What was being created is in the state then, and nobody has looked whether it exists."""
    box = box_for("up")
    box.cloud.fail("create", id=lost, when="before", act=box.kill)
    with pytest.raises(SandboxError, match="ended by SIGKILL"):
        box.up()
    for _ in range(OPERATIONS["up"]):
        box.cloud.fail("read")
    with pytest.raises(SandboxError, match="once more, before anything else"):
        Shell(box).run(guide.commands("recover")[0])
    box.cloud.forget_faults()
    try:
        # Against what it says.
        box.up()
    except SandboxError:
        Shell(box).run(guide.procedures()["recover"], hurry=True)
    assert_whole(box)


def test_a_foreign_object_that_stopped_a_creation_is_not_taken_over(box_for) -> None:
    """The engine was told so, and has nothing pending: recovery knows of no such creation."""
    box = box_for("up")
    box.cloud.put("minio", "S3Bucket", "tempo", {"objects": {"theirs": "x"}, "acl": "private"})
    with pytest.raises(SandboxError, match="bucket already exists"):
        box.up()
    with pytest.raises(SandboxError, match="bucket already exists"):
        Shell(box).run(guide.procedures()["recover"])
    assert box.cloud.get("minio", "S3Bucket", "tempo") == {
        "objects": {"theirs": "x"},
        "acl": "private",
    }
    assert not [r for r in box.resources() if r["type"].endswith(":S3Bucket")]
