"""Tells a damaged state file from one that the engine wrote, and puts the newest whole one back.

The engine refuses a state that is no JSON, with the parser's words; one that still is, with a wrong
letter in a name or a version, it takes. A backend that is a directory has the digest of what was
written beside the file, and the engine does not compare it. Here it is compared, before every
command of the Makefile. A state whose file is gone the engine takes for a stack that was never
made; that is told by the backups. Backends that are a service take care of what they keep.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import yaml

from ops import ROOT, UserError

NAME = "state-file"
HELP = "check the file that keeps a stack's state, where it is a file; --restore puts a backup back"

_ATTRIBUTES: Final = ".attrs"
_BACKUP: Final = ".bak"
_COMPRESSED: Final = ".gz"
_DAMAGED: Final = ".damaged"
_STAMPED: Final = re.compile(r"-(\d+)\.checkpoint\.json$")
"""The name that the engine gives to the state of an update that ended: with the time, in ns."""


def backend_directory(project: Path = ROOT) -> Path | None:
    """The directory of the backend that is logged in to; `None` for one that is a service.

    A relative one is beside the project, where every command runs.
    """
    url = os.environ.get("PULUMI_BACKEND_URL") or _read(project).get("backend", {}).get("url")
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    credentials = home / "credentials.json"
    if url is None and credentials.is_file():
        url = json.loads(credentials.read_text(encoding="utf-8")).get("current")
    if url is None or not url.startswith("file://"):
        return None
    # file://~ and file://./here are a directory's, not a host's, name.
    parts = urlsplit(url)
    return project / Path(unquote(parts.netloc + parts.path)).expanduser()


def state_file(stack: str, project: Path = ROOT) -> Path | None:
    """Where a stack's state is kept, whether or not it is there; `None` if that is no file."""
    directory = backend_directory(project)
    if directory is None:
        return None
    return directory / ".pulumi" / "stacks" / _read(project)["name"] / f"{stack}.json"


def problem(file: Path) -> str | None:
    """What is wrong with a stack's state, in a clause; `None` for one that is whole or compressed,
    and for a stack that was never made or was removed."""
    if file.is_file():
        wrong = damage(file)
        return None if wrong is None else f"is damaged: {file}: {wrong}"
    if _compressed(file).is_file() or not _is_lost(file):
        return None
    return f"is gone: {file} is not there, but backups of it are"


def remedy(stack: str) -> str:
    """The commands that put a backup in the place of a state, as docs/operations.md has them."""
    return (
        f".venv/bin/python -m ops state-file --stack {stack} --restore && "
        f"make recover STACK={stack} ARGS=--adopt && make up STACK={stack}"
    )


def damage(file: Path) -> str | None:
    """What is wrong with a file of the backend; `None` if nothing is."""
    if (wrong := _is_no_state(file)) is not None:
        return wrong
    content = file.read_bytes()
    digest = _digest(file)
    if digest in (None, _md5(content)) or _is_before_last_write(file, content):
        return None
    return "it is not what was written last: its digest is another"


def _is_no_state(file: Path) -> str | None:
    """Why a file is none that an engine wrote; `None` for one that may be."""
    try:
        checkpoint = json.loads(file.read_bytes())["checkpoint"]
        (checkpoint.get("latest") or {}).get("resources")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        return f"it is no state: {error}"
    return None


def mend_digest(file: Path) -> bool:
    """Take away the digest that a killed engine left beside a whole state; whether there was one.

    The backend writes it first and the state afterwards. One that is cut off keeps the engine from
    reading the state ("failed to load checkpoint: EOF"); one whose state was never put in its place
    would be taken for damage by the next command.
    """
    attributes = _beside(file)
    if not attributes.is_file():
        return False
    try:
        digest = json.loads(attributes.read_bytes()).get("md5")
    except ValueError:
        pass
    else:
        if digest in (None, _md5(file.read_bytes())):
            return False
    attributes.unlink()
    return True


def _beside(file: Path) -> Path:
    return file.with_name(file.name + _ATTRIBUTES)


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def _digest(file: Path) -> str | None:
    """The digest that the backend wrote beside a state; `None` where it did not come to it."""
    try:
        return json.loads(_beside(file).read_bytes()).get("md5")
    except (OSError, ValueError):
        return None


def _is_before_last_write(file: Path, content: bytes) -> bool:
    """Whether a state is the one that the engine copied before the last write, which never came."""
    backup = file.with_name(file.name + _BACKUP)
    return backup.is_file() and backup.read_bytes() == content


def _compressed(file: Path) -> Path:
    return file.with_name(file.name + _COMPRESSED)


