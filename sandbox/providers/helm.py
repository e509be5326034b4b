"""Helm releases, as the kubernetes provider installs them: a chart, values, and a status.

Charts are not rendered: a release is one object in the cloud, and what it would install is not.
"""

import copy
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ..cloud import Cloud
from ..differences import Differences, compare, forced, merged_shape, pruned
from ..values import UNKNOWN, Secret, Unknown, holds, plain, with_secrets_of
from .simulation import Checked, Failure, Found, ProviderError, Request, UnsupportedError

_TIMEOUT_SECONDS: Final = 300
_PENDING: Final = ("pending-install", "pending-upgrade", "pending-rollback")
_OUTPUT_ONLY: Final = ("status", "resourceNames")


class HelmReleases:
    """The rules of `helm.v3.Release`."""

    def __init__(self, cloud: Cloud, namespace_exists: Callable[[str], bool]) -> None:
        self._cloud = cloud
        self._namespace_exists = namespace_exists

    def check(self, request: Request) -> Checked:
        """Name the release, resolve the chart, and drop what is empty."""
        if request.news.get("valueYamlFiles"):
            raise UnsupportedError(
                "the sandbox does not read valueYamlFiles: pass values, "
                "or add them to sandbox/providers/helm.py"
            )
        inputs = copy.deepcopy(dict(request.news))
        for ignored in ("compat", "manifest", "resourceNames"):
            inputs.pop(ignored, None)
        if not inputs.get("name"):
            inputs["name"] = request.old_inputs.get("name") or request.autoname(8)
        if not inputs.get("namespace"):
            inputs["namespace"] = request.config.get("namespace") or "default"
        if not inputs.get("skipAwait"):
            inputs.setdefault("timeout", _TIMEOUT_SECONDS)
        failures = []
        if not holds(inputs, Unknown):
            try:
                chart = _chart(inputs)
            except ProviderError as error:
                failures.append(Failure(str(error), "chart"))
            else:
                inputs["version"] = chart["version"]
        kept = {
            k: v for k, v in inputs.items() if k == "values" or v not in (None, False, "", [], {})
        }
        return Checked(kept, failures)

    def diff(self, request: Request) -> Differences:
        """Compare what is deployed with the new inputs; a new name or namespace replaces."""
        old_inputs = plain(request.olds.get("__inputs", request.old_inputs))
        news = dict(request.news)
        if "version" in request.ignored:
            news["version"] = request.olds.get("version")
        base = {
            key: pruned(value, merged_shape(old_inputs.get(key), news.get(key)))
            for key, value in request.olds.items()
            if key in old_inputs and key not in _OUTPUT_ONLY
        }
        return Differences(forced(compare(base, news), ("name", "namespace")))

    def create(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """Install the chart."""
        inputs = dict(request.news)
        if request.preview:
            return "", self._checkpoint(request, dict.fromkeys(_OUTPUT_ONLY, UNKNOWN))
        id = f"{inputs['namespace']}/{inputs['name']}"
        if not self._namespace_exists(inputs["namespace"]):
            if not inputs.get("createNamespace"):
                raise ProviderError(
                    f'create: failed to create: namespaces "{inputs["namespace"]}" not found'
                )
            # Helm makes it, and never deletes it.
            namespace = {"apiVersion": "v1", "kind": "Namespace"}
            self._cloud.put("kubernetes", "Namespace", inputs["namespace"], namespace)
        if self._cloud.get("kubernetes", "Release", id) is not None and not inputs.get("replace"):
            raise ProviderError(f"cannot re-use a name that is still in use ({id})")
        return id, self._checkpoint(request, self._deploy(id, inputs, 1))

    def read(self, request: Request) -> Found | None:
        """Look the release up; its values may have been changed by someone else."""
        live = self._cloud.get("kubernetes", "Release", request.id)
        if live is None:
            return None
        inputs = request.olds.get("__inputs", request.old_inputs)
        state = {
            **{key: value for key, value in request.olds.items() if key != "__inputs"},
            **{key: live[key] for key in ("values", "version", *_OUTPUT_ONLY) if key in live},
        }
        marked = with_secrets_of(inputs, request.marked)
        return Found({**with_secrets_of(state, request.marked), "__inputs": Secret(inputs)}, marked)

    def update(self, request: Request) -> Mapping[str, Any]:
        """Upgrade the release."""
        if request.preview:
            return self._checkpoint(request, dict.fromkeys(_OUTPUT_ONLY, UNKNOWN))
        live = self._cloud.get("kubernetes", "Release", request.id)
        if live is None:
            raise ProviderError(f"{request.id} has no deployed releases")
        # A killed upgrade leaves this status behind, and it has to be cleared by hand.
        if live["status"]["status"] in _PENDING:
            raise ProviderError(
                "another operation (install/upgrade/rollback) is in progress: "
                f"release {request.id} is {live['status']['status']}"
            )
        deployed = self._deploy(request.id, request.news, live["status"]["revision"] + 1)
        return self._checkpoint(request, deployed)

    def delete(self, request: Request) -> None:
        """Uninstall the release; unlike an object, one that is gone is an error."""
        if self._cloud.get("kubernetes", "Release", request.id) is None:
            raise ProviderError(f"uninstall: release {request.id} not found")
        self._cloud.remove("kubernetes", "Release", request.id)

    def _deploy(self, id: str, inputs: Mapping[str, Any], revision: int) -> dict[str, Any]:
        chart = _chart(inputs)
        status = {
            "appVersion": chart.get("appVersion", ""),
            "chart": chart["name"],
            "name": inputs["name"],
            "namespace": inputs["namespace"],
            "revision": revision,
            "status": "deployed",
            "version": chart["version"],
        }
        made = {"status": status, "resourceNames": {}}
        self._cloud.put("kubernetes", "Release", id, {**copy.deepcopy(dict(inputs)), **made})
        return made

    def _checkpoint(self, request: Request, made: Mapping[str, Any]) -> dict[str, Any]:
        # The copy of the inputs is secret as a whole, as in the real provider's state.
        inputs = with_secrets_of(request.news, request.marked)
        return {**inputs, **made, "__inputs": Secret(dict(request.news))}


def _chart(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Find a chart's own name and version: in a local archive or directory, else as asked for."""
    name = str(inputs.get("chart", ""))
    path = Path(name)
    if path.is_dir() and (path / "Chart.yaml").is_file():
        return yaml.safe_load((path / "Chart.yaml").read_text("utf-8"))
    if path.is_file():
        try:
            with tarfile.open(path) as archive:
                member = next(
                    m for m in archive if m.name.count("/") == 1 and "Chart.yaml" in m.name
                )
                content = archive.extractfile(member)
                assert content is not None
                return yaml.safe_load(content.read())
        except (tarfile.TarError, StopIteration) as error:
            raise ProviderError(f"{name} is not a chart archive: {error}") from None
    remote = name.startswith(("oci://", "https://", "http://")) or inputs.get("repositoryOpts")
    if not remote:
        raise ProviderError(f"chart {name!r} not found; check the chart name and repository")
    # The sandbox is offline: an exact version is taken at its word.
    return {"name": name.rsplit("/", 1)[-1], "version": inputs.get("version", "0.0.0-latest")}
