"""Wrong stack files, made from the JSON Schema: for every key the ways in which it can be wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from config.load import PREFIX
from config.secrets import SECRET_KEYS
from ops.schema import SCHEMA_FILE

UNKNOWN: Final = "noSuchKey"

SAMPLES: Final = (
    "a",
    "abc",
    "1h",
    "1Gi",
    "repository/name:tag",
    "https://host.example.com",
    "0.40.0",
    "0" * 64,
    "0 * * * *",
    "10.0.0.0/8",
    "service/name",
)
"""A right value for each pattern of the schema."""

BY_KEY: Final = {"regex": "id=([0-9a-f]+)"}
"""The same for keys whose form the schema can't say."""

BY_SECTION: Final = {
    "LogFormatConfig": {"label": "a"},
    "TenancyConfig": {"tenants": {"a": []}},
    "BasicAuthConfig": {"users": {"a": "a"}},
    "TrustedProxyConfig": {"networks": ["10.0.0.0/8"]},
}
"""What a section needs beyond the keys that its schema requires."""

NO_SAMPLES: Final = ("not right!", "", "A_b c")
"""A wrong value for each of them."""

OF_OTHER_TYPES: Final[Mapping[str, tuple[str, Any]]] = {
    "string": ("a number where text belongs", 17),
    "integer": ("text where a whole number belongs", "3"),
    "number": ("text where a number belongs", "0.5"),
    "boolean": ("text where true or false belongs", "yes"),
    "array": ("a mapping where a list belongs", {"first": "a"}),
    "object": ("a list where a mapping belongs", ["a"]),
}


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One wrong value within an otherwise right setting."""

    leaf: str
    """The key in the schema: `tracing:tempo.tenants.*.burstMb`, the kind of a section in brackets
    behind it where there is a choice."""
    key: str
    """The key that the message has to name: `tracing:tempo.tenants.a.burstMb`."""
    what: str
    value: Any
    """Of the whole top-level key."""
    right: Any
    """The same without the mistake; `None` where the whole key is one."""

    @property
    def name(self) -> str:
        """A sentence."""
        return f"{self.leaf}: {self.what}"

    @property
    def settings(self) -> dict[str, Any]:
        """The stack file's settings."""
        return {re.split(r"[.\[(]", self.leaf, maxsplit=1)[0]: self.value}

    def under(self, leaf: str, key: str, value: Any, right: Any) -> Mistake:
        """The same mistake one level further out."""
        return replace(self, leaf=leaf + self.leaf, key=key + self.key, value=value, right=right)


@cache
def mistakes() -> tuple[Mistake, ...]:
    """All of them."""
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    walk = _Walk(schema["$defs"])
    settings = schema["properties"]["config"]["properties"]
    found = [
        mistake.under(key, key, mistake.value, mistake.right)
        for key, section in settings.items()
        if key.removeprefix(PREFIX) not in SECRET_KEYS
        for mistake in walk.mistakes(section)
    ]
    unknown = f"tracing:{UNKNOWN}"
    return (*found, Mistake(leaf=unknown, key=unknown, what="unknown", value=1, right=None))


