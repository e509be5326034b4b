"""Looks at all that an update of a stack needs, before it begins; changes nothing.

What is wrong is named, with why it matters and the command that mends it: docs/doctor.md.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from queue import Empty, Queue
from typing import Final, Literal

from ops import UserError
from ops.checks import (
    archives,
    certificates,
    cluster,
    configuration,
    permissions,
    pod_security,
    releases,
    servers,
    state,
    tempo,
    tools,
    traefik,
)
from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from ops.stack_files import ROOT

NAME = "doctor"
HELP = "look at all that an update of a stack needs: what is wrong, why, and what mends it"

SECONDS: Final = 45.0
"""How long the checks may take together; those that have not ended by then are given up."""

CHECKS: Final[tuple[Check, ...]] = (
    configuration.CHECK,
    tools.CHECK,
    *cluster.CHECKS,
    permissions.CHECK,
    pod_security.CHECK,
    releases.CHECK,
    traefik.CHECK,
    *state.CHECKS,
    archives.CHECK,
    *servers.CHECKS,
    certificates.CHECK,
    *tempo.CHECKS,
)
"""In the order in which they are shown."""

Status = Literal["ok", "findings", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """How one check ended."""

    check: str
    status: Status
    detail: str = ""
    """Why it was skipped."""
    findings: Sequence[Finding] = field(default=())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, and how to say what was found."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=SECONDS,
        help=f"how long all of it may take; {SECONDS:g} if not given",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document in place of lines")


def run(arguments: argparse.Namespace) -> int:
    """Look: 0 if nothing stands in an update's way (warnings do not), 1 if something does."""
    file = ROOT / f"Pulumi.{arguments.stack}.yaml"
    if not file.is_file():
        raise UserError(f"there is no {file.name}; name one of the stacks that are here")
    results = examine(Subject.read(arguments.stack, file), CHECKS, arguments.timeout)
    if arguments.json:
        print(json.dumps(document(arguments.stack, results), indent=2))
    else:
        print("\n".join(lines(results)))
    return int(any(each.level == "error" for each in found(results)))


def examine(subject: Subject, checks: Sequence[Check], seconds: float) -> list[Result]:
    """Make the checks, all at once, and wait for them no longer than that."""
    # What they share is made before, by one thread: the SDK's mocks are no matter for several.
    _ = subject.mistakes, subject.resources, subject.kubectl
    ended: Queue[Result] = Queue()
    for check in checks:
        # A daemon: what hangs in a connection is not waited for at the end of the process either.
        threading.Thread(target=lambda c=check: ended.put(_made(c, subject)), daemon=True).start()
    results: dict[str, Result] = {}
    deadline = time.monotonic() + seconds
    while len(results) < len(checks):
        try:
            result = ended.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        results[result.check] = result
    late = f"it had not ended after {seconds:g} s"
    return [
        results.get(check.name, Result(check=check.name, status="skipped", detail=late))
        for check in checks
    ]


def _made(check: Check, subject: Subject) -> Result:
    try:
        findings = check.run(subject)
    except Skipped as reason:
        return Result(check=check.name, status="skipped", detail=str(reason))
    except Exception as error:
        # An answer that nobody thought of is no reason to keep the other checks from the user.
        return Result(check=check.name, status="skipped", detail=f"it failed: {error!r}")
    status: Status = "findings" if findings else "ok"
    return Result(check=check.name, status=status, findings=tuple(findings))


def found(results: Sequence[Result]) -> list[Finding]:
    """All that was found."""
    return [finding for result in results for finding in result.findings]


def lines(results: Sequence[Result]) -> Iterator[str]:
    """What was found, for people."""
    width = max(len(result.check) for result in results)
    for result in results:
        said = {"ok": "ok", "skipped": f"not looked at: {result.detail}", "findings": ""}
        if result.status != "findings":
            yield f"{result.check:{width}}  {said[result.status]}"
        for finding in result.findings:
            yield f"{result.check:{width}}  {finding.level.upper()}: {finding.what}"
            yield f"{'':{width}}    because {finding.why}"
            yield f"{'':{width}}    $ {finding.command}"
    errors = sum(each.level == "error" for each in found(results))
    warnings = len(found(results)) - errors
    yield ""
    yield f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning" + (
        "" if warnings == 1 else "s"
    )


def document(stack: str, results: Sequence[Result]) -> dict[str, object]:
    """What was found, for machines."""
    return {"stack": stack, "checks": [asdict(result) for result in results]}
