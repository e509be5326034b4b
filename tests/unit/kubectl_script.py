"""A kubectl that answers from a table, for tests of what asks a cluster."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from shlex import quote

import pytest

_PROGRAM = """
import json, sys
given = " ".join(sys.argv[1:])
table = json.load(open({table!r}))
with open({log!r}, "a") as log:
    log.write(given + "\\n")
for part, answer in table.items():
    if all(word in given for word in part.split(" + ")):
        if answer.startswith("error: "):
            sys.exit(answer)
        if answer == "echo":
            answer = sys.stdin.read()
        print(answer)
        sys.exit(0)
sys.exit("error: the server doesn't have " + given)
"""


class ScriptedKubectl:
    """A directory with a kubectl in it, first on PATH."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._table = directory / "answers.json"
        self._log = directory / "asked"
        self._answers: dict[str, str] = {}
        binaries = directory / "bin"
        binaries.mkdir()
        program = _PROGRAM.format(table=str(self._table), log=str(self._log))
        file = binaries / "kubectl"
        file.write_text(f'#!/bin/sh\nexec {quote(sys.executable)} -c {quote(program)} "$@"\n')
        file.chmod(0o755)
        monkeypatch.setenv("PATH", os.pathsep.join([str(binaries), os.environ["PATH"]]))
        self.answers({})

    def answers(self, table: dict[str, str]) -> None:
        """What it answers, by words that a command has in it (all of `one + other`); a text that
        starts with `error: ` is a failure. Added to what it answers already, and asked first."""
        self._answers = table | self._answers | table
        self._table.write_text(json.dumps(self._answers), encoding="utf-8")

    @property
    def asked(self) -> list[str]:
        """The commands that it got."""
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedKubectl:
    """A kubectl that knows nothing yet."""
    return ScriptedKubectl(tmp_path, monkeypatch)
