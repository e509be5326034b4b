"""Runs the CLI on a workspace of its own, with an inline program and an event log.

The Automation API's `Stack.up` asks for outputs and history after every operation, three further
starts of the CLI. Here one operation is one start, and the events stay as the engine wrote them.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from pulumi.automation import PulumiCommand
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from .errors import SandboxError
from .program import Program, environment
from .result import Result, diagnostics_of, steps_of

OnOutput = Callable[[str], None]


class Engine:
    """The CLI, a workspace directory, and the environment both run in."""

    def __init__(
        self, command: PulumiCommand, workspace: Path, variables: Mapping[str, str]
    ) -> None:
        self._command = command
        self._workspace = workspace
        self._variables = dict(variables)
        self._running: subprocess.Popen[str] | None = None

    def kill(self) -> None:
        """End the command that runs, at once, as a lost machine does."""
        self._signal(signal.SIGKILL)

    def interrupt(self) -> None:
        """Ask the command that runs to end, as Ctrl-C does."""
        self._signal(signal.SIGINT)

    def _path(self) -> str:
        """What is installed with the CLI comes first, as for the Automation API."""
        return os.pathsep.join([str(self.cli.parent), os.environ["PATH"]])

    @property
    def cli(self) -> Path:
        """Where the CLI is."""
        return Path(self._command.command).absolute()

    def _signal(self, number: signal.Signals) -> None:
        running = self._running
        if running is not None:
            running.send_signal(number)
            if number == signal.SIGKILL:
                running.wait()

    def run(self, arguments: Sequence[str]) -> str:
        """Run a command that is no operation on resources; return what it printed."""
        text, succeeded = self._run([*arguments])
        if not succeeded:
            raise SandboxError(text.strip())
        return text

    def operate(
        self,
        arguments: Sequence[str],
        program: Program,
        on_output: OnOutput | None = None,
    ) -> Result:
        """Run an operation on resources, with a program at hand."""
        with tempfile.TemporaryDirectory(prefix="sandbox-events-") as directory:
            log = Path(directory) / "events.json"
            log.touch()
            with program.at_home(), serving(program) as inline:
                text, succeeded = self._run(
                    [*arguments, *inline, "--event-log", str(log)], on_output
                )
            events = _events(log)
        result = Result(steps_of(events), text, events)
        if not succeeded:
            raise SandboxError(diagnostics_of(events) or text.strip(), result)
        return result

    def _run(self, arguments: list[str], on_output: OnOutput | None = None) -> tuple[str, bool]:
        lines: list[str] = []
        # In the whole process, not only in the CLI's: an inline program reads this environment.
        with environment(self._variables):
            self._running = subprocess.Popen(
                # Non-interactive first: behind a `--` it would be an argument.
                [str(self.cli), "--non-interactive", *arguments],
                cwd=self._workspace,
                env={**os.environ, "PULUMI_AUTOMATION_API": "true", "PATH": self._path()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            with self._running as running:
                assert running.stdout is not None
                for line in running.stdout:
                    lines.append(line.rstrip())
                    if on_output is not None:
                        on_output(lines[-1])
                status = running.wait()
            self._running = None
        if status < 0:
            lines.append(f"the engine was ended by {signal.Signals(-status).name}")
        return "\n".join(lines), status == 0


@contextlib.contextmanager
def serving(program: Program) -> Iterator[list[str]]:
    """Have a program run whenever the CLI asks for it; the arguments that tell the CLI where."""
    workers = ThreadPoolExecutor(max_workers=4)
    server = grpc.server(workers)
    language = _Language(program)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(language, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield [f"--client=127.0.0.1:{port}", "--exec-kind=auto.inline"]
    finally:
        server.stop(grace=None).wait()
        workers.shutdown(wait=True)


def _events(log: Path) -> list[dict[str, Any]]:
    # An engine that was killed may have left half a line.
    lines = log.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


class _Language(LanguageServer):
    """The SDK's server for inline programs, for an engine that may hang up on it."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._program = program

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program; where the update failed in the meantime there is nobody to tell."""
        try:
            return super().Run(request, context)
        except grpc.RpcError:
            return language_pb2.RunResponse()
        finally:
            self._program.abandon()
