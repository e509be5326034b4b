"""What the rules judge: resources, and what they say of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from .marks import child

RELEASE_TYPES = (
    "kubernetes:helm.sh/v3:Release",
    "kubernetes:helm.sh/v3:Chart",
    "kubernetes:helm.sh/v4:Chart",
)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource, as a program registers it or as the engine keeps it."""

    type: str
    """The engine's type, such as `kubernetes:apps/v1:Deployment`."""
    name: str
    """The logical name."""
    properties: Mapping[str, Any]
    """Its inputs; secrets and unknowns may be marked in any of the engine's ways."""
    protect: bool = False
    """Whether the engine refuses to delete it."""

    @property
    def kind(self) -> str:
        """The last part of the type: `Deployment`."""
        return self.type.rpartition(":")[2]

    @property
    def is_kubernetes_object(self) -> bool:
        """Whether this is one Kubernetes object, and not a chart or a provider."""
        return self.type.startswith("kubernetes:") and not self.is_release

    @property
    def is_release(self) -> bool:
        """Whether this installs a Helm chart."""
        return self.type in RELEASE_TYPES

    @property
    def namespace(self) -> str | None:
        """The namespace that it is in; `None` where it says none."""
        found = child(self.properties, "metadata", "namespace") or child(
            self.properties, "namespace"
        )
        return found if isinstance(found, str) else None


def of_manifest(manifest: Mapping[str, Any], name: str | None = None) -> Resource:
    """A manifest, of a rendered chart for instance, as a resource.

    It is called by `name`, or by kind and the object's own name.
    """
    version, kind = manifest["apiVersion"], manifest["kind"]
    group = version if "/" in version else f"core/{version}"
    called = name or f"{kind}/{child(manifest, 'metadata', 'name')}"
    # Protected: it is no resource of the engine's, which could delete it by itself. What is to be
    # protected in its place is the namespace.
    return Resource(
        type=f"kubernetes:{group}:{kind}", name=called, properties=manifest, protect=True
    )


def helm_values(resource: Resource) -> list[Mapping[str, Any]]:
    """The Helm values that a resource hands to a chart, one mapping for each place they stand in.

    What a chart itself has as default is in none of them.
    """
    found: list[Any] = []
    if resource.is_release:
        found.append(child(resource.properties, "values"))
        for key in ("valueYamlFiles", "valuesYaml"):
            given = child(resource.properties, key)
            documents = given if isinstance(given, list) else [given]
            found += [_parsed(child(item, "text") or item) for item in documents]
    elif resource.kind == "HelmChartConfig":
        found.append(_parsed(child(resource.properties, "spec", "valuesContent")))
    return [_expanded(values) for values in found if isinstance(values, Mapping)]


def _expanded(value: Any) -> Any:
    """Values in which a configuration file that is written as text is what it says."""
    if isinstance(value, Mapping):
        return {key: _expanded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item) for item in value]
    if isinstance(value, str) and "\n" in value and isinstance(_parsed(value), Mapping):
        return _parsed(value)
    return value


def _parsed(text: Any) -> Any:
    if not isinstance(text, str):
        return None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


class Level(StrEnum):
    """What a violation does to an update."""

    DISABLED = "disabled"
    """Nobody looks."""
    ADVISORY = "advisory"
    """It is shown, and the update goes on."""
    MANDATORY = "mandatory"
    """The update is refused."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule has against a resource."""

    resource: Resource
    message: str
    """What is wrong and where, without the resource's name."""
    remedy: str
    """What to write instead."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule, with one of two ways to check it."""

    name: str
    description: str
    """One sentence: how it has to be."""
    of_resource: Callable[[Resource], Iterable[Finding]] | None = None
    """Judges one resource by itself: asked before the resource is changed."""
    of_stack: Callable[[Sequence[Resource]], Iterable[Finding]] | None = None
    """Judges resources by each other: asked once all of them are known."""

    def findings(self, resources: Sequence[Resource]) -> Iterator[Finding]:
        """What the rule has against any of these."""
        if self.of_resource is not None:
            for resource in resources:
                yield from self.of_resource(resource)
        if self.of_stack is not None:
            yield from self.of_stack(resources)


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A finding that somebody has to look at."""

    rule: str
    level: Level
    resource: str
    """Logical name of the resource."""
    type: str
    """The resource's type, as the engine has it."""
    message: str
    remedy: str
    exception: str = ""
    """Why this resource may nevertheless; such a violation is advisory."""

    def __str__(self) -> str:
        excused = f" Excepted: {self.exception}" if self.exception else ""
        return f"{self.resource}: {self.message}. {self.remedy}{excused}"
