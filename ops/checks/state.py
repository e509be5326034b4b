"""What keeps an update from Pulumi's state: damage, and what a killed one leaves in it: a lock, and
operations without an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ops import state_file
from ops.checks import pulumi
from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from ops.stack_lock import holders, is_alive, lock_directory


def _file(subject: Subject) -> list[Finding]:
    file = state_file.state_file(subject.stack, subject.project)
    if file is None:
        raise Skipped("the backend is no directory; it keeps its own history")
    wrong = state_file.problem(file)
    if wrong is not None:
        return [
            Finding(
                level="error",
                what=f"the state of {subject.stack} {wrong}",
                why="`make up` refuses it; without it, all that there is would be made again",
                command=state_file.remedy(subject.stack),
            )
        ]
    if not file.is_file():
        raise Skipped(f"there is no {file}: the stack was not made yet, or its state is compressed")
    return []


def _pending(subject: Subject) -> list[Finding]:
    exported = pulumi.ask(subject, "stack", "export", "--stack", subject.stack)
    deployment = exported.get("deployment") or {}
    return list(pending(subject.stack, deployment))


def pending(stack: str, deployment: Mapping[str, Any]) -> Iterator[Finding]:
    """The operations of a state that were begun and never ended."""
    listed = {resource["urn"] for resource in deployment.get("resources") or ()}
    for operation in deployment.get("pending_operations") or ():
        resource = operation["resource"]
        name = resource["urn"].rpartition("::")[2]
        unknown = operation["type"] == "creating" and resource["urn"] not in listed
        yield Finding(
            level="error" if unknown else "warning",
            what=f"an update ended while it was {operation['type']} {name} ({resource['type']})",
            why="it may be there without being in the state: the next update would make it again,"
            " or fail because it exists"
            if unknown
            else "the state may not be what is there",
            command=_recover(stack),
        )


def _locks(subject: Subject) -> list[Finding]:
    directory = lock_directory(subject.stack, subject.project)
    if directory is None:
        raise Skipped("the backend is no directory; `pulumi up` itself says if the stack is locked")
    return list(locks(subject.stack, directory))


def locks(stack: str, directory: Path) -> Iterator[Finding]:
    """The locks in a stack's directory, whoever holds them."""
    for holder in holders(directory):
        alive = is_alive(holder)
        who = "{username}@{hostname} (pid {pid}) at {timestamp}".format_map(_Unknown(holder))
        yield Finding(
            level="error",
            what=f"the stack is locked by {who}"
            + {True: ", which still runs", False: ", which runs no more", None: ""}[alive],
            why="the engine refuses every update"
            + ("" if alive is False else ", and rightly so if that one is at work"),
            command=_recover(stack, "" if alive is False else "only if none is running any more; "),
        )


def _recover(stack: str, condition: str = "") -> str:
    """Not `pulumi cancel` and `refresh --clear-pending-creates`: what the update had created would
    be forgotten, and the next one fail on it. What comes next is said, not chained: after a destroy
    that was killed it may be another."""
    return f"make recover STACK={stack}  # {condition}then make up STACK={stack}"


class _Unknown(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


CHECKS: Final = (
    Check(name="state file", run=_file),
    Check(name="pending operations", run=_pending),
    Check(name="state lock", run=_locks),
)
