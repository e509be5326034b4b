"""The Pulumi CLI asked about a stack: nothing that changes it, nothing that waits for a lock."""

from __future__ import annotations

import json
import subprocess
from typing import Any, Final

from ops.checks.finding import Skipped
from ops.checks.subject import Subject
from ops.engine import EngineUnavailable, locate

SECONDS: Final = 25


def ask(subject: Subject, *arguments: str) -> Any:
    """The CLI's answer, as JSON; raises Skipped, with its words, where it has none."""
    try:
        path = locate(lambda _: None, obtain=False).path
    except EngineUnavailable as error:
        raise Skipped(str(error).partition(". Tried:")[0]) from None
    try:
        done = subprocess.run(
            [path, "--non-interactive", *arguments],
            cwd=subject.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Skipped(f"pulumi {arguments[0]} did not answer: {error}") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or "it said nothing"
        raise Skipped(f"pulumi {' '.join(arguments[:2])} failed: {said.removeprefix('error: ')}")
    return json.loads(done.stdout)


def secrets(subject: Subject) -> dict[str, str]:
    """The stack's secrets in clear, by key without the prefix; raises Skipped."""
    shown = ask(subject, "config", "--show-secrets", "--json", "--stack", subject.stack)
    return {
        key.partition(":")[2]: entry["value"]
        for key, entry in shown.items()
        if entry.get("secret") and key.startswith("tracing:")
    }
