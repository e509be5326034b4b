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
reliability --measure` writes its file; of what is measured otherwise the file is written by whoever
measures it.
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
from dataclasses import asdict, dataclass
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

_INTRODUCTION: Final = """\
# Reliability

What was broken on purpose, and what came of it. The figures are written by the commands beside
them, into `docs/reliability/`; this page is made from those files (`make generate`). `make test`
runs a part of each; the whole of what needs no cluster is
`.venv/bin/python -m ops reliability --measure`. What to do when it happens to you is in
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
    """What the tests of one module count."""

    title: str
    about: str
    tests: str
    """The module, relative to the repository."""
    counted: Mapping[str, str]
    """By the name of a test: what the number of its passed cases says."""


PARTS: Final[Mapping[str, Part]] = {}
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
    """Run the tests of a part, all of them, and write what they counted; whether all passed."""
    part = PARTS[name]
    command = f".venv/bin/python -m ops reliability --measure {name}"
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", part.tests, f"--junit-xml={report}"),
                *(f"--numprocesses={processes}", "--dist=worksteal", "-q", "-rs"),
            ],
            cwd=ROOT,
            env={**os.environ, FULL: "full"},
            check=False,
        )
        if not report.is_file():
            raise UserError(f"{part.tests} did not run; what pytest said is above")
        cases = _cases(report)
    today = datetime.date.today().isoformat()
    figures = [
        Figure(
            name=said,
            figure=f"{cases[test, True]} of {cases[test, True] + cases[test, False]}",
            command=command,
            date=today,
        )
        for test, said in part.counted.items()
    ]
    write(name, part.title, part.about, figures)
    return ran.returncode == 0


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
