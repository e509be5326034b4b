"""Runs all stacks of a report side by side, a process for each core."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import TYPE_CHECKING

from ops import UserError
from ops.progress import Progress
from ops.review.change import Report, StackReport
from ops.review.comparison import Comparison, Side
from ops.review.revision import RevisionError, WorkTree, base_of, extract, work_tree

if TYPE_CHECKING:
    from pulumi.automation import PulumiCommand

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
    context = _loading()
    # Now, and once: a worker would have to wait for another one that installs or builds it. The
    # import is here for the same reason: it loads the SDK, beside the server that does so.
    from ops.engine import locate

    cli = locate(progress).command
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
            lambda pool, what: pool.submit(_one, what, archives, cli),
            context,
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


def _loading() -> ForkServerContext:
    """Begin to load the SDKs, once, in the server that the workers are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ops.review.describe"])
    forkserver.ensure_running()
    return context


def _run(
    comparisons: Sequence[Comparison],
    submit: Callable[[ProcessPoolExecutor, Comparison], Future[StackReport]],
    context: ForkServerContext,
    progress: Progress,
) -> dict[str, StackReport]:
    """Each in a process of its own: a program's modules, environment and directory are its
    process's."""
    # One more than cores: each waits now and then, for the engine to start or to answer.
    workers = min(len(comparisons), (os.cpu_count() or 1) + 1)
    reports: dict[str, StackReport] = {}
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = [submit(pool, what) for what in comparisons]
        try:
            for done in as_completed(running):
                found = done.result()
                reports[found.stack] = found
                progress.say(f"previewed {found.stack} ({len(reports)} of {len(running)})")
        except BrokenProcessPool:
            raise UserError(
                "a preview was killed, for want of memory perhaps; name fewer stacks: --stack"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return reports


def _one(what: Comparison, archives: Path, cli: PulumiCommand) -> StackReport:
    # Not at the top: the server has it loaded, and the process that only waits needs none of it.
    from ops.review.describe import report_of

    return report_of(what, archives, cli)
