"""The JSON Schema of a stack file, from the configuration's types; editors complete from it."""

from __future__ import annotations

import argparse
import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from config.base import Section
from config.load import PREFIX
from config.scope import scopes_of
from config.secrets import SECRET_KEYS
from config.stack import StackConfig

NAME = "schema"
HELP = "write the JSON Schema of Pulumi.<stack>.yaml"
GENERATES = "stack.schema.json"

SCHEMA_FILE: Final = Path(__file__).parent.parent / GENERATES

SCOPE: Final = "x-scope"
"""Keyword of a setting that says whether it is promoted or of the environment (`config/scope.py`).
"""

_SECRET: Final = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"secure": {"type": "string"}},
            "required": ["secure"],
            "additionalProperties": False,
        }
    ]
}


def settings_schema() -> dict[str, Any]:
    """The schema of the settings themselves, each with its scope and the text below it in the code.

    Pydantic could put the texts in itself (`use_attribute_docstrings`), but does so whenever the
    program starts, by parsing its source: a tenth of a second in every preview.
    """
    tree = StackConfig.model_json_schema(by_alias=True)
    models = {model.__name__: model for model in _models(Section)}
    for name, schema in {**tree["$defs"], StackConfig.__name__: tree}.items():
        for key, text in _descriptions(models[name]).items() if name in models else ():
            schema["properties"][key]["description"] = text
        for field in models[name].model_fields.values() if name in models else ():
            for scope in scopes_of(field):
                schema["properties"][field.alias][SCOPE] = str(scope)
    return tree


def _models(base: type[Section]) -> Iterator[type[Section]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _descriptions(model: type[Section]) -> dict[str, str]:
    """The string below each field of a model and of those it is made from, by the field's key."""
    texts: dict[str, str] = {}
    for owner in reversed([part for part in model.__mro__ if issubclass(part, Section)]):
        [definition] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in itertools.pairwise(definition.body):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ) if name in model.model_fields:
                    texts[model.model_fields[name].alias or name] = inspect.cleandoc(text)
    return texts


def stack_schema() -> dict[str, Any]:
    """The schema of a whole stack file. Keys of other namespaces than ours stay free."""
    tree = settings_schema()
    settings = {PREFIX + key: value for key, value in tree["properties"].items()}
    secrets = {
        PREFIX + key: {"description": f"Secret: {text}.", **_SECRET}
        for key, text in SECRET_KEYS.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of the tracing platform (Pulumi.<stack>.yaml)",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": settings | secrets,
                "propertyNames": {
                    "not": {"pattern": f"^{PREFIX}(?!({_keys(settings, secrets)})$)"}
                },
            }
        },
        "$defs": tree["$defs"],
    }


def _keys(*groups: dict[str, Any]) -> str:
    return "|".join(key.removeprefix(PREFIX) for group in groups for key in group)


def as_text(schema: dict[str, Any]) -> str:
    """The schema as it is checked in."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> None:
    """Write the schema."""
    SCHEMA_FILE.write_text(as_text(stack_schema()), encoding="utf-8")
