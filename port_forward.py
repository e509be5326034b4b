"""`kubectl port-forward` for as long as an update runs, and not a moment longer.

The provider of an in-cluster store has to reach it from where Pulumi runs, also after the program
itself has ended: that is when the engine deletes. So the forward belongs to a process of its own,
which watches the engine: when that ends, in whatever way (done, Ctrl-C, killed), it ends kubectl.
"""

import argparse
import asyncio
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final

import grpc
import pulumi
from pulumi import Input, Output
from pulumi.runtime.settings import get_engine

READY_TIMEOUT_SECONDS: Final = 60
FREE_TIMEOUT_SECONDS: Final = 10
"""How long the forward of an update that has just ended may take to end as well."""
POLL_SECONDS: Final = 0.2
ADDRESS: Final = "127.0.0.1"


class PortForwardError(pulumi.RunError):
    """The forward could not be opened; the message says what kubectl said."""


@dataclass(frozen=True, kw_only=True)
class PortForward:
    """How to forward to a workload of one cluster."""

    local_port: int
    remote_port: int
    health: str
    """Path that answers 200 once the workload can be used: behind one pod that is ready there may
    be others that it needs and that are not."""
    tls: bool
    context: str | None
    kubeconfig: str | None

    def open(self, namespace: Input[str], workload: Input[str]) -> Output[None]:
        """Resolves, in an update, once the local port answers; in a preview nothing is started."""
        return Output.all(namespace, workload).apply(lambda it: self._open(it[0], it[1]))

    async def _open(self, namespace: str, workload: str) -> None:
        if not pulumi.runtime.is_dry_run():
            watcher = [sys.executable, str(Path(__file__).resolve()), f"--engine={_engine()}", "--"]
            await self._start(namespace, workload, watcher)

    @contextmanager
    def held(self, namespace: str, workload: str) -> Iterator[None]:
        """Forwards while the caller does something else than run the program.

        Raises PortForwardError.
        """
        forward = asyncio.run(self._start(namespace, workload, []))
        try:
            yield
        finally:
            forward.terminate()
            forward.wait()

    async def _start(
        self, namespace: str, workload: str, watcher: list[str]
    ) -> subprocess.Popen[bytes]:
        """Starts kubectl, by way of `watcher`, and waits until the local port answers."""
        if not await _until(FREE_TIMEOUT_SECONDS, lambda: not _answers(self.local_port)):
            raise PortForwardError(
                f"port {self.local_port} of {ADDRESS} is taken, so the object store can't be "
                "forwarded to it; end what uses it, or write another port under "
                "tracing:objectStore.admin.portForward.localPort"
            )
        # A file, not a pipe: the program ends before the forward does, and a kubectl that then
        # complains into a broken pipe would be killed for it.
        with tempfile.TemporaryFile() as complaints:
            forward = subprocess.Popen(
                [*watcher, *self._command(namespace, workload)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                # Ctrl-C goes to the whole process group; the engine still needs the forward while
                # it finishes what is under way.
                start_new_session=True,
            )
            await _until(
                READY_TIMEOUT_SECONDS,
                lambda: forward.poll() is not None or _answers(self.local_port),
            )
            answers = forward.poll() is None and _answers(self.local_port)
            if answers and await _until(READY_TIMEOUT_SECONDS, self._is_healthy):
                return forward
            forward.terminate()
            forward.wait()
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()
        if answers:
            raise PortForwardError(
                f"{workload} in namespace {namespace} is reached but can't be used: {self.health} "
                f"did not answer 200 for {READY_TIMEOUT_SECONDS} seconds; see kubectl logs "
                f"--namespace={namespace} {workload} (a certificate without all servers' names?)"
            )
        raise PortForwardError(
            f"kubectl port-forward to {workload} in namespace {namespace} did not answer on port "
            f"{self.local_port}: {said or 'no word from kubectl'}"
        )

    def _is_healthy(self) -> bool:
        address, seconds = (ADDRESS, self.local_port), POLL_SECONDS * 10
        # Its certificate is for other names than this one.
        unverified = ssl._create_unverified_context()
        connection = (
            HTTPSConnection(*address, timeout=seconds, context=unverified)
            if self.tls
            else HTTPConnection(*address, timeout=seconds)
        )
        with closing(connection):
            try:
                connection.request("GET", self.health)
                return connection.getresponse().status == HTTPStatus.OK
            except (OSError, HTTPException):
                return False

    def _command(self, namespace: str, workload: str) -> list[str]:
        command = ["kubectl", "port-forward", f"--namespace={namespace}", f"--address={ADDRESS}"]
        if self.context is not None:
            command.append(f"--context={self.context}")
        if self.kubeconfig is not None:
            command.append(f"--kubeconfig={self.kubeconfig}")
        return [*command, workload, f"{self.local_port}:{self.remote_port}"]


def _engine() -> str:
    """`host:port` of the engine that runs this program.

    The SDK keeps the connection but not its address, in either way a program can be started (by
    the language host, or inline); the connection knows.
    """
    engine = get_engine()
    if engine is None:
        raise PortForwardError("the program runs without an engine; nothing can be forwarded")
    call: Any = engine.Log
    return call._channel.target().decode()


async def _until(seconds: float, condition: Callable[[], bool]) -> bool:
    """Waits for a condition; whether it came true within the time."""
    # By the clock, not by the number of questions: one to a server that hangs takes its time. And
    # in a thread, because the engine is answered meanwhile.
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(POLL_SECONDS)
        return probe.connect_ex((ADDRESS, port)) == 0


def watch(engine: str, command: list[str]) -> int:
    """Runs `command` until it ends or the engine at `engine` (host:port) is gone."""
    try:
        forward = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        print(f"{command[0]} is not installed or not on PATH", file=sys.stderr)
        return 127
    gone = threading.Event()
    channel = grpc.insecure_channel(engine)

    def seen(state: grpc.ChannelConnectivity) -> None:
        # The first connection comes up in READY; whatever follows it means the engine ended.
        nonlocal connected
        if state is grpc.ChannelConnectivity.READY:
            connected = True
        elif connected or state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            gone.set()

    connected = False
    # Told to end, it must not leave kubectl behind.
    signal.signal(signal.SIGTERM, lambda *_: gone.set())
    channel.subscribe(seen, try_to_connect=True)
    while forward.poll() is None and not gone.wait(POLL_SECONDS):
        pass
    if forward.poll() is None:
        forward.terminate()
    return forward.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=watch.__doc__)
    parser.add_argument("--engine", required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    sys.exit(watch(arguments.engine, arguments.command))
