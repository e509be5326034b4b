"""Which state of a stack is damaged, gone or removed, and which backup is the newest."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ops import UserError, state_file
from ops.commands import main

STATE = b'{"version": 3, "checkpoint": {"latest": {"resources": [{"urn": "it"}]}}}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The state of the stack dev, whole and without backups."""
    path = tmp_path / ".pulumi" / "stacks" / "tracing" / "dev.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(STATE)
    digest = base64.b64encode(hashlib.md5(STATE).digest()).decode()
    path.with_name("dev.json.attrs").write_text(json.dumps({"md5": digest}), encoding="utf-8")
    return path


def history(file: Path, *stamps: int) -> list[Path]:
    """The states of updates that ended at these times, as the engine names them."""
    directory = file.parents[2] / "history" / "tracing" / "dev"
    directory.mkdir(parents=True)
    kept = [directory / f"dev-{stamp}.checkpoint.json" for stamp in stamps]
    for path in kept:
        path.write_bytes(STATE)
    return kept


def test_a_file_as_it_was_written_is_whole(file: Path) -> None:
    assert state_file.damage(file) is None


@pytest.mark.parametrize(
    "content", [b"", STATE[:40], b"[]", b"{}", b"\xff" + STATE, STATE.replace(b"3", b"2")]
)
def test_any_other_content_is_damage(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert state_file.damage(file)


def test_the_newest_whole_backup_is_restored_and_the_damaged_file_kept(file: Path) -> None:
    file.write_bytes(b"{")
    file.with_name("dev.json.bak").write_bytes(STATE[:10])
    history = file.parents[2] / "history" / "tracing" / "dev"
    history.mkdir(parents=True)
    (history / "dev-1.checkpoint.json").write_bytes(STATE)
    assert state_file.restore("dev", file).name == "dev-1.checkpoint.json"
    assert file.read_bytes() == STATE
    assert state_file.damage(file) is None
    assert file.with_name("dev.json.damaged").read_bytes() == b"{"


def test_without_a_whole_backup_the_damaged_file_is_kept_aside(file: Path) -> None:
    file.write_bytes(b"{")
    with pytest.raises(UserError, match="no whole state is kept"):
        state_file.restore("dev", file)
    assert not file.exists()
    assert file.with_name("dev.json.damaged").read_bytes() == b"{"


def test_a_backup_of_ones_own_is_put_back_if_it_is_a_state(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"{")
    file.with_name("dev.json.attrs").write_text('{"md5": "of another"}', "utf-8")
    own = tmp_path / "own.json"
    own.write_bytes(b"[]")
    with pytest.raises(UserError, match="it is no state"):
        state_file.restore("dev", file, own)
    assert file.read_bytes() == b"{"
    own.write_bytes(STATE)
    assert state_file.restore("dev", file, own) == own
    assert state_file.problem(file) is None


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("file:///srv/state", Path("/srv/state")),
        ("file:///srv/a%20b?no_tmp_dir=true", Path("/srv/a b")),
        ("file://~", Path.home()),
        ("file://./state", state_file.ROOT / "state"),
        ("https://api.example.com", None),
        ("s3://bucket", None),
    ],
)
def test_the_backends_directory_is_read_from_its_address(
    monkeypatch: pytest.MonkeyPatch, url: str, directory: Path | None
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    assert state_file.backend_directory() == directory


def test_the_backend_that_was_logged_in_to_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    assert state_file.backend_directory() is None
    (tmp_path / "credentials.json").write_text('{"current": "file:///srv/state"}')
    assert state_file.backend_directory() == Path("/srv/state")


@pytest.mark.parametrize("beside", ["", "{", None])
def test_a_digest_that_was_not_written_to_its_end_is_no_damage(
    tmp_path: Path, beside: str | None
) -> None:
    file = tmp_path / "dev.json"
    file.write_text('{"checkpoint": {"latest": {"resources": []}}}', encoding="utf-8")
    if beside is not None:
        (tmp_path / "dev.json.attrs").write_text(beside, encoding="utf-8")
    assert state_file.damage(file) is None
    assert state_file.mend_digest(file) == (beside is not None)
    assert not (tmp_path / "dev.json.attrs").exists()
    other = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    (tmp_path / "dev.json.attrs").write_text(json.dumps({"md5": other}), encoding="utf-8")
    assert state_file.damage(file) is not None


def test_a_state_that_the_last_write_never_replaced_is_no_damage(tmp_path: Path) -> None:
    file, beside = tmp_path / "dev.json", tmp_path / "dev.json.attrs"
    file.write_text('{"checkpoint": {"latest": {"resources": []}}}', encoding="utf-8")
    (tmp_path / "dev.json.bak").write_bytes(file.read_bytes())
    other = base64.b64encode(hashlib.md5(b"the next state").digest()).decode()
    beside.write_text(json.dumps({"md5": other}), encoding="utf-8")
    assert state_file.damage(file) is None
    assert state_file.mend_digest(file)
    own = base64.b64encode(hashlib.md5(file.read_bytes()).digest()).decode()
    beside.write_text(json.dumps({"md5": own}), encoding="utf-8")
    assert not state_file.mend_digest(file)
    assert beside.exists()


def test_the_time_of_an_update_is_taken_from_the_name_of_its_backup(file: Path) -> None:
    file.write_bytes(b"{")
    older, newer = history(file, 1795322465264991858, 1795322465917042075)
    os.utime(older, ns=(2000000000000000000, 2000000000000000000))
    assert state_file.restore("dev", file) == newer


def test_the_copy_from_before_the_last_write_is_restored_where_no_update_ended_since(
    file: Path,
) -> None:
    stamp = 1795322465264991858
    history(file, stamp)
    file.write_bytes(b"{")
    copy = file.with_name("dev.json.bak")
    copy.write_bytes(STATE)
    os.utime(copy, ns=(stamp + 1, stamp + 1))
    assert state_file.restore("dev", file) == copy
    os.utime(copy, ns=(stamp - 1, stamp - 1))
    assert state_file.restore("dev", file).name == f"dev-{stamp}.checkpoint.json"


@pytest.fixture
def command(file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`ops state-file` on the stack dev, or another, of the directory that has the file."""
    monkeypatch.setenv("PULUMI_BACKEND_URL", file.parents[3].as_uri())

    def run(*options: str, stack: str = "dev") -> int:
        return main(["state-file", "--stack", stack, *options])

    return run


RESTORE = ".venv/bin/python -m ops state-file --stack dev --restore"


@pytest.mark.parametrize("kept", ["the copy", "the history"])
def test_a_state_that_is_gone_is_refused_and_put_back_from_its_backup(
    file: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str], kept: str
) -> None:
    if kept == "the copy":
        file.rename(file.with_name("dev.json.bak"))
    else:
        history(file, 1795322465264991858)
        file.unlink()
    assert command() == 1
    said = capsys.readouterr().err
    assert f"error: the state of dev is gone: {file} is not there" in said
    assert f"{RESTORE} && make recover STACK=dev ARGS=--adopt" in said
    assert "removed on purpose: pulumi stack init dev" in said
    assert not file.exists()

    assert command("--restore") == 0
    assert capsys.readouterr().out.startswith("restored from ")
    assert file.read_bytes() == STATE
    assert command() == 0


def test_a_state_that_is_gone_with_every_whole_backup_is_made_again(
    file: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    file.unlink()
    file.with_name("dev.json.bak").write_bytes(b"{")
    assert command("--restore") == 1
    said = capsys.readouterr().err
    assert "no whole state is kept" in said
    # There is no stack that could be removed.
    assert "pulumi stack init dev && make recover STACK=dev ARGS=--adopt" in said


def test_a_stack_that_is_not_there_is_no_whole_one(
    file: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    # Before its first update it has to be possible to make it.
    assert command(stack="stagin") == 0
    assert command("--restore", stack="stagin") == 1
    assert "there is no stack stagin in " in (said := capsys.readouterr().err)
    assert said.endswith("name one of those that there are: dev\n")


def test_a_stack_that_was_removed_is_one_that_is_not_there(
    file: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    file.unlink()
    empty = b'{"checkpoint": {"latest": {"resources": []}}}'
    file.with_name("dev.json.bak").write_bytes(empty)
    assert command() == 0
    assert command("--restore") == 1
    assert capsys.readouterr().err.endswith("no backup of one; there is none\n")
    assert not file.exists()


def test_a_compressed_state_is_not_taken_for_one_that_is_gone(
    file: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    file.rename(file.with_name("dev.json.bak"))
    file.with_name("dev.json.gz").write_bytes(b"compressed")
    assert command() == 0
    assert command("--restore") == 1
    assert "is compressed; nothing was checked or restored" in capsys.readouterr().err
    assert not file.exists()


def test_a_backend_that_is_a_service_is_not_said_to_be_checked(
    command: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://api.example.com")
    assert command() == 0
    assert capsys.readouterr().out == ""
    assert command("--restore") == 1
    said = capsys.readouterr().err
    assert "nothing was checked or restored. Such a backend keeps a history of its own" in said
