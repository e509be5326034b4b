"""Waiting for a condition, with a deadline: never for a time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

Found = TypeVar("Found")

POLL_SECONDS = 0.25


def until(what: str, seconds: float, found: Callable[[], Found | None]) -> Found:
    """Ask again and again until there is something; fail, saying what was missing, at the deadline.

    Nothing is whatever is false; an AssertionError of the question says what was seen instead.
    """
    deadline = time.monotonic() + seconds
    seen = ""
    while True:
        try:
            if answer := found():
                return answer
        except AssertionError as error:
            seen = f"; at last: {error}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}{seen}")
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def at_the_first(happened: Callable[[], bool], look: Callable[[], Found]) -> Iterator[list[Found]]:
    """While the block runs, ask again and again; what is seen when it has happened is in the list.

    Empty if it did not happen.
    """
    over, seen = threading.Event(), []

    def ask() -> None:
        while not over.is_set():
            if happened():
                seen.append(look())
                return
            over.wait(POLL_SECONDS)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
