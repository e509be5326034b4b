"""What the live tier needs of this machine, and what is missing of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import config
from charts import used_by
from ops import stack_files
from ops.engine import EngineUnavailable, locate

STACK: Final = "dev"
PLUGINS: Final = ("kubernetes", "minio", "random")

CONTEXT: Final = "TRACING_LIVE_CONTEXT"
CHARTS: Final = "TRACING_CHARTS"
WITHOUT: Final = "TRACING_LIVE_WITHOUT"


class Missing(Exception):
    """The live tier can't run here; the text names everything that is missing."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What was found."""

    pulumi: Path
    context: str
    charts: Path | None
    """A directory with the archives of the charts; from their repositories if `None`."""
    home: Path
    """The user's Pulumi home: its plugins are used, nothing is written to it."""
    settings: dict[str, Any]
    """The stack's settings by full key: as checked in, on this cluster and with these charts."""

    @property
    def stack(self) -> config.StackConfig:
        """The settings as the program reads them."""
        return config.parse(self.settings, stack=STACK, secret_keys=set())


def find() -> Needs:
    """What the live tier runs on; raises Missing."""
    context = os.environ.get(CONTEXT)
    if not context:
        # Asked for first, and never guessed: whatever context happens to be the current one may
        # be somebody's production.
        raise Missing(
            f"{CONTEXT} is not set: name the context of a cluster made for tests in it; the "
            f"{STACK} stack is applied there, and destroyed again"
        )
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    settings = _settings(context)
    problems = [*_cluster(context), *_plugins(home), *_archives(settings)]
    try:
        engine = locate(needs_language_host=True, obtain=False)
    except EngineUnavailable as error:
        problems.append(str(error))
    else:
        if not problems:
            directory = os.environ.get(CHARTS)
            return Needs(
                pulumi=engine.path,
                context=context,
                charts=Path(directory).resolve() if directory else None,
                home=home,
                settings=settings,
            )
    raise Missing("; ".join(problems))


def _settings(context: str) -> dict[str, Any]:
    settings = stack_files.settings(STACK)
    for component in filter(None, os.environ.get(WITHOUT, "").split(",")):
        key = f"tracing:{component}"
        if key not in settings:
            raise Missing(f"{WITHOUT} names {component}, which the {STACK} stack does not have")
        del settings[key]
    settings["tracing:kubernetes"] = {"context": context}
    # Another update on this machine, or the sandbox, may be using the usual port.
    settings["tracing:objectStore"] = {"admin": {"portForward": {"localPort": _free_port()}}}
    return settings


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _cluster(context: str) -> list[str]:
    if shutil.which("kubectl") is None:
        return ["kubectl is not on PATH"]
    command = ["kubectl", f"--context={context}", "--request-timeout=10s", "get", "--raw=/readyz"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
        )
    except subprocess.TimeoutExpired:
        return [f"the cluster of context {context} does not answer"]
    if done.returncode != 0:
        return [f"the cluster of context {context} does not answer: {done.stderr.strip()}"]
    return []


def _plugins(home: Path) -> list[str]:
    return [
        f"pulumi-resource-{name} is neither on PATH nor among the plugins in {home}"
        for name in PLUGINS
        if shutil.which(f"pulumi-resource-{name}") is None
        and not any((home / "plugins").glob(f"resource-{name}-v*"))
    ]


def _archives(settings: dict[str, Any]) -> list[str]:
    """Let the stack use the archives in the directory that TRACING_CHARTS names, if it does.

    With the digests that they have: a site that packs its charts itself has other ones than those
    published, and that a wrong digest is refused is tested elsewhere.
    """
    directory = os.environ.get(CHARTS)
    if not directory:
        return []
    stack = config.parse(settings, stack=STACK, secret_keys=set())
    archives = [Path(directory) / chart.archive_name for chart in used_by(stack)]
    missing = [str(archive) for archive in archives if not archive.is_file()]
    if not missing:
        settings["tracing:charts"] = {
            "directory": "charts",
            "digests": {
                archive.name: hashlib.sha256(archive.read_bytes()).hexdigest()
                for archive in archives
            },
        }
    return [f"{archive} is missing ({CHARTS})" for archive in missing]
