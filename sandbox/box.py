"""One stack of a project, in a cloud of its own."""

import contextlib
import importlib
import json
import os
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml
from pulumi.automation import OutputValue, PulumiCommand

from ops.engine import find

from . import kubectl, stores
from .cloud import Cloud
from .engine import Engine, OnOutput
from .errors import SandboxError
from .program import Program
from .providers import Providers
from .result import Result
from .settings import Settings

# What a program or a provider of the SDKs might read, and reach something real with.
_WITHHELD: Final = (
    "ALICLOUD_",
    "ARM_",
    "AWS_",
    "AZURE_",
    "CLOUDSDK_",
    "GCLOUD_",
    "GOOGLE_",
    "GRAFANA_",
    "HELM_",
    "K8S_",
    "KUBE",
    "MC_",
    "MINIO_",
    "PULUMI_",
    "TF_",
)


ANALYZER: Final = "pulumi-analyzer-policy-python"
"""What starts a Python policy pack for a CLI without a language host (`NewPolicyAnalyzer` in
github.com/pulumi/pulumi/pkg). A distribution of the CLI without one would have to bring it."""

_PATIENCE_SECONDS: Final = 60
"""How long what hangs waits for the engine to give it up; it does so at once."""


@dataclass(frozen=True, kw_only=True)
class Policies:
    """A policy pack to hold an operation against."""

    pack: Path
    """Directory of the pack."""
    configuration: Path | None = None
    """Its configuration, a JSON file."""


_PORTS: Final = range(20000, 32768)
"""Below those that Linux takes for outgoing connections (net.ipv4.ip_local_port_range)."""