class _Walk:
    """Through a schema, with its definitions."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions

    def mistakes(self, schema: dict[str, Any]) -> Iterator[Mistake]:
        """What can be wrong where this schema stands; keys are relative to it."""
        options = self._options(schema)
        if len(options) > 1:
            for option in options:
                name, kind = self._kind(option)
                for mistake in self.mistakes(option):
                    yield replace(mistake, leaf=f"({name}: {kind}){mistake.leaf}")
            return
        [schema] = options
        right = self._right(schema)
        for what, value in self._wrong(schema):
            yield Mistake(leaf="", key="", what=what, value=value, right=right)
        if "properties" in schema:
            yield from self._of_section(schema, right)
        elif "items" in schema:
            for mistake in self.mistakes(schema["items"]):
                yield mistake.under("[]", "[0]", [mistake.value], [mistake.right])
        elif isinstance(inner := self._of_names(schema), dict):
            name = self._name(schema)
            for mistake in self.mistakes(inner):
                yield mistake.under(".*", f".{name}", {name: mistake.value}, {name: mistake.right})

    def _of_section(self, schema: dict[str, Any], right: dict[str, Any]) -> Iterator[Mistake]:
        for key, inner in schema["properties"].items():
            for mistake in self.mistakes(inner):
                yield mistake.under(
                    f".{key}",
                    f".{key}",
                    right | {key: mistake.value},
                    right | {key: BY_KEY.get(key, mistake.right)},
                )
        yield Mistake(
            leaf=f".{UNKNOWN}",
            key=f".{UNKNOWN}",
            what="unknown",
            value=right | {UNKNOWN: 1},
            right=right,
        )
        for key in schema.get("required", ()):
            if "const" in schema["properties"][key]:
                # Without it the section is the usual one of its place, which may well be right.
                continue
            less = {name: value for name, value in right.items() if name != key}
            yield Mistake(leaf=f".{key}", key=f".{key}", what="missing", value=less, right=right)

    def _wrong(self, schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        yield OF_OTHER_TYPES[schema["type"]]
        if "enum" in schema or "const" in schema:
            yield "a choice that is not there", "no-such-choice"
        if "pattern" in schema:
            fits = re.compile(schema["pattern"]).fullmatch
            yield "text of another form", next(text for text in NO_SAMPLES if not fits(text))
        if schema.get("minLength"):
            yield "empty text", ""
        if "maxLength" in schema:
            yield "a text that is too long", "a" * (schema["maxLength"] + 1)
        if "minimum" in schema:
            yield "a number that is too small", schema["minimum"] - 1
        if "maximum" in schema:
            yield "a number that is too large", schema["maximum"] + 1
        if schema.get("minItems"):
            yield "an empty list", []

    def _right(self, schema: dict[str, Any]) -> Any:
        """The least that is right where this schema stands."""
        schema = self._options(schema)[0]
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        if "properties" in schema:
            keys = [*schema.get("required", ())]
            # A section that is one of several says which, even where it is the usual one.
            keys += [key for key, inner in schema["properties"].items() if "const" in inner]
            least = {key: self._right(schema["properties"][key]) for key in dict.fromkeys(keys)}
            return least | BY_SECTION.get(schema.get("title", ""), {})
        match schema["type"]:
            case "string":
                fits = re.compile(schema.get("pattern", ".+")).fullmatch
                long = schema.get("minLength", 1)
                return next(text for text in SAMPLES if fits(text) and len(text) >= long)
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
            case "array":
                return [self._right(schema["items"])] * schema.get("minItems", 0)
            case _:
                inner = self._of_names(schema)
                if schema.get("minProperties") and isinstance(inner, dict):
                    return {self._name(schema): self._right(inner)}
                return {}

    def _name(self, schema: dict[str, Any]) -> str:
        """A name that a mapping may have, where it has its own."""
        # The last one: of the hops that is `all`, which every stack has.
        return schema.get("propertyNames", {}).get("enum", ["a"])[-1]

    def _options(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """What may stand there, references followed; null means what leaving it out means."""
        if "$ref" in schema:
            return self._options(self._definitions[schema["$ref"].rpartition("/")[2]])
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices is None:
            return [schema]
        return [
            option
            for choice in choices
            if choice != {"type": "null"}
            for option in self._options(choice)
        ]

    def _kind(self, section: dict[str, Any]) -> tuple[str, str]:
        """The key that tells a section from the others in its place, and its value."""
        [(key, value)] = [
            (key, schema["const"])
            for key, schema in section["properties"].items()
            if "const" in schema
        ]
        return key, value

    def _of_names(self, schema: dict[str, Any]) -> Any:
        """What stands under names of the user's own; anything where it is `True`."""
        named = schema.get("patternProperties")
        return next(iter(named.values())) if named else schema.get("additionalProperties")
