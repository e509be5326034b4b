"""`python -m sandbox`: a stack's life on simulated clouds, whole (`demo`) or step by step."""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from rich.markup import escape

from ops import UserError

from . import demo, show
from .box import Sandbox
from .errors import SandboxError

_COMMANDS = {
    "demo": "preview, apply, preview again, change a setting, destroy; explained step by step",
    "preview": "show what an update would do",
    "up": "apply the program",
    "refresh": "bring the state up to what exists",
    "destroy": "remove everything",
    "outputs": "show the stack's outputs",
    "resources": "show the stack's resources",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    chosen = _parser().parse_args(arguments)
    to = show.console()
    try:
        _check_stack(chosen)
        with Sandbox(
            chosen.project,
            chosen.stack,
            chosen.directory,
            stack_file=chosen.stack_file,
            progress=lambda line: to.print(escape(line)),
        ) as box:
            _run(to, box, chosen)
    except (SandboxError, UserError) as error:
        # Not wrapped: a path or a command broken in two cannot be copied.
        to.print(f"[red]failed:[/] {escape(str(error))}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        to.print("interrupted")
        return 130
    return 0


def _check_stack(chosen: argparse.Namespace) -> None:
    """Refuse a misspelt stack: without a file it would be an empty one."""
    file = chosen.stack_file or chosen.project / f"Pulumi.{chosen.stack}.yaml"
    if not file.exists():
        known = sorted(path.name.split(".")[1] for path in chosen.project.glob("Pulumi.*.yaml"))
        raise SandboxError(f"there is no {file}; the stacks are: {', '.join(known) or 'none'}")


def _run(to: show.Console, box: Sandbox, chosen: argparse.Namespace) -> None:
    for name in chosen.existing_namespace:
        box.cloud.add_namespace(name)
    settings = dict(chosen.set)
    if chosen.command == "demo":
        demo.run(to, box, settings)
        return
    for key, value in settings.items():
        box.set_config(key, value)
    if chosen.command == "outputs":
        show.outputs(to, box.outputs())
    elif chosen.command == "resources":
        show.existing(to, box.resources())
    else:
        with show.working(to, f"{chosen.command} of stack {chosen.stack}") as tell:
            result = getattr(box, chosen.command)(tell)
        (show.planned if set(result.changes) == {"create"} else show.changes)(to, result)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="The real Pulumi engine on simulated clouds: no cluster, no credentials.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--stack", default="dev", help="the stack (default: dev)")
        command.add_argument(
            "--stack-file", type=Path, help="settings instead of Pulumi.STACK.yaml"
        )
        command.add_argument(
            "--directory", type=Path, help="where state and clouds are kept for the next command"
        )
        command.add_argument("--project", type=Path, default=Path(), help=argparse.SUPPRESS)
        command.add_argument(
            "--set",
            action="append",
            default=[],
            type=_setting,
            metavar="KEY=VALUE",
            help="a setting on top of the stack's, such as tracing:tempo.blockRetention=24h",
        )
        command.add_argument(
            "--existing-namespace",
            action="append",
            default=[],
            metavar="NAME",
            help="a namespace that exists without being the stack's",
        )
    return parser


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, yaml.safe_load(value)


if __name__ == "__main__":
    sys.exit(main())
