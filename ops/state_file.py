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
    written = _digest(file.with_name(file.name + _ATTRIBUTES))
    if written and base64.b64decode(written) != hashlib.md5(content).digest():
        return "it is not what was written last: its digest is another"
    return None


def _digest(attributes: Path) -> str | None:
    """The digest that the backend wrote beside a state; `None` where it did not come to it."""
    try:
        return json.loads(attributes.read_bytes()).get("md5")
    except (OSError, ValueError):
        # An engine that is killed while it writes it leaves it empty; the state is whole all the
        # same, as it is put in place afterwards.
        return None


def restore(stack: str, file: Path) -> Path:
    """Put the newest whole state in place of a file; where it came from.

    The engine keeps the one before the last write, and one of each update that ended.
    """
    history = file.parents[2] / "history" / _project()["name"] / stack
    kept = [file.with_name(file.name + ".bak"), *history.glob("*.checkpoint.json")]
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
    file.with_name(file.name + _ATTRIBUTES).unlink(missing_ok=True)
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
    """Check, and restore if that is asked for and needed."""
    stack, file = arguments.stack, state_file(arguments.stack)
    wrong = None if file is None else damage(file)
    if file is None or wrong is None:
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
