"""The state file is damaged, or two want to write it at once: refused, and mended by the guide."""

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sandbox import Sandbox, SandboxError
from sandbox.shell import Shell
from tests.engine import guide
from tests.engine.whole import assert_whole, full_run

SEEDS = range(1, 26) if full_run() else range(1, 3)


def cut_off(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def flip_a_bit(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    flipped = content[place] ^ 1 << rng.randrange(8)
    return content[:place] + bytes([flipped]) + content[place + 1 :]


def state_file(box: Sandbox) -> Path:
    [file] = [path for path in box.state_files if path.name == f"{box.stack}.json"]
    return file


@pytest.mark.parametrize("damaged", [cut_off, flip_a_bit])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_state_is_refused_and_the_backup_restores_it(box, damaged, seed: int) -> None:
    file = state_file(box)
    content = damaged(file.read_bytes(), random.Random(seed))
    file.write_bytes(content)
    before = box.cloud.objects()
    shell = Shell(box)
    # Another command with each seed: all of them check in the same way.
    command = ("preview", "up", "refresh", "recover", "destroy")[seed % 5]
    with pytest.raises(SandboxError, match="the state of staging is damaged") as refused:
        shell.run(f"make {command} STACK=staging")
    assert "Traceback" not in str(refused.value)
    assert file.read_bytes() == content
    assert box.cloud.objects() == before

    shell.run(guide.procedures()["damaged"], hurry=True)

    assert_whole(box)


def test_a_state_that_is_gone_is_refused_and_the_backup_restores_it(box) -> None:
    shell = Shell(box)
    file = state_file(box)
    file.unlink()
    before = box.cloud.objects()
    with pytest.raises(SandboxError, match="the state of staging is gone"):
        shell.run("make up STACK=staging")
    assert box.cloud.objects() == before
    assert not file.exists()

    shell.run(guide.procedures()["damaged"], hurry=True)

    assert_whole(box)


def test_a_stack_that_was_removed_can_be_made_again(box) -> None:
    shell = Shell(box)
    shell.run(guide.procedures()["remove"], hurry=True)
    with pytest.raises(SandboxError, match="no stack named 'staging'"):
        shell.run("make up STACK=staging", hurry=True)
    shell.run("pulumi stack init staging")
    shell.run("make up STACK=staging", hurry=True)
    assert_whole(box)


def cut_digest_off(file: Path) -> None:
    """What is left of an engine that is killed while it writes the digest."""
    file.with_name(file.name + ".attrs").write_bytes(b"")


def leave_state_behind(file: Path) -> None:
    """What is left of one that is killed between the digest and the state."""
    file.write_bytes(file.with_name(file.name + ".bak").read_bytes())


@pytest.mark.parametrize("killed", [cut_digest_off, leave_state_behind])
def test_a_write_of_the_state_that_was_cut_short_is_mended_by_the_two_commands(box, killed) -> None:
    killed(state_file(box))
    said = Shell(box).run("\n".join(guide.commands("recover")), hurry=True)
    assert "was killed while it wrote the state, which is whole" in said
    assert_whole(box)


def test_a_whole_state_is_not_restored(box) -> None:
    content = state_file(box).read_bytes()
    said = Shell(box).run(guide.commands("damaged")[0])
    assert "nothing was restored" in said
    assert state_file(box).read_bytes() == content


def damage_all(box: Sandbox) -> None:
    for path in box.state_files:
        if path.suffix in (".json", ".bak") and "backend" in path.parts:
            path.write_text("{")


def test_without_a_whole_backup_the_way_out_is_said_and_is_one(box) -> None:
    damage_all(box)
    shell = Shell(box)
    with pytest.raises(SandboxError, match="no whole state is kept") as refused:
        shell.run(guide.commands("damaged")[0])
    assert "pulumi stack init staging && make recover STACK=staging ARGS=--adopt" in " ".join(
        str(refused.value).split()
    )
    shell.run(guide.procedures()["lost-state"], hurry=True)
    assert_whole(box)


def test_a_backup_of_ones_own_is_put_back(box, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_bytes(state_file(box).read_bytes())
    damage_all(box)
    shell = Shell(box)
    shell.run(
        f".venv/bin/python -m ops state-file --stack staging --restore --from {own}\n"
        + "\n".join(guide.commands("damaged")[1:]),
        hurry=True,
    )
    assert_whole(box)


CLI = ["pulumi", "--non-interactive", "--stack", guide.STACK]
WRITERS = {
    "make up": ["make", "up", f"STACK={guide.STACK}"],
    "refresh": [*CLI, "refresh", "--yes", "--skip-preview"],
    "destroy": [*CLI, "destroy", "--yes", "--skip-preview"],
    "import": [*CLI, "stack", "import"],
    "state": [*CLI, "state", "unprotect", "--all", "--yes"],
    "make recover": [sys.executable, "-m", "ops", "recover", "--stack", guide.STACK, "--yes"],
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_second_writer_is_refused_while_an_update_runs(box, writer: str) -> None:
    shell = Shell(box)
    box.set_config("tracing:tempo.blockRetention", "24h")
    box.prepare()
    state = box.command("stack", "export")
    reached, go_on = threading.Event(), threading.Event()

    def wait(_: str) -> None:
        reached.set()
        go_on.wait()

    # Held in the middle of its first operation, which then fails.
    box.cloud.fail(act=wait, message="held")
    # Nothing answers as its program: a writer that is refused does not come so far.
    variables = shell.variables()
    ended: list[SandboxError] = []

    def update() -> None:
        try:
            box.up()
        except SandboxError as error:
            ended.append(error)

    first = threading.Thread(target=update)
    first.start()
    try:
        assert reached.wait(120)
        operations = len(box.cloud.log)
        second = subprocess.run(
            WRITERS[writer],
            cwd=box.workspace,
            env=variables,
            input=state,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode != 0
        running = "is running on this machine" if writer == "make recover" else "currently locked"
        assert running in second.stderr + second.stdout
        assert len(box.cloud.log) == operations
    finally:
        go_on.set()
        first.join()
    assert ["held" in str(error) for error in ended] == [True]
    box.up()
    assert_whole(box)
