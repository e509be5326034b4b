"""Runs all stacks of a report side by side, a process for each core."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from ops import UserError
from ops.engine import locate
from ops.progress import Progress
from ops.review.change import Report, StackReport
from ops.review.revision import RevisionError, WorkTree, base_of, extract, work_tree
from ops.review.sides import Comparison, Side

_LISTED = 10
"""Uncommitted files that are named; of more only the number is said."""


def stack_files(project: Path) -> dict[str, Path]:
    """The stack files of a project and of its examples, by the stack's name."""
    found = [*project.glob("examples/*/Pulumi.*.yaml"), *project.glob("Pulumi.*.yaml")]
    return {path.name.split(".")[1]: path for path in sorted(found, key=lambda path: path.name)}


def report(
    project: Path, base: str | None, stacks: Sequence[str], archives: Path, progress: Progress
) -> Report:
    """The report of the named stacks, or of all. Raises UserError for a stack that is not there."""
    head_files = stack_files(project)
    chosen = _chosen(stacks, head_files)
    # Now, and once: a worker would have to wait for another one that installs or builds it.
    locate(progress)
    notes: list[str] = []
    error = None
    with tempfile.TemporaryDirectory(prefix="report-base-") as directory:
        revision, older = None, None
        try:
            revision = base_of(project, base)
            older = extract(project, revision, Path(directory))
        except RevisionError as problem:
            error = f"There is no base to compare with: {problem}"
        head = _head(project)
        notes += _uncommitted(head)
        if revision is not None and head is not None and revision.commit == head.commit:
            notes.append("Base and head are the same commit; only uncommitted changes show.")
        base_files = stack_files(older) if older else {}
        if not stacks:
            notes += [_removed(name) for name in sorted(base_files.keys() - head_files.keys())]
        compared = _run(
            [
                Comparison(
                    stack=stack,
                    head=Side(project=project, stack_file=head_files[stack]),
                    base=Side(project=older, stack_file=base_files[stack])
                    if older and stack in base_files
                    else None,
                )
                for stack in chosen
            ],
            archives,
            progress,
        )
    return Report(
        base=revision.title if revision else None,
        head=_titled(head),
        stacks=tuple(compared[stack] for stack in chosen),
        notes=tuple(notes),
        error=error,
    )


def _chosen(stacks: Sequence[str], files: Mapping[str, Path]) -> list[str]:
    unknown = [name for name in stacks if name not in files]
    if unknown or not files:
        raise UserError(
            f"--stack: there is no stack file of {', '.join(map(repr, unknown)) or 'any stack'}; "
            f"the stacks are: {', '.join(sorted(files)) or 'none'}"
        )
    return list(dict.fromkeys(stacks)) or sorted(files)


def _head(project: Path) -> WorkTree | None:
    try:
        return work_tree(project)
    except RevisionError:
        return None


def _titled(head: WorkTree | None) -> str:
    if head is None:
        return "the files as they are"
    return head.commit[:12] + (" with uncommitted changes" if head.uncommitted else "")


def _uncommitted(head: WorkTree | None) -> list[str]:
    if head is None or not head.uncommitted:
        return []
    files = head.uncommitted
    named = ", ".join(f"`{name}`" for name in files[:_LISTED])
    more = f" and {len(files) - _LISTED} more" if len(files) > _LISTED else ""
    return [f"The work tree has uncommitted changes, and the head is what is there: {named}{more}."]


def _removed(stack: str) -> str:
    return (
        f"The file of stack `{stack}` is removed. What the stack made stays until somebody "
        "destroys it, with the file of the base."
    )


def _run(
    comparisons: Sequence[Comparison], archives: Path, progress: Progress
) -> dict[str, StackReport]:
    """Each in a process of its own: a program's modules, environment and directory are its
    process's."""
    # The SDKs are loaded once, in the server that the workers are forked from.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ops.review.describe"])
    workers = min(len(comparisons), os.cpu_count() or 1)
    reports: dict[str, StackReport] = {}
    started = time.monotonic()
    # Not imported by this module: the server loads it, and this process does not wait for it.
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = [pool.submit(_one, what, archives) for what in comparisons]
        try:
            for done in as_completed(running):
                found = done.result()
                reports[found.stack] = found
                said = f"previewed {found.stack}, {len(reports)} of {len(running)}"
                progress.still(said, time.monotonic() - started)
        except BrokenProcessPool:
            raise UserError(
                "a preview was killed, for want of memory perhaps; name fewer stacks: --stack"
            ) from None
        finally:
            progress.end()
            pool.shutdown(wait=True, cancel_futures=True)
    return reports


def _one(what: Comparison, archives: Path) -> StackReport:
    from ops.review.describe import report_of

    return report_of(what, archives)
