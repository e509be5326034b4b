"""The locks that the engine keeps beside a stack's state, where the backend is a directory."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from ops import ROOT
from ops.processes import runs
from ops.state_file import backend_directory


def lock_directory(stack: str, project: Path = ROOT) -> Path | None:
    """Where a stack's locks are; `None` for a backend that is a service."""
    backend = backend_directory(project)
    if backend is None:
        return None
    name = yaml.safe_load((project / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
    return backend / ".pulumi" / "locks" / "organization" / name / stack


def holders(directory: Path) -> Iterator[Mapping[str, Any]]:
    """Who holds the locks, as they say; empty for one that is half written."""
    for file in sorted(directory.glob("*.json")):
        try:
            yield json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # By who was killed, or gone meanwhile.
            if file.exists():
                yield {}


def is_alive(holder: Mapping[str, Any]) -> bool | None:
    """Whether a lock's process runs; `None` where that can't be told from here."""
    pid = holder.get("pid")
    if holder.get("hostname") != socket.gethostname() or not isinstance(pid, int):
        return None
    return runs(pid, _since(holder))


def _since(holder: Mapping[str, Any]) -> float | None:
    """When a lock was made; `None` where it does not say."""
    try:
        return datetime.fromisoformat(str(holder.get("timestamp"))).timestamp()
    except ValueError:
        return None
