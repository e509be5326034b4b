"""The page of what was measured about faults and recovery, and the command that measures it.

Each file of docs/reliability/ holds the results of one part, and the page is made from them:

    {
      "title": "A killed update",
      "about": "One or two sentences: what was done to what.",
      "figures": [
        {"name": "...", "figure": "42 of 42", "command": "...", "date": "2026-11-21"}
      ]
    }

`name` says what was counted, `figure` the count (text, with its unit), `command` what gives it
again, `date` the day on which it did. A part that tests count is one of PARTS, and `python -m ops
reliability --measure` writes its file; that of what needs a cluster is written by the tests that
measure it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from ops import UserError
from ops.stack_files import ROOT

NAME = "reliability"
HELP = "write docs/reliability.md from what was measured; --measure measures it again"
GENERATES = "docs/reliability.md"

PAGE: Final = ROOT / GENERATES
RESULTS: Final = ROOT / "docs" / "reliability"
FULL: Final = "TRACING_RELIABILITY"
"""Set to `full`, tests that CI runs a part of run as a whole."""
FIGURES: Final = "TRACING_FIGURES"
"""Names a file for the numbers that tests count themselves: JSON, by what was counted."""

_INTRODUCTION: Final = """\
# Reliability

What was broken on purpose, and what came of it. The figures are written by the commands beside
them, into `docs/reliability/`; this page is made from those files (`make generate`). `make test`
runs a part of each; the whole of what needs no cluster is
`.venv/bin/python -m ops reliability --measure`. What a cluster needs for the rest is in
[development.md](development.md#tests). What to do when it happens to you is in
[operations.md](operations.md#recovery).
"""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the page."""

    name: str
    figure: str
    command: str
    date: str
    """ISO 8601, of the day on which it was measured."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What tests count."""

    title: str
    about: str
    tests: tuple[str, ...]
    """The modules, relative to the repository."""
    counted: Mapping[str, str] = field(default_factory=dict)
    """By the name of a test: what the number of its passed cases says. Empty where the tests count
    something else than their cases, and write it (`FIGURES`)."""


PARTS: Final[Mapping[str, Part]] = {
    "kills": Part(
        title="A killed update",
        about=(
            "The engine is killed (SIGKILL) before or after each operation on a resource of the "
            "dev stack in the sandbox: of the first update, of one that replaces the store's key, "
            "of one that replaces MinIO's server and Tempo's release, and of a destroy. Then the "
            "commands of the guide are run, two of them; afterwards all that exists is in the "
            "state, once, the keys are valid, and the next preview is empty."
        ),
        tests=("tests/engine/test_kills.py",),
        counted={
            "test_a_killed_update_converges_in_two_documented_commands": (
                "kills mended by two documented commands"
            ),
        },
    ),
    "provider-faults": Part(
        title="A provider that fails",
        about=(
            "A provider answers an error (unavailable, 429, 500, conflict, timeout), crashes or "
            "hangs at each operation of the dev stack's first update in the sandbox: the update "
            "fails naming the resource, the state stays valid, and the same command again "
            "converges. Where the answer to a creation is lost, two documented commands adopt it."
        ),
        tests=("tests/engine/test_faults.py",),
        counted={
            "test_an_operation_that_fails_is_named_and_the_rerun_converges": (
                "failed operations named, and converged by the same command"
            ),
            "test_what_was_made_without_the_engine_being_told_is_adopted": (
                "lost answers mended by two documented commands"
            ),
        },
    ),
    "schedules": Part(
        title="Random schedules of faults",
        about=(
            "Each schedule, from its seed: three of up, refresh, destroy and a changed setting, "
            "with up to three faults in each, kills and lost answers among them, on the dev stack "
            "in the sandbox. Then the two commands for a killed update converge; where they end in "
            "`already exists`, the two that the guide has for that."
        ),
        tests=("tests/engine/test_schedules.py",),
        counted={
            "test_a_random_schedule_of_faults_ends_in_a_whole_stack": "schedules that converged",
        },
    ),
    "state-file": Part(
        title="A damaged state, and two updates at once",
        about=(
            "The state file of the dev stack in the sandbox is cut off or has one bit flipped, at "
            "random places; every command is refused, and the guide's commands restore it. A "
            "second writer is started while an update runs, and refused."
        ),
        tests=("tests/engine/test_state_file.py",),
        counted={
            "test_a_damaged_state_is_refused_and_the_backup_restores_it": (
                "damaged files refused and restored"
            ),
            "test_a_second_writer_is_refused_while_an_update_runs": "second writers refused",
        },
    ),
    "wrong-stack-files": Part(
        title="Wrong stack files",
        about=(
            "Stack files with one thing wrong, made from the schema and written by hand. Each is "
            "refused before anything is registered, by a message that names the key and the remedy."
        ),
        tests=("tests/unit/test_bad_configuration.py", "tests/engine/test_bad_configuration.py"),
    ),
    "secrets": Part(
        title="Secrets",
        about=(
            "Marked values through every secret setting, looked for (as they are, base64, escaped "
            "for URLs and JSON) in all that the engine and the commands write and print."
        ),
        tests=("tests/unit/test_secrets_in_messages.py", "tests/engine/test_secrets.py"),
    ),
}
"""Each part that tests count, by the name of its file in docs/reliability/."""


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for file in sorted(RESULTS.glob("*.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        rows = "".join(
            f"| {entry.name} | {entry.figure} | `{entry.command}` | {entry.date} |\n"
            for entry in (Figure(**fields) for fields in result["figures"])
        )
        parts.append(
            f"## {result['title']}\n\n{result['about']}\n\n"
            f"| what | figure | command | measured |\n| --- | --- | --- | --- |\n{rows}"
        )
    return "\n".join(parts)


def measure(name: str, processes: int) -> bool:
    """Run the tests of a part, all of them, and write what they counted; whether all passed.

    Of tests that count something else than their cases nothing is written where one failed: their
    numbers would not show it.
    """
    part = PARTS[name]
    # In one process where the tests count themselves: each would have but a part of the numbers.
    spread = processes if part.counted else 0
    with tempfile.TemporaryDirectory() as directory:
        report, noted = Path(directory) / "report.xml", Path(directory) / "figures.json"
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", *part.tests, f"--junit-xml={report}"),
                *(f"--numprocesses={spread}", "--dist=worksteal", "-q", "-rs"),
            ],
            cwd=ROOT,
            env={**os.environ, FULL: "full", FIGURES: str(noted)},
            check=False,
        )
        if not report.is_file():
            raise UserError(f"{' '.join(part.tests)} did not run; what pytest said is above")
        if part.counted:
            counts = _of_cases(part.counted, _cases(report))
        elif ran.returncode:
            return False
        else:
            counts = _noted(noted)
    command = f".venv/bin/python -m ops reliability --measure {name}"
    today = datetime.date.today().isoformat()
    figures = [
        Figure(name=said, figure=figure, command=command, date=today)
        for said, figure in counts.items()
    ]
    write(name, part.title, part.about, figures)
    return ran.returncode == 0


def _of_cases(counted: Mapping[str, str], cases: Counter[tuple[str, bool]]) -> dict[str, str]:
    """How many cases of each test passed, of how many, by what that says."""
    return {
        said: f"{cases[test, True]} of {cases[test, True] + cases[test, False]}"
        for test, said in counted.items()
    }


def _noted(file: Path) -> dict[str, str]:
    """What tests wrote, by what they counted."""
    if not file.is_file():
        raise UserError("the tests counted nothing: they were skipped, for the reasons above")
    counts: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    return {name: f"{number:,}" for name, number in sorted(counts.items())}


def write(name: str, title: str, about: str, figures: list[Figure]) -> None:
    """Keep the results of one part."""
    result: dict[str, Any] = {"title": title, "about": about}
    result["figures"] = [asdict(figure) for figure in figures]
    text = json.dumps(result, indent=2, ensure_ascii=False)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def _cases(report: Path) -> Counter[tuple[str, bool]]:
    """How many cases of each test passed, and how many did not."""
    cases: Counter[tuple[str, bool]] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        test = case.get("name", "").partition("[")[0]
        # Any child (failure, error, skipped) says that it did not pass; but for what it printed.
        passed = all(child.tag.startswith(("system-", "properties")) for child in case)
        cases[test, passed] += 1
    return cases


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to measure, and what."""
    parser.add_argument(
        "--measure",
        nargs="*",
        metavar="PART",
        help=f"run all cases first, of these parts ({', '.join(PARTS)}) or of all",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=os.cpu_count() or 1,
        help="how many tests run at once (default: one for each core)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure what was asked for, and write the page; 1 if something did not pass."""
    passed = True
    if arguments.measure is not None:
        unknown = [name for name in arguments.measure if name not in PARTS]
        if unknown:
            raise UserError(f"there is no part {unknown[0]!r}; there are: {', '.join(PARTS)}")
        for name in arguments.measure or PARTS:
            passed = measure(name, arguments.processes) and passed
    PAGE.write_text(page(), encoding="utf-8")
    return 0 if passed else 1
