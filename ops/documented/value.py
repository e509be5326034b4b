"""One value of a document, and how what is registered in its place is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import yaml

from ops.registrations import SECRET_MARK, Recorded

MOVED: Final = "The charts moved to the community repository; the old one is deprecated."


@dataclass(frozen=True)
class Value:
    """One value that a document sets."""

    setting: str
    """Where the document has it, in the document's own words."""
    documented: Any
    registered: Callable[[Recorded], Any]
    """What the example registers in its place."""
    today: Any = None
    """The value that works today, where that is another one."""
    why: str = ""
    """Why it is another one; empty where it is not."""

    @property
    def expected(self) -> Any:
        """What has to be registered."""
        return self.today if self.why else self.documented


def at(resource: str, path: str) -> Callable[[Recorded], Any]:
    """The value at a path of a resource's inputs; `None` where there is none."""
    return lambda run: _dig(run.one(resource).inputs, path)


def values(component: str, path: str) -> Callable[[Recorded], Any]:
    """The value at a path of a Helm release's values."""
    return lambda run: _dig(run.helm_values()[component], path)


def text(read: Callable[[Recorded], str], path: str) -> Callable[[Recorded], Any]:
    """The value at a path of a YAML or JSON text."""
    return lambda run: _dig(yaml.safe_load(read(run)), path)


def output(name: str, path: str) -> Callable[[Recorded], Any]:
    """The value at a path of a stack output that is YAML."""
    return text(lambda run: run.outputs[name], path)


def _dig(value: Any, path: str) -> Any:
    value = _unsealed(value)
    for key in path.split("/"):
        if isinstance(value, list):
            value = value[int(key)] if int(key) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
        value = _unsealed(value)
    return value


def _unsealed(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and SECRET_MARK in value else value


def argument(name: str) -> Callable[[Recorded], Any]:
    """The value of one of Traefik's arguments in the HelmChartConfig; `None` if not given."""
    arguments = text(at("traefik-chart-config", "spec/valuesContent"), "additionalArguments")
    return lambda run: dict(a.lstrip("-").split("=", 1) for a in arguments(run)).get(name)


def is_secret(resource: str, key: str) -> Callable[[Recorded], Any]:
    """Whether an input travels as a secret."""
    return lambda run: SECRET_MARK in run.one(resource).inputs[key]
