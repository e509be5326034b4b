"""Runs shell commands as an operator types them, in a checkout whose clouds are a sandbox's.

The Makefile, `python -m ops` and the Pulumi CLI are the real ones. What stands in: the CLI's
program runs inline, as everywhere in the sandbox; `helm` and `kubectl` act on the simulated
cluster; confirmations are given.
"""

import json
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from . import cluster_commands
from .box import Sandbox
from .engine import serving
from .errors import SandboxError
from .program import environment

_LEFT_OUT: Final = shutil.ignore_patterns(
    ".*", "__pycache__", "tests", "docs", "examples", "bench", "charts", "Pulumi.*"
)
_PULUMI: Final = """\
#!/bin/sh
case "$1" in
  up|destroy) exec "$SANDBOX_CLI" --non-interactive "$@" $SANDBOX_INLINE $SANDBOX_HURRY ;;
  preview|refresh) exec "$SANDBOX_CLI" --non-interactive "$@" $SANDBOX_INLINE ;;
  *) exec "$SANDBOX_CLI" --non-interactive "$@" ;;
esac
"""
# `ops engine` would look for a CLI with a language host, which an inline program needs not.
_PYTHON: Final = """\
#!/bin/sh
case "$*" in
  "-m ops engine"*) echo "$SANDBOX_COMMANDS/pulumi" ;;
  *) exec "{python}" "$@" ;;
esac
"""
_MAKE: Final = """\
#!/bin/sh
exec "{make}" --old-file=setup --no-print-directory "$@"
"""
_CLUSTER: Final = """\
#!/bin/sh
case " $* " in *" port-forward "*) exec "$SANDBOX_FORWARD" "$@" ;; esac
exec "{python}" -S "{client}" "$SANDBOX_SOCKET" {name} "$@"
"""


class Shell:
    """A shell in a checkout of the sandbox's project."""

    def __init__(self, box: Sandbox) -> None:
        """The checkout is the sandbox's workspace: its stack file is the one that counts."""
        self._box = box
        box.prepare()
        shutil.copytree(box.project, box.workspace, ignore=_LEFT_OUT, dirs_exist_ok=True)
        self._commands = box.directory / "commands"
        self._commands.mkdir(exist_ok=True)
        make = shutil.which("make")
        if make is None:
            raise SandboxError("make is not installed")
        client = cluster_commands.__file__
        scripts = {
            self._commands / "pulumi": _PULUMI,
            self._commands / "make": _MAKE.format(make=make),
            box.workspace / ".venv" / "bin" / "python": _PYTHON.format(python=sys.executable),
        }
        for name in cluster_commands.COMMANDS:
            script = _CLUSTER.format(python=sys.executable, client=client, name=name)
            scripts[self._commands / name] = script
        for path, script in scripts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(script, "utf-8")
            path.chmod(0o755)

    def run(self, script: str, *, hurry: bool = False) -> str:
        """Run commands until one fails, which raises SandboxError; what they printed.

        In a hurry an update or a destroy is not previewed first.
        """
        box = self._box
        box.prepare()
        program = box.program
        with (
            program.at_home(),
            environment(box.environment),
            serving(program) as inline,
            self._cluster() as address,
        ):
            variables = {
                **self.variables(),
                "SANDBOX_HURRY": "--skip-preview" if hurry else "",
                "SANDBOX_INLINE": " ".join(inline),
                "SANDBOX_SOCKET": address,
            }
            text, status = self._run(script, variables)
        box.cloud.settle()
        if status:
            raise SandboxError(text)
        return text

    def variables(self) -> dict[str, str]:
        """The environment of a command; no program and no cluster answers it yet."""
        box = self._box
        return {
            **box.environment,
            "PATH": f"{self._commands}:{box.environment['PATH']}",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
            "SANDBOX_CLI": str(box.engine.cli),
            "SANDBOX_COMMANDS": str(self._commands),
            "SANDBOX_FORWARD": str(box.directory / "bin" / "kubectl"),
        }

    def _run(self, script: str, variables: Mapping[str, str]) -> tuple[str, int]:
        # Echoed, so that a failure says which of the commands it was.
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=self._box.workspace,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout, done.returncode

    @contextmanager
    def _cluster(self) -> Iterator[str]:
        """Answer helm and kubectl out of the cloud, which this process has."""
        cloud = self._box.cloud

        class Answer(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                name, *arguments = json.loads(self.rfile.readline())
                text, status = cluster_commands.answer(cloud, name, arguments)
                self.wfile.write(json.dumps([text, status]).encode())

        # Not in the sandbox's directory: the path of a socket must be short.
        with tempfile.TemporaryDirectory(prefix="sandbox-") as directory:
            address = f"{directory}/cluster"
            with socketserver.ThreadingUnixStreamServer(address, Answer) as server:
                threading.Thread(target=server.serve_forever, daemon=True).start()
                try:
                    yield address
                finally:
                    server.shutdown()


__all__ = ["Shell"]
