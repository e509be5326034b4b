"""A copy of the project and a stack of it, worked with the plain CLI: as a user does."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from config import StackConfig
from config.load import sections
from ops.stack_files import ROOT
from sandbox import Result
from sandbox.result import steps_of
from tests.live.needs import Needs
from tests.live.process import Process

TIMEOUT_SECONDS: Final = 1200
GRACE_SECONDS: Final = 120
EVENT_SECONDS: Final = 0.01
"""Short: some operations are done in no time."""

# Dotted names are the tools' own (.git, .venv, caches); archives are linked in, not copied.
_LEFT_OUT: Final = shutil.ignore_patterns(".*", "__pycache__", "charts", "tests", "*.tgz")


class Project:
    """The project in a directory of its own, with a Pulumi home and a backend of its own."""

    def __init__(
        self,
        needs: Needs,
        stack: str,
        settings: dict[str, Any],
        directory: Path,
        record: Callable[[str, float], None],
    ) -> None:
        self._needs = needs
        self._record = record
        self.stack = stack
        self.directory = directory / "project"
        self._backend = directory / "backend"
        self._home = directory / "home"
        self._logs = directory / "logs"
        self.results: list[Result] = []
        """What every operation so far did and said."""

        shutil.copytree(ROOT, self.directory, ignore=_LEFT_OUT)
        for part in (self._backend, self._home, self._logs):
            part.mkdir()
        if (needs.home / "plugins").is_dir():
            (self._home / "plugins").symlink_to(needs.home / "plugins")
        if needs.charts is not None:
            (self.directory / "charts").symlink_to(needs.charts)
        self._use_this_interpreter()
        self.stack_file.write_text(yaml.safe_dump({"config": settings}), "utf-8")
        self.run("stack", "init", stack)

    @property
    def stack_file(self) -> Path:
        return self.directory / f"Pulumi.{self.stack}.yaml"

    @property
    def settings(self) -> StackConfig:
        """The stack's settings as the program reads them."""
        content = yaml.safe_load(self.stack_file.read_text("utf-8"))
        return sections(content["config"], set())[0]

    @property
    def state_files(self) -> list[Path]:
        """Everything the engine wrote: state, backups, history, the stack's file."""
        written = [path for path in self._backend.rglob("*") if path.is_file()]
        return [self.stack_file, *written]

    def run(self, *arguments: str) -> str:
        """What a command of the CLI prints; it has to succeed."""
        text, code = self._run([*arguments], 120)
        assert code == 0, text
        return text

    def preview(self) -> Result:
        """Show what an update would do."""
        return self._operate("preview", "--diff")

    def up(self) -> Result:
        """Apply the program."""
        return self._operate("up", "--yes", "--skip-preview")

    def refresh(self) -> Result:
        """Bring the state up to what exists, the way `make refresh` does."""
        return self._operate("refresh", "--yes", "--skip-preview", around=self._forwarding())

    def destroy(self, *arguments: str) -> Result:
        """Remove everything the stack made, the way `make destroy` does."""
        around = self._forwarding("--destroys")
        return self._operate("destroy", "--yes", "--skip-preview", *arguments, around=around)

    def clear(self) -> None:
        """Remove what there is, whatever came of it: its store need not answer any more."""
        try:
            # A bucket outside, with objects in it, must not keep the rest from going.
            self.destroy("--continue-on-error")
        except AssertionError:
            self.recover("--forget-store")
            self.destroy("--continue-on-error")

    def _forwarding(self, *arguments: str) -> list[str]:
        command = [sys.executable, "-m", "ops", "with-forwards", f"--stack={self.stack}"]
        return [*command, *arguments, "--"]

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the state, secrets encrypted."""
        return self.deployment().get("resources") or []

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; what is secret reads `[secret]`."""
        return json.loads(self.run("stack", "output", "--json", "--stack", self.stack))

    def set_secret(self, key: str, value: str) -> None:
        """Set a secret of the stack."""
        self.run("config", "set", "--secret", key, value, "--stack", self.stack)

    def set(self, key: str, value: Any) -> None:
        """Set one value; dots in the key lead into an object. `None` removes it."""
        content = yaml.safe_load(self.stack_file.read_text("utf-8"))
        *path, last = f"tracing:{key}".split(".")
        within = content["config"]
        for part in path:
            within = within.setdefault(part, {})
        within[last] = value
        if value is None:
            del within[last]
        self.stack_file.write_text(yaml.safe_dump(content), "utf-8")

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Whatever is set meanwhile is afterwards as it was before."""
        before = self.stack_file.read_text("utf-8")
        try:
            yield
        finally:
            self.stack_file.write_text(before, "utf-8")

    def disturbed(
        self,
        operation: str,
        at: Callable[[dict[str, Any]], bool],
        act: Callable[[Process], None],
    ) -> tuple[str, bool]:
        """An operation, and what is done to its engine or beside it at the first event that is as
        asked for: what it said, and whether it succeeded.

        Fails if there is no such event.
        """
        log = self._logs / f"disturbed-{time.monotonic_ns()}.json"
        log.touch()
        engine = Process(
            log.stem,
            self._logs,
            *(self._needs.pulumi, operation, "--yes", "--skip-preview", f"--cwd={self.directory}"),
            *(f"--stack={self.stack}", f"--event-log={log}", "--non-interactive", "--color=never"),
            environment=self._environment(),
        )
        acted = False
        try:
            for event in _followed(log, engine):
                if not acted and at(event):
                    act(engine)
                    acted = True
        finally:
            engine.kill()
        assert acted, f"no such event: {engine.said}"
        return engine.said, engine.status == 0

    def recover(self, *arguments: str) -> str:
        """What docs/operations.md has before the next update, after one that was killed."""
        done = subprocess.run(
            [sys.executable, "-m", "ops", "recover", f"--stack={self.stack}", "--yes", *arguments],
            cwd=self.directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def deployment(self) -> dict[str, Any]:
        """The state, secrets encrypted."""
        return json.loads(self.run("stack", "export", "--stack", self.stack))["deployment"]

    def doctor(self) -> dict[str, dict[str, Any]]:
        """What `ops doctor` says of the stack, by check."""
        command = [sys.executable, "-m", "ops", "doctor", f"--stack={self.stack}", "--json"]
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode in (0, 1), done.stderr
        checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
        errors = any(
            finding["level"] == "error"
            for check in checks.values()
            for finding in check["findings"]
        )
        assert done.returncode == int(errors), done.stdout
        return checks

    def unlock(self) -> None:
        """Take away the lock that an update which was killed leaves."""
        self._run(["cancel", "--yes", self.stack], 60)

    def refused(self, operation: str, *arguments: str) -> Result:
        """An operation that has to fail: what it did until then, and what it said."""
        result, code = self._perform(operation, *arguments)
        assert code != 0, result.text
        return result

    def _operate(self, operation: str, *arguments: str, around: Sequence[str] = ()) -> Result:
        result, code = self._perform(operation, *arguments, around=around)
        assert code == 0, result.text
        return result

    def _perform(
        self, operation: str, *arguments: str, around: Sequence[str] = ()
    ) -> tuple[Result, int]:
        log = self._logs / f"{len(self.results)}-{operation}.json"
        log.touch()
        start = time.monotonic()
        text, code = self._run(
            [operation, *arguments, f"--stack={self.stack}", f"--event-log={log}"],
            TIMEOUT_SECONDS,
            around,
        )
        failed = "" if code == 0 else ", refused"
        self._record(f"{self.stack}: {operation}{failed}", time.monotonic() - start)
        events = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line]
        result = Result(steps_of(events), text, events)
        self.results.append(result)
        return result, code

    def _run(
        self, arguments: list[str], seconds: float, around: Sequence[str] = ()
    ) -> tuple[str, int]:
        command = [
            *around,
            str(self._needs.pulumi),
            *arguments,
            "--non-interactive",
            "--color=never",
        ]
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            text, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # As Ctrl-C: a killed engine leaves resources that no state knows.
            process.send_signal(signal.SIGINT)
            try:
                text, _ = process.communicate(timeout=GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                text, _ = process.communicate()
            return f"not done within {seconds:g} s: {' '.join(arguments)}\n{text}", 1
        return text, process.returncode

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
        return {
            **kept,
            "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), str(self._needs.pulumi.parent), kept["PATH"]]
            ),
            "PULUMI_HOME": str(self._home),
            "PULUMI_BACKEND_URL": self._backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "of the live tests",
            # Without this the CLI hides the flag for event logs.
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def _use_this_interpreter(self) -> None:
        """The packages that the tests run with are the ones that the program is tested with."""
        file = self.directory / "Pulumi.yaml"
        project = yaml.safe_load(file.read_text("utf-8"))
        options = project["runtime"]["options"]
        options["virtualenv"] = sys.prefix
        if sys.prefix == sys.base_prefix:
            # No virtual environment: the language host then takes the `python` on PATH.
            del options["virtualenv"]
        file.write_text(yaml.safe_dump(project), "utf-8")


def _followed(log: Path, engine: Process) -> Iterator[dict[str, Any]]:
    """The events of an operation, as its engine writes them, until that ends."""
    with log.open(encoding="utf-8") as written:
        line = ""
        while True:
            ended = engine.status is not None
            line += written.readline()
            if line.endswith("\n"):
                yield json.loads(line)
                line = ""
            elif ended:
                return
            else:
                time.sleep(EVENT_SECONDS)
