"""What a user reads when a stack's configuration is refused."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

import pulumi
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_VALUE_LENGTH: Final = 60

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]*@")
"""User and password in a URL, as they are pasted from elsewhere."""

_NAME_OF_A_SECRET: Final = re.compile(
    "(password|passwd|token|api.?key|access.?key|secret.?key|credentials?|auth)$", re.IGNORECASE
)

KIND_KEYS: Final = ("type", "profile", "mode", "app")
"""The keys by which sections that may stand in one place are told apart."""


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong: where, and what to write instead."""

    path: str
    """Key as it stands in the stack file, such as `tracing:tempo.blockRetention`."""
    message: str
    """The value, what is wrong with it, and the remedy."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ConfigError(pulumi.RunError):
    """The stack's configuration is refused; nothing was registered.

    A `RunError`, because Pulumi shows those without a Python traceback.
    """

    def __init__(self, stack: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(sorted(set(findings)))
        count = len(self.findings)
        lines = "\n".join(f"  {finding}" for finding in self.findings)
        super().__init__(
            f"the configuration of stack '{stack}' has {count} error{'s' if count > 1 else ''}; "
            f"nothing was changed:\n{lines}"
        )


def shown(value: object) -> str:
    """A value as it is quoted in a message: short, as the stack file would spell it, and without
    the credentials that a URL may hold: messages end up in logs."""
    text = _CREDENTIALS.sub("***@", json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _VALUE_LENGTH else text[: _VALUE_LENGTH - 1] + "…"


def findings_of(error: ValidationError, model: type[BaseModel]) -> list[Finding]:
    """Pydantic's errors for a `tracing:` tree of type `model`, in the words of the stack file."""
    return [
        _finding(detail, model)
        for detail in error.errors(include_url=False)
        # A list whose items are wrong is empty only to Pydantic, which took none of them.
        if not (detail["type"] == "too_short" and detail["input"])
    ]


def _finding(detail: ErrorDetails, model: type[BaseModel]) -> Finding:
    keys, owner, options = _locate(detail["loc"], model)
    if detail["type"].startswith("union_tag_"):
        # What is wrong is the value of a key within: the one that says which kind it is.
        keys.append(_kind_key(options[0]) or "type")
    where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return Finding(f"tracing:{where.removeprefix('.')}", _message(detail, keys, owner))


def _locate(
    loc: tuple[int | str, ...], model: type[BaseModel]
) -> tuple[list[int | str], type[BaseModel] | None, list[type[BaseModel]]]:
    """The keys of a location without Pydantic's own marks, the section of its last key, and the
    sections that may stand there.

    In a choice between sections Pydantic inserts the name of the one it took.
    """
    keys: list[int | str] = []
    owner: type[BaseModel] | None = model
    options = sections_of(model)
    last_owner = owner
    in_collection = False
    for part in loc:
        tagged = {tag_of(section): section for section in options if tag_of(section)}
        if len(options) > 1 and part in tagged and not in_collection:
            options, owner = [tagged[str(part)]], tagged[str(part)]
            continue
        if isinstance(part, str) and part.startswith(("function-", "constrained-", "literal[")):
            continue
        if part == "[key]":
            continue
        keys.append(part)
        last_owner = owner
        if in_collection:
            # An index or a name: what stands behind it is what the collection is of.
            in_collection = False
        else:
            field = _field(owner, part)
            options = sections_of(field) if field is not None else []
            in_collection = bool(options) and is_collection(field)
        owner = options[0] if options else None
    return keys, last_owner if keys else model, options


def is_collection(annotation: Any) -> bool:
    """Whether sections stand in a list or under names of the user's own."""
    if get_origin(annotation) in (tuple, dict):
        return True
    return any(is_collection(part) for part in get_args(annotation))


