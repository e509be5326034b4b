"""What differs between two property trees, path by path, and what of it forces a replacement."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Path = tuple[str | int, ...]
ANY_ITEM: Final = "[*]"
_MISSING: Final = object()
_ADD, _DELETE, _UPDATE = "add", "delete", "update"


@dataclass(frozen=True, slots=True)
class Change:
    """One property that differs, and whether that replaces the resource."""

    path: Path
    kind: str
    new: Any = None
    replaces: bool = False

    @property
    def name(self) -> str:
        """The path in Pulumi's notation."""
        return render(self.path)


@dataclass(frozen=True, slots=True)
class Differences:
    """Everything that differs in one resource."""

    changes: list[Change] = field(default_factory=list)
    delete_first: bool = False
    detailed: bool = True
    """Whether the provider tells the engine how each property differs, not only which."""

    @property
    def replaces(self) -> list[str]:
        """The paths that force a replacement."""
        return [change.name for change in self.changes if change.replaces]


def render(path: Path) -> str:
    """Write a path as Pulumi does: `spec.ports[0]["a.b"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif any(character in part for character in '."[]'):
            text += '["' + part.replace('"', '\\"') + '"]'
        else:
            text += f".{part}" if text else part
    return text


def compare(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """Yield every leaf that differs; an unknown differs from everything."""
    if old is _MISSING:
        yield Change(path, _ADD, new)
    elif new is _MISSING:
        yield Change(path, _DELETE)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from compare(old.get(key, _MISSING), new.get(key, _MISSING), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else _MISSING
            after = new[index] if index < len(new) else _MISSING
            yield from compare(before, after, (*path, index))
    elif old != new:
        yield Change(path, _UPDATE, new)


def ignoring(changes: Iterable[Change], ignored: Sequence[str]) -> list[Change]:
    """Drop the changes at or below the ignored paths."""

    def is_ignored(name: str) -> bool:
        return any(
            name == path or name.startswith((f"{path}.", f"{path}[")) or path == "*"
            for path in ignored
        )

    return [change for change in changes if not is_ignored(change.name)]


def forced(changes: Iterable[Change], patterns: Iterable[str]) -> list[Change]:
    """Mark the changes that touch a pattern such as `spec.selector` or `spec.containers[*].env`."""
    parsed = [parse_pattern(pattern) for pattern in patterns]
    return [
        Change(
            change.path,
            change.kind,
            change.new,
            change.replaces or any(_touches(pattern, change) for pattern in parsed),
        )
        for change in changes
    ]


def parse_pattern(pattern: str) -> tuple[str, ...]:
    """Split a pattern into its parts."""
    return tuple(pattern.replace(ANY_ITEM, f".{ANY_ITEM}").split("."))


def _touches(pattern: tuple[str, ...], change: Change) -> bool:
    for index, part in enumerate(pattern):
        if index == len(change.path):
            return _present(pattern[index:], change.new)
        if part != change.path[index] and not (
            part == ANY_ITEM and isinstance(change.path[index], int)
        ):
            return False
    return True


def _present(pattern: tuple[str, ...], value: Any) -> bool:
    """Whether an added subtree holds the rest of the pattern."""
    if not pattern:
        return True
    if pattern[0] == ANY_ITEM:
        return isinstance(value, list) and any(_present(pattern[1:], item) for item in value)
    if isinstance(value, Mapping) and pattern[0] in value:
        return _present(pattern[1:], value[pattern[0]])
    return False


def pruned(value: Any, shape: Any) -> Any:
    """Keep of a live value only what the shape has: the rest is the server's own."""
    if isinstance(value, Mapping) and isinstance(shape, Mapping):
        return {key: pruned(value[key], shape[key]) for key in value if key in shape}
    if isinstance(value, list) and isinstance(shape, list):
        return [
            pruned(item, shape[index]) if index < len(shape) else item
            for index, item in enumerate(value)
        ]
    return value


def merged_shape(one: Any, other: Any) -> Any:
    """Merge two shapes for `pruned`, so that neither's keys are taken for the server's own."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: merged_shape(one.get(key), other.get(key)) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        longer = max(len(one), len(other))
        padded = [[*items, *[None] * (longer - len(items))] for items in (one, other)]
        return [merged_shape(a, b) for a, b in zip(*padded, strict=True)]
    return one if other is None else other


def changed_at(properties: Any, path: str | Path, change: Callable[[Any], Any]) -> Any:
    """Copy a tree with one place changed; a dotted path is enough for plain keys."""
    parts = tuple(path.split(".")) if isinstance(path, str) else path
    result = copy.deepcopy(properties)
    place = result
    for part in parts[:-1]:
        place = place[part] if isinstance(part, int) else place.setdefault(part, {})
    last = parts[-1]
    current = place.get(last) if isinstance(place, dict) else place[last]
    place[last] = change(current)
    return result
