"""A report as one Markdown document, short enough for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ops.review.change import (
    Component,
    Label,
    OpenHop,
    Operation,
    PropertyChange,
    RenderedChart,
    RenderedObject,
    Report,
    Resource,
    StackReport,
)
from ops.review.mermaid import MARKS, graph
from ops.review.words import happens, quoted, sentence, text
from policy import Level, Violation

LIMIT: Final = 65_000
"""Characters; GitHub takes 65,536 in a comment, and the poster of one adds a line."""

_GRAVE: Final = frozenset({Label.LOSES_DATA, Label.WEAKENS, Label.OPENS_PORT, Label.RETENTION})
"""Labels that are repeated beside the property; the others are clear from the resource."""

_COUNTED: Final[dict[Operation, str]] = {
    "create": "to create",
    "update": "to update",
    "replace": "to replace",
    "delete": "to delete",
}


@dataclass(frozen=True, kw_only=True)
class _Detail:
    """How much of each stack is written."""

    properties: int
    """At most so many of a resource, and objects of a chart."""
    graph: bool


_DETAILS: Final = (
    _Detail(properties=12, graph=True),
    _Detail(properties=12, graph=False),
    _Detail(properties=4, graph=False),
    _Detail(properties=0, graph=False),
)


def markdown(report: Report, limit: int = LIMIT) -> str:
    """The document; where it would be longer than the limit, details go first, and say so."""
    body = ""
    for detail in _DETAILS:
        body = _body(report, detail, dict.fromkeys((s.stack for s in report.stacks), ""))
        if len(body) <= limit:
            diffs = _diffs(report, limit - len(body))
            return _body(report, detail, diffs)
    said = "\n\n_Cut here: the report is longer than a comment may be._\n"
    return body[: limit - len(said)] + said


def _body(report: Report, detail: _Detail, diffs: dict[str, str]) -> str:
    base = f"`{report.base}`" if report.base else "nothing"
    parts = [
        "## What this change does to each stack",
        f"From {base} to `{report.head}`, in the sandbox: the real engine, no cluster.",
        *([_warning(report.error)] if report.error else []),
        *(f"> {note}" for note in report.notes),
        _summary(report.stacks),
    ]
    for stack in report.stacks:
        if stack.changes or stack.error or stack.settings:
            parts += _stack(stack, detail, diffs[stack.stack])
    return "\n\n".join(parts) + "\n"


def _summary(stacks: Iterable[StackReport]) -> str:
    rows = ["| stack | changes | look at |", "| --- | --- | --- |"]
    for stack in stacks:
        labels = ", ".join(f"**{label}**" for label in stack.labels)
        rows.append(f"| `{stack.stack}` | {_said(stack)} | {labels} |")
    return "\n".join(rows)


def _said(stack: StackReport) -> str:
    said = [f"{count} {_COUNTED[name]}" for name, count in stack.counts.items()]
    said += ["outputs"] if stack.outputs else []
    text = ", ".join(said) or ("nothing reached" if stack.error else "no changes")
    return f"**not compared**: {text}" if stack.error else text


def _stack(stack: StackReport, detail: _Detail, diff: str) -> Iterator[str]:
    """A stack's sections, in the order in which they are read."""
    yield f"### `{stack.stack}`: {_said(stack)}"
    if stack.error:
        yield _warning(stack.error)
    yield from (f"> {note}" for note in stack.notes)
    yield from _listed("Settings", stack.settings, detail)
    yield from _hops(stack.open_hops)
    for component in stack.components:
        if component.changed:
            yield _component(component, detail)
    yield from _listed("Outputs", stack.outputs, detail)
    yield from _violations(stack.violations, detail)
    if detail.graph and any(component.changed for component in stack.components):
        yield _folded("Graph of the resources", _fenced(graph(stack), "mermaid"))
    if diff:
        yield _folded("The engine's diff", _fenced(diff, "diff"))


def _hops(hops: Sequence[OpenHop]) -> Iterator[str]:
    """All of them: a reason that nobody had to change is to be read, too."""
    if hops:
        # What changes first, as it is what this change has to answer for.
        ordered = sorted(hops, key=lambda hop: hop.operation == "same")
        yield "\n".join(["**Open hops**", "", *(_hop(hop) for hop in ordered)])


def _hop(hop: OpenHop) -> str:
    reason, old = (_reason(said) for said in (hop.reason, hop.old_reason))
    match hop.operation:
        case "create":
            return f"- **+** `{hop.name}` is open now: {reason}"
        case "delete":
            return f"- **-** `{hop.name}` is open no more (was: {old})"
        case "update":
            return f"- **~** `{hop.name}` is open for another reason: {old} → {reason}"
        case _:
            return f"- `{hop.name}`: {reason}"


def _reason(said: str) -> str:
    """Whole, however long: who reviews it has to judge it."""
    return quoted(text(said)) if said else "no reason given"


