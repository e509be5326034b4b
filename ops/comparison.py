"""How two stacks differ: setting by setting, with all defaults filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from config.base import Section
from config.load import PREFIX
from config.scope import Scope, scopes_of
from config.secrets import SECRET_KEYS
from config.stack import environment_of
from ops.stack_document import StackDocument

SECRET: Final = "[secret]"
"""What is shown of a secret, whatever it is."""

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One setting that two stacks have different values of."""

    path: Path
    scope: Scope
    values: tuple[Any, Any]
    """As a stack file would hold them. `None` where the setting is not given or the section that it
    is in is missing; `{}` for a section that the other stack does not have."""
    is_section: bool = False
    """Whether it is about the presence of a section, not about a value."""

    @property
    def key(self) -> str:
        """The setting as messages name it: `tracing:tempo.blockRetention`."""
        return key_of(self.path)


def key_of(path: Path) -> str:
    """A path as messages name it."""
    return PREFIX + ".".join(path)


def differences(one: StackDocument, other: StackDocument) -> list[Difference]:
    """Every setting that differs, in the order of the configuration's types, secrets last.

    Encrypted values are not compared: of a secret only counts whether a stack has it. Raises
    ConfigError where a stack's file is refused.
    """
    sections = [
        document.checked().model_copy(
            update={"environment": environment_of(document.checked(), document.stack)}
        )
        for document in (one, other)
    ]
    return [*_of_sections(sections[0], sections[1], ()), *_of_secrets(one, other)]


def kept_secret(one: StackDocument, other: StackDocument) -> list[str]:
    """Full keys of the secrets that both have, of which nobody here knows whether they differ."""
    keys = (PREFIX + key for key in SECRET_KEYS)
    return [key for key in keys if key in one.raw and key in other.raw]


def _of_sections(one: Section | None, other: Section | None, path: Path) -> Iterator[Difference]:
    for name, alias in _names(one, other):
        there = (*path, alias)
        [scope] = {*_scopes(one, name), *_scopes(other, name)} or {None}
        values = _value(one, other, name), _value(other, one, name)
        first, second = (value if isinstance(value, Section) else None for value in values)
        if first is None and second is None:
            plain = _plain(values[0]), _plain(values[1])
            if plain[0] != plain[1]:
                assert scope is not None, f"{key_of(there)} says no scope"
                yield Difference(path=there, scope=scope, values=plain)
            continue
        if scope is not None and (first is None or second is None):
            marks = tuple(None if section is None else {} for section in (first, second))
            yield Difference(path=there, scope=scope, values=(marks[0], marks[1]), is_section=True)
        yield from _of_sections(first, second, there)


def _names(*sections: Section | None) -> Iterable[tuple[str, str]]:
    """The fields of both sections, which may be of different types, and their keys."""
    return {
        name: (name, field.alias or name)
        for section in sections
        if section is not None
        for name, field in type(section).model_fields.items()
    }.values()


def _scopes(section: Section | None, name: str) -> list[Scope]:
    field = None if section is None else type(section).model_fields.get(name)
    return [] if field is None else scopes_of(field)


def _value(section: Section | None, other: Section | None, name: str) -> Any:
    """The value of a field; of one that the other section can't have only if it was given."""
    if section is None or name not in type(section).model_fields:
        return None
    if other is None or name not in type(other).model_fields:
        return getattr(section, name) if name in section.model_fields_set else None
    return getattr(section, name)


def _plain(value: Any) -> Any:
    """A value as JSON has it, sections in lists and mappings as their keys."""
    match value:
        case Section():
            return value.model_dump(mode="json", by_alias=True, exclude_none=True)
        case tuple() | list():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case _:
            return value


def _of_secrets(one: StackDocument, other: StackDocument) -> Iterator[Difference]:
    for key in SECRET_KEYS:
        values = tuple(
            SECRET if PREFIX + key in document.raw else None for document in (one, other)
        )
        if values[0] != values[1]:
            yield Difference(path=(key,), scope=Scope.ENVIRONMENT, values=(values[0], values[1]))
