"""How a slow step shows that it is alive: in place on a terminal, sparse lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

SPARSE_SECONDS = 30
"""Away from a terminal a line a second would bury a CI log; silence looks like a hang."""


class Progress:
    """Says what begins and, while it lasts, for how long it has been going on."""

    def __init__(self, say: Callable[[str], None], *, rewrite: Callable[[str], None] | None = None):
        self._say = say
        self._rewrite = rewrite
        self._shown_until = 0
        self._on_rewritten_line = False

    @classmethod
    def on(cls, stream: TextIO | None = None) -> Progress:
        """Progress for a stream; standard error unless told, as standard output carries results."""
        target = stream if stream is not None else sys.stderr

        def say(line: str) -> None:
            print(line, file=target, flush=True)

        def rewrite(line: str) -> None:
            # Erase to the end of the line: a shorter text must not leave the longer one's tail.
            print(f"\r{line}\x1b[K", end="", file=target, flush=True)

        return cls(say, rewrite=rewrite if target.isatty() else None)

    def say(self, line: str) -> None:
        """Show a line that stays."""
        self.end()
        self._say(line)

    def still(self, what: str, seconds: float) -> None:
        """Show that a step is still going on; call it as often as is convenient."""
        text = f"  {what} ({_minutes(int(seconds))})"
        if self._rewrite is not None:
            self._rewrite(text)
            self._on_rewritten_line = True
        elif seconds - self._shown_until >= SPARSE_SECONDS:
            self._shown_until = int(seconds)
            self._say(text)

    def end(self) -> None:
        """The step is over, well or not: what comes next starts on a line of its own."""
        self._shown_until = 0
        if self._rewrite is not None and self._on_rewritten_line:
            self._rewrite("")
            self._on_rewritten_line = False


def _minutes(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02d} min"
