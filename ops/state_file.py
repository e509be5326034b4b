"""Tells a damaged state file from one that the engine wrote, and puts the newest whole one back.

The engine refuses a state that is no JSON, with the parser's words; one that still is, with a wrong
letter in a name or a version, it takes. A backend that is a directory has the digest of what was
written beside the file, and the engine does not compare it. Here it is compared, before every
command of the Makefile. Backends that are a service take care of what they keep.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
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
_DAMAGED: Final = ".damaged"


def backend_directory() -> Path | None:
    """The directory of the backend that is logged in to; `None` for one that is a service."""
    url = os.environ.get("PULUMI_BACKEND_URL") or _project().get("backend", {}).get("url")
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    credentials = home / "credentials.json"
    if url is None and credentials.is_file():
        url = json.loads(credentials.read_text(encoding="utf-8")).get("current")
    if url is None or not url.startswith("file://"):
        return None
    # file://~ and file://./here are a directory's, not a host's, name.
    parts = urlsplit(url)
    return Path(unquote(parts.netloc + parts.path)).expanduser()


def state_file(stack: str) -> Path | None:
    """Where a stack's state is kept, if that is a file and there is one."""
    directory = backend_directory()
    if directory is None:
        return None
    file = directory / ".pulumi" / "stacks" / _project()["name"] / f"{stack}.json"
    return file if file.is_file() else None


def damage(file: Path) -> str | None:
    """What is wrong with a file of the backend; `None` if nothing is."""
    content = file.read_bytes()
    try:
        checkpoint = json.loads(content)["checkpoint"]
        (checkpoint.get("latest") or {}).get("resources")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return f"it is no state: {error}"
    digest = _digest(file)
    if digest in (None, _md5(content)) or _is_before_last_write(file, content):
        return None
    return "it is not what was written last: its digest is another"


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


def restore(stack: str, file: Path) -> Path:
    """Put the newest whole state in place of a file; where it came from.

    The engine keeps the one before the last write, and one of each update that ended.
    """
    history = file.parents[2] / "history" / _project()["name"] / stack
    kept = [file.with_name(file.name + _BACKUP), *history.glob("*.checkpoint.json")]
    found = [backup for backup in kept if backup.is_file() and damage(backup) is None]
    if not found:
        raise UserError(
            f"no whole state is kept beside {file}; put back your own backup of it, or make it "
            f"again: pulumi stack rm --force {stack}, pulumi stack init {stack}, and "
            f"make recover STACK={stack} ARGS=--adopt"
        )
    newest = max(found, key=lambda backup: backup.stat().st_mtime_ns)
    file.replace(file.with_name(file.name + _DAMAGED))
    # Of other content than this file had: it would be refused for the old digest.
    _beside(file).unlink(missing_ok=True)
    shutil.copyfile(newest, file)
    return newest


def _project() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, and whether to put a backup in place."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    parser.add_argument(
        "--restore", action="store_true", help="put the newest whole state in place of a damaged"
    )


def run(arguments: argparse.Namespace) -> None:
    """Check, mend what is beside a whole state, and restore if that is asked for and needed."""
    stack, file = arguments.stack, state_file(arguments.stack)
    wrong = None if file is None else damage(file)
    if file is None or wrong is None:
        if file is not None and mend_digest(file):
            print(f"an update of {stack} was killed while it wrote the state, which is whole")
        if arguments.restore:
            print(f"the state of {stack} is whole; nothing was restored")
        return
    if not arguments.restore:
        raise UserError(
            f"the state of {stack} is damaged, and nothing was changed: {file}: {wrong}. To put "
            f"the newest backup in its place: .venv/bin/python -m ops state-file --stack {stack} "
            f"--restore; then make recover STACK={stack}"
        )
    print(f"restored from {restore(stack, file)}; next: make recover STACK={stack}")
