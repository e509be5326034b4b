"""What a Helm chart can be told: every path of its values, locked in `chart_values/`.

Helm ignores a value that the chart doesn't read: a misspelt or renamed key does nothing, silently.
A test walks what the program sets through `unknown_paths`. The locks are made from the chart
archives (`python -m ops chart-lock --archive FILE.tgz`) and checked in: the test needs no archive.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ops import UserError

NAME = "chart-lock"
HELP = "write chart_values/<chart>-<version>.json from chart archives"
GENERATES = "chart_values/, from the archives in charts/ (`make charts` downloads them)"

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "chart_values"

OPEN = frozenset({"map", "list", "null"})
"""Kinds of default beneath which the chart accepts anything: it names no keys of its own there."""

HANDED_ON: Mapping[str, Mapping[str, str]] = {
    "opentelemetry-collector": {
        "config": "merged over the defaults and written as the collector's own configuration",
        "ports": "a map by port name: each entry becomes a container port and a service port",
        "podDisruptionBudget.maxUnavailable": "commented out in values.yaml",
        "service.clusterIP": "read by the Service's template; None makes it headless",
        "service.enabled": "commented out in values.yaml; in daemonset mode the Service needs it",
    },
    "tempo": {"securityContext.seccompProfile": "the whole map is the pod's securityContext"},
    "tempo-distributed": {
        "backendWorker.maxUnavailable": "read by the PodDisruptionBudget of Tempo 3's worker",
        "backendWorker.podDisruptionBudget": "the same",
        "compactor.topologySpreadConstraints": "read by the Deployment of Tempo 2's compactor",
        "tempo.podSecurityContext.seccompProfile": "the whole map is each pod's securityContext",
        "storage.trace.s3": "copied into Tempo's own `storage` block; the default backend is local",
    },
    "traefik": {
        "ports": "a map by entry point name: each entry becomes an entry point and a service port",
    },
}
"""Per chart, what its templates hand on though its values.yaml doesn't name it, and to where."""


@dataclass(frozen=True, kw_only=True)
class ChartLock:
    """A chart version and the kind of default at each path of its values."""

    chart: str
    version: str
    app_version: str | None
    kube_version: str | None
    repository: str | None
    sha256: str | None
    value_paths: Mapping[str, str]

    @property
    def file_name(self) -> str:
        """The lock's file in `chart_values/`."""
        return f"{self.chart}-{self.version}.json"

    def text(self) -> str:
        """The lock as it is checked in: a line for each path, so that a diff shows what changed."""
        document = {
            "chart": self.chart,
            "version": self.version,
            "appVersion": self.app_version,
            "kubeVersion": self.kube_version,
            "repository": self.repository,
            "sha256": self.sha256,
            "valuePaths": dict(sorted(self.value_paths.items())),
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def load(chart: str, version: str, directory: Path = LOCKS) -> ChartLock:
    """The checked-in lock of a chart version."""
    file = directory / f"{chart}-{version}.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"chart_values/{file.name} is missing: download the chart (`make charts`) and run"
            f" `python -m ops chart-lock --archive charts/{chart}-{version}.tgz`"
        ) from None
    return ChartLock(
        chart=document["chart"],
        version=document["version"],
        app_version=document["appVersion"],
        kube_version=document["kubeVersion"],
        repository=document["repository"],
        sha256=document["sha256"],
        value_paths=document["valuePaths"],
    )


