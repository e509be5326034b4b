"""What a change of a stack file would change in the stack: a report of it, as of a pull request."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from ops import UserError
from ops.engine import locate
from ops.progress import Progress
from ops.review.change import Report
from ops.review.comparison import Comparison, Side
from ops.review.describe import report_of
from ops.review.markdown import markdown
from ops.stack_document import StackDocument
from ops.stack_files import ROOT

ARCHIVES = ROOT / "charts"


def reach(before: StackDocument, after: StackDocument) -> str:
    """The report of the second file on a stack to which the first one was applied, as Markdown.

    No cluster and no credentials are needed, and the stack itself is not asked. Raises UserError
    where one of the two can't be run.
    """
    with tempfile.TemporaryDirectory(prefix="reach-") as made:
        sides = []
        for name, document in (("before", before), ("after", after)):
            file = Path(made) / f"{name}.yaml"
            file.write_bytes(document.text.encode())
            sides.append(Side(project=ROOT, stack_file=file))
        what = Comparison(stack=after.stack, base=sides[0], head=sides[1])
        found = report_of(what, ARCHIVES, locate(Progress.on(sys.stderr)).command)
    if found.error is not None:
        raise UserError(found.error)
    report = Report(
        base=f"Pulumi.{before.stack}.yaml as it is", head="as promoted", stacks=(found,)
    )
    return markdown(report)
