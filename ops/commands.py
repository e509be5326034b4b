"""The commands of this package, found by what their modules declare.

A module becomes a command by defining, at its top level:

    NAME = "chart-lock"                      # what is typed
    HELP = "one line for `python -m ops`"
    GENERATES = "..."                        # only if `make generate` is to run it (no arguments)
    def add_arguments(parser: argparse.ArgumentParser) -> None: ...
    def run(arguments: argparse.Namespace) -> int | None: ...   # the exit code; None is 0

No list of them is kept anywhere.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops import UserError

PACKAGE = "ops"
DIRECTORY = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command as its module declares it; the module itself is imported only to run it."""

    name: str
    help: str
    module: str
    generates: str | None = None

    def parser(self) -> argparse.ArgumentParser:
        """The command's own parser, arguments and all."""
        parser = argparse.ArgumentParser(
            prog=f"python -m {PACKAGE} {self.name}", description=self.help
        )
        importlib.import_module(self.module).add_arguments(parser)
        return parser

    def run(self, argv: Sequence[str]) -> int:
        """Run it with these arguments and give its exit code."""
        arguments = self.parser().parse_args(argv)
        return importlib.import_module(self.module).run(arguments) or 0


def discover(directory: Path = DIRECTORY, package: str = PACKAGE) -> dict[str, Command]:
    """The commands declared by the modules of a directory, in the order of their names.

    The declarations are read, not imported: a command has to work while another one's imports are
    slow or broken (`python -m ops engine` must not wait for, or fail with, the configuration).
    """
    commands: dict[str, Command] = {}
    for file in directory.glob("*.py"):
        texts = _top_level_texts(file)
        if "NAME" in texts and "HELP" in texts:
            commands[texts["NAME"]] = Command(
                name=texts["NAME"],
                help=texts["HELP"],
                module=f"{package}.{file.stem}",
                generates=texts.get("GENERATES"),
            )
    return dict(sorted(commands.items()))


def _top_level_texts(file: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError:
        return texts
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                texts[name] = text
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                texts[name] = text
            case _:
                pass
    return texts


def main(argv: Sequence[str], commands: Mapping[str, Command] | None = None) -> int:
    """Run the command that `argv` names and give its exit code."""
    known = discover() if commands is None else commands
    if not argv or argv[0] in {"-h", "--help"}:
        print(_listing(known))
        return 0
    command = known.get(argv[0])
    if command is None:
        print(f"error: there is no command {argv[0]!r}.\n{_listing(known)}", file=sys.stderr)
        return 2
    try:
        return command.run(argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _listing(commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands), default=0)
    lines = [f"  {command.name:{width}}  {command.help}" for command in commands.values()]
    return "\n".join([f"python -m {PACKAGE} <command> [--help]", *lines])
