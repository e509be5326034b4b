"""A change in words: what a property is called, and its old and new value."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ops.review.change import MISSING, Operation, PropertyChange, Resource
from sandbox.values import SECRET_SHOWN, UNKNOWN_SHOWN

LONGEST: Final = 80
"""Characters of a value in a sentence; the whole of it is in the engine's diff."""

OPERATIONS: Final[dict[Operation, str]] = {
    "create": "is created",
    "update": "is changed in place",
    "replace": "is replaced: deleted and created anew",
    "delete": "is deleted",
    "same": "stays as it is",
}

_CALLED: Final = (
    (r"^values\.(?:.*\.)?block_retention$", "how long Tempo keeps traces"),
    (r"^rules\[\d+\]\.expiration$", "after how long the bucket deletes objects"),
    (r"^values\.(\w+)\.(?:replicas|replicaCount)$", "number of pods of {0}"),
    (r"^values\.(?:replicas|replicaCount)$", "number of pods"),
    (r"^values\.(\w+)\.resources\.requests\.(cpu|memory)$", "{1} that each pod of {0} asks for"),
    (r"^values\.(\w+)\.resources\.limits\.(cpu|memory)$", "limit of {1} of each pod of {0}"),
    (r"^values\.resources\.requests\.(cpu|memory)$", "{0} that each pod asks for"),
    (r"^values\.resources\.limits\.(cpu|memory)$", "limit of {0} of each pod"),
    (r"^values\.(\w+)\.persistence\.size$", "size of each volume of {0}"),
    (r"^values\.mode$", "the collector's mode"),
    (r"^values\.service\.spec\.type$", "type of the Service"),
    (r"^chart$", "the chart"),
    (r"^version$", "version of the chart"),
    (r"^spec\.resources\.requests\.storage$", "size of the volume"),
    (r"^spec\.replicas$", "number of replicas"),
    (r"podAnnotations\..*secret-version.*$", "mark by which pods notice a new secret"),
)


def called(path: str) -> str:
    """What a property is called, in words where it has some; else its path in backticks."""
    for pattern, words in _CALLED:
        if found := re.search(pattern, path):
            return f"{words.format(*found.groups())} (`{path}`)"
    return f"`{path}`"


def sentence(change: PropertyChange) -> str:
    """What happens to one property, with its old and new value."""
    what = called(change.path)
    if change.exposed:
        return f"{what}: was a secret and is **in plain text** now"
    if SECRET_SHOWN in (change.old, change.new):
        if change.old is MISSING:
            return f"{what}: set (secret)"
        return f"{what}: removed (secret)" if change.new is MISSING else f"{what}: changed (secret)"
    if change.old is MISSING:
        return f"{what}: {value(change.new)} (was not set)"
    if change.new is MISSING:
        return f"{what}: no longer set (was {value(change.old)})"
    old, new = _pair(text(change.old), text(change.new))
    return f"{what}: {quoted(old)} → {new_value(change.new, new)}"


def new_value(given: Any, shown: str) -> str:
    """The new side of a sentence: what only an update can tell is said to be that."""
    return "known after the update" if given == UNKNOWN_SHOWN else quoted(shown)


def happens(resource: Resource) -> str:
    """What happens to a resource as a whole."""
    said = OPERATIONS[resource.operation]
    if resource.operation == "replace":
        forcing = [f"`{change.path}`" for change in resource.properties if change.replaces]
        return f"{said}, because of {', '.join(forcing)}" if forcing else said
    return said


def value(given: Any) -> str:
    """A value in backticks, cut where it is long."""
    return new_value(given, _cut(text(given)))


def text(given: Any) -> str:
    """A value on one line."""
    if given is MISSING:
        return "(none)"
    written = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return re.sub(r"\s+", " ", written).strip()


def quoted(written: str) -> str:
    """Text as Markdown shows it as it is, whatever is in it."""
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", written)), default=0))
    padding = " " if written.startswith("`") or written.endswith("`") or not written else ""
    return f"{fence}{padding}{written or '(empty)'}{padding}{fence}"


def _pair(old: str, new: str) -> tuple[str, str]:
    """Two texts; of long ones the part where they part."""
    if max(len(old), len(new)) <= LONGEST:
        return old, new
    pairs = enumerate(zip(old, new, strict=False))
    common = next((at for at, (one, other) in pairs if one != other), min(len(old), len(new)))
    skipped = max(0, common - LONGEST // 3)
    if skipped == 0:
        return _cut(old), _cut(new)
    return _cut("…" + old[skipped:]), _cut("…" + new[skipped:])


def _cut(written: str) -> str:
    return written if len(written) <= LONGEST else written[: LONGEST - 1] + "…"
