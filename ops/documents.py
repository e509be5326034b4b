"""The page of what the example stacks do otherwise than their documents, and why.

The values themselves are in `ops/documented/`; a test compares them one by one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops.documented import harness, picluster
from ops.documented.value import Value
from ops.stack_files import ROOT

NAME = "documents"
HELP = "write what the example stacks do otherwise than their documents, and why"
GENERATES = "docs/documents.md"

PAGE: Final = ROOT / GENERATES


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document: its values, and what its example leaves out."""

    values: Sequence[Value]
    left_out: str


DOCUMENTS: Final[Mapping[str, Document]] = {
    "harness": Document(values=harness.HARNESS, left_out=harness.LEFT_OUT),
    "picluster": Document(values=picluster.PICLUSTER, left_out=picluster.LEFT_OUT),
}
"""Each document, by the name of its example stack."""


def page() -> str:
    """The whole page."""
    parts = [
        "# The documents and today\n\n`examples/harness` and `examples/picluster` reproduce two "
        "published set-ups. Each value of a document that is not registered as it stands there is "
        "listed here (`make generate`); a test compares every other one.\n"
    ]
    for name, document in DOCUMENTS.items():
        values = document.values
        changed = [value for value in values if value.why]
        rows = "".join(
            f"| {value.setting} | {_cell(value.documented)} | {_cell(value.today)} "
            f"| {value.why} |\n"
            for value in changed
        )
        parts.append(
            f"## examples/{name}\n\n{len(values)} values, {len(values) - len(changed)} as in the "
            f"document. {document.left_out}\n\n| in the document | value | today | why |\n"
            f"| --- | --- | --- | --- |\n{rows}"
        )
    return "\n".join(parts)


def _cell(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`".replace("|", "\\|")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
