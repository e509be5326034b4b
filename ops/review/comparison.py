"""What a report runs for a stack: loaded where nothing is run yet, and so without the SDKs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Side:
    """A revision's program, and where its stack file is."""

    project: Path
    stack_file: Path


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is to be run for a stack."""

    stack: str
    head: Side
    base: Side | None
    """`None`: there is nothing to compare with, and everything is new."""
