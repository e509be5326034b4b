"""The stack files of the repository: the platform's own stacks and the examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

import config
from config.load import PREFIX
from config.secrets import SECRET_KEYS
from ops import UserError
from ops.registrations import Recorded, record

ROOT: Final = Path(__file__).resolve().parent.parent

STACK_FILES: Final = {
    "dev": ROOT / "Pulumi.dev.yaml",
    "staging": ROOT / "Pulumi.staging.yaml",
    "prod": ROOT / "Pulumi.prod.yaml",
    "harness": ROOT / "examples/harness/Pulumi.harness.yaml",
    "picluster": ROOT / "examples/picluster/Pulumi.picluster.yaml",
    "kafka": ROOT / "examples/kafka/Pulumi.kafka.yaml",
    "strimzi": ROOT / "examples/strimzi/Pulumi.strimzi.yaml",
    "monolithic": ROOT / "examples/monolithic/Pulumi.monolithic.yaml",
    "demo": ROOT / "examples/demo/Pulumi.demo.yaml",
    "private-ca": ROOT / "examples/private-ca/Pulumi.private-ca.yaml",
}
"""Every stack file that is checked in, by the stack's name."""


def settings(stack: str) -> dict[str, Any]:
    """What stands in a stack's file, by full key."""
    return yaml.safe_load(STACK_FILES[stack].read_text(encoding="utf-8"))["config"]


def plain_settings(file: Path) -> dict[str, Any]:
    """What stands in a stack file, by full key, without its secrets.

    Raises UserError, without quoting anything of the file: what is wrong in it may be a secret.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} is not there; name the stack's file: --stack-file") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} can't be read: it is not UTF-8; save it as such") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not YAML{where(error)}; mend that line") from None
    settings = (document or {}).get("config") if isinstance(document or {}, dict) else document
    if not isinstance(settings or {}, dict):
        raise UserError(f"{file} has no mapping under config: write tracing:... keys beneath it")
    return {
        key: value
        for key, value in (settings or {}).items()
        if str(key).removeprefix(PREFIX) not in SECRET_KEYS
    }


def where(error: yaml.YAMLError) -> str:
    """Where a file stops being YAML, without the text there."""
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""


def placeholders(raw: dict[str, Any]) -> dict[str, str]:
    """A value for each secret that a stack needs and its file does not hold."""
    return {key: f"placeholder of {key}" for key in config.required_secrets(raw)}


def recorded(stack: str) -> Recorded:
    """What a stack registers, as its file stands."""
    raw = settings(stack)
    return record(stack, raw, placeholders(raw))