def _violations(found: Sequence[Violation], detail: _Detail) -> Iterator[str]:
    """What an update with the policy pack would be refused for, and the rest folded."""
    mandatory = [one for one in found if one.level is Level.MANDATORY]
    advisory = [one for one in found if one.level is not Level.MANDATORY]
    if mandatory:
        yield "\n".join(["**Policies**", "", *(_violation(one) for one in mandatory)])
    if advisory and detail.properties:
        lines = "\n".join(_violation(one) for one in advisory)
        yield _folded(f"Policies: {len(advisory)} to think about", lines)


def _violation(found: Violation) -> str:
    return f"- **{found.rule}** ({found.level}) {found}"


def _listed(title: str, changes: tuple[PropertyChange, ...], detail: _Detail) -> Iterator[str]:
    if changes:
        yield "\n".join([f"**{title}**", "", *_properties(changes, detail, "")])


def _component(component: Component, detail: _Detail) -> str:
    lines = [f"**{component.name or 'The stack itself'}**", ""]
    for resource in component.changed:
        kind = resource.type.rsplit(":", 1)[-1]
        labels = "".join(f" · **{label}**" for label in resource.labels)
        mark = MARKS[resource.operation]
        lines.append(f"- **{mark}** `{resource.name}` ({kind}) {happens(resource)}{labels}")
        lines += _within(resource, detail)
    return "\n".join(lines)


def _within(resource: Resource, detail: _Detail) -> Iterator[str]:
    if resource.operation != "create":
        yield from _properties(resource.properties, detail, "  ")
    if resource.rendered is not None:
        yield from _rendered(resource.rendered, detail)


def _properties(changes: tuple[PropertyChange, ...], detail: _Detail, indent: str) -> Iterator[str]:
    grave = sorted(changes, key=lambda change: not _GRAVE.intersection(change.labels))
    for change in grave[: detail.properties]:
        labels = ", ".join(f"*{label}*" for label in change.labels if label in _GRAVE)
        yield f"{indent}- {sentence(change)}{f' ({labels})' if labels else ''}"
    if (left := len(changes) - detail.properties) > 0:
        yield f"{indent}- and {left} more, which the engine's diff has"


def _rendered(chart: RenderedChart, detail: _Detail) -> Iterator[str]:
    """The objects of a chart, those whose pods restart first."""
    if not chart.objects:
        yield "  - In the cluster: no object of the chart differs"
        return
    objects = sorted(chart.objects, key=lambda found: not found.restarts)
    yield "  - In the cluster:"
    for found in objects[: detail.properties]:
        yield f"    - {_object(found)}"
    if len(objects) > detail.properties:
        yield f"    - and {len(objects) - detail.properties} objects more"


def _object(found: RenderedObject) -> str:
    said = f"**{MARKS[found.operation]}** {found.kind} `{found.name}`"
    if found.operation != "update":
        return f"{said} is {found.operation}d"
    paths = [f"`{change.path}`" for change in found.properties]
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"{said}{', **pods restart**' if found.restarts else ''}: {', '.join(paths[:3])}{more}"


def _diffs(report: Report, room: int) -> dict[str, str]:
    """Each stack's diff, whole where there is room for all, else cut evenly."""
    fenced = len(_folded("The engine's diff", _fenced("", "diff"))) + 200
    wanted = {
        stack.stack: _plain(stack.engine_diff)
        for stack in report.stacks
        if (stack.changes or stack.error) and stack.engine_diff
    }
    found: dict[str, str] = dict.fromkeys((stack.stack for stack in report.stacks), "")
    # The shortest first: what it does not need is left for the others.
    for left, name in zip(
        range(len(wanted), 0, -1), sorted(wanted, key=lambda name: len(wanted[name])), strict=True
    ):
        share = room // left - fenced
        text = wanted[name]
        if share <= 0:
            continue
        if len(text) > share:
            text = text[:share].rsplit("\n", 1)[0] + "\n… cut: `--html` and `--json` have the rest"
        found[name] = text
        room -= len(text) + fenced
    return found


def _plain(diff: str) -> str:
    """The diff with its marks at the beginning of the line, where a reader's colours look."""
    return "\n".join(re.sub(r"^(\s+)([+~-]{1,2})", _mark_first, line) for line in diff.splitlines())


def _mark_first(found: re.Match[str]) -> str:
    mark = {"~": "!", "+-": "!", "-+": "!"}.get(found[2], found[2])
    return mark + found[1] + " " * (len(found[2]) - len(mark))


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _fenced(text: str, language: str) -> str:
    # Longer than any fence in the text: a value must not end the block.
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`{3,}", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _warning(text: str) -> str:
    quoted = "\n".join(f"> {line}" for line in _fenced(text, "text").splitlines())
    return f"> [!WARNING]\n{quoted}"
