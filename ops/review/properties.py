"""Which properties differ between two trees of inputs, and what of them may be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final

import yaml

from ops.review.change import MISSING, PropertyChange
from sandbox.differences import compare, render
from sandbox.values import SECRET_SHOWN

_SHORTEST_SCRUBBED: Final = 6
"""A shorter text is part of too many others to be taken out of them."""

Place = tuple[str | int, ...]


def property_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], said: Mapping[str, str]
) -> tuple[PropertyChange, ...]:
    """What differs, leaf by leaf, in the order of the paths.

    `said` is what the engine says differs (path, and how: `update-replace`). It has the last word:
    what it does not name is left as it is, and what it names and looks the same (a secret, a
    whole property) is named.
    """
    before, after = _opened(old), _opened(new)
    found: dict[str, PropertyChange] = {}
    for path in _leaves(before, after):
        name = render(path)
        # A provider names a whole property, or a leaf, or a leaf of what is a text to it.
        naming = [key for key in said if _within(name, key) or _within(key, name)]
        if naming:
            change = _change(name, _at(before, path), _at(after, path))
            found[name] = replace(change, replaces=any("replace" in said[key] for key in naming))
    for key, kind in said.items():
        if not any(_within(name, key) or _within(key, name) for name in found):
            place = _place_of(before, after, key)
            change = _change(key, _at(before, place), _at(after, place))
            found[key] = replace(change, replaces="replace" in kind)
    return tuple(found[name] for name in sorted(found))


def differences(old: Any, new: Any) -> tuple[PropertyChange, ...]:
    """What differs between two trees that the engine knows nothing of, leaf by leaf."""
    before, after = _opened(old), _opened(new)
    return tuple(
        _change(render(path), _at(before, path), _at(after, path))
        for path in _leaves(before, after)
    )


def _change(path: str, old: Any, new: Any) -> PropertyChange:
    if not _holds_secret(old) and not _holds_secret(new):
        return PropertyChange(path=path, old=old, new=new)
    # Of something that is a secret on one side, or has one in it, neither side is shown.
    return PropertyChange(
        path=path,
        old=old if old is MISSING else SECRET_SHOWN,
        new=new if new is MISSING else SECRET_SHOWN,
        exposed=_holds_secret(old) and new is not MISSING and not _holds_secret(new),
    )


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_secret(item) for item in value)
    return value == SECRET_SHOWN


def _leaves(old: Any, new: Any) -> Iterator[Place]:
    for change in compare(old, new):
        yield from _under(change.path, _at(old, change.path), _at(new, change.path))


def _under(path: Place, old: Any, new: Any) -> Iterator[Place]:
    """The leaves of what is there on one side only, so that each can be judged by its path."""
    there = new if old is MISSING else old if new is MISSING else None
    if isinstance(there, Mapping) and there:
        for key in sorted(there):
            yield from _under((*path, key), *_step(old, new, key))
    else:
        yield path


def _step(old: Any, new: Any, key: str) -> tuple[Any, Any]:
    return (
        MISSING if old is MISSING else old[key],
        MISSING if new is MISSING else new[key],
    )


def _at(tree: Any, path: Place) -> Any:
    for part in path:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            # Beneath what is secret as a whole everything is.
            return SECRET_SHOWN if tree == SECRET_SHOWN else MISSING
    return tree


def _place_of(old: Any, new: Any, name: str) -> Place:
    """The place that the engine's path means; the path itself as one key where there is none."""
    for tree in (new, old):
        for place in _places(tree, ()):
            if render(place) == name:
                return place
    return (name,)


def _places(tree: Any, path: Place) -> Iterator[Place]:
    if path:
        yield path
    if isinstance(tree, Mapping):
        for key, item in tree.items():
            yield from _places(item, (*path, key))
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from _places(item, (*path, index))


def _within(name: str, outer: str) -> bool:
    return name == outer or name.startswith((f"{outer}.", f"{outer}["))


def _opened(value: Any) -> Any:
    """A copy with texts that are JSON, or YAML of several lines, as what they say."""
    if isinstance(value, Mapping):
        # Keys of YAML may be numbers, which would not sort among the others.
        return {str(key): _opened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_opened(item) for item in value]
    if isinstance(value, str):
        return _document(value)
    return value


def _document(text: str) -> Any:
    try:
        if text.startswith(("{", "[")):
            read = json.loads(text)
        elif "\n" in text.strip() and ":" in text and "{{" not in text:
            read = yaml.safe_load(text)
        else:
            return text
    except (ValueError, yaml.YAMLError):
        return text
    return _opened(read) if isinstance(read, Mapping) and read else text


@dataclass(frozen=True)
class Scrubber:
    """Takes out what was, or becomes, a secret wherever else it stands.

    A secret that becomes plain text is in the new inputs, in the engine's diff and maybe in an
    output; the report says that it changed, never what it is.
    """

    leaked: tuple[str, ...]

    @classmethod
    def of(cls, pairs: Sequence[tuple[Any, Any]]) -> Scrubber:
        """Know what is a secret on one side of these pairs (old, new) and not on the other."""
        leaked: set[str] = set()
        for old, new in pairs:
            leaked |= set(_revealed(old, new)) | set(_revealed(new, old))
        # The longest first: one may be part of another.
        return cls(tuple(sorted(leaked, key=lambda text: (-len(text), text))))

    def clean(self, value: Any) -> Any:
        """A copy without them, of texts, trees and dataclasses."""
        if not self.leaked:
            return value
        if isinstance(value, Mapping):
            return {self.clean(key): self.clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.clean(item) for item in value)
        # Not what only inherits from it: a label stays one.
        if type(value) is str:
            return self._cleaned(value)
        if is_dataclass(value) and not isinstance(value, type):
            cleaned = {part.name: self.clean(getattr(value, part.name)) for part in fields(value)}
            return type(value)(**cleaned)
        return value

    def _cleaned(self, text: str) -> str:
        for leaked in self.leaked:
            text = text.replace(leaked, SECRET_SHOWN)
        return text


def _revealed(hidden: Any, shown: Any) -> Iterator[str]:
    if hidden == SECRET_SHOWN:
        yield from _texts(shown)
    elif isinstance(hidden, Mapping) and isinstance(shown, Mapping):
        for key in hidden.keys() & shown.keys():
            yield from _revealed(hidden[key], shown[key])
    elif isinstance(hidden, list) and isinstance(shown, list):
        for one, other in zip(hidden, shown, strict=False):
            yield from _revealed(one, other)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str) and value != SECRET_SHOWN and len(value) >= _SHORTEST_SCRUBBED:
        yield value
        # As the engine's diff writes it, with quotes and line ends escaped.
        if (escaped := json.dumps(value)[1:-1]) != value:
            yield escaped
