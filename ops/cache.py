"""Where the tools keep what is slow to get: one directory per user, shared by all checkouts."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.progress import Progress


def cache_directory() -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/tracing-platform`."""
    # The specification of XDG_CACHE_HOME has a relative path ignored: it would mean another place
    # for every directory that a command is run from.
    named = Path(os.environ.get("XDG_CACHE_HOME") or "")
    root = named if named.is_absolute() else Path.home() / ".cache"
    return root / "tracing-platform"


@contextmanager
def exclusive(name: str, progress: Progress) -> Iterator[None]:
    """Hold the cache's lock on a thing, waiting for another process that holds it.

    The kernel lets go of the lock when its holder dies, so a killed run leaves nothing to clear.
    """
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"Another run is already getting {name}; waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def appearing_whole(place: Path) -> Iterator[Path]:
    """A scratch directory that takes its place at the end, and is removed if the end isn't reached.

    What an interrupted download or build leaves behind must never look like the finished thing.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}-"))
    try:
        yield scratch
        shutil.rmtree(place, ignore_errors=True)
        scratch.chmod(0o755)
        scratch.rename(place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
