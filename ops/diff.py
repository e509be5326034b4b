"""How two stacks differ, as a table: what a promotion would carry, and what is each one's own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from pulumi import RunError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config.scope import Scope
from ops import UserError
from ops.comparison import Difference, differences, kept_secret
from ops.stack_document import StackDocument
from sandbox import show

NAME = "diff"
HELP = "show how two stacks differ, defaults filled in; 0: alike, 2: they differ, 1: error"

DIFFERENT: Final = 2

HEADINGS: Final = {
    Scope.PROMOTED: "Promoted: meant to be alike",
    Scope.ENVIRONMENT: "Of the environment: each stack's own",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two stacks."""
    # Not argparse's own exit code, which says here that the stacks differ.
    parser.error = _usage
    parser.add_argument("one", metavar="A", help="a stack, such as dev")
    parser.add_argument("other", metavar="B", help="another stack, such as prod")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of tables")


def _usage(message: str) -> NoReturn:
    raise UserError(f"{message}; see --help")


def run(arguments: argparse.Namespace) -> int:
    """Show the differences: 0 if there are none, 2 if there are some."""
    one, other = StackDocument.read(arguments.one), StackDocument.read(arguments.other)
    try:
        found = differences(one, other)
    except RunError as error:
        raise UserError(str(error)) from None
    if arguments.json:
        print(json.dumps(_document(one, other, found), indent=2))
    else:
        _print(show.console(), one, other, found)
    return DIFFERENT if found else 0


def _print(to: Console, one: StackDocument, other: StackDocument, found: list[Difference]) -> None:
    names = f"{one.stack} and {other.stack}"
    if not found:
        to.print(f"{names} do not differ")
    else:
        to.print(f"{names}: {count(len(found), 'setting')} differ, with all defaults filled in")
        tables(to, (one.stack, other.stack), found)
    if secrets := kept_secret(one, other):
        to.print(f"\nBoth have {', '.join(secrets)}: encrypted, and so not compared.")


def tables(to: Console, stacks: tuple[str, str], found: Iterable[Difference]) -> None:
    """Print the differences, a table for each scope."""
    found = list(found)
    for scope, heading in HEADINGS.items():
        if of_scope := [each for each in found if each.scope == scope]:
            to.print(f"\n[bold]{heading}[/]")
            rows(to, stacks, of_scope)


def rows(to: Console, stacks: tuple[str, str], found: Iterable[Difference]) -> None:
    """Print differences as one table, a column for each stack."""
    table = Table(box=None, padding=(0, 0, 0, 2))
    # Whole, so that it can be copied.
    table.add_column("setting", no_wrap=True)
    for stack in stacks:
        table.add_column(escape(stack), overflow="fold")
    for row in found:
        table.add_row(escape(row.key), *(escape(text(row, value)) for value in row.values))
    to.print(table)


def text(row: Difference, value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return "-"
    if row.is_section:
        return "(there)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def count(number: int, noun: str) -> str:
    """`1 setting`, `2 settings`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _document(one: StackDocument, other: StackDocument, found: list[Difference]) -> dict[str, Any]:
    return {
        "stacks": [one.stack, other.stack],
        "differences": [
            {"key": each.key, "scope": str(each.scope), "values": list(each.values)}
            for each in found
        ],
        "notCompared": kept_secret(one, other),
    }
