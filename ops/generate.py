"""Everything that is written by a program and checked in: written again, by one command.

A test fails when one of these files is stale; what it asks for is this command.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from ops.commands import Command, discover, main

NAME = "generate"
HELP = "write again everything that is generated from the code"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none: what there is to generate is what the modules declare."""


def run(arguments: argparse.Namespace) -> int:
    """Run every command that declares GENERATES."""
    return generate(discover())


def generate(commands: Mapping[str, Command]) -> int:
    """Run those of the commands that generate; a failing one doesn't keep the others from it."""
    worst = 0
    for command in commands.values():
        if command.generates is not None:
            print(f"{command.name}: {command.generates}", flush=True)
            worst = max(worst, main([command.name], commands))
    return worst
