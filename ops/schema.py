"""The JSON Schema of a stack file, from the configuration's types; editors complete from it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from config.load import PREFIX
from config.secrets import SECRET_KEYS
from config.stack import StackConfig

NAME = "schema"
HELP = "write the JSON Schema of Pulumi.<stack>.yaml"
GENERATES = "stack.schema.json"

SCHEMA_FILE: Final = Path(__file__).parent.parent / GENERATES

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


def stack_schema() -> dict[str, Any]:
    """The schema of a whole stack file. Keys of other namespaces than ours stay free."""
    tree = StackConfig.model_json_schema(by_alias=True)
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