_AT_THE_END: Final = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""The CLI honours the second only with the first."""


class Sandbox:
    """Previews, applies and destroys one stack with the real engine on simulated clouds."""

    def __init__(
        self,
        project: Path = Path(),
        stack: str = "dev",
        directory: Path | None = None,
        *,
        stack_file: Path | None = None,
        parallel: int | None = None,
        progress: Callable[[str], None] | None = None,
        cli: PulumiCommand | None = None,
        checkpoints: bool = True,
    ) -> None:
        """Prepare a sandbox; in a given directory, what it did before is still there.

        The settings come from the project's own stack file unless another is named, the CLI is
        found unless it is given. Without checkpoints the state is written once, at the end of an
        update: faster, and enough where nobody goes on after a kill. With `parallel` operations at
        a time, the engine's own number otherwise; one at a time are always in the same order.
        """
        self._checkpoints = checkpoints
        self._parallel = parallel
        self.project = project.resolve()
        self.stack = stack
        self._temporary = directory is None
        # Resolved, because the engine runs elsewhere and would look for a relative path there.
        made = Path(tempfile.mkdtemp(prefix="sandbox-")) if directory is None else directory
        self.directory = made.resolve()
        self.workspace = self.directory / "workspace"
        """Where the CLI runs: the project file and the stack file that it sees."""
        for part in (self.workspace, self._backend, self.directory / "home"):
            part.mkdir(parents=True, exist_ok=True)
        # The CLI's log of each command goes to a directory of this name, and can't be turned off
        # but by there being none. Nobody reads it here, and it takes a sixth of the CLI's time.
        (self.directory / "home" / "logs").touch()
        self.cloud = Cloud(self.directory / "cloud.json")
        self._providers = Providers(self.cloud)
        self.program = Program(self.project, lambda: stores.stand_in(self.project, self.cloud))
        self.engine = Engine(cli or find(progress), self.workspace, self.environment)
        self._settings = Settings.read(stack_file or self.project / f"Pulumi.{stack}.yaml")
        self._complete()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the providers; a temporary sandbox is gone with all it made."""
        self._providers.stop()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def set_config(self, key: str, value: Any, *, secret: bool = False) -> None:
        """Set a value, on top of the stack file; dots in the key lead into an object."""
        self._settings.set(key, value, secret=secret)
        self._complete()

    def remove_config(self, key: str) -> None:
        """Remove a value."""
        self._settings.remove(key)
        self._complete()

    @property
    def config(self) -> dict[str, Any]:
        """The settings in effect, secrets as `{secure: ...}`."""
        return self._settings.raw

    def preview(
        self,
        on_output: OnOutput | None = None,
        *,
        plan: Path | None = None,
        policies: Policies | None = None,
    ) -> Result:
        """Show what an update would do, and what policies have against it.

        Writes the engine's plan of it, where a file is named.
        """
        saved = ["--save-plan", str(plan)] if plan else []
        return self._operate(["preview", "--diff", *saved, *self._flags(policies)], on_output)

    def up(self, on_output: OnOutput | None = None, *, policies: Policies | None = None) -> Result:
        """Apply the program, if policies let it."""
        return self._operate(["up", "--yes", "--skip-preview", *self._flags(policies)], on_output)

    def refresh(self, on_output: OnOutput | None = None, *, run_program: bool = True) -> Result:
        """Bring the state up to what exists.

        With the program running, because it opens the way to a store inside the cluster; without
        it, as `pulumi refresh` by itself does it.
        """
        program = ["--run-program"] if run_program else []
        return self._operate(["refresh", *program, "--yes", "--skip-preview"], on_output)

    def destroy(self, on_output: OnOutput | None = None) -> Result:
        """Remove everything the stack made."""
        return self._operate(["destroy", "--yes", "--skip-preview"], on_output)

    def command(self, *arguments: str) -> str:
        """Run another command of the CLI on the stack, such as `state unprotect URN`."""
        self.prepare()
        return self.engine.run([*arguments, *self._selected])

    def outputs(self) -> dict[str, OutputValue]:
        """Return the stack's outputs, secret ones in clear and marked as such."""
        self.prepare()
        shown = json.loads(self.engine.run(["stack", "output", "--json", *self._selected]))
        command = ["stack", "output", "--json", "--show-secrets", *self._selected]
        clear = json.loads(self.engine.run(command))
        return {
            name: OutputValue(value=value, secret=shown[name] != value)
            for name, value in clear.items()
        }

    def state(self) -> dict[str, Any]:
        """Return the deployment as the engine keeps it: secrets are encrypted."""
        if not self._checkpoint.exists():
            return {}
        return json.loads(self._checkpoint.read_text("utf-8"))["checkpoint"].get("latest") or {}

    def resources(self) -> list[dict[str, Any]]:
        """List the resources in the state."""
        return self.state().get("resources") or []

    @property
    def state_files(self) -> list[Path]:
        """Everything the engine wrote: state, backups, history, encrypted settings."""
        kept = (self._backend, self.workspace)
        return sorted(path for part in kept for path in part.rglob("*") if path.is_file())

    @property
    def _backend(self) -> Path:
        return self.directory / "backend"

    @property
    def _checkpoint(self) -> Path:
        project = self._project_file()["name"]
        return self._backend / ".pulumi" / "stacks" / project / f"{self.stack}.json"

    @property
    def _selected(self) -> list[str]:
        return ["--stack", self.stack]

    def kill(self, provider: str = "") -> None:
        """End the engine at once; for `Cloud.fail(..., act=box.kill)`."""
        self.engine.kill()

    def crash(self, provider: str) -> None:
        """End a provider, which the engine's next command starts anew."""
        self._providers.crash(provider)

    def hang(self, provider: str = "") -> None:
        """Answer nothing until somebody loses patience: Ctrl-C."""
        self.engine.interrupt()
        self._providers.cancelled.wait(_PATIENCE_SECONDS)

    def _operate(self, arguments: list[str], on_output: OnOutput | None) -> Result:
        self.prepare()
        plain = ["--color", "never", *self._selected]
        try:
            return self.engine.operate([*arguments, *plain], self.program, on_output)
        finally:
            # An engine that is gone does not stop what it has asked for.
            self.cloud.settle()

    def _flags(self, policies: Policies | None) -> list[str]:
        if policies is None:
            return []
        pack = self.directory / "policies"
        pack.mkdir(exist_ok=True)
        _run_here(policies.pack.resolve(), pack)
        flags = ["--policy-pack", str(pack)]
        if policies.configuration is not None:
            flags += ["--policy-pack-config", str(policies.configuration.resolve())]
        return flags

    def prepare(self) -> None:
        """Bring the workspace up to the settings: a stack of its own, with a key of its own."""
        self._providers.revive()
        if not self._unwritten:
            return
        file = self.workspace / f"Pulumi.{self.stack}.yaml"
        if not self._checkpoint.exists():
            project = {**self._project_file(), "runtime": "python"}
            # The project may name a backend of its own; the sandbox never goes there.
            for key in ("backend", "main", "stackConfigDir"):
                project.pop(key, None)
            (self.workspace / "Pulumi.yaml").write_text(yaml.safe_dump(project), "utf-8")
            self.engine.run(["stack", "init", "--no-select", self.stack])
        self._settings.write(file, lambda command: self.engine.run([*command, *self._selected]))
        self._unwritten = False

    def _project_file(self) -> dict[str, Any]:
        file = self.project / "Pulumi.yaml"
        if not file.exists():
            raise SandboxError(f"{self.project} is not a Pulumi project: it has no Pulumi.yaml")
        return yaml.safe_load(file.read_text("utf-8"))

    def _complete(self) -> None:
        """Add what the stack needs beyond its file; the project's own configuration knows what."""
        self._unwritten = True
        if not (self.project / "config").is_dir():
            return
        with self.program.at_home():
            config = importlib.import_module("config")
            self._settings.add_missing(config.required_secrets(self._settings.raw))
            # An older revision of the project, which a review compares with, has no such question.
            ask = getattr(config, "forwarded_port_keys", None)
            port_keys = ask(self._settings.raw) if ask is not None else ()
            ask = getattr(config, "existing_namespaces", None)
            namespaces = ask(self._settings.raw) if ask is not None else ()
        for key in port_keys:
            self._settings.set(key, self._port(key))
        for namespace in namespaces:
            if self.cloud.get("kubernetes", "Namespace", namespace) is None:
                self.cloud.add_namespace(namespace)

    def _port(self, key: str) -> int:
        """A local port of this sandbox's own: another one, or a real update, may be running."""
        file = self.directory / f"port-{key.rpartition(':')[2]}"
        while not file.exists():
            # Not one that the system chooses: it may give that to any connection in the meantime.
            port = random.choice(_PORTS)
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                file.write_text(str(port), "utf-8")
        return int(file.read_text("utf-8"))

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment in which the CLI and the program run, for whoever starts them himself."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}
        binaries = self.directory / "bin"
        binaries.mkdir(exist_ok=True)
        _install(binaries / "kubectl", f'"{kubectl.__file__}" "$@"')
        # Further arguments are the pack's options, which choose an interpreter: here it is ours.
        _install(binaries / ANALYZER, '-u -m pulumi.policy "$1" "$2"')
        home = str(self.directory / "home")
        return {
            **kept,
            "HOME": home,
            "PATH": os.pathsep.join([str(binaries), kept.get("PATH", "")]),
            "PULUMI_HOME": home,
            "PULUMI_BACKEND_URL": self._backend.as_uri(),
            # Not a secret: it only ever encrypts placeholders and made-up values.
            "PULUMI_CONFIG_PASSPHRASE": "sandbox",
            "PULUMI_DEBUG_PROVIDERS": self._providers.addresses,
            # Without this the CLI hides the flags for inline programs and event logs.
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **({} if self._checkpoints else _AT_THE_END),
            **({"PULUMI_PARALLEL": str(self._parallel)} if self._parallel else {}),
        }


def _install(script: Path, arguments: str) -> None:
    """Make a command that runs this process' own interpreter."""
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}\n', "utf-8")
    script.chmod(0o755)


def _run_here(pack: Path, to: Path) -> None:
    """Make a pack that runs another one by this process' interpreter.

    A pack names a virtual environment, which need not be there, nor be the one that is tested; the
    engine waits without end where it is missing (seen with 3.259.0).
    """
    project = yaml.safe_load((pack / "PulumiPolicy.yaml").read_text("utf-8"))
    in_venv = sys.prefix != sys.base_prefix
    options = {"toolchain": "pip", "virtualenv": sys.prefix} if in_venv else {}
    project["runtime"] = {"name": "python", "options": options}
    (to / "PulumiPolicy.yaml").write_text(yaml.safe_dump(project), "utf-8")
    program = f"import runpy\n\nrunpy.run_path({str(pack)!r}, run_name='__main__')\n"
    (to / "__main__.py").write_text(program, "utf-8")
