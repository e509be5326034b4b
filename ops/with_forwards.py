"""Runs a command while what a stack forwards to this machine can be reached.

The program forwards ports to a MinIO and a Grafana in the cluster whenever it runs in an update.
`pulumi refresh` and `pulumi destroy` do not run it. Refreshed, a store that does not answer is
taken for one whose bucket was deleted; destroyed, Tempo's user, data sources and dashboards can't
be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from components.grafana import grafana_forward
from components.minio_server import minio_forward
from config.grafana import GrafanaApiConfig
from config.load import sections
from config.object_store import MinioConfig
from ops import UserError, stack_file
from ops.stack_files import ROOT
from port_forward import PortForwardError

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


def has_store(deployment: Mapping[str, Any]) -> bool:
    """Whether a state has something in an object store, which a refresh or a destroy asks for."""
    types = [resource["type"] for resource in deployment.get("resources") or []]
    return any(type.startswith("minio:") for type in types)


def _has_store(stack: str) -> bool:
    """The same of a stack by its name."""
    command = ["pulumi", "stack", "export", "--stack", stack]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    # What is wrong with the stack, the command itself will say.
    return done.returncode == 0 and has_store(json.loads(done.stdout).get("deployment") or {})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, and the command behind `--`."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    parser.add_argument(
        "--destroys",
        action="store_true",
        help="the command destroys the stack: its store need not be there, if nothing of the state "
        "is in it",
    )
    parser.add_argument("command", nargs="+", help="the command and its arguments, after --")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    file = ROOT / f"Pulumi.{arguments.stack}.yaml"
    if not file.is_file():
        raise UserError(f"there is no {file.name}; name one of the stacks that are here")
    with ExitStack() as held:
        try:
            store = not arguments.destroys or _has_store(arguments.stack)
            open_forwards(file, held, store=store)
        except PortForwardError as error:
            raise UserError(f"{error}\n{_REMEDY.format(arguments.stack)}") from None
        command = held.enter_context(subprocess.Popen(arguments.command))
        while True:
            # Ctrl-C reaches the command as well, and Pulumi takes its time to stop in good order.
            # Killed meanwhile (`subprocess.run` would), it leaves its lock behind.
            with suppress(KeyboardInterrupt):
                return command.wait()
