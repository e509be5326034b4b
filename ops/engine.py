"""The Pulumi engine, that is the `pulumi` CLI: found, installed, or built, in this order.

1. what is already there: on PATH, under the Pulumi home, or in the cache from an earlier run;
2. the SDK's own installer, where its host can be reached (ops/engine_install.py);
3. a build of the Go module pinned in `tools/` (ops/engine_build.py).

A CLI built from source has no Python language host. The sandbox's inline programs need none, but
running the project as `pulumi up` does: `find(needs_language_host=True)` passes such a CLI over.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pulumi.automation import CommandResult, PulumiCommand
from semver import VersionInfo

from ops import UserError
from ops.cache import exclusive
from ops.engine_build import MINUTES, BuildError, build, cached_build, go_version
from ops.engine_install import INSTALLER_URL, InstallError, install, installed, last_line
from ops.progress import Progress

NAME = "engine"
HELP = "find the Pulumi CLI (or install or build it) and print where it is"

MINIMUM = VersionInfo.parse("3.259.0")
"""The oldest CLI that the tests ran on with the pinned SDK, and the one `tools/` builds.

An older one fails late and obscurely: the SDK calls commands and flags that it doesn't know.
"""

LANGUAGE_HOST = "pulumi-language-python"
INSTALLED = "installed by the SDK's installer"
BUILT = "built from tools/go.mod"


class EngineUnavailable(UserError):
    """No usable CLI is there and none could be had; the text says what was tried and what helps."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A usable CLI and how it came here."""

    command: PulumiCommand
    path: Path
    origin: str


class _CommandAt(PulumiCommand):
    """The CLI at one path.

    `PulumiCommand(root)` insists on root/bin/pulumi, and without a root takes the first on PATH,
    which may be the very one that was passed over.
    """

    def __init__(self, path: Path, version: VersionInfo):
        self.command = str(path)
        self.version = version

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        # The update check asks the internet at every command and stalls where nothing answers.
        environment = {"PULUMI_SKIP_UPDATE_CHECK": "true", **additional_env}
        return super().run(args, cwd, environment, on_output, on_error)


def find(
    progress: Callable[[str], None] | Progress | None = None,
    *,
    needs_language_host: bool = False,
    obtain: bool = True,
) -> PulumiCommand:
    """The CLI as the Automation API takes it; see `locate`."""
    return locate(progress, needs_language_host=needs_language_host, obtain=obtain).command


def locate(
    progress: Callable[[str], None] | Progress | None = None,
    *,
    needs_language_host: bool = False,
    obtain: bool = True,
) -> Engine:
    """Find a usable CLI; with `obtain`, install or build one where there is none.

    `progress` takes the lines to show (standard error if not given).
    Raises EngineUnavailable with every reason when there is none to be had.
    """
    shown = _as_progress(progress)
    reasons: list[str] = []
    engine = _at_hand(reasons, needs_language_host)
    if engine is None and obtain:
        # One at a time: a second process waits here, and then finds what the first one made.
        with exclusive("pulumi", shown):
            engine = (
                _at_hand([], needs_language_host)
                or _obtain(install, INSTALLED, "installer", shown, reasons, needs_language_host)
                or _obtain(build, BUILT, "build", shown, reasons, needs_language_host)
            )
    if engine is None:
        raise EngineUnavailable(_explain(reasons, needs_language_host))
    return engine


def _as_progress(progress: Callable[[str], None] | Progress | None) -> Progress:
    if isinstance(progress, Progress):
        return progress
    return Progress(progress) if progress is not None else Progress.on()


def _at_hand(reasons: list[str], needs_language_host: bool) -> Engine | None:
    for path, origin in _candidates():
        engine = _usable(path, origin, reasons, needs_language_host)
        if engine is not None:
            return engine
    return None


def _obtain(
    way: Callable[[Progress], Path],
    origin: str,
    label: str,
    progress: Progress,
    reasons: list[str],
    needs_language_host: bool,
) -> Engine | None:
    if way is build and needs_language_host and shutil.which(LANGUAGE_HOST) is None:
        reasons.append(f"{label}: what tools/go.mod builds has no {LANGUAGE_HOST}")
        return None
    try:
        path = way(progress)
    except (InstallError, BuildError) as error:
        reasons.append(f"{label}: {error}")
        return None
    return _usable(path, origin, reasons, needs_language_host)


