"""One hop of the smoke test, how it ends, and how a row of them is walked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

Found = TypeVar("Found")

POLL_SECONDS: Final = 0.5


class HopFailed(Exception):
    """A hop did not go well; the text says what was seen."""


class Definite(HopFailed):
    """A failure that no waiting will mend."""


class NotApplicable(Exception):
    """A hop that the stack does not have, or that was not asked for; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A cause that something observed speaks for."""

    cause: str
    """One sentence."""
    commands: tuple[str, ...] = ()
    """What to run to look further."""


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One step on the way of a trace."""

    name: str
    run: Callable[[], str]
    """What went well, in a few words; raises HopFailed or NotApplicable."""
    diagnose: Callable[[str], Sequence[Finding]]
    """The causes of a failure, the likeliest first; takes the failure's text."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a hop ended."""

    name: str
    status: Literal["ok", "failed", "skipped"]
    seconds: float
    detail: str
    findings: Sequence[Finding] = field(default=())
    """The likely cause first; empty unless the hop failed."""


def walk(hops: Sequence[Hop]) -> Iterator[Outcome]:
    """The outcome of each hop as it ends; those behind one that failed are skipped."""
    failed: str | None = None
    for hop in hops:
        if failed is not None:
            detail = f"because {failed} failed"
            yield Outcome(name=hop.name, status="skipped", seconds=0, detail=detail)
            continue
        start = time.monotonic()
        try:
            detail = hop.run()
        except NotApplicable as reason:
            yield Outcome(name=hop.name, status="skipped", seconds=0, detail=str(reason))
        except HopFailed as failure:
            failed = hop.name
            seconds = time.monotonic() - start
            yield Outcome(
                name=hop.name,
                status="failed",
                seconds=seconds,
                detail=str(failure),
                findings=hop.diagnose(str(failure)),
            )
        else:
            seconds = time.monotonic() - start
            yield Outcome(name=hop.name, status="ok", seconds=seconds, detail=detail)


class Patience:
    """Waits for a condition, with a deadline, and shows that it does."""

    def __init__(self, seconds: float, waiting: Callable[[str, float], None]) -> None:
        self.seconds = seconds
        self._waiting = waiting
        """Told what is waited for, and for how long by now."""

    def until(
        self, what: str, ask: Callable[[], Found | None], seconds: float | None = None
    ) -> Found:
        """Asks again and again until there is something.

        Raises HopFailed at the deadline, with what the question failed with at last.
        """
        start = time.monotonic()
        allowed = self.seconds if seconds is None else seconds
        while True:
            seen = ""
            try:
                if found := ask():
                    return found
            except Definite:
                raise
            except HopFailed as failure:
                seen = f"; at last: {failure}"
            waited = time.monotonic() - start
            if waited > allowed:
                raise HopFailed(f"{what}: not within {allowed:g} s{seen}")
            self._waiting(what, waited)
            time.sleep(POLL_SECONDS)
