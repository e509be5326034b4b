"""Property values as the engine sends them: secrets, unknowns, and the plain values inside.

A secret arrives as an object with a reserved key, an unknown as a reserved string. Here they are
`Secret` and `UNKNOWN`, so that the providers' rules can be written over ordinary Python values.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# One marker per kind of value; all of them mean "known only after the update".
_UNKNOWNS: Final = frozenset(
    {
        _UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


SECRET_SHOWN: Final = "[secret]"
UNKNOWN_SHOWN: Final = "[unknown]"
"""The words that the CLI itself shows in their places."""


class Unknown:
    """A value that only an update can tell."""

    def __repr__(self) -> str:
        """Name it in assertion messages."""
        return "UNKNOWN"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Unknown":
        """Stay the one marker, which is compared by identity."""
        return self


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is encrypted in the state and hidden in every display."""

    value: Any


def decode(struct: Struct) -> dict[str, Any]:
    """Turn what the engine sent into Python values, with `Secret` and `UNKNOWN` in their places."""
    return {key: _decode(value) for key, value in json_format.MessageToDict(struct).items()}


def _decode(value: Any) -> Any:
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWNS else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return Secret(_decode(value.get("value")))
        return {key: _decode(item) for key, item in value.items()}
    return value


def displayed(value: Any) -> Any:
    """Copy what an event shows, with `[secret]` for a secret and `[unknown]` for an unknown.

    Events carry the engine's markers, the contents of a secret already left out.
    """
    if isinstance(value, Mapping):
        if value.get(_SIGNATURE) == _SECRET:
            return SECRET_SHOWN
        return {key: displayed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [displayed(item) for item in value]
    return UNKNOWN_SHOWN if isinstance(value, str) and value in _UNKNOWNS else value


def encode(properties: Mapping[str, Any]) -> Struct:
    """Turn Python values into what the engine reads."""
    struct = Struct()
    struct.update({key: _encode(value) for key, value in properties.items()})
    return struct


def _encode(value: Any) -> Any:
    if value is UNKNOWN:
        return _UNKNOWN_STRING
    if isinstance(value, Secret):
        return {_SIGNATURE: _SECRET, "value": _encode(value.value)}
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value


def plain(value: Any) -> Any:
    """Copy a value without its secret markers."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def holds(value: Any, kind: type) -> bool:
    """Whether a value is, or contains, a `Secret` or an `Unknown`."""
    if isinstance(value, kind):
        return True
    if isinstance(value, Secret):
        return holds(value.value, kind)
    if isinstance(value, Mapping):
        return any(holds(item, kind) for item in value.values())
    if isinstance(value, list):
        return any(holds(item, kind) for item in value)
    return False


def with_secrets_of(outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Mark as secret in the outputs what was secret in the inputs.

    Objects are compared key by key, so that one secret does not hide its neighbours; a list with
    a secret in it becomes a secret as a whole, because servers may reorder lists.
    """
    marked = dict(outputs)
    for key, given in inputs.items():
        if key not in marked or isinstance(marked[key], Secret):
            continue
        if isinstance(marked[key], Mapping) and isinstance(given, Mapping):
            marked[key] = with_secrets_of(marked[key], given)
        elif holds(given, Secret):
            marked[key] = Secret(marked[key])
    return marked


def as_secrets(properties: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Mark the named properties as secret, where they are present."""
    marked = dict(properties)
    for name in names:
        if marked.get(name) is not None and not isinstance(marked[name], Secret):
            marked[name] = Secret(marked[name])
    return marked
