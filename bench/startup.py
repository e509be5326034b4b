"""What the program costs beside an empty one: time and memory of a preview on the same engine.

Each measurement begins with a fresh interpreter, so that imports count, for both. The two take
turns, so that whatever else the machine is doing falls on both.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from ops import UserError, engine
from ops.progress import Progress
from sandbox import Sandbox, SandboxError

NAME = "startup"
HELP = "the program's preview beside an empty program's: ratio of time, peak memory"

ROOT = Path(__file__).resolve().parent.parent
HOST = Path(__file__).with_name("host.py")
EMPTY = Path(__file__).with_name("empty")

MOST_TIMES = 1.5
MOST_MEGABYTES = 200


class Side:
    """One program, applied once in a sandbox of its own, and what its previews then took."""

    def __init__(self, name: str, project: Path, stack: str, box: Sandbox, cli: str):
        self.name = name
        self.seconds: list[float] = []
        self.megabytes: list[float] = []
        self._project = project
        self._stack = stack
        self._box = box
        self._cli = cli
        # Once for good, so that a preview finds a stack in which nothing changes.
        box.up()

    def measure(self) -> None:
        """Preview once: a fresh interpreter for the program, a fresh CLI."""
        # The sandbox would run the program in this process, with everything imported already.
        environment = self._box._variables()
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, HOST, self._project],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as host:
            assert host.stdout is not None
            address = f"127.0.0.1:{host.stdout.readline().strip()}"
            preview = subprocess.run(
                [
                    self._cli,
                    *("preview", "--non-interactive", "--color", "never", "--stack", self._stack),
                    *("--expect-no-changes", "--exec-kind", "auto.inline", "--client", address),
                ],
                cwd=self._box.directory / "workspace",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            seconds = time.perf_counter() - started
            peak, _ = host.communicate()
        if preview.returncode != 0:
            raise UserError(f"the preview of {self.name} failed:\n{preview.stdout}")
        self.seconds.append(seconds)
        self.megabytes.append(int(peak) / 1e6)

    def warm_up(self) -> None:
        """Measure once for nothing: byte code and page cache are not what is compared."""
        self.measure()
        self.seconds.clear()
        self.megabytes.clear()

    def line(self) -> str:
        """The figures, for a person."""
        return (
            f"{self.name:12} median {statistics.median(self.seconds):5.2f} s"
            f"  ({min(self.seconds):.2f} to {max(self.seconds):.2f} s)"
            f"  peak {max(self.megabytes):4.0f} MB"
        )


def report(ours: Side, empty: Side) -> str:
    """Both sides, and how they stand to what is aimed at."""
    ratio = statistics.median(ours.seconds) / statistics.median(empty.seconds)
    peak = max(ours.megabytes)
    return "\n".join(
        [
            empty.line(),
            ours.line(),
            f"ratio {ratio:.2f}: {_verdict(ratio <= MOST_TIMES)} (at most {MOST_TIMES})",
            f"memory {peak:.0f} MB: {_verdict(peak <= MOST_MEGABYTES)} (at most {MOST_MEGABYTES})",
        ]
    )


def _verdict(reached: bool) -> str:
    return "reached" if reached else "NOT reached"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark's arguments."""
    parser.add_argument("--stack", default="dev", help="the stack to preview (default: dev)")
    parser.add_argument("--runs", type=int, default=7, help="previews of each side (default: 7)")


def run(arguments: argparse.Namespace) -> None:
    """Measure in turns and print the figures."""
    progress = Progress.on()
    cli = engine.find(progress).command
    stack: str = arguments.stack
    try:
        with ExitStack() as boxes:
            empty, ours = (
                Side(name, project, stack, boxes.enter_context(Sandbox(project, stack)), cli)
                for name, project in (("empty", EMPTY), (stack, ROOT))
            )
            for side in (empty, ours):
                side.warm_up()
            started = time.monotonic()
            for number in range(1, arguments.runs + 1):
                for side in (empty, ours):
                    side.measure()
                done = f"run {number} of {arguments.runs}"
                progress.still(done, time.monotonic() - started)
            progress.end()
            print(report(ours, empty))
    except SandboxError as error:
        raise UserError(str(error)) from error
