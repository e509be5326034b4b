"""The report of one recorded change, as a file to be read in a review of the report itself.

The engine's part is recorded (`--record` does so again, with the engine); what becomes of it is
made each time, so that a changed word or label shows in the golden.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from ops import UserError
from ops.review.change import Report
from ops.review.comparison import Comparison, Side
from ops.review.describe import described
from ops.review.markdown import markdown
from ops.review.sides import Sides, compare
from ops.stack_files import ROOT
from sandbox import Step

NAME = "report-sample"
HELP = "write the report of a recorded change into tests/golden/"
GENERATES = "tests/golden/report.md"

SAMPLE: Final = ROOT / "tests/samples/report"
GOLDEN: Final = ROOT / "tests/golden/report.md"
_RECORDED: Final = SAMPLE / "sides.json"


def recorded() -> Sides:
    """What the engine said of the sample's change."""
    content = json.loads(_RECORDED.read_text(encoding="utf-8"))
    content["steps"] = tuple(Step(**step) for step in content["steps"])
    return Sides(**content)


def sample() -> Report:
    """The report of it. Without charts: what is rendered depends on what is at hand."""
    return Report(base="main", head="change", stacks=(described(recorded(), SAMPLE),))


def golden() -> str:
    """The golden as it is to be checked in."""
    return markdown(sample())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to ask the engine again."""
    parser.add_argument(
        "--record", action="store_true", help="first run the sample in the sandbox again"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the golden; read the diff before you commit it."""
    if arguments.record:
        _record()
    GOLDEN.write_text(golden(), encoding="utf-8")


def _record() -> None:
    from ops.engine import find

    base, head = (_side(SAMPLE / name) for name in ("base.yaml", "head.yaml"))
    sides = compare(Comparison(stack="sample", base=base, head=head), find())
    for wrong in (sides.base_error, sides.head_error):
        # Kept, the golden would be that of a change that nobody can make.
        if wrong is not None:
            raise UserError(f"the sample's stack files are refused: {wrong}")
    text = json.dumps(asdict(sides), indent=1, sort_keys=True, ensure_ascii=False)
    _RECORDED.write_text(text + "\n", encoding="utf-8")


def _side(stack_file: Path) -> Side:
    return Side(project=ROOT, stack_file=stack_file)
