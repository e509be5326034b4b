"""Providers made from Terraform ones (minio, grafana, random): a table of fields and a few verbs.

They share how inputs are completed, compared and read back; a resource type only says what its
fields are and what its server does.
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from ..differences import Differences, compare, ignoring, merged_shape, pruned
from ..values import UNKNOWN, Unknown, holds
from .simulation import (
    Checked,
    Failure,
    Found,
    ProviderError,
    Request,
    Simulation,
    UnsupportedError,
)

DEFAULTS: Final = "__defaults"
"""The reserved input that lists which inputs the provider filled in."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a resource."""

    replaces: bool = False
    computed: bool = False
    """The server fills it in when the program does not."""
    required: bool = False
    default: Any = None
    same: Callable[[Any, Any], bool] | None = None
    """Tells equal what is only spelled differently."""


class Kind:
    """The rules of one resource type."""

    fields: ClassVar[Mapping[str, Field]]
    outputs: ClassVar[tuple[str, ...]] = ()
    """What appears at creation without being an input."""
    secrets: ClassVar[tuple[str, ...]] = ()

    def validate(self, inputs: Mapping[str, Any]) -> list[Failure]:
        """Refuse known inputs before anything is done."""
        return []

    @abstractmethod
    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        """Make the object; return its id and state."""

    @abstractmethod
    def read(self, request: Request) -> dict[str, Any] | None:
        """Return the state as the server tells it; None when the object is gone."""

    def imported(self, request: Request) -> Found | None:
        """Return the state and inputs of what is in no state yet; None when there is no such."""
        raise ProviderError(f"the sandbox cannot import a {request.type}")

    @abstractmethod
    def update(self, request: Request) -> dict[str, Any]:
        """Change the object in place; return its state."""

    @abstractmethod
    def delete(self, request: Request) -> None:
        """Remove the object."""

    def state(self, request: Request) -> dict[str, Any]:
        """Return the inputs with every default, as the state shows them."""
        defaults = {key: f.default for key, f in self.fields.items() if f.default is not None}
        return {**defaults, **{k: v for k, v in request.news.items() if k != DEFAULTS}}

    def proposed(self, request: Request) -> dict[str, Any]:
        """Return the state as far as a preview knows it."""
        state = self.state(request)
        computed = [key for key, f in self.fields.items() if f.computed and key not in state]
        for key in (*self.outputs, *computed):
            state[key] = request.olds.get(key, UNKNOWN)
        return state

    def differences(self, request: Request) -> Differences:
        """Compare state and inputs; what the server filled in is no change."""
        wanted = self.state(request)
        changes = []
        for key, field in self.fields.items():
            old, new = request.olds.get(key), wanted.get(key)
            unset = key not in wanted and field.computed
            if unset or (_empty(old) and _empty(new)) or _same(field, old, new):
                continue
            shape = merged_shape(request.old_inputs.get(key), new)
            before = {} if old is None else {key: pruned(old, shape)}
            after = {} if new is None else {key: new}
            changes += [replace(c, replaces=field.replaces) for c in compare(before, after)]
        changes = ignoring(changes, request.ignored)
        # A name that the program fixed cannot belong to the old and the new object at once.
        fixed = "name" in self.fields and "name" not in request.news.get(DEFAULTS, [])
        return Differences(changes, fixed and any(change.replaces for change in changes))


class BridgedSimulation(Simulation):
    """A provider whose resource types are `Kind`s."""

    kinds: Mapping[str, Kind]
    """The resource types, by type token."""

    def kind_of(self, request: Request) -> Kind:
        """Find the rules of a type, or say where to write them."""
        try:
            return self.kinds[request.type]
        except KeyError:
            raise UnsupportedError(
                f"the sandbox has no rules for {request.type}: "
                f"add them to sandbox/providers/{self.package}.py"
            ) from None

    def secret_outputs(self, request: Request) -> tuple[str, ...]:
        """Name what the schema marks secret."""
        return self.kind_of(request).secrets

    def check(self, request: Request) -> Checked:
        """Fill in names and defaults; refuse what the schema does not know."""
        kind = self.kind_of(request)
        inputs = {k: v for k, v in request.news.items() if v is not None and k != DEFAULTS}
        filled = []
        if "name" in kind.fields and "name" not in inputs and "namePrefix" not in inputs:
            kept = DEFAULTS in request.old_inputs and "name" in request.old_inputs[DEFAULTS]
            inputs["name"] = request.old_inputs["name"] if kept else request.autoname(7)
            filled.append("name")
        for key, field in kind.fields.items():
            # False, 0 and "" are left to the server: a preview does not show them either.
            if field.default and key not in inputs:
                inputs[key] = field.default
                filled.append(key)
        unknown = [key for key in inputs if key not in kind.fields]
        missing = [key for key, f in kind.fields.items() if f.required and key not in inputs]
        failures = [Failure("no such property", key) for key in unknown]
        failures += [Failure("missing required property", key) for key in missing]
        if not failures:
            known = {k: v for k, v in inputs.items() if not holds(v, Unknown)}
            failures = kind.validate(known)
        return Checked({**inputs, DEFAULTS: filled}, failures)

    def diff(self, request: Request) -> Differences:
        """Compare state and inputs."""
        return self.kind_of(request).differences(request)

    def create(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """Make the object."""
        kind = self.kind_of(request)
        return ("", kind.proposed(request)) if request.preview else kind.create(request)

    def read(self, request: Request) -> Found | None:
        """Look the object up; the inputs follow what the server says."""
        kind = self.kind_of(request)
        if not request.olds:
            return kind.imported(request)
        state = kind.read(request)
        if state is None:
            return None
        inputs = {
            key: given
            if key not in state or _same(kind.fields.get(key), state[key], given)
            else pruned(state[key], given)
            for key, given in request.old_inputs.items()
        }
        return Found(state, inputs)

    def update(self, request: Request) -> Mapping[str, Any]:
        """Change the object in place."""
        kind = self.kind_of(request)
        return kind.proposed(request) if request.preview else kind.update(request)

    def delete(self, request: Request) -> None:
        """Remove the object."""
        self.kind_of(request).delete(request)


def same_json(old: Any, new: Any) -> bool:
    """Whether two texts are the same JSON document."""
    try:
        return json.loads(old) == json.loads(new)
    except (TypeError, ValueError):
        return False


def canonical_json(text: str) -> str:
    """Write a JSON document as servers give it back."""
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def _same(field: Field | None, old: Any, new: Any) -> bool:
    return field is not None and field.same is not None and field.same(old, new)


def _empty(value: Any) -> bool:
    return value is None or value is False or value in ("", 0, [], {})
