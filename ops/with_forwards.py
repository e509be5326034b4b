"""Runs a command while what a stack forwards to this machine can be reached.

The program forwards ports to a MinIO and a Grafana in the cluster whenever it runs in an update.
`pulumi refresh` and `pulumi destroy` do not run it. Refreshed, a store that does not answer is
taken for one whose bucket was deleted; destroyed, data sources and dashboards can't be, nor what is
in a store whose server stays.
"""

from __future__ import annotations

import argparse
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from components.grafana import grafana_forward
from components.minio_server import minio_forward
from config.grafana import GrafanaApiConfig
from config.load import sections
from config.object_store import MinioConfig
from ops import UserError, stack_file
from ops.stack_files import ROOT
from port_forward import PortForwardError

_IN_PARTS: Final = ("--exclude", "--target", "-t")
"""Options of a destroy that leaves something out: the store's server may stay."""

NAME = "with-forwards"
_REMEDY: Final = (
    "If the store is lost for good, with all that was in it: make recover STACK={} "
    "ARGS=--forget-store, and then this again."
)
HELP = "run a command while a stack's store and Grafana are forwarded to this machine"


def open_forwards(file: Path, held: ExitStack, *, store: bool) -> None:
    """Open what the stack forwards until `held` ends; nothing for what has an address.

    The store only where it is said to be needed: it may not be there. Raises PortForwardError.
    """
    # Not `parse`: this is no place to refuse a stack for anything else that is wrong with it.
    stack, _, _ = sections(stack_file.read(file), set())
    minio, grafana = stack.object_store, stack.grafana
    if store and isinstance(minio, MinioConfig) and minio.admin.endpoint is None:
        forward = minio_forward(minio, stack.kubernetes)
        held.enter_context(forward.held(minio.namespace, f"statefulset/{minio.name}"))
    if isinstance(grafana, GrafanaApiConfig) and (way := grafana.port_forward) is not None:
        forward = grafana_forward(way, stack.kubernetes)
        held.enter_context(forward.held(way.namespace, way.resource))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, and the command behind `--`."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    parser.add_argument(
        "--destroys",
        action="store_true",
        help="the command destroys the stack, and the store's server with what is in it: no need "
        "to reach it, unless something is left out (--exclude..., --target)",
    )
    parser.add_argument("command", nargs="+", help="the command and its arguments, after --")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    file = ROOT / f"Pulumi.{arguments.stack}.yaml"
    if not file.is_file():
        raise UserError(f"there is no {file.name}; name one of the stacks that are here")
    with ExitStack() as held:
        try:
            parts = any(word.startswith(_IN_PARTS) for word in arguments.command)
            open_forwards(file, held, store=parts or not arguments.destroys)
        except PortForwardError as error:
            raise UserError(f"{error}\n{_REMEDY.format(arguments.stack)}") from None
        command = held.enter_context(subprocess.Popen(arguments.command))
        while True:
            # Ctrl-C reaches the command as well, and Pulumi takes its time to stop in good order.
            # Killed meanwhile (`subprocess.run` would), it leaves its lock behind.
            with suppress(KeyboardInterrupt):
                return command.wait()
