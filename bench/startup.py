"""What the program costs beside an empty one: time and memory of a preview on the same engine.

Where a Python language host is at hand, a preview is measured as a user has it; otherwise with a
stand-in (bench/host.py). Each begins with a fresh interpreter, so that imports count, for both. The
two take turns, so that whatever else the machine is doing falls on both.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import yaml

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

    def __init__(self, name: str, project: Path, stack: str, box: Sandbox, cli: str, hosted: bool):
        self.name = name
        self.seconds: list[float] = []
        self._project = project
        self._box = box
        self._hosted = hosted
        self._preview = (
            *(cli, "preview", "--non-interactive", "--color", "never", "--stack", stack),
            "--expect-no-changes",
        )
        # Once for good, so that a preview finds a stack in which nothing changes.
        box.up()
        # Byte code and page cache are not what is compared: the first preview is not counted.
        _, self.megabytes = self._preview_inline()
        if hosted:
            self._name_interpreter()
            self._preview_hosted()

    def measure(self) -> None:
        """Preview once: a fresh interpreter for the program, a fresh CLI."""
        seconds = self._preview_hosted() if self._hosted else self._preview_inline()[0]
        self.seconds.append(seconds)

    def _name_interpreter(self) -> None:
        """Let the CLI start the program itself, in this interpreter's virtual environment."""
        file = self._box.workspace / "Pulumi.yaml"
        project = yaml.safe_load(file.read_text("utf-8"))
        project["main"] = str(self._project)
        project["runtime"] = {
            "name": "python",
            "options": {"toolchain": "pip", "virtualenv": sys.prefix},
        }
        file.write_text(yaml.safe_dump(project), "utf-8")

    def _preview_hosted(self) -> float:
        """Seconds of a preview as a user has it: the CLI starts the language host."""
        # The sandbox has a home of its own, without plugins: the language host comes from PATH.
        started = time.perf_counter()
        self._run([])
        return time.perf_counter() - started

    def _preview_inline(self) -> tuple[float, float]:
        """Seconds and peak megabytes, with bench/host.py in the language host's place."""
        # The sandbox would run the program in this process, with everything imported already.
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, HOST, self._project],
            env=self._box.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as host:
            assert host.stdout is not None
            address = f"127.0.0.1:{host.stdout.readline().strip()}"
            self._run(["--exec-kind", "auto.inline", "--client", address])
            seconds = time.perf_counter() - started
            peak, _ = host.communicate()
        return seconds, int(peak) / 1e6

    def _run(self, arguments: Sequence[str]) -> None:
        preview = subprocess.run(
            [*self._preview, *arguments],
            cwd=self._box.workspace,
            env=self._box.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if preview.returncode != 0:
            raise UserError(f"the preview of {self.name} failed:\n{preview.stdout}")

    def line(self) -> str:
        """The figures, for a person."""
        return (
            f"{self.name:12} median {statistics.median(self.seconds):5.2f} s"
            f"  ({min(self.seconds):.2f} to {max(self.seconds):.2f} s)"
            f"  peak {self.megabytes:4.0f} MB"
        )


def report(ours: Side, empty: Side, hosted: bool) -> str:
    """Both sides, and how they stand to what is aimed at."""
    how = (
        "as `pulumi preview` runs, language host included"
        if hosted
        else "without a language host, which is not on PATH here: it costs both sides about a "
        "second more, so the ratio is larger than a user's"
    )
    ratio = statistics.median(ours.seconds) / statistics.median(empty.seconds)
    peak = ours.megabytes
    return "\n".join(
        [
            how,
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
    try:
        cli = engine.find(needs_language_host=True, obtain=False).command
        hosted = True
    except engine.EngineUnavailable:
        cli = engine.find(progress).command
        hosted = False
    stack: str = arguments.stack
    try:
        with ExitStack() as boxes:
            empty, ours = (
                Side(
                    name, project, stack, boxes.enter_context(Sandbox(project, stack)), cli, hosted
                )
                for name, project in (("empty", EMPTY), (stack, ROOT))
            )
            started = time.monotonic()
            for number in range(1, arguments.runs + 1):
                for side in (empty, ours):
                    side.measure()
                done = f"run {number} of {arguments.runs}"
                progress.still(done, time.monotonic() - started)
            progress.end()
            print(report(ours, empty, hosted))
    except SandboxError as error:
        raise UserError(str(error)) from error
