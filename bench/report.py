"""What a report of three stacks costs beside one preview in the sandbox: a ratio.

The two take turns, so that whatever else the machine is doing falls on both.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ops import UserError
from ops.progress import Progress

NAME = "report"
HELP = "a report of three stacks beside one preview in the sandbox: ratio of time"

ROOT = Path(__file__).resolve().parent.parent
STACKS = ("dev", "staging", "prod")
MOST_TIMES = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark's arguments."""
    parser.add_argument("--runs", type=int, default=5, help="of each side (default: 5)")
    parser.add_argument(
        "--preview", default="prod", help="the stack to preview (default: prod)", choices=STACKS
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure in turns and print the figures."""
    preview = ["sandbox", "preview", "--stack", arguments.preview]
    report = ["ops", "report", "--base", "HEAD"]
    for stack in STACKS:
        report += ["--stack", stack]
    sides: dict[str, tuple[list[str], list[float]]] = {
        "preview": (preview, []),
        "report": (report, []),
    }
    progress = Progress.on()
    started = time.monotonic()
    # The first of each is not counted: byte code and page cache are not what is compared.
    for number in range(arguments.runs + 1):
        for command, seconds in sides.values():
            took = _seconds(command)
            if number:
                seconds.append(took)
        progress.still(f"run {number} of {arguments.runs}", time.monotonic() - started)
    progress.end()
    for name, (_, seconds) in sides.items():
        median, least, most = statistics.median(seconds), min(seconds), max(seconds)
        print(f"{name:8} median {median:5.2f} s  ({least:.2f} to {most:.2f} s)")
    of_preview, of_report = (statistics.median(seconds) for _, seconds in sides.values())
    ratio = of_report / of_preview
    verdict = "reached" if ratio <= MOST_TIMES else "NOT reached"
    print(f"ratio {ratio:.2f}: {verdict} (at most {MOST_TIMES:g})")


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    # A report of uncommitted work has changes, and says so.
    if done.returncode not in {0, 2}:
        raise UserError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started
