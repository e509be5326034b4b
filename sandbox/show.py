"""How resources, changes and outputs look on a terminal, and in a log without colours."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from pulumi.automation import OutputValue
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from .result import Result, Step
from .values import SECRET_SHOWN

_SYMBOLS: Final = {
    "create": "[green]+[/]",
    "update": "[yellow]~[/]",
    "replace": "[magenta]±[/]",
    "delete": "[red]-[/]",
}
_PATH_PART: Final = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)')
_LONGEST_VALUE: Final = 70


def console() -> Console:
    """Colours on a terminal; plain text in a file, in CI, and for NO_COLOR."""
    plain = not sys.stdout.isatty() or "CI" in os.environ or "NO_COLOR" in os.environ
    return Console(
        force_terminal=False if plain else None,
        no_color=plain or None,
        width=100 if plain else None,
        highlight=False,
    )


@contextmanager
def working(to: Console, what: str) -> Iterator[Callable[[str], None]]:
    """Tell what takes a while, as it starts; give a function that tells how it goes."""
    if not to.is_terminal:
        to.print(f"... {what}")
        yield lambda line: None
        return
    with to.status(what) as status:
        yield lambda line: status.update(f"{what} [dim]{escape(line.strip()[:60])}[/]")


def heading(to: Console, title: str, text: str = "") -> None:
    """Start a section: what is shown, and what to look for."""
    to.print()
    to.rule(f"[bold]{title}[/]", align="left", characters="─" if to.is_terminal else "-")
    if text:
        to.print(text)
        to.print()


def planned(to: Console, result: Result) -> None:
    """Show the resources of a result as a tree of components."""
    steps = [step for step in result.steps if not _hidden(step.type)]
    items = [(step.urn, step.parent, _labelled(step)) for step in steps]
    to.print(_tree(items))
    to.print(f"{_counted(result)}")
    _warnings(to, result)


def existing(to: Console, resources: Sequence[Mapping[str, Any]]) -> None:
    """Show the resources of a state as a tree of components."""
    items = [
        (entry["urn"], entry.get("parent", ""), _label(entry["urn"], entry["type"]))
        for entry in resources
        if not _hidden(entry["type"])
    ]
    to.print(_tree(items) if items else "nothing: the stack has no resources")


def changes(to: Console, result: Result) -> None:
    """Show what a result changes, property by property."""
    if not result.changed():
        to.print("[green]no changes[/]: the program, the state and the clouds agree")
        _warnings(to, result)
        return
    for step in result.changed():
        to.print(f"{_symbol(step)} {_label(step.urn, step.type)}")
        for path in step.diffs:
            old, new = _pair(_at(step.old_inputs, path), _at(step.new_inputs, path))
            replaces = (
                " [magenta](replaces)[/]" if "replace" in step.detailed_diff.get(path, "") else ""
            )
            to.print(f"    {escape(path)}: [red]{old}[/] => [green]{new}[/]{replaces}")
    to.print(_counted(result))
    _warnings(to, result)


def _warnings(to: Console, result: Result) -> None:
    for text in result.warnings:
        to.print(f"[yellow]warning:[/] {escape(text)}")


def outputs(to: Console, values: Mapping[str, OutputValue]) -> None:
    """Show a stack's outputs; secret ones are not shown."""
    if not values:
        to.print("the stack has no outputs")
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, output in sorted(values.items()):
        shown = "[dim]\\[secret][/]" if output.secret else _value(output.value)
        table.add_row(f"[bold]{escape(name)}[/]", shown)
    to.print(table)


def _tree(items: Sequence[tuple[str, str, str]]) -> Tree:
    """The items (URN, parent's URN, label) as a tree, by name: the engine's order is another one
    each time."""
    labels = {urn: label for urn, _, label in items}
    children: dict[str, list[str]] = {}
    root = Tree("stack")
    for urn, parent, _ in items:
        if "::pulumi:pulumi:Stack::" in urn:
            root.label = f"stack {escape(urn.rsplit('::', 1)[-1])}"
        else:
            # A child of the stack, or of something that is not shown.
            inner = parent in labels and "::pulumi:pulumi:Stack::" not in parent
            children.setdefault(parent if inner else "", []).append(urn)

    def grow(branch: Tree, parent: str) -> None:
        for urn in sorted(children.get(parent, []), key=lambda urn: urn.rsplit("::", 1)[-1]):
            grow(branch.add(labels[urn]), urn)

    grow(root, "")
    return root


def _label(urn: str, type: str) -> str:
    return f"[bold]{escape(urn.rsplit('::', 1)[-1])}[/]  [dim]{escape(type)}[/]"


def _labelled(step: Step) -> str:
    label = _label(step.urn, step.type)
    return label if step.op == "same" else f"{_symbol(step)} {label}"


def _symbol(step: Step) -> str:
    return _SYMBOLS.get(step.op, escape(step.op))


def _hidden(type: str) -> bool:
    return type.startswith("pulumi:providers:")


def _counted(result: Result) -> str:
    counts = ", ".join(f"{count} to {op}" for op, count in sorted(result.changes.items()))
    return f"[bold]{counts or 'no changes'}[/]"


def _at(properties: Any, path: str) -> Any:
    """Look a property up by its path in Pulumi's notation; None when there is none."""
    found = properties
    for quoted, index, plain in _PATH_PART.findall(path):
        if found == SECRET_SHOWN:
            # What is secret as a whole is shown as a word: there is nothing beneath it to look up.
            return found
        try:
            found = found[int(index)] if index else found[quoted or plain]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _pair(old: Any, new: Any) -> tuple[str, str]:
    """An old and a new value; of long ones the part where they part."""
    before, after = _text(old), _text(new)
    pairs = enumerate(zip(before, after, strict=False))
    common = next((index for index, (one, other) in pairs if one != other), 0)
    skipped = max(0, common - _LONGEST_VALUE // 3)
    if max(len(before), len(after)) <= _LONGEST_VALUE or skipped == 0:
        return _value(old), _value(new)
    return _cut("..." + before[skipped:]), _cut("..." + after[skipped:])


def _value(value: Any) -> str:
    return _cut(_text(value))


def _text(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value)
    return text.strip().replace("\n", " ")


def _cut(text: str) -> str:
    return escape(text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "...")
