"""The stack files of the repository: the platform's own stacks and the examples."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import config
from config.load import PREFIX
from config.secrets import SECRET_KEYS
from ops import ROOT, UserError, stack_file
from ops.registrations import Recorded, record

OWN: Final = ROOT
"""Where the files of the platform's own stacks are, those that can be applied."""

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


def file_of(stack: str) -> Path:
    """The file of one of the platform's own stacks; raises UserError, with those that there are."""
    file = OWN / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = sorted(path.name.split(".")[1] for path in OWN.glob("Pulumi.*.yaml"))
        raise UserError(
            f"there is no {file.name}; name one of the stacks that are here: {', '.join(known)}"
        )
    return file


def add_stack_file(parser: argparse.ArgumentParser) -> None:
    """The option that names another file than the stack's own."""
    parser.add_argument(
        "--stack-file",
        type=Path,
        metavar="FILE",
        help="its file (default: Pulumi.<stack>.yaml)",
    )


def settings(stack: str) -> dict[str, Any]:
    """What stands in a stack's file, by full key."""
    return stack_file.read(STACK_FILES[stack])


def plain_settings(file: Path) -> dict[str, Any]:
    """What stands in a stack file, by full key, without its secrets.

    Raises UserError where the file is not one.
    """
    return {
        key: value
        for key, value in stack_file.read(file).items()
        if key.removeprefix(PREFIX) not in SECRET_KEYS
    }


def placeholders(raw: dict[str, Any]) -> dict[str, str]:
    """A value for each secret that a stack needs and its file does not hold."""
    return {key: f"placeholder of {key}" for key in config.required_secrets(raw)}


def recorded(stack: str) -> Recorded:
    """What a stack registers, as its file stands."""
    raw = settings(stack)
    return record(stack, raw, placeholders(raw))
