"""Figures that a run of the live tier measures: shown at its end and put into its report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Figures:
    """What was measured, in order."""

    def __init__(self) -> None:
        self._all: list[tuple[str, float, str]] = []
        self._taken = 0

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, name: str, value: float, unit: str = "s") -> None:
        """Keep one figure."""
        self._all.append((name, value, unit))

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Keep how long something takes that goes well."""
        start = time.monotonic()
        yield
        self.add(name, time.monotonic() - start)

    def taken(self) -> list[tuple[str, float]]:
        """The figures since this was last asked."""
        new = self._all[self._taken :]
        self._taken = len(self._all)
        return [(name, round(value, 2)) for name, value, _ in new]

    def lines(self) -> list[str]:
        """One line for each figure."""
        shown = []
        for name, value, unit in self._all:
            shown.append(
                f"{name}: {value:.1f} {unit}" if unit == "s" else f"{name}: {value:g} {unit}"
            )
        return shown
