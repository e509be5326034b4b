"""How values look on their way to a rule: secret ones, unknown ones, and plain ones.

Three sources hand resources to the rules: the engine (a policy pack), its event log (a report) and
a recorded program. They mark secrets and unknowns in different ways; a rule knows of none of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""Key by which the engine's wire format and its state mark special values."""
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
SHOWN_SECRET: Final = "[secret]"
"""A secret in the engine's event log."""

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWN: Final = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
    }
)
"""What a preview has in place of a value that only an update will know, by the value's type."""

Path = tuple[str, ...]


def is_secret(value: Any) -> bool:
    """Whether the engine keeps this value encrypted."""
    if isinstance(value, Mapping):
        return value.get(SIGNATURE) == SECRET
    return value == SHOWN_SECRET


def is_unknown(value: Any) -> bool:
    """Whether only an update will know this value."""
    return isinstance(value, str) and value in _UNKNOWN


def opened(value: Any) -> Any:
    """A value without its mark of being secret, as far as it can be read at all."""
    if isinstance(value, Mapping) and value.get(SIGNATURE) == SECRET:
        return opened(value.get("value"))
    return value


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a value that is neither secret nor unknown, with the way to it."""
    if is_secret(value) or is_unknown(value):
        return
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(item, (*path, str(key)))
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from texts(item, (*path, str(index)))


def mappings(value: Any, path: Path = ()) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every mapping in a value that is not secret, the outermost first, with the way to it."""
    if is_secret(value):
        return
    if isinstance(value, Mapping):
        yield path, value
        for key, item in value.items():
            yield from mappings(item, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield from mappings(item, (*path, str(index)))


def holds_secret(value: Any) -> bool:
    """Whether a value is secret, or has something secret in it."""
    if is_secret(value):
        return True
    if isinstance(value, Mapping):
        return any(map(holds_secret, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(map(holds_secret, value))
    return False


def child(value: Any, *keys: str) -> Any:
    """What is found by these keys one after the other; `None` where there is nothing."""
    for key in keys:
        value = opened(value)
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def shown(path: Path) -> str:
    """The way to a value as people write it: `spec.containers[0].image`."""
    text = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path)
    return text.removeprefix(".")
