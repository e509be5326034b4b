"""What a check finds, and how one says that there was nothing to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ops.checks.subject import Subject

Level = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that stands in an update's way, or that somebody should know before it."""

    level: Level
    """`error`: the update would fail, or do harm. `warning`: it may go on."""
    what: str
    """What was seen."""
    why: str
    """Why it matters."""
    command: str
    """What mends it, to be pasted into a shell."""


class Skipped(Exception):
    """A check that can't be made here, or that this stack has no need of; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One subject that is looked at."""

    name: str
    run: Callable[[Subject], Sequence[Finding]]
    """What was found; raises Skipped."""