def _field(owner: type[BaseModel] | None, key: int | str) -> Any:
    if owner is None:
        return None
    for field in owner.model_fields.values():
        if field.alias == key:
            return field.annotation
    return None


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    """All sections that may stand where an annotation is."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections_of(part)]


def _kind_key(section: type[BaseModel]) -> str | None:
    """The key by which sections that may stand in one place are told apart."""
    return next((key for key in KIND_KEYS if key in section.model_fields), None)


def tag_of(section: type[BaseModel]) -> str | None:
    """The value by which a section is told apart from others in its place; `None` if alone."""
    key = _kind_key(section)
    return None if key is None else str(get_args(section.model_fields[key].annotation)[0])


def _message(detail: ErrorDetails, keys: Sequence[int | str], owner: type[BaseModel] | None) -> str:
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    match kind:
        case "extra_forbidden":
            if owner is not None and (reason := _refused(owner).get(str(keys[-1]))):
                return reason
            known = (
                [field.alias or name for name, field in owner.model_fields.items()] if owner else []
            )
            return unknown_key(str(keys[-1]), known)
        case "missing":
            return f"is missing; write {_allowed(owner, keys[-1])}"
        case "literal_error":
            return f"{shown(given)} is not known; write one of {_list(context['expected'])}"
        case "union_tag_invalid":
            return (
                f"{shown(context['tag'])} is not known; write one of "
                f"{_list(context['expected_tags'])}"
            )
        case "union_tag_not_found":
            return "is missing; write which kind it is meant to be"
        case "value_error":
            return f"{_quoted(given)}{context['error']}"
        case "greater_than_equal" | "less_than_equal":
            limit, word = (
                (context["ge"], "at least")
                if kind == "greater_than_equal"
                else (context["le"], "at most")
            )
            return f"{shown(given)} is out of range; write {word} {limit:g}"
        case "string_pattern_mismatch":
            return f"{shown(given)} does not match {context['pattern']}; write a value that does"
        case "string_too_short" | "too_short":
            return f"{shown(given)} is empty; write a value, or remove the key"
        case _:
            return f"{shown(given)} {_wrong_type(kind)}"


def _refused(owner: type[BaseModel]) -> Mapping[str, str]:
    return getattr(owner, "refused", {})


_EXPECTED_TYPES: Final[Mapping[str, str]] = {
    "string_type": 'is not text; write text (in quotes, such as "3", if it looks like a number)',
    "int_type": "is not a whole number; write one, without quotes",
    "float_type": "is not a number; write one, without quotes",
    "bool_type": "is neither true nor false; write one of them, without quotes",
    "tuple_type": "is not a list; write a list, each item after a dash",
    "dict_type": "is not a mapping; write key: value pairs beneath it",
    "model_type": "is not a mapping; write key: value pairs beneath it",
    "model_attributes_type": "is not a mapping; write key: value pairs beneath it",
}


def _wrong_type(kind: str) -> str:
    return _EXPECTED_TYPES.get(kind, f"is of the wrong kind ({kind.replace('_', ' ')})")


def _allowed(owner: type[BaseModel] | None, key: int | str) -> str:
    annotation = _field(owner, key)
    if get_origin(annotation) is not Literal:
        return "a value for it"
    return f"one of {', '.join(map(str, get_args(annotation)))}"


def _quoted(given: object) -> str:
    # A section's own rule is about several keys: quoting the whole mapping would bury it.
    return "" if isinstance(given, Mapping) else f"{shown(given)} "


def _list(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")


def unknown_key(key: str, known: Sequence[str]) -> str:
    """The message for a key that does not exist: the nearest one that does, or all of them.

    One that is called like a secret is not near to anything: what stands behind it has to go.
    """
    if _NAME_OF_A_SECRET.search(key):
        return (
            "is not a known key; if it holds a secret, remove it, change the secret where it is "
            "used, and set that as a setting of its own (docs/configuration.md, Secrets)"
        )
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"is not a known key; did you mean {near[0]}?"
    return f"is not a known key; remove it, or write one of {', '.join(sorted(known))}"
