"""From what the engine said of a stack to what a reviewer reads of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from pulumi.automation import PulumiCommand

from config.secrets import SECRET_KEYS
from ops.review.change import (
    MISSING,
    Component,
    Operation,
    PropertyChange,
    Resource,
    StackReport,
)
from ops.review.comparison import Comparison
from ops.review.hops import open_hops
from ops.review.labels import RELEASE, labelled
from ops.review.policies import policy_violations
from ops.review.properties import Scrubber, differences, property_changes
from ops.review.rendered import NotRendered, rendered
from ops.review.sides import Sides, compare
from sandbox import Step
from sandbox.values import SECRET_SHOWN

_STACK: Final = "pulumi:pulumi:Stack"
_OPERATIONS: Final[tuple[Operation, ...]] = ("create", "update", "replace", "delete")


def report_of(what: Comparison, archives: Path, cli: PulumiCommand) -> StackReport:
    """Run a stack on both sides and describe what changes; what a worker process is handed."""
    return described(compare(what, cli), archives)


def described(sides: Sides, archives: Path) -> StackReport:
    """What a reviewer reads of a stack."""
    steps = [step for step in sides.steps if step.type != _STACK]
    unrendered: list[str] = []
    by_component: dict[str, list[Resource]] = {}
    components = _components(steps)
    parents = {step.parent for step in steps}
    for step in steps:
        # A component's own step says nothing that its resources don't say, unless it has none.
        if step.urn in parents and not _is_custom(step.type):
            continue
        resource = _resource(step, sides, components)
        resource = labelled(_with_objects(resource, archives, unrendered))
        by_component.setdefault(resource.component, []).append(resource)
    counts = Counter(step.op for step in sides.steps)
    report = StackReport(
        stack=sides.stack,
        components=tuple(
            Component(name=name, resources=tuple(sorted(of, key=lambda found: found.name)))
            for name, of in sorted(by_component.items())
        ),
        counts={name: counts[name] for name in _OPERATIONS if counts[name]},
        settings=() if sides.new else _settings(sides),
        open_hops=open_hops(steps),
        # Of a preview that failed the engine names no outputs; they are not gone for that.
        outputs=()
        if sides.new or sides.head_error
        else differences(sides.old_outputs, sides.new_outputs),
        notes=(*_notes(sides), *_unrendered(unrendered)),
        error=_error(sides),
        engine_diff=sides.text,
        violations=policy_violations(sides),
    )
    compared = [step for step in steps if step.op not in {"create", "delete"}]
    pairs = [(step.old_inputs, step.new_inputs) for step in compared]
    return Scrubber.of([*pairs, (sides.old_outputs, sides.new_outputs)]).clean(report)


def _components(steps: Iterable[Step]) -> dict[str, str]:
    """The URN of each resource's component, by the resource's URN: the outermost below the stack,
    and a component is its own."""
    steps = list(steps)
    parents = {step.urn: step.parent for step in steps}
    found = {}
    for step in steps:
        outer = step.urn
        while parents.get(outer, "") in parents:
            outer = parents[outer]
        if outer != step.urn or not _is_custom(step.type):
            found[step.urn] = outer
    return found


def _is_custom(type: str) -> bool:
    """Whether a provider makes it; a component is of the program's own package."""
    return not type.startswith("tracing:")


def _resource(step: Step, sides: Sides, components: Mapping[str, str]) -> Resource:
    said = step.detailed_diff or dict.fromkeys(step.diffs, "update")
    if step.op == "update" and not said and not _is_custom(step.type):
        # Of a component the engine only says that it differs.
        changes = differences(step.old_inputs, step.new_inputs)
        said = dict.fromkeys((change.path for change in changes), "update")
    if step.op == "replace" and not step.detailed_diff:
        said = dict.fromkeys(said, "update-replace")
    if step.op == "create":
        said = dict.fromkeys(step.new_inputs, "add")
    component = components.get(step.urn, "")
    return Resource(
        urn=step.urn,
        name=step.name,
        type=step.type,
        component=component.rsplit("::", 1)[-1],
        operation=_operation(step.op),
        properties=()
        if step.op in {"same", "delete"}
        else property_changes(
            {} if step.op == "create" else step.old_inputs, step.new_inputs, said
        ),
        depends_on=sides.dependencies.get(step.urn, ()),
        old_inputs={} if step.op == "create" else step.old_inputs,
        new_inputs={} if step.op == "delete" else step.new_inputs,
    )


def _operation(op: str) -> Operation:
    # What is read, imported or refreshed is not changed by it; a preview shows little of that.
    return cast(Operation, op) if op in _OPERATIONS else "same"


def _with_objects(resource: Resource, archives: Path, unrendered: list[str]) -> Resource:
    if resource.type != RELEASE or resource.operation not in {"update", "replace"}:
        return resource
    try:
        objects = rendered(resource.old_inputs, resource.new_inputs, archives)
    except NotRendered as reason:
        unrendered.append(str(reason))
        return resource
    return replace(resource, rendered=objects)


def _unrendered(reasons: list[str]) -> list[str]:
    if not reasons:
        return []
    told = "; ".join(dict.fromkeys(reasons))
    return [f"What the charts make of the new values is not compared object by object: {told}."]


def _settings(sides: Sides) -> tuple[PropertyChange, ...]:
    """What the stack file says otherwise; a secret is only said to be another one."""
    found = []
    for change in differences(sides.old_settings, sides.new_settings):
        if _is_secret_setting(change.path):
            path = change.path.removesuffix(".secure")
            old, new = (
                value if value is MISSING else SECRET_SHOWN for value in (change.old, change.new)
            )
            change = replace(change, path=path, old=old, new=new)
        found.append(change)
    return tuple(found)


def _is_secret_setting(path: str) -> bool:
    key = path.split(":", 1)[-1]
    # One in plain text is refused by the program; it is no reason to show it here.
    return path.endswith(".secure") or any(
        key == name or key.startswith(f"{name}.") for name in SECRET_KEYS
    )


def _notes(sides: Sides) -> list[str]:
    notes = []
    if sides.placeholders:
        names = ", ".join(f"`{name}`" for name in sides.placeholders)
        notes.append(
            f"Placeholders stand for secrets, which are not decrypted here: {names}. One that was "
            "encrypted anew shows as changed."
        )
    if sides.new and sides.base_error is None and sides.head_error is None:
        notes.append("There is nothing to compare with: everything is shown as new.")
    return notes


def _error(sides: Sides) -> str | None:
    said = []
    if sides.base_error is not None:
        said.append(
            f"The base could not be applied, so that everything is shown as new:\n"
            f"{sides.base_error}"
        )
    if sides.head_error is not None:
        said.append(f"The preview of the head failed:\n{sides.head_error}")
    return "\n\n".join(said) or None
