"""What the live tier needs of this machine, and what is missing of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from charts import used_by
from config.load import sections
from ops import stack_files
from ops.engine import EngineUnavailable, locate

STACK: Final = "dev"
"""The stack that has every chart the tier needs."""
PLUGINS: Final = ("kubernetes", "minio", "random")

CONTEXT: Final = "TRACING_LIVE_CONTEXT"
CHARTS: Final = "TRACING_CHARTS"
WITHOUT: Final = "TRACING_LIVE_WITHOUT"
KAFKA_IMAGE: Final = "TRACING_KAFKA_IMAGE"
OTELCOL: Final = "TRACING_OTELCOL"
TEMPO: Final = "TRACING_TEMPO"
BREAKER: Final = "TRACING_FAULTS"
CERT_MANAGER: Final = "TRACING_CERT_MANAGER"


class Missing(Exception):
    """The live tier, or a part of it, can't run here; the text names everything that is missing."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What was found."""

    pulumi: Path
    context: str
    charts: Path | None
    """A directory with the archives of the charts; from their repositories if `None`."""
    home: Path
    """The user's Pulumi home: its plugins are used, nothing is written to it."""

    def settings(self, stack: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """A stack's settings by full key: as checked in, on this cluster and with these charts.

        `changes` has other values for whole sections; `None` leaves one out.
        """
        return _settings(stack, self.context, self.charts, changes)


def find_charts() -> Path:
    """A directory of chart archives, for the `helm` that is at hand; raises Missing."""
    directory = os.environ.get(CHARTS)
    if shutil.which("helm") is None or directory is None:
        raise Missing(f"manifests: needs helm on PATH, and chart archives in {CHARTS}")
    return Path(directory)


def find_kafka_image() -> str:
    """An image of Apache Kafka that the cluster can pull; raises Missing."""
    image = os.environ.get(KAFKA_IMAGE)
    if not image:
        raise Missing(
            f"Tempo 3 on Kafka: name an image, such as docker.io/apache/kafka:4.3.1, in "
            f"{KAFKA_IMAGE}"
        )
    return image


def find_cert_manager() -> str:
    """The namespace in which the cluster's cert-manager looks for a ClusterIssuer's Secret; raises
    Missing."""
    namespace = os.environ.get(CERT_MANAGER)
    if not namespace:
        raise Missing(
            f"certificates: name cert-manager's cluster resource namespace, such as cert-manager, "
            f"in {CERT_MANAGER}"
        )
    return namespace


def find_breaker() -> Path:
    """The program that does to a cluster what no API of it can; raises Missing."""
    found = shutil.which(os.environ.get(BREAKER) or "")
    if found is None:
        raise Missing(f"faults: name a program that breaks the cluster in {BREAKER}")
    return Path(found).resolve()


def find_program(name: str, variable: str) -> Path:
    """A program of this machine: the one that the variable names, or of that name on PATH; raises
    Missing."""
    found = os.environ.get(variable) or shutil.which(name)
    if found is None or not os.access(found, os.X_OK):
        raise Missing(f"{name}: put it on PATH, or name the program in {variable}")
    return Path(found).resolve()


BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> tuple[str, str]:
    """Chromium and the program that drives it; Missing says which is not there."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        lacking = " and ".join(
            name
            for name, found in (("Chromium", browser), ("chromedriver", driver))
            if found is None
        )
        raise Missing(f"the report's page in a browser: no {lacking} on PATH")
    return browser, driver


def find_otelcol() -> Path:
    """The collector's program; raises Missing."""
    named = os.environ.get(OTELCOL)
    for name in (named,) if named else ("otelcol-contrib", "otelcol"):
        if found := shutil.which(name):
            return Path(found)
    raise Missing(
        f"the collector as a process: needs otelcol-contrib (or otelcol) on PATH, or named in "
        f"{OTELCOL}"
    )


def find_tempo() -> Path:
    """Tempo's program; raises Missing."""
    if found := shutil.which(os.environ.get(TEMPO) or "tempo"):
        return Path(found)
    raise Missing(f"Tempo as a process: needs tempo on PATH, or named in {TEMPO}")


def find() -> Needs:
    """What the live tier runs on; raises Missing."""
    context = os.environ.get(CONTEXT)
    if not context:
        # Asked for first, and never guessed: whatever context happens to be the current one may
        # be somebody's production.
        raise Missing(
            f"{CONTEXT} is not set: name the context of a cluster made for tests in it; stacks "
            "are applied there, and destroyed again"
        )
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    directory = os.environ.get(CHARTS)
    charts = Path(directory).resolve() if directory else None
    used = _settings(STACK, context, None, dict.fromkeys(without()))
    problems = [*_cluster(context), *_plugins(home), *_archives(used, charts)]
    try:
        engine = locate(needs_language_host=True, obtain=False)
    except EngineUnavailable as error:
        problems.append(str(error))
    else:
        if not problems:
            return Needs(pulumi=engine.path, context=context, charts=charts, home=home)
    raise Missing("; ".join(problems))


def without() -> tuple[str, ...]:
    """The components of the dev stack that this run leaves out; raises Missing."""
    names = tuple(filter(None, os.environ.get(WITHOUT, "").split(",")))
    for name in names:
        if f"tracing:{name}" not in stack_files.settings(STACK):
            raise Missing(f"{WITHOUT} names {name}, which the {STACK} stack does not have")
    return names


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def _settings(
    stack: str, context: str, charts: Path | None, changes: Mapping[str, Any]
) -> dict[str, Any]:
    settings = stack_files.settings(stack)
    settings["tracing:kubernetes"] = {"context": context}
    settings |= {f"tracing:{name}": value for name, value in changes.items()}
    settings = {key: value for key, value in settings.items() if value is not None}
    if charts is not None:
        # With the digests that they have: a site that packs its charts itself has other ones than
        # those published, and that a wrong digest is refused is tested elsewhere.
        digests = {
            archive.name: hashlib.sha256(archive.read_bytes()).hexdigest()
            for archive in _used(settings, charts)
            if archive.is_file()
        }
        settings["tracing:charts"] = {"directory": "charts", "digests": digests}
    return settings


def _used(settings: dict[str, Any], charts: Path) -> list[Path]:
    parsed, _, _ = sections(settings, set())
    return [charts / chart.archive_name for chart in used_by(parsed).values()]


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


def _archives(settings: dict[str, Any], charts: Path | None) -> list[str]:
    archives = [] if charts is None else _used(settings, charts)
    return [f"{archive} is missing ({CHARTS})" for archive in archives if not archive.is_file()]
