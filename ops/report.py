"""What a change does to each stack, for a pull request: base applied, head previewed.

Both run in the sandbox, with the real engine and no cluster or credentials: docs/reviewing.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ops.progress import Progress
from ops.review.run import report

NAME = "report"
HELP = "what a change does to each stack, as Markdown, a page or JSON; for a pull request"

ARCHIVES = Path("charts")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to compare, and how to write it."""
    parser.add_argument(
        "--base",
        metavar="REV",
        help="the revision to compare with (default: the merge base with the main branch)",
    )
    parser.add_argument(
        "--stack",
        metavar="NAME",
        action="append",
        default=[],
        help="a stack, repeatable (default: every stack with a file)",
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="write it as one page, too")
    parser.add_argument("--json", action="store_true", help="JSON instead of Markdown")
    parser.add_argument(
        "--charts",
        metavar="DIR",
        type=Path,
        default=ARCHIVES,
        help=f"chart archives, to compare what charts make (default: {ARCHIVES}, if there)",
    )
    parser.add_argument("--project", type=Path, default=Path(), help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """0: nothing changes; 2: something does; 1: something could not be compared."""
    project = arguments.project.resolve()
    made = report(
        project,
        arguments.base,
        arguments.stack,
        project / arguments.charts,
        Progress.on(),
    )
    # Only here: they load the SDKs, which the workers have been busy with until now.
    from ops.review.document import document
    from ops.review.markdown import markdown
    from ops.review.page import page

    if arguments.html is not None:
        arguments.html.write_text(page(made), encoding="utf-8")
    if arguments.json:
        print(json.dumps(document(made), indent=2, ensure_ascii=False))
    else:
        print(markdown(made), end="")
    return made.exit_code
