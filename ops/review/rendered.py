"""What a chart makes of a release on both sides, where `helm` and the chart's archive are at hand.

A release shows values; what of it reaches which object, and whose pods restart, only the chart
knows. Nothing is fetched for it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ops.review.change import MISSING, Operation, RenderedChart, RenderedObject
from ops.review.properties import differences
from sandbox.values import SECRET_SHOWN

_OPERATORS_GROUP: Final = "monitoring.coreos.com/v1"
"""Charts leave out ServiceMonitors for a cluster that does not know them."""

_KUBERNETES: Final = "1.36.0"
"""Charts refuse a version that they are not for, and helm's own guess is an old one."""

_WORKLOADS: Final = ("DaemonSet", "Deployment", "StatefulSet")

_SECONDS: Final = 60
"""For one chart; the largest of the pinned ones takes about one."""


class NotRendered(Exception):
    """A chart could not be rendered; the text says why, as the end of a sentence."""


def rendered(old: Mapping[str, Any], new: Mapping[str, Any], archives: Path) -> RenderedChart:
    """The objects that differ between two releases' inputs. Raises NotRendered."""
    one, other = _archive(old, archives), _archive(new, archives)
    helm = shutil.which("helm")
    if helm is None:
        raise NotRendered("there is no `helm` on PATH")
    before, after = _objects(helm, old, one), _objects(helm, new, other)
    compared = []
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            compared.append(_compared(key, before.get(key), after.get(key)))
    return RenderedChart(objects=tuple(compared))


def _compared(
    key: tuple[str, str], old: dict[str, Any] | None, new: dict[str, Any] | None
) -> RenderedObject:
    kind, name = key
    operation: Operation = "update"
    if old is None or new is None:
        operation = "create" if old is None else "delete"
        gone = new is None and kind in _WORKLOADS
        return RenderedObject(kind=kind, name=name, operation=operation, restarts=gone)
    properties = differences(old, new)
    return RenderedObject(
        kind=kind,
        name=name,
        operation=operation,
        properties=properties,
        restarts=any(change.path.startswith("spec.template.") for change in properties),
    )


def _archive(release: Mapping[str, Any], archives: Path) -> Path:
    """Where the archive of a release's chart is, which may be named by a path."""
    name = Path(release["chart"]).name
    if not name.endswith(".tgz"):
        name = f"{name}-{release['version']}.tgz"
    if not (archives / name).is_file():
        raise NotRendered(
            f"`{name}` is not in `{archives.name}/` (`make charts` or `--charts DIR`)"
        )
    return archives / name


def _objects(
    helm: str, release: Mapping[str, Any], archive: Path
) -> dict[tuple[str, str], dict[str, Any]]:
    """A release's objects by kind and name."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as values:
        json.dump(release.get("values") or {}, values)
        values.flush()
        command = [helm, "template", release["name"], str(archive), "--values", values.name]
        command += ["--namespace", release["namespace"], "--kube-version", _KUBERNETES]
        command += ["--api-versions", _OPERATORS_GROUP]
        try:
            text = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
                timeout=_SECONDS,
            ).stdout
        except subprocess.CalledProcessError as error:
            raise NotRendered(f"helm refuses it: {error.stderr.strip()[:300]}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotRendered(str(error)) from None
    # The C loader where there is one: a chart has thousands of lines.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {
        (document["kind"], document["metadata"]["name"]): _without_secrets(document)
        for document in yaml.load_all(text, Loader=loader)
        if document
    }


def _without_secrets(document: dict[str, Any]) -> dict[str, Any]:
    if document["kind"] != "Secret":
        return document
    hidden = {key: SECRET_SHOWN for key in ("data", "stringData") if document.get(key, MISSING)}
    return document | hidden
