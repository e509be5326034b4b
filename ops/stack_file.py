"""A stack file as it is written: YAML, nothing in it twice, and the settings under `config`.

Pulumi refuses some of what is wrong with a file by its line alone, and a secret that was cut short
without its key; keys beside `config` it does not look at. The commands of this project read every
stack file here, and `make preview` and `make up` have it looked at before Pulumi does.
"""

from __future__ import annotations

import argparse
import base64
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ops import UserError

NAME = "stack-file"
HELP = "check that a stack file is YAML, has nothing twice and its settings under config"

PREFIX: Final = "tracing:"
CONFIG: Final = "config"
TOP_LEVEL: Final = (CONFIG, "encryptedkey", "encryptionsalt", "environment", "secretsprovider")
"""What Pulumi itself reads of a stack file."""

_MAP: Final = yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG


class _Loader(yaml.SafeLoader):
    """Reads what JSON has as well; a date is text, as Pulumi hands it on."""


for _tag in ("timestamp", "binary", "set", "omap", "pairs"):
    _name = f"tag:yaml.org,2002:{_tag}"
    _Loader.yaml_constructors = {
        name: make for name, make in _Loader.yaml_constructors.items() if name != _name
    }
    _Loader.yaml_implicit_resolvers = {
        first: [(tag, like) for tag, like in resolvers if tag != _name]
        for first, resolvers in _Loader.yaml_implicit_resolvers.items()
    }


def read(file: Path) -> dict[str, Any]:
    """The settings of a stack file by full key, secrets as they stand there.

    Raises UserError with everything that is wrong with the file's form. No value of it is quoted:
    it may be a secret.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{file} is not there; name the stack's file") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} is not text in UTF-8; save it as such") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise UserError(
            f"{file} is not YAML{where}: mend that line, or the one before it (a quote or bracket "
            "that is not closed, a tab, another indentation)"
        ) from None
    problems = [*_twice(root), *_of_form(document)]
    if problems:
        raise _refusal(file, problems)
    return (document or {}).get(CONFIG) or {}


def _refusal(file: Path, problems: list[str]) -> UserError:
    lines = "".join(f"\n  {problem}" for problem in problems)
    return UserError(f"{file} can't be used; nothing was changed:{lines}")


def _twice(root: yaml.Node | None) -> Iterator[str]:
    """Keys that one mapping has more than once: which of the values is meant is not known."""
    seen: set[int] = set()
    nodes = [root] if root is not None else []
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            # An alias: the same node once more.
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            nodes.append(value)
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                first = lines[key.value]
                yield (
                    f"{key.value}: stands in line {first} and again in line {line}; remove one of "
                    "them"
                )
            lines.setdefault(key.value, line)


def _of_form(document: Any) -> Iterator[str]:
    if document is None:
        return
    if not isinstance(document, dict):
        yield f"{CONFIG}: is missing; write {CONFIG}: with {PREFIX}... keys beneath it"
        return
    for key in document:
        if key not in TOP_LEVEL:
            yield f"{key}: {_misplaced(str(key))}"
    settings = document.get(CONFIG)
    if settings is not None and not isinstance(settings, dict):
        yield f"{CONFIG}: is not a mapping; write {PREFIX}... keys beneath it, each with a colon"
        return
    for key in settings or {}:
        if not isinstance(key, str):
            yield f"{CONFIG}: has a key that is not text; write {PREFIX}... keys"


def _misplaced(key: str) -> str:
    if ":" in key:
        return f"stands beside {CONFIG}, where nobody reads it; indent it beneath {CONFIG}:"
    near = difflib.get_close_matches(key, TOP_LEVEL, n=1, cutoff=0.6)
    meant = f"did you mean {near[0]}?" if near else f"write settings beneath {CONFIG}:"
    return f"is nothing that Pulumi reads; {meant}"


def damaged(settings: Mapping[str, Any]) -> Iterator[str]:
    """The keys of the secrets that can't be what Pulumi wrote: nobody can decrypt them."""
    for key, value in settings.items():
        if isinstance(value, dict) and set(value) == {"secure"} and _is_damaged(value["secure"]):
            yield key


def _is_damaged(secure: Any) -> bool:
    """Whether it can't be what Pulumi wrote: base64, or a version, a nonce and base64."""
    if not isinstance(secure, str) or not secure:
        return True
    try:
        for part in secure.removeprefix("v1:").split(":"):
            base64.b64decode(part, validate=True)
    except ValueError:
        # `binascii.Error`, or letters that are not ASCII.
        return True
    return False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, or the stack."""
    parser.add_argument("file", type=Path, help="the file, such as Pulumi.dev.yaml")


def run(arguments: argparse.Namespace) -> None:
    """Say nothing if all is well."""
    stack = arguments.file.stem.removeprefix("Pulumi.")
    problems = [
        f"{key}: its secure text is damaged, so that nobody can decrypt it; run: "
        f"pulumi config set --stack {stack} --secret {key}"
        for key in damaged(read(arguments.file))
    ]
    if problems:
        raise _refusal(arguments.file, problems)
