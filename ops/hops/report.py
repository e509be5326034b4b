"""What a smoke test found, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ops.hops.hop import Outcome
from ops.hops.target import Target

_MARKS = {"ok": "ok", "failed": "FAILED", "skipped": "skipped"}
_INDENT = " " * 8


def heading(target: Target, run: str) -> str:
    """What is tested."""
    cluster = target.kubernetes.context or "the current context"
    what = "the given endpoints" if target.stack is None else f"stack {target.stack} ({cluster})"
    return f"Smoke test of {what}, run {run}"


def lines(outcome: Outcome, width: int) -> Iterator[str]:
    """One line for a hop; a failed one has its causes and commands beneath it."""
    took = "" if outcome.status == "skipped" else f"{outcome.seconds:.2f} s"
    yield f"{_MARKS[outcome.status]:7} {outcome.name:{width}} {took:>9}  {outcome.detail}"
    for number, finding in enumerate(outcome.findings):
        yield f"{_INDENT}{'likely cause' if number == 0 else 'and'}: {finding.cause}"
        for command in finding.commands:
            yield f"{_INDENT}  look further: {command}"


def verdict(outcomes: Sequence[Outcome]) -> str:
    """The last line."""
    count = {status: sum(found.status == status for found in outcomes) for status in _MARKS}
    word = "failed" if count["failed"] else "passed"
    return (
        f"{word}: {count['ok']} hops ok, {count['failed']} failed, {count['skipped']} skipped, "
        f"{sum(found.seconds for found in outcomes):.1f} s"
    )


def document(target: Target, run: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "stack": target.stack,
        "context": target.kubernetes.context,
        "run": run,
        "ok": all(found.status != "failed" for found in outcomes),
        "hops": [
            {
                "name": found.name,
                "status": found.status,
                "seconds": round(found.seconds, 3),
                "detail": found.detail,
                "causes": [
                    {"cause": finding.cause, "commands": list(finding.commands)}
                    for finding in found.findings
                ],
            }
            for found in outcomes
        ],
    }