def _backups(file: Path) -> list[Path]:
    """The engine keeps the state before the last write, and one of each update that ended."""
    history = file.parents[2] / "history" / file.parent.name / file.stem
    kept = [file.with_name(file.name + _BACKUP), *history.glob("*.checkpoint.json")]
    return [backup for backup in kept if backup.is_file()]


def _is_lost(file: Path) -> bool:
    """Whether a state that is not there belongs to a stack that was not removed.

    `pulumi stack rm` deletes the history, and leaves the last state as a backup; one without
    resources, unless it was forced.
    """
    for backup in _backups(file):
        if damage(backup) is not None:
            return True
        latest = json.loads(backup.read_bytes())["checkpoint"].get("latest") or {}
        if latest.get("resources"):
            return True
    return False


def _written(backup: Path) -> int:
    """When a backup was written, in ns; by its name where that says so: a copy of the directory
    has other times."""
    stamp = _STAMPED.search(backup.name)
    return int(stamp[1]) if stamp else backup.stat().st_mtime_ns


def restore(stack: str, file: Path, own: Path | None = None) -> Path:
    """Put the newest whole state, or a backup of somebody's own, in place of a file that is damaged
    or gone; where it came from. Raises UserError, with the way on, where there is none."""
    if own is not None and (wrong := _is_no_state(own)) is not None:
        raise UserError(f"{own}: {wrong}. Nothing was changed; name a whole backup")
    found = [backup for backup in _backups(file) if damage(backup) is None]
    newest = own or max(found, key=_written, default=None)
    if file.is_file():
        file.replace(file.with_name(file.name + _DAMAGED))
    # Of other content than this file had: it would be refused for the old digest.
    _beside(file).unlink(missing_ok=True)
    if newest is None:
        raise UserError(
            f"no whole state is kept beside {file}, which is {file.name}{_DAMAGED} now. Put back a "
            f"backup of your own: .venv/bin/python -m ops state-file --stack {stack} --restore "
            f"--from FILE. Without one: pulumi stack init {stack} && make recover STACK={stack} "
            f"ARGS=--adopt, and on as docs/operations.md has it (No state is left)"
        )
    shutil.copyfile(newest, file)
    return newest


def _read(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / "Pulumi.yaml").read_text(encoding="utf-8"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, and whether to put a backup in place."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    parser.add_argument(
        "--restore",
        action="store_true",
        help="put the newest whole state in place of one that is damaged or gone",
    )
    parser.add_argument(
        "--from",
        dest="own",
        type=Path,
        metavar="FILE",
        help="with --restore: a backup of your own, in place of whatever is there",
    )


def run(arguments: argparse.Namespace) -> None:
    """Check, mend what is beside a whole state, and restore if that is asked for and needed."""
    stack, file = arguments.stack, state_file(arguments.stack)
    if file is None:
        if arguments.restore:
            raise UserError(
                f"the state of {stack} is in no directory of this machine; nothing was checked or "
                "restored. Such a backend keeps a history of its own: run "
                f"pulumi stack history --stack {stack}"
            )
        return
    if arguments.own is not None and not arguments.restore:
        raise UserError("--from names what to restore; add --restore")
    wrong = problem(file)
    if wrong is None and arguments.own is None:
        if file.is_file() and mend_digest(file):
            print(f"an update of {stack} was killed while it wrote the state, which is whole")
        if arguments.restore:
            _refuse_what_is_not_there(stack, file)
            print(f"the state of {stack} is whole; nothing was restored")
        return
    if not arguments.restore:
        removed = (
            ""
            if file.is_file()
            else f". If the stack was removed on purpose: pulumi stack init {stack}"
        )
        raise UserError(
            f"the state of {stack} {wrong}. Nothing was changed. To put the newest backup in its "
            f"place: {remedy(stack)}{removed}"
        )
    source = restore(stack, file, arguments.own)
    print(f"restored from {source}; next: make recover STACK={stack} ARGS=--adopt")


def _refuse_what_is_not_there(stack: str, file: Path) -> None:
    if file.is_file():
        return
    if _compressed(file).is_file():
        raise UserError(
            f"{_compressed(file)} is compressed; nothing was checked or restored. Put back your "
            "own backup of it, if pulumi can't read it"
        )
    ends = (".json", f".json{_COMPRESSED}")
    found = [(path, end) for end in ends for path in file.parent.glob(f"*{end}")]
    known = sorted(path.name.removesuffix(end) for path, end in found)
    there = f"name one of those that there are: {', '.join(known)}" if known else "there is none"
    raise UserError(f"there is no stack {stack} in {file.parent}, and no backup of one; {there}")
