"""`kubectl port-forward` for as long as it is needed, and not a moment longer.

The provider of an in-cluster store has to reach it from where Pulumi runs, also after the program
itself has ended: that is when the engine deletes. So that forward belongs to a process of its own,
which watches the engine: when that ends, in whatever way (done, Ctrl-C, killed), it ends kubectl.
A forward that a command holds while it works ends with the command, likewise in whatever way.
"""

import asyncio
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import IO, Any, Final

import pulumi
from pulumi import Input, Output
from pulumi.runtime.settings import get_engine

READY_TIMEOUT_SECONDS: Final = 60
FREE_TIMEOUT_SECONDS: Final = 10
"""How long the forward of an update that has just ended may take to end as well."""
POLL_SECONDS: Final = 0.2
ADDRESS: Final = "127.0.0.1"

_WATCHER: Final = Path(__file__).resolve().with_name("forward_watcher.py")

_UNTIL_STDIN_ENDS: Final = """\
exec 3<&0
"$@" 3<&- & forward=$!
{ read -r _ <&3; kill $forward; } 2>/dev/null &
wait $forward"""
"""Shell that runs a command until it ends or this process is gone, however that ended: the pipe
to its standard input is closed then."""


class PortForwardError(pulumi.RunError):
    """The forward could not be opened; the message says what kubectl said."""


class PortTakenError(PortForwardError):
    """Somebody else has the local port."""


@dataclass(frozen=True, kw_only=True)
class PortForward:
    """How to forward to a workload of one cluster."""

    remote_port: int
    local_port: int | None = None
    """`None` for one that is free; `open` needs one that stays the same."""
    local_port_key: str = ""
    """Where a local port is set that is taken."""
    health: str | None = None
    """Path that answers 200 once the workload can be used: behind one pod that is ready there may
    be others that it needs and that are not. `None` where a forward is enough."""
    tls: bool = False
    """Whether `health` is asked over TLS."""
    context: str | None
    kubeconfig: str | None
    pod_seconds: int | None = None
    """How long to wait for a pod that runs; a minute, as kubectl does, if `None`."""

    def open(self, namespace: Input[str], workload: Input[str]) -> Output[None]:
        """Resolves, in an update, once the local port answers; in a preview nothing is started."""
        return Output.all(namespace, workload).apply(lambda it: self._open(it[0], it[1]))

    async def _open(self, namespace: str, workload: str) -> None:
        if not pulumi.runtime.is_dry_run():
            watcher = [sys.executable, str(_WATCHER), f"--engine={_engine()}", "--"]
            await self._start(namespace, workload, watcher, subprocess.DEVNULL)

    @contextmanager
    def held(self, namespace: str, workload: str) -> Iterator[int]:
        """Forwards while the caller does something else, which nothing outlives; the local port.

        Raises PortForwardError.
        """
        if shutil.which("kubectl") is None:
            raise PortForwardError("kubectl is not installed or not on PATH")
        watcher = ["/bin/sh", "-c", _UNTIL_STDIN_ENDS, "sh"]
        forward, port = _awaited(self._start(namespace, workload, watcher, subprocess.PIPE))
        try:
            yield port
        finally:
            _end(forward)

    async def _start(
        self, namespace: str, workload: str, watcher: Sequence[str], stdin: int
    ) -> "Forward":
        """Starts kubectl, by way of `watcher`, and waits until the local port answers."""
        fixed = self.local_port
        if fixed and not await _until(FREE_TIMEOUT_SECONDS, lambda: not _answers(fixed)):
            raise PortTakenError(
                f"port {fixed} of {ADDRESS} is taken, so {workload} in namespace {namespace} can't "
                f"be forwarded to it; end what uses it, or write another port under "
                f"{self.local_port_key}"
            )
        # Files, not pipes: the program ends before the forward does, and a kubectl that then
        # complains into a broken pipe would be killed for it.
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
            forward = subprocess.Popen(
                [*watcher, *self._command(namespace, workload)],
                stdin=stdin,
                stdout=said,
                stderr=complaints,
                # Ctrl-C goes to the whole process group; the engine still needs the forward while
                # it finishes what is under way.
                start_new_session=True,
            )
            await _until(
                READY_TIMEOUT_SECONDS,
                lambda: forward.poll() is not None or self._listening(said) is not None,
            )
            port = None if forward.poll() is not None else self._listening(said)
            if port is not None and await _until(
                READY_TIMEOUT_SECONDS, lambda: self._is_healthy(port)
            ):
                return forward, port
            _end(forward)
            complaint = _content(complaints)
        if port is not None:
            raise PortForwardError(
                f"{workload} in namespace {namespace} is reached but can't be used: {self.health} "
                f"did not answer 200 for {READY_TIMEOUT_SECONDS} seconds; see kubectl logs "
                f"--namespace={namespace} {workload} (a certificate without all servers' names?)"
            )
        on = "" if fixed is None else f" on port {fixed}"
        raise PortForwardError(
            f"kubectl port-forward to {workload} in namespace {namespace} did not answer{on}: "
            f"{complaint or 'no word from kubectl'}"
        )

    def _listening(self, said: IO[bytes]) -> int | None:
        """The local port, once it answers."""
        if self.local_port is not None:
            return self.local_port if _answers(self.local_port) else None
        found = re.search(rf"Forwarding from {re.escape(ADDRESS)}:(\d+)", _content(said))
        return None if found is None else int(found[1])

    def _is_healthy(self, port: int) -> bool:
        if self.health is None:
            return True
        address, seconds = (ADDRESS, port), POLL_SECONDS * 10
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
        if self.pod_seconds is not None:
            command.append(f"--pod-running-timeout={self.pod_seconds}s")
        # Without a local port kubectl takes one that is free.
        return [*command, workload, f"{self.local_port or ''}:{self.remote_port}"]


Forward = tuple[subprocess.Popen[bytes], int]
"""What forwards, and the local port."""


def _awaited(coroutine: Coroutine[Any, Any, Forward]) -> Forward:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # A program of Pulumi's runs in an event loop, in which no other one can be run.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def _end(forward: subprocess.Popen[bytes]) -> None:
    if forward.stdin is not None:
        forward.stdin.close()
    else:
        forward.terminate()
    forward.wait()


def _content(file: IO[bytes]) -> str:
    """What a process wrote to a file so far."""
    # Not by `seek`, which would move the writer as well: the two share one position.
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode(errors="replace").strip()


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
