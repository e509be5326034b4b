"""Runs the CLI on a workspace of its own, with an inline program and an event log.

The Automation API's `Stack.up` asks for outputs and history after every operation, three further
starts of the CLI. Here one operation is one start, and the events stay as the engine wrote them.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from pulumi.automation import CommandError, PulumiCommand
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
        workers = ThreadPoolExecutor(max_workers=4)
        server = grpc.server(workers)
        language = _Language(program)
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(language, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with tempfile.TemporaryDirectory(prefix="sandbox-events-") as directory:
            log = Path(directory) / "events.json"
            log.touch()
            inline = [f"--client=127.0.0.1:{port}", "--exec-kind", "auto.inline"]
            try:
                with program.at_home():
                    text, succeeded = self._run(
                        [*arguments, *inline, "--event-log", str(log)], on_output
                    )
            finally:
                server.stop(grace=None).wait()
                workers.shutdown(wait=True)
            events = _events(log)
        result = Result(steps_of(events), text, events)
        if not succeeded:
            raise SandboxError(diagnostics_of(events) or text.strip(), result)
        return result

    def _run(self, arguments: list[str], on_output: OnOutput | None = None) -> tuple[str, bool]:
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            if on_output is not None:
                on_output(line)

        # In the whole process, not only in the CLI's: an inline program reads this environment.
        with environment(self._variables):
            try:
                self._command.run(arguments, str(self._workspace), {}, take, take)
            except CommandError:
                return "\n".join(lines), False
        return "\n".join(lines), True


def _events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text("utf-8").splitlines() if line]


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
