"""The random provider: values made once, kept in the state alone, replaced with their inputs."""

import base64
import secrets
import string
import uuid
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from types import MappingProxyType
from typing import Any, ClassVar

from ..differences import Differences
from ..values import UNKNOWN
from .bridged import BridgedSimulation, Field, Kind
from .simulation import Request

_REPLACES = Field(replaces=True)
_REQUIRED = Field(replaces=True, required=True)
_LETTERS = {
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "numeric": string.digits,
    "special": "!@#$%&*()-_=+[]{}<>:?",
}
_TEXT_FIELDS = {
    "length": _REQUIRED,
    "overrideSpecial": _REPLACES,
    "number": Field(replaces=True, computed=True),
    **{name: Field(replaces=True, computed=True) for name in _LETTERS},
    **{f"min{name.capitalize()}": Field(replaces=True, computed=True) for name in _LETTERS},
}


def _same_keepers(old: Any, new: Any) -> bool:
    """Compare keepers as the provider does: one without a value does not count."""
    if old is UNKNOWN or new is UNKNOWN:
        return False
    left, right = ({k: v for k, v in (side or {}).items() if v is not None} for side in (old, new))
    return left == right


_KEEPERS = Field(replaces=True, same=_same_keepers)


class _Random(Kind):
    """A value without a server: it is its own state, and nothing exists in the cloud."""

    fields: ClassVar = {"keepers": _KEEPERS}

    @abstractmethod
    def make(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Draw the value: the id and the outputs."""

    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        id, made = self.make(request.news)
        return id, {**self.state(request), **made}

    def differences(self, request: Request) -> Differences:
        """Compare as others do; of keepers no detail is told (seen with 4.21)."""
        found = super().differences(request)
        told = not any(change.path[0] == "keepers" for change in found.changes)
        return replace(found, detailed=told)

    def read(self, request: Request) -> dict[str, Any] | None:
        return dict(request.olds)

    def update(self, request: Request) -> dict[str, Any]:
        return {**request.olds, **self.state(request)}

    def delete(self, request: Request) -> None:
        """Forget it: there is nothing to remove."""


class _Text(_Random):
    outputs = ("result",)

    fields: ClassVar = {"keepers": _KEEPERS, **_TEXT_FIELDS}

    def make(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Draw as many of each class as are asked for, and fill up with any."""
        on = {
            name: inputs.get(name, name != "numeric" or inputs.get("number", True))
            for name in _LETTERS
        }
        letters = {**_LETTERS, "special": inputs.get("overrideSpecial") or _LETTERS["special"]}
        least = {name: int(inputs.get(f"min{name.capitalize()}", 0)) for name in _LETTERS}
        drawn = [secrets.choice(letters[name]) for name in letters for _ in range(least[name])]
        pool = "".join(letters[name] for name in letters if on[name])
        drawn += [secrets.choice(pool) for _ in range(int(inputs["length"]) - len(drawn))]
        secrets.SystemRandom().shuffle(drawn)
        settings = {**on, "number": on["numeric"]}
        settings |= {f"min{name.capitalize()}": count for name, count in least.items()}
        result = "".join(drawn)
        return result, {**settings, "result": result}


class _Password(_Text):
    outputs = ("result", "bcryptHash")
    secrets = ("result", "bcryptHash")

    def make(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Draw a text; the id says nothing, because ids are not encrypted."""
        _, made = super().make(inputs)
        return "none", {**made, "bcryptHash": f"$2a$10${secrets.token_urlsafe(40)[:53]}"}


class _Id(_Random):
    outputs = ("b64Std", "b64Url", "dec", "hex")

    fields: ClassVar = {"keepers": _KEEPERS, "byteLength": _REQUIRED, "prefix": _REPLACES}

    def make(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Draw bytes and write them in every way."""
        drawn, prefix = secrets.token_bytes(int(inputs["byteLength"])), inputs.get("prefix", "")
        url = base64.urlsafe_b64encode(drawn).decode().rstrip("=")
        written = {
            "b64Std": base64.b64encode(drawn).decode(),
            "b64Url": url,
            "dec": str(int.from_bytes(drawn, "big")),
            "hex": drawn.hex(),
        }
        return url, {key: prefix + text for key, text in written.items()}


class _Bytes(_Random):
    outputs = ("base64", "hex")
    secrets = ("base64", "hex")

    fields: ClassVar = {"keepers": _KEEPERS, "length": _REQUIRED}

    def make(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Draw bytes; the real provider's id is the value itself, in clear."""
        drawn = secrets.token_bytes(int(inputs["length"]))
        text = base64.b64encode(drawn).decode()
        return text, {"base64": text, "hex": drawn.hex()}


class _Uuid(_Random):
    outputs = ("result",)

    def make(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Draw a UUID."""
        result = str(uuid.uuid4())
        return result, {"result": result}


class RandomSimulation(BridgedSimulation):
    """The random provider."""

    package = "random"
    version = metadata.version("pulumi-random")
    kinds: Mapping[str, Kind] = MappingProxyType(
        {
            "random:index/randomPassword:RandomPassword": _Password(),
            "random:index/randomString:RandomString": _Text(),
            "random:index/randomId:RandomId": _Id(),
            "random:index/randomBytes:RandomBytes": _Bytes(),
            "random:index/randomUuid:RandomUuid": _Uuid(),
        }
    )
