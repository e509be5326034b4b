"""Runs a command while the object store of a stack can be reached from here.

The program forwards a port to a MinIO in the cluster whenever it runs in an update. `pulumi
refresh` asks the store without running the program: the store would not answer, and of a bucket
the provider would take that for "deleted".
"""

from __future__ import annotations

import argparse
import subprocess
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from components.minio_server import minio_forward
from config.load import sections
from config.object_store import MinioConfig
from ops import UserError, stack_file
from ops.stack_files import ROOT
from port_forward import PortForwardError

NAME = "with-store"
HELP = "run a command while a stack's in-cluster object store is forwarded to this machine"


def forward_of(file: Path) -> AbstractContextManager[object]:
    """What has to be open while the stack's store is used; nothing for a store outside."""
    # Not `parse`: this is no place to refuse a stack for anything else that is wrong with it.
    stack, _, _ = sections(stack_file.read(file), set())
    store = stack.object_store
    if not isinstance(store, MinioConfig) or store.admin.endpoint is not None:
        return nullcontext()
    forward = minio_forward(store, stack.kubernetes)
    return forward.held(store.namespace, f"statefulset/{store.name}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, and the command behind `--`."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    parser.add_argument("command", nargs="+", help="the command and its arguments, after --")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code."""
    file = ROOT / f"Pulumi.{arguments.stack}.yaml"
    if not file.is_file():
        raise UserError(f"there is no {file.name}; name one of the stacks that are here")
    try:
        with forward_of(file), subprocess.Popen(arguments.command) as command:
            while True:
                # Ctrl-C reaches the command as well, and Pulumi takes its time to stop in good
                # order. Killed meanwhile (`subprocess.run` would), it leaves its lock behind.
                with suppress(KeyboardInterrupt):
                    return command.wait()
    except PortForwardError as error:
        raise UserError(str(error)) from None
