"""A program of the platform as a process of this machine: the one way to start it and to end it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.live.cluster import request
from tests.live.waiting import until

START_SECONDS: Final = 120
"""For a program on a busy machine."""
END_SECONDS: Final = 30


class Process:
    """A program that was started in a directory, and runs until it is ended."""

    def __init__(
        self,
        name: str,
        directory: Path,
        *command: str | Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name, self._log = name, directory / f"{name}.log"
        # Added to: a program that was killed and started again has one log.
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the tests, which end it in good order.
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """All that it wrote since it was first started in its directory."""
        return self._log.read_text("utf-8")

    @property
    def status(self) -> int | None:
        """With what it ended; `None` while it runs."""
        return self._running.poll()

    def until_ready(self, ready: Callable[[], bool]) -> None:
        """Wait until it is; fails at once, with its last words, if it ends instead."""

        def is_ready() -> bool:
            if self.status is not None:
                # Not an assertion, which would be waited out.
                pytest.fail(f"{self.name} ended: {self.said[-4000:]}")
            return ready()

        until(f"{self.name} is ready", START_SECONDS, is_ready)

    def end(self) -> None:
        """Ask it to end, and see to it; nothing if it has ended."""
        self._running.terminate()
        try:
            self._running.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as the kernel does, without a word (SIGKILL)."""
        self._running.kill()
        self._running.wait()


@contextmanager
def running(
    name: str,
    directory: Path,
    *command: str | Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    end: Callable[[Process], None] = Process.end,
) -> Iterator[Process]:
    """A program, once it is ready; ended afterwards."""
    process = Process(name, directory, *command, environment=environment)
    try:
        process.until_ready(ready)
        yield process
    finally:
        end(process)


def answers(url: str, trusted: Path | None = None) -> bool:
    """Whether a URL answers 200; fails with what it says instead."""
    try:
        status, body = request(url, trusted=trusted)
    except OSError as error:
        raise AssertionError(f"{url}: {error}") from None
    assert status == 200, f"{url}: {status} {body[:200]!r}"
    return True
