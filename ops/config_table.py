"""The table of all settings, as a page for people, from the same schema that editors use."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.errors import KIND_KEYS
from config.load import PREFIX
from config.scope import Scope
from config.secrets import SECRET_KEYS
from ops.schema import SCOPE, settings_schema

NAME = "config-table"
HELP = "write the table of all settings"
GENERATES = "docs/configuration.md"

TABLE_FILE: Final = Path(__file__).parent.parent / GENERATES

_INTRODUCTION: Final = """\
# Configuration

Every key of a `Pulumi.<stack>.yaml`, generated from the types in `config/` (`make generate`); your
editor completes them from `stack.schema.json`. A component whose key is missing is not part of the
stack; `{}` behind a key means all its defaults. Unknown keys and wrong values are refused before
anything changes.

*Promoted* is what `python -m ops promote` carries from one stack to the next; what belongs to an
*environment* stays as it is ([promoting.md](promoting.md)). Of a section it is said whether there
is one.
"""


@dataclass(frozen=True, kw_only=True)
class _Row:
    key: str
    kind: str
    default: str
    scope: str
    text: str

    def __str__(self) -> str:
        cells = (f"`{self.key}`", self.kind, self.default, self.scope, self.text)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table() -> str:
    """The whole page."""
    tree = settings_schema()
    definitions = tree["$defs"]
    parts = [_INTRODUCTION]
    scalars = []
    for key, schema in tree["properties"].items():
        options = _sections(schema, definitions)
        if not options:
            scalars.append(_row(key, schema, definitions))
        for section in options:
            title = f"{PREFIX}{key}"
            if len(options) > 1:
                key_of_kind = next(key for key in KIND_KEYS if key in section["properties"])
                title += f" with {key_of_kind}: {section['properties'][key_of_kind]['const']}"
            text = _one_line(section.get("description", ""))
            if SCOPE in schema:
                text += f" Whether a stack has it: {schema[SCOPE]}."
            parts.append(f"## {title}\n\n{text}\n")
            parts.append(_markdown(_rows("", section, definitions)))
    parts.insert(1, "## The stack itself\n\n" + _markdown(iter(scalars)))
    secrets = (
        _Row(
            key=PREFIX + key,
            kind="secret",
            default="",
            scope=Scope.ENVIRONMENT,
            text=text[0].upper() + text[1:] + ".",
        )
        for key, text in SECRET_KEYS.items()
    )
    parts.append(
        "## Secrets\n\nEach is a setting of its own: `pulumi config set --secret <key>`.\n\n"
        + _markdown(secrets)
    )
    return "\n".join(parts)


def _markdown(rows: Iterator[_Row]) -> str:
    head = "| key | kind | default | scope | meaning |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(f"{row}\n" for row in rows)


def _rows(
    prefix: str,
    section: dict[str, Any],
    definitions: dict[str, Any],
    defaults: dict[str, Any] | None = None,
) -> Iterator[_Row]:
    """The rows of a section; `defaults` are those of the key it stands for, not of its type."""
    required = section.get("required", [])
    for key, schema in section.get("properties", {}).items():
        default = (defaults or {}).get(key, schema.get("default"))
        inner, mark = _sections(schema, definitions), ""
        if not inner and "items" in schema:
            inner, mark = _sections(schema["items"], definitions), "[]"
        if inner and SCOPE in schema and not mark:
            # It may be missing: its keys alone would not say whether it is carried along.
            texts = " Or: ".join(_one_line(section.get("description", "")) for section in inner)
            yield _Row(
                key=f"{prefix}{key}", kind="section", default="", scope=schema[SCOPE], text=texts
            )
        if inner:
            # One after the other where there is a choice: the row of `type` says which is meant.
            for section in inner:
                yield from _rows(f"{prefix}{key}{mark}.", section, definitions, default)
        elif key in required:
            yield _row(f"{prefix}{key}", schema, definitions, "**required**")
        else:
            yield _row(f"{prefix}{key}", schema, definitions, _shown(default))


def _shown(default: Any) -> str:
    return "" if default in (None, {}, []) else f"`{_plain(default)}`"


def _row(key: str, schema: dict[str, Any], definitions: dict[str, Any], default: str = "") -> _Row:
    return _Row(
        key=key,
        kind=_kind(schema, definitions),
        default=default,
        scope=schema[SCOPE],
        text=_one_line(schema.get("description", "")),
    )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sections(schema: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """The sections (mappings with named keys) that may stand for a key."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return [target] if "properties" in target else []
    return [
        section
        for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))
        for section in _sections(option, definitions)
    ]


def _kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        kinds = [_kind(option, definitions) for option in schema["anyOf"]]
        return " or ".join(kind for kind in kinds if kind != "null")
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'], definitions)}" if "items" in schema else "list"
    limits = [
        f"{word} {schema[name]:g}"
        for name, word in (("minimum", "from"), ("maximum", "to"))
        if name in schema
    ]
    names = {"string": "text", "integer": "number", "object": "mapping", "boolean": "true or false"}
    kind = names.get(schema.get("type", ""), str(schema.get("type", "anything")))
    return " ".join([kind, *limits])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> None:
    """Write the table."""
    TABLE_FILE.parent.mkdir(exist_ok=True)
    TABLE_FILE.write_text(table(), encoding="utf-8")