def from_archive(archive: Path, repository: str | None = None) -> ChartLock:
    """The lock of a chart archive, its subcharts' values under their names."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            documents = _documents(tar)
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{archive}: not a chart archive that can be read ({error})") from error
    about = documents.get(("Chart.yaml",))
    if not isinstance(about, Mapping) or not {"name", "version"} <= about.keys():
        raise UserError(f"{archive}: no Chart.yaml with a name and a version in it")
    return ChartLock(
        chart=str(about["name"]),
        version=str(about["version"]),
        app_version=_text(about.get("appVersion")),
        kube_version=_text(about.get("kubeVersion")),
        repository=repository,
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        value_paths=dict(_flatten(_values(documents, ()))),
    )


def unknown_paths(values: Mapping[str, Any], lock: ChartLock) -> list[str]:
    """The topmost paths of these values that the chart doesn't know, in their own order.

    A dot inside a key is written `\\.`, as in Helm's --set: the one key `a.b` is not the path a.b.
    """
    handed_on = HANDED_ON.get(lock.chart, {})
    parents = {
        path[:end]
        for path in (*lock.value_paths, *handed_on)
        for end, character in enumerate(path)
        if character == "."
    }

    def walk(part: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for key, value in part.items():
            path = prefix + _escaped(key)
            kind = lock.value_paths.get(path)
            if path in handed_on or kind in OPEN:
                continue
            if kind is not None:
                # A map where the chart has a single value replaces it by what no template reads.
                if isinstance(value, Mapping):
                    yield path
            elif path in parents:
                if isinstance(value, Mapping):
                    yield from walk(value, f"{path}.")
                elif value is not None:  # null removes the chart's defaults: Helm's own way
                    yield path
            else:
                yield path

    return list(walk(values, ""))


def _documents(tar: tarfile.TarFile) -> dict[tuple[str, ...], Any]:
    """Chart.yaml and values.yaml of the chart and its subcharts, by their path inside the chart."""
    documents: dict[tuple[str, ...], Any] = {}
    for member in tar:
        parts = tuple(member.name.removeprefix("./").split("/"))[1:]
        above = parts[:-1]
        # Charts alternate with `charts/`; a values.yaml anywhere else is a template's or a test's.
        is_chart = len(above) % 2 == 0 and all(part == "charts" for part in above[::2])
        if is_chart and parts[-1:] and parts[-1] in {"Chart.yaml", "values.yaml"}:
            content = tar.extractfile(member)
            if content is not None:
                documents[parts] = yaml.safe_load(content.read())
    return documents


def _values(documents: Mapping[tuple[str, ...], Any], chart: tuple[str, ...]) -> dict[str, Any]:
    """A chart's values as Helm sees them: its subcharts' defaults beneath, its own on top."""
    about = documents.get((*chart, "Chart.yaml")) or {}
    merged: dict[str, Any] = {}
    for dependency in about.get("dependencies") or []:
        inside = (*chart, "charts", dependency["name"])
        if (*inside, "Chart.yaml") in documents:
            merged[dependency.get("alias") or dependency["name"]] = _values(documents, inside)
    return _over(merged, documents.get((*chart, "values.yaml")) or {})


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            value = _over(under, value)
        merged[key] = value
    return merged


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        path = prefix + _escaped(key)
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{path}.")
        else:
            yield path, _kind(value)


def _escaped(key: object) -> str:
    return str(key).replace(".", "\\.")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool() | int() | float():
            return type(value).__name__
        case Mapping():
            return "map"
        case list():
            return "list"
        case _:
            return "str"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--archive",
        type=Path,
        action="append",
        metavar="FILE.tgz",
        help="a chart archive; may be repeated (default: every archive in charts/)",
    )
    parser.add_argument("--repository", help="where the chart is published (default: as locked)")


def run(arguments: argparse.Namespace) -> None:
    """Write the locks of the archives."""
    archives: list[Path] = arguments.archive or sorted((ROOT / "charts").glob("*.tgz"))
    if not archives:
        print("  no archives in charts/: the locks stay as they are")
    for archive in archives:
        lock = from_archive(archive, arguments.repository)
        file = LOCKS / lock.file_name
        if lock.repository is None and file.exists():
            known = load(lock.chart, lock.version).repository
            lock = from_archive(archive, known)
        file.write_text(lock.text(), encoding="utf-8")
        print(f"  {file.relative_to(ROOT)}: {len(lock.value_paths)} paths")
