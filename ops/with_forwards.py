"""Runs a command while what a stack forwards to this machine can be reached.

The program forwards ports to a MinIO and a Grafana in the cluster whenever it runs in an update.
`pulumi refresh` and `pulumi destroy` do not run it. Refreshed, a store that does not answer is
taken for one whose bucket was deleted; destroyed, data sources and dashboards can't be, nor what is
in a store whose server stays.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any, Final

from components.grafana import grafana_forward
from components.minio_server import minio_forward
from config.grafana import GrafanaApiConfig
from config.load import sections
from config.object_store import MinioConfig
from ops import UserError, stack_file
from ops.pulumi_stacks import PulumiStacks
from ops.stack_files import ROOT
from port_forward import PortForwardError, PortTakenError

_IN_PARTS: Final = ("--exclude", "--target", "-t")
"""Options of a destroy that leaves something out: the store's server may stay."""

NAME = "with-forwards"
HELP = "run a command while a stack's store and Grafana are forwarded to this machine"


def holds(deployment: Mapping[str, Any], package: str) -> bool:
    """Whether a state has anything that is in a server: `minio`, `grafana`."""
    types = [resource["type"] for resource in deployment.get("resources") or []]
    return any(type.startswith(f"{package}:") for type in types)


def open_forwards(name: str, held: ExitStack, needed: Callable[[str], bool]) -> None:
    """Open what a stack forwards until `held` ends; nothing for what has an address.

    Each only where it is needed, which is asked by package (`minio`, `grafana`): it may not be
    there. Raises UserError.
    """
    # Not `parse`: this is no place to refuse a stack for anything else that is wrong with it.
    stack, _, _ = sections(stack_file.read(ROOT / f"Pulumi.{name}.yaml"), set())
    minio, shown = stack.object_store, stack.grafana
    if isinstance(minio, MinioConfig) and minio.admin.endpoint is None and needed("minio"):
        forward = minio_forward(minio, stack.kubernetes)
        with _or_forget(name, "the store is lost for good, with all that was in it", "store"):
            held.enter_context(forward.held(minio.namespace, f"statefulset/{minio.name}"))
    way = shown.port_forward if isinstance(shown, GrafanaApiConfig) else None
    if way is not None and needed("grafana"):
        forward = grafana_forward(way, stack.kubernetes)
        with _or_forget(name, "Grafana is lost for good, with what it showed", "grafana"):
            held.enter_context(forward.held(way.namespace, way.resource))


@contextmanager
def _or_forget(name: str, lost: str, what: str) -> Iterator[None]:
    try:
        yield
    except PortTakenError as error:
        # By somebody on this machine: nothing is lost.
        raise UserError(str(error)) from None
    except PortForwardError as error:
        raise UserError(
            f"{error}\nIf {lost}: make recover STACK={name} ARGS=--forget-{what}, and then this "
            "again."
        ) from None


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
        parts = any(word.startswith(_IN_PARTS) for word in arguments.command)
        state = cache(lambda: PulumiStacks(runs_programs=False).deployment(arguments.stack))

        def needed(package: str) -> bool:
            goes = package == "minio" and arguments.destroys and not parts
            return not goes and holds(state(), package)

        open_forwards(arguments.stack, held, needed)
        command = held.enter_context(subprocess.Popen(arguments.command))
        while True:
            # Ctrl-C reaches the command as well, and Pulumi takes its time to stop in good order.
            # Killed meanwhile (`subprocess.run` would), it leaves its lock behind.
            with suppress(KeyboardInterrupt):
                return command.wait()
