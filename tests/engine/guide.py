"""The commands of docs/operations.md, as they stand there, and the stack that they are run on."""

import re
from pathlib import Path
from typing import Final

from ops.stack_files import ROOT, STACK_FILES
from sandbox import Sandbox

PAGE: Final = ROOT / "docs" / "operations.md"
STACK: Final = "staging"
"""The stack of the page's examples."""
_BLOCK: Final = re.compile(r"^( *)```sh (\S+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def procedures() -> dict[str, str]:
    """Each block of commands that has a name behind its language (` ```sh recover `)."""
    found = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    names = [name for _, name, _ in found]
    assert len(names) == len(set(names)), names
    return {name: _without(margin, text) for margin, name, text in found}


def sandbox(directory: Path, parallel: int | None = None) -> Sandbox:
    """The dev stack under the name that the page's examples have."""
    box = Sandbox(ROOT, STACK, directory, stack_file=STACK_FILES["dev"], parallel=parallel)
    box.set_config("tracing:environment", "dev")
    return box


def commands(name: str) -> list[str]:
    """The commands of one procedure, without those that are only a comment."""
    lines = procedures()[name].replace("\\\n", "").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _without(margin: str, text: str) -> str:
    return "".join(line.removeprefix(margin) for line in text.splitlines(keepends=True))