def _candidates() -> Iterator[tuple[Path, str]]:
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    versions = sorted((home / "versions").glob("*/bin/pulumi"), reverse=True)
    places = [
        *((Path(part) / "pulumi", "on PATH") for part in os.get_exec_path() if part),
        *((path, "under the Pulumi home") for path in (home / "bin" / "pulumi", *versions)),
        (installed(), INSTALLED),
        (cached_build(), BUILT),
    ]
    seen: set[str] = set()
    for path, origin in places:
        # os.path, not Path: PATH may name what can't be read, and Path's methods raise there.
        file = os.path.realpath(path)
        if file not in seen and os.path.isfile(file) and os.access(file, os.X_OK):
            seen.add(file)
            yield path.absolute(), origin


def _usable(
    path: Path, origin: str, reasons: list[str], needs_language_host: bool
) -> Engine | None:
    """The CLI at a path, or None and one more reason why it won't do."""
    try:
        version = _version(path, path.stat().st_mtime_ns)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        reasons.append(f"{path}: doesn't answer `pulumi version` ({last_line(error)})")
        return None
    if version.major != MINIMUM.major:
        reasons.append(f"{path}: {version}, but the SDK speaks to major version {MINIMUM.major}")
    elif version < MINIMUM:
        reasons.append(f"{path}: {version} is older than {MINIMUM}")
    elif needs_language_host and not _has_language_host(path):
        reasons.append(f"{path}: no {LANGUAGE_HOST} beside it or on PATH")
    else:
        return Engine(command=_CommandAt(path, version), path=path, origin=origin)
    return None


@cache
def _version(path: Path, modified: int) -> VersionInfo:
    """What a CLI says it is. A start of it costs as much as a small command, so a process with many
    sandboxes asks once, until the file is another one."""
    answer = subprocess.run(
        [path, "version"],
        env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return VersionInfo.parse(answer.stdout.strip().removeprefix("v"))


def _has_language_host(pulumi: Path) -> bool:
    # Beside the link and beside what it points to: package managers link one file into bin/.
    beside = {pulumi.parent, pulumi.resolve().parent}
    return shutil.which(LANGUAGE_HOST) is not None or any(
        (directory / LANGUAGE_HOST).is_file() for directory in beside
    )


def _explain(reasons: list[str], needs_language_host: bool) -> str:
    kind = "Pulumi CLI with a Python language host" if needs_language_host else "Pulumi CLI"
    tried = "".join(f"\n  - {reason}" for reason in reasons or ["there is no `pulumi`"])
    remedies = [
        f"install the Pulumi CLI, {MINIMUM} or newer, and put it on PATH"
        " (https://www.pulumi.com/docs/install/)",
        f"let this machine reach {urlsplit(INSTALLER_URL).netloc} (HTTPS_PROXY is honoured):"
        " the SDK's installer then downloads the CLI",
        f"install Go {go_version()} or newer, with its modules reachable (GOPROXY is honoured):"
        f" the CLI is then built from tools/go.mod, once, in about {MINUTES} minutes",
    ]
    if needs_language_host:
        # However well the build goes, it alone can't run the project.
        remedies[2] += f"; put {LANGUAGE_HOST} and {LANGUAGE_HOST}-exec on PATH as well"
    numbered = "".join(f"\n  {number}. {text}" for number, text in enumerate(remedies, start=1))
    return f"no usable {kind}. Tried:{tried}\nAny one of these helps:{numbered}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--language-host",
        action="store_true",
        help="only one that can run the project itself, as `pulumi up` does",
    )
    parser.add_argument("--path", action="store_true", help="print the path alone, for a script")


def run(arguments: argparse.Namespace) -> None:
    """Print the CLI's path and how it came here."""
    engine = locate(needs_language_host=arguments.language_host)
    if arguments.path:
        print(engine.path)
    else:
        print(f"{engine.path} ({engine.command.version}, {engine.origin})")
