"""What one stack takes over from another: the settings, and the file that comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi import RunError

from config import StackConfig
from config.base import Section
from config.errors import KIND_KEYS
from config.load import PREFIX
from config.scope import Scope, scopes_of
from config.secrets import SECRET_KEYS
from ops import UserError
from ops.comparison import Difference, Path, differences
from ops.stack_document import StackDocument
from ops.stack_text import with_setting, without_setting

_NOTHING = object()


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A promotion, worked out and not carried out."""

    source: StackDocument
    before: StackDocument
    """The target as its file stands."""
    after: StackDocument
    """The target as its file would be."""
    carried: list[Difference]
    """What the target takes over: values of the source and of the target, in this order."""
    left: list[Difference]
    """All other differences: what belongs to the environment, was left out, or has no place in the
    target."""


def work_out(
    source: StackDocument,
    target: StackDocument,
    *,
    left_out: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Promotion:
    """What the target would take over from the source.

    `left_out` are keys (`tracing:collector.image`) that stay as they are, with all beneath them;
    `settings` are values for the target's own keys, by key. Raises UserError where a file is
    refused, or the target's would be.
    """
    try:
        found = differences(source, target)
        one, other = source.checked(), target.checked()
    except RunError as error:
        raise UserError(str(error)) from None
    promoted = {each.path for each in found if each.scope == Scope.PROMOTED}
    possible = [
        each
        for each in found
        if each.path in promoted
        and _has_room(one, each.path, promoted)
        and _has_room(other, each.path, promoted)
    ]
    unknown = [key for key in left_out if not any(_within(each.key, key) for each in possible)]
    if unknown:
        raise UserError(
            f"--except {unknown[0]}: nothing to be promoted is called that or is within it; write "
            + (f"one of {', '.join(each.key for each in possible)}" if possible else "no --except")
        )
    carried = [each for each in possible if not any(_within(each.key, key) for key in left_out)]
    text = target.text
    done: list[Path] = []
    for each in carried:
        if any(each.path[: len(path)] == path for path in done):
            continue
        if each.is_section:
            done.append(each.path)
        text = _edited(text, each, source, target, one)
    for key, value in (settings or {}).items():
        text = with_setting(text, _raw_path(_path_of(key)), value)
    after = target.rewritten(text)
    try:
        rest = differences(source, after)
    except RunError as error:
        raise UserError(_misfit(source, target, error)) from None
    chosen = {each.path for each in carried}
    if undone := [each.key for each in rest if each.path in chosen]:
        raise UserError(
            f"--set: {undone[0]} is promoted; leave it out with --except {undone[0]} as well"
        )
    return Promotion(
        source=source,
        before=target,
        after=after,
        carried=carried,
        left=[each for each in found if each.path not in chosen],
    )


def _misfit(source: StackDocument, target: StackDocument, error: RunError) -> str:
    return (
        f"what {source.stack} promotes does not fit into {target.file.name} as it stands. With it, "
        f"{error}\nGive the environment's own settings with --set KEY=VALUE, leave a setting out "
        f"with --except KEY, or change {target.file.name} first. All that differs: python -m ops "
        f"diff {source.stack} {target.stack}"
    )


def _edited(
    text: str, each: Difference, source: StackDocument, target: StackDocument, one: StackConfig
) -> str:
    """The target's text with one difference less."""
    path = _raw_path(each.path)
    given = _given(source.raw, each.path)
    if each.is_section and each.values[0] is not None:
        return with_setting(text, path, _promoted_part(_section(one, each.path), given))
    if each.values[0] is not None and given is not _NOTHING:
        return with_setting(text, path, given)
    if _given(target.raw, each.path) is not _NOTHING:
        # The source has the default, and so will the target.
        return without_setting(text, path)
    return with_setting(text, path, each.values[0])


def _promoted_part(section: Section, given: Any) -> dict[str, Any]:
    """Of a section as a stack file has it what is promoted."""
    part: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        key = field.alias or name
        value = getattr(section, name)
        if not isinstance(given, Mapping) or given.get(key) is None:
            continue
        if Scope.ENVIRONMENT in scopes_of(field):
            continue
        if isinstance(value, Section):
            inner = _promoted_part(value, given[key])
            # A section that is always there needs no mention, unless something is said in it.
            if inner or scopes_of(field):
                part[key] = inner
        else:
            part[key] = given[key]
    return part


def _section(config: Section, path: Path) -> Section:
    for part in path:
        config = getattr(config, _names(config)[part])
    return config


def _has_room(config: Section, path: Path, promoted: set[Path]) -> bool:
    """Whether a stack has the section that a key is in, of the kind that has the key; or gets it.

    What decides about that is promoted itself, or belongs to the environment: then there is none.
    """
    node: Section | None = config
    for depth, part in enumerate(path):
        assert node is not None
        if part not in _names(node):
            kinds = ((*path[:depth], key) for key in KIND_KEYS)
            return any(kind in promoted for kind in kinds)
        inner = getattr(node, _names(node)[part])
        if isinstance(inner, Section):
            node = inner
        elif depth < len(path) - 1:
            return path[: depth + 1] in promoted
    return True


def _names(section: Section) -> dict[str, str]:
    return {field.alias or name: name for name, field in type(section).model_fields.items()}


def _given(raw: Mapping[str, Any], path: Path) -> Any:
    """What a stack file says at a path, or `_NOTHING`."""
    place: Any = raw
    for part in _raw_path(path):
        if isinstance(place, str):
            # A whole section may stand there as JSON.
            place = json.loads(place)
        if not isinstance(place, Mapping) or part not in place:
            return _NOTHING
        place = place[part]
    return place


def _raw_path(path: Path) -> Path:
    return (PREFIX + path[0], *path[1:])


def _path_of(key: str) -> Path:
    path = tuple(key.removeprefix(PREFIX).split("."))
    if path[0] in SECRET_KEYS:
        raise UserError(f"--set {key}: is a secret; write it with pulumi config set --secret {key}")
    return path


def _within(key: str, outer: str) -> bool:
    return key == outer or key.startswith(f"{outer}.")
