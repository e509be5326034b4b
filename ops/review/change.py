"""What a report says: stacks, components, resources and properties that change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final, Literal

from policy import Violation

Operation = Literal["create", "update", "replace", "delete", "same"]


class Missing(Enum):
    """No value: the property is not there on this side.

    An enumeration, because its member is the same one after the way out of another process.
    """

    MISSING = "missing"


MISSING: Final = Missing.MISSING


class Label(StrEnum):
    """What a reviewer looks for, the gravest first."""

    LOSES_DATA = "may lose data"
    WEAKENS = "weakens TLS or auth"
    OPENS_PORT = "opens a port"
    REPLACES = "replaces"
    RETENTION = "changes retention"
    RESTARTS = "restarts"
    COST = "changes cost"


@dataclass(frozen=True, kw_only=True)
class PropertyChange:
    """One property that differs."""

    path: str
    """In Pulumi's notation: `spec.ports[0].port`. What is inside a JSON or YAML text goes on
    after it."""
    old: Any = MISSING
    new: Any = MISSING
    """`MISSING` where the property is not there; `[secret]` and `[unknown]` as the engine has
    them."""
    replaces: bool = False
    exposed: bool = False
    """It was a secret and is none any more. The value is not shown nevertheless."""
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource, whether it changes or not."""

    urn: str
    name: str
    type: str
    component: str
    """Logical name of the component that it belongs to; empty for what belongs to none."""
    operation: Operation
    properties: tuple[PropertyChange, ...] = ()
    labels: tuple[Label, ...] = ()
    depends_on: tuple[str, ...] = ()
    """URNs of the resources that it waits for."""
    old_inputs: dict[str, Any]
    new_inputs: dict[str, Any]
    """Inputs, secrets as `[secret]`."""
    rendered: RenderedChart | None = None
    """What the chart makes of it, of a release that changes, where it could be rendered."""

    @property
    def changes(self) -> bool:
        """Whether anything happens to it."""
        return self.operation != "same"


@dataclass(frozen=True, kw_only=True)
class RenderedObject:
    """One object of a chart that differs between the two revisions."""

    kind: str
    name: str
    operation: Operation
    properties: tuple[PropertyChange, ...] = ()
    restarts: bool = False
    """Its pods are replaced or go: the pod template differs, or the whole workload is deleted."""


@dataclass(frozen=True, kw_only=True)
class RenderedChart:
    """A release's objects as `helm template` gives them, compared."""

    objects: tuple[RenderedObject, ...]


@dataclass(frozen=True, kw_only=True)
class OpenHop:
    """A hop without TLS, of the stack as it would be or as it was."""

    name: str
    operation: Operation
    """`create`: it was not open; `update`: for another reason; `delete`: it is open no more;
    `same`: as it was, or the base does not say."""
    reason: str = ""
    """Why it is open; empty where the stack need not say, and where it is open no more."""
    old_reason: str = ""
    """Why it was, where that differs."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """A component and what of it changes."""

    name: str
    resources: tuple[Resource, ...]

    @property
    def changed(self) -> tuple[Resource, ...]:
        """The resources to which something happens."""
        return tuple(resource for resource in self.resources if resource.changes)


@dataclass(frozen=True, kw_only=True)
class StackReport:
    """One stack, from the base to the head."""

    stack: str
    components: tuple[Component, ...]
    counts: dict[Operation, int]
    """How many resources each operation meets, as the engine counts: components are resources,
    and those that stay the same are left out."""
    settings: tuple[PropertyChange, ...] = ()
    """What the stack file says otherwise."""
    open_hops: tuple[OpenHop, ...] = ()
    """Those of the stack as it would be, and those that it has no more."""
    outputs: tuple[PropertyChange, ...] = ()
    notes: tuple[str, ...] = ()
    """What has to be known to read it right."""
    error: str | None = None
    """Why it is not a whole comparison."""
    engine_diff: str = ""
    violations: tuple[Violation, ...] = ()
    """Of the policy pack's rules, as the stack would be."""

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All of them, component by component."""
        return tuple(r for component in self.components for r in component.resources)

    @property
    def labels(self) -> tuple[Label, ...]:
        """Those of all its resources, the gravest first."""
        found = {label for resource in self.resources for label in resource.labels}
        return tuple(label for label in Label if label in found)

    @property
    def changes(self) -> bool:
        """Whether an update would change anything."""
        return bool(self.counts or self.outputs)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole of it."""

    base: str | None
    """The base's name for a person; `None` where there is none."""
    head: str
    stacks: tuple[StackReport, ...]
    notes: tuple[str, ...] = ()
    error: str | None = None
    """Why there is no base."""

    @property
    def exit_code(self) -> int:
        """0: nothing changes; 2: something does; 1: something could not be compared."""
        if self.error or any(stack.error for stack in self.stacks):
            return 1
        return 2 if any(stack.changes for stack in self.stacks) else 0
