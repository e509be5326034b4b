"""What a simulated provider is: rules over plain values, without the protocol around them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..cloud import Cloud
from ..differences import Differences, compare
from ..values import plain


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that is refused at Check: the property, empty for the whole, and why."""

    reason: str
    property: str = ""


class ProviderError(Exception):
    """An operation that the cloud refused; nothing was done."""


class UnsupportedError(ProviderError):
    """A type the sandbox has no rules for."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question of the engine about one resource; its values are without secret markers."""

    urn: str
    type: str
    id: str = ""
    news: Mapping[str, Any] = field(default_factory=dict)
    """The new inputs."""
    olds: Mapping[str, Any] = field(default_factory=dict)
    """The state: what the last Create, Update or Read gave."""
    old_inputs: Mapping[str, Any] = field(default_factory=dict)
    marked: Mapping[str, Any] = field(default_factory=dict)
    """The inputs with their secret markers, to mark the outputs by."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The provider's own inputs."""
    preview: bool = False
    ignored: tuple[str, ...] = ()
    seed: bytes = b""
    proposed_name: str = ""
    """A name from the engine's own naming rules, which win over the provider's."""

    @property
    def name(self) -> str:
        """The resource's logical name."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def kind(self) -> str:
        """The last part of the type: `Service`, `S3Bucket`."""
        return self.type.rsplit(":", 1)[-1]

    def autoname(self, digits: int) -> str:
        """Make a name of the logical one and random digits, as providers do for a missing name."""
        if self.proposed_name:
            return self.proposed_name
        suffix = hashlib.sha256(self.seed + self.name.encode()).hexdigest()[:digits]
        return f"{self.name}-{suffix}"


@dataclass(frozen=True, slots=True)
class Checked:
    """The inputs as the provider takes them, and what is wrong with them."""

    inputs: Mapping[str, Any]
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What a Read found."""

    outputs: Mapping[str, Any]
    inputs: Mapping[str, Any]


class Simulation(ABC):
    """The rules of one provider."""

    package: ClassVar[str]
    """The provider's name in type tokens."""
    version: ClassVar[str]
    """The version the installed SDK was made for: the engine compares it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def diff_config(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Differences:
        """Compare two configurations of the provider itself; none of them replaces by default."""
        return Differences(list(compare(plain(olds), plain(news))))

    def object_kind(self, request: Request) -> str:
        """Name the object's kind as the cloud lists it."""
        return request.kind

    def secret_outputs(self, request: Request) -> tuple[str, ...]:
        """Name the outputs that the provider marks secret whatever the inputs were."""
        return ()

    @abstractmethod
    def check(self, request: Request) -> Checked:
        """Validate inputs, and fill in names and defaults."""

    @abstractmethod
    def diff(self, request: Request) -> Differences:
        """Compare the state with new inputs."""

    @abstractmethod
    def create(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """Make the object; return its id, empty in a preview, and its outputs."""

    @abstractmethod
    def read(self, request: Request) -> Found | None:
        """Look the object up; None when it is gone."""

    @abstractmethod
    def update(self, request: Request) -> Mapping[str, Any]:
        """Change the object in place; return its outputs."""

    @abstractmethod
    def delete(self, request: Request) -> None:
        """Remove the object."""
