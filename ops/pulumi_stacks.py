"""The real stacks, through the `pulumi` command, as `make preview` and `make up` run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from ops import UserError
from ops.engine import locate
from ops.stack_files import ROOT

_NO_STACK: Final = "no stack named"
"""What the CLI says of a stack that its backend does not have."""


class Stacks(Protocol):
    """What is asked of stacks that were applied."""

    def changes(self, stack: str, file: Path) -> list[str] | None:
        """The names of the resources that an update would change; `None` for a stack that was never
        made. Raises UserError where that can't be told."""
        ...

    def deployment(self, stack: str) -> Mapping[str, Any]:
        """The state of a stack; empty for one that was never made. Raises UserError."""
        ...

    def up(self, stack: str, message: str, *, yes: bool) -> int:
        """Apply a stack; the exit code. Asks on the terminal unless `yes`."""
        ...


class PulumiStacks:
    """The stacks of the project in a directory, in the backend that is logged in to."""

    def __init__(
        self,
        directory: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        *,
        runs_programs: bool = True,
    ):
        """Without `runs_programs` a CLI that has no language host does: only states are read."""
        self._directory = directory
        self._given = environment
        self._runs_programs = runs_programs

    @cached_property
    def _pulumi(self) -> Path:
        return locate(needs_language_host=self._runs_programs).path

    @cached_property
    def _environment(self) -> dict[str, str]:
        given = dict(os.environ if self._given is None else self._given)
        # This interpreter first: the language host and dynamic plug-ins look for `python` there.
        first = [str(Path(sys.executable).parent), str(self._pulumi.parent)]
        return {
            **given,
            "PATH": os.pathsep.join([*first, given.get("PATH", "")]),
            # The check for a newer CLI stalls where nothing answers.
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def changes(self, stack: str, file: Path) -> list[str] | None:
        """Run `pulumi preview` on a copy of the stack's file: the CLI may add a salt to it."""
        with tempfile.TemporaryDirectory(prefix="promote-") as directory:
            copy = Path(shutil.copy2(file, directory))
            shown = self._run(["preview", "--json", "--stack", stack, "--config-file", str(copy)])
        if shown.returncode != 0:
            if _NO_STACK in shown.stderr:
                return None
            raise UserError(_complaint(shown))
        steps = json.loads(shown.stdout).get("steps") or []
        return [step["urn"].rpartition("::")[2] for step in steps if step["op"] != "same"]

    def deployment(self, stack: str) -> Mapping[str, Any]:
        """Read the state."""
        shown = self._run(["stack", "export", "--stack", stack])
        if shown.returncode != 0:
            if _NO_STACK in shown.stderr:
                return {}
            raise UserError(_complaint(shown))
        return json.loads(shown.stdout).get("deployment") or {}

    def up(self, stack: str, message: str, *, yes: bool) -> int:
        """Run `pulumi up`, which shows its own preview and asks."""
        command = [self._pulumi, "up", "--stack", stack, "--message", message]
        return subprocess.run(
            [*command, *(["--yes"] if yes else [])], cwd=self._directory, env=self._environment
        ).returncode

    def _run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._pulumi, *arguments, "--non-interactive", "--color", "never"],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )


def errors_in(text: str) -> list[str]:
    """The errors that a preview in JSON tells of; none if the text is none."""
    try:
        diagnostics = json.loads(text).get("diagnostics") or []
    except ValueError:
        return []
    return [each["message"].strip() for each in diagnostics if each.get("severity") == "error"]


def _complaint(shown: subprocess.CompletedProcess[str]) -> str:
    """What the CLI or the program said, wherever it said it."""
    if said := errors_in(shown.stdout):
        return "\n".join(said)
    # Before the error stand warnings, of plug-ins on PATH for one.
    text = shown.stderr.strip() or shown.stdout.strip()
    return text[max(text.find("error: "), 0) :]
