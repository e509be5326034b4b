"""The kubernetes provider: any object, custom ones included, by the general rules of the API."""

import base64
import copy
import uuid
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from importlib import metadata
from typing import Any, Final

import yaml

from ..cloud import Cloud
from ..differences import Differences, compare, forced, ignoring, pruned
from ..values import Secret, Unknown, holds, plain, with_secrets_of
from . import kubernetes_rules as rules
from .helm import HelmReleases
from .simulation import (
    Checked,
    Failure,
    Found,
    ProviderError,
    Request,
    Simulation,
    UnsupportedError,
)

_RELEASE: Final = "kubernetes:helm.sh/v3:Release"
_AUTONAMED: Final = "pulumi.com/autonamed"
_READ_ONLY: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
_CLAIM: Final = "PersistentVolumeClaim"
_DATA_OF: Final = "sandbox/data-of"
"""A note on a claim: the image whose data its volume holds."""
_BUILT_IN_GROUPS: Final = ("", "apps", "autoscaling", "batch", "policy")


class KubernetesSimulation(Simulation):
    """The kubernetes provider."""

    package = "kubernetes"
    version = metadata.version("pulumi-kubernetes")

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._releases = HelmReleases(cloud, self.namespace_exists)

    def namespace_exists(self, name: str) -> bool:
        """Whether objects can be made in a namespace."""
        known = self.cloud.get("kubernetes", "Namespace", name)
        return name in rules.BUILT_IN_NAMESPACES or known is not None

    def diff_config(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Differences:
        """Replace the provider, and all that it made, only when it turns to another cluster."""
        before, after = plain(olds), plain(news)
        old_cluster, new_cluster = _cluster(before), _cluster(after)
        named = "clusterIdentifier"
        if before.get(named) and after.get(named):
            causes = (named,) if before[named] != after[named] else ()
        elif old_cluster is not None and new_cluster is not None and old_cluster != new_cluster:
            causes = ("kubeconfig", "context", "cluster")
        else:
            causes = ()
        changes = compare(before, after)
        return Differences([replace(c, replaces=c.path[0] in causes) for c in changes])

    def object_kind(self, request: Request) -> str:
        """Name the kind as kubectl does: with its group when that is not the platform's own."""
        group = request.type.split(":")[1].rsplit("/", 1)[0]
        group = "" if group == "core" else group
        plain_kind = group in _BUILT_IN_GROUPS or group.endswith(".k8s.io")
        return request.kind if plain_kind or request.type == _RELEASE else f"{request.kind}.{group}"

    def check(self, request: Request) -> Checked:
        """Name the object, and write its content as the API server will."""
        if request.type == _RELEASE:
            return self._releases.check(request)
        if request.kind.endswith(("List", "Patch")) or not request.news.get("apiVersion"):
            raise UnsupportedError(
                f"the sandbox has no rules for {request.type}: "
                "add them to sandbox/providers/kubernetes.py"
            )
        inputs = _normalized(request.news)
        meta = inputs.setdefault("metadata", {})
        old_meta = request.old_inputs.get("metadata", {})
        if not meta.get("name") and not meta.get("generateName"):
            kept = _AUTONAMED in (old_meta.get("annotations") or {})
            meta["name"] = old_meta["name"] if kept else request.autoname(8)
            meta.setdefault("annotations", {})[_AUTONAMED] = "true"
        default = request.config.get("namespace")
        if default and not meta.get("namespace") and self._namespaced(request):
            meta["namespace"] = default
        failures = []
        if meta.get("generateName"):
            failures.append(Failure("not supported in server-side apply mode", "metadata"))
        # Marked here already: the engine's events show the inputs as Check returns them.
        return Checked(_marked(inputs, request.marked), failures)

    def diff(self, request: Request) -> Differences:
        """Compare the live object, as far as the inputs shape it, with the new inputs."""
        if request.type == _RELEASE:
            return self._releases.diff(request)
        live, inputs = _live_part(request.olds), _normalized(request.news)
        base = pruned(live, _normalized(request.old_inputs))
        if self._namespaced(request):
            for side in (base, inputs):
                side["metadata"] = {"namespace": "default", **side.get("metadata", {})}
        base.setdefault("metadata", {})["name"] = live["metadata"]["name"]
        group, flags = self._group(request), request.config
        paths = rules.replacing(group, request.kind, inputs, flags)
        changes = ignoring(forced(compare(base, inputs), paths), request.ignored)
        # One name cannot be held by the old and the new object at once.
        same = all(
            inputs["metadata"].get(key) == base["metadata"].get(key)
            for key in ("name", "namespace")
        )
        autonamed = _AUTONAMED in (inputs["metadata"].get("annotations") or {})
        return Differences(changes, same and not autonamed and any(c.replaces for c in changes))

    def create(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """Make the object; a preview is a dry run where the server could answer one."""
        if request.type == _RELEASE:
            return self._releases.create(request)
        inputs = copy.deepcopy(dict(request.news))
        namespace = inputs["metadata"].get("namespace") or "default"
        missing = self._namespaced(request) and not self.namespace_exists(namespace)
        if request.preview and (missing or holds(inputs, Unknown)):
            return "", with_secrets_of(inputs, request.marked)
        name = inputs["metadata"]["name"]
        id = f"{namespace}/{name}" if self._namespaced(request) else name
        kind = self.object_kind(request)
        live = self._live(request, inputs, namespace)
        if request.preview:
            live.pop("status", None)
            return "", self._checkpoint(request, inputs, live)
        if missing:
            raise ProviderError(f'namespaces "{namespace}" not found')
        upsert = rules.enabled(request.config, "upsertExistingObjects")
        if self.cloud.get("kubernetes", kind, id) is not None and not upsert:
            raise ProviderError(f'{kind} "{id}" already exists')
        self._store(kind, id, live)
        return id, self._checkpoint(request, inputs, live)

    def read(self, request: Request) -> Found | None:
        """Look the object up; the inputs follow what the server says of them."""
        if request.type == _RELEASE:
            return self._releases.read(request)
        live = self.cloud.get("kubernetes", self.object_kind(request), request.id)
        if live is None:
            return None
        inputs = pruned(live, request.old_inputs) if request.old_inputs else _normalized(live)
        marked = self._checkpoint(request, inputs, live)
        return Found(marked, marked["__inputs"])

    def update(self, request: Request) -> Mapping[str, Any]:
        """Change the object in place."""
        if request.type == _RELEASE:
            return self._releases.update(request)
        inputs = copy.deepcopy(dict(request.news))
        kind = self.object_kind(request)
        if request.preview:
            return self._checkpoint(request, inputs, {**_live_part(request.olds), **inputs})
        live = self.cloud.get("kubernetes", kind, request.id)
        if live is None:
            raise ProviderError(f'{kind} "{request.id}" not found')
        changed = self._live(request, inputs, live["metadata"].get("namespace", ""))
        changed["metadata"]["uid"] = live["metadata"]["uid"]
        changed["metadata"]["creationTimestamp"] = live["metadata"]["creationTimestamp"]
        self._store(kind, request.id, changed)
        return self._checkpoint(request, inputs, changed)

    def delete(self, request: Request) -> None:
        """Remove the object, with what dies with it; one that is gone is no error."""
        if request.type == _RELEASE:
            return self._releases.delete(request)
        self._remove(self.object_kind(request), request.id)

    def _group(self, request: Request) -> str:
        version = str(request.news.get("apiVersion") or request.olds.get("apiVersion", "v1"))
        return version.rsplit("/", 1)[0] if "/" in version else ""

    def _namespaced(self, request: Request) -> bool:
        for known in self.cloud.objects("kubernetes", "CustomResourceDefinition"):
            spec = known.properties["spec"]
            if (spec["group"], spec["names"]["kind"]) == (self._group(request), request.kind):
                return spec.get("scope") != "Cluster"
        return request.kind not in rules.CLUSTER_SCOPED

    def _live(self, request: Request, inputs: Mapping[str, Any], namespace: str) -> dict[str, Any]:
        """Make of inputs what the server would keep."""
        live = _normalized(inputs)
        serial = len(self.cloud.log)
        live["metadata"] = {
            **live["metadata"],
            **({"namespace": namespace} if self._namespaced(request) else {}),
            "uid": str(uuid.uuid4()),
            "resourceVersion": str(serial),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        added = rules.server_fields(self._group(request), request.kind, live, serial)
        spec = {**added.get("spec", {}), **(live.get("spec") or {})}
        return {**live, **({"spec": spec} if spec else {}), **_only(added, "status")}

    def _store(self, kind: str, id: str, live: Mapping[str, Any]) -> None:
        before = self.cloud.get("kubernetes", kind, id) or {}
        self.cloud.put("kubernetes", kind, id, {**live, **_only(before, _DATA_OF)})
        if kind != "StatefulSet":
            return
        # It takes up the claims that are there. Those that it makes are nobody's resources: they
        # outlive it, with their data.
        for claim, template in rules.claims(id, live).items():
            made = {**template, "apiVersion": "v1", "kind": _CLAIM}
            found = self.cloud.get("kubernetes", _CLAIM, claim) or made
            image = live["spec"]["template"]["spec"]["containers"][0].get("image", "")
            self.cloud.put("kubernetes", _CLAIM, claim, {**found, _DATA_OF: image})

    def _remove(self, kind: str, id: str) -> None:
        """Remove an object with all that dies with it."""
        object = self.cloud.get("kubernetes", kind, id)
        if object is None:
            return
        self.cloud.remove("kubernetes", kind, id)
        if kind == "Namespace":
            for other in self.cloud.objects("kubernetes"):
                if other.id.startswith(f"{id}/"):
                    self._remove(other.kind, other.id)
        elif kind == "StatefulSet" and rules.deletes_claims(object):
            for claim in rules.claims(id, object):
                self._remove(_CLAIM, claim)
        elif kind == _CLAIM and "minio" in object.get(_DATA_OF, ""):
            # A MinIO that runs in the cluster keeps everything it has in this volume.
            for kept in self.cloud.objects("minio"):
                self.cloud.remove("minio", kept.kind, kept.id)

    def _checkpoint(
        self, request: Request, inputs: Mapping[str, Any], live: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Make the state of an object: what is live, and the inputs it was made from."""
        manager = sha256(request.urn.encode()).hexdigest()[:8]
        return {
            **_marked(live, request.marked),
            "__inputs": _marked(inputs, request.marked),
            "__initialApiVersion": inputs.get("apiVersion", ""),
            "__fieldManager": request.olds.get("__fieldManager", f"pulumi-kubernetes-{manager}"),
        }


def _marked(object: Mapping[str, Any], marked: Mapping[str, Any]) -> dict[str, Any]:
    """Mark an object's secrets; the whole content of a Secret is one, whatever it was made from."""
    result = with_secrets_of(object, marked)
    if result.get("kind") == "Secret":
        for key in ("data", "stringData"):
            if key in result and not isinstance(result[key], Secret):
                result[key] = Secret(result[key])
    return result


def _normalized(object: Mapping[str, Any]) -> dict[str, Any]:
    """Write inputs as the server would: no read-only fields, a Secret's text as base64 data."""
    result = {k: v for k, v in copy.deepcopy(dict(object)).items() if not k.startswith("__")}
    for key in _READ_ONLY:
        (result.get("metadata") or {}).pop(key, None)
    if result.get("kind") == "Secret" and result.get("stringData") and not holds(result, Unknown):
        text = result.pop("stringData")
        encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in text.items()}
        result["data"] = {**(result.get("data") or {}), **encoded}
    return result


def _live_part(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if not key.startswith("__")}


def _only(properties: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {key: properties[key]} if key in properties else {}


def _cluster(config: Mapping[str, Any]) -> Any:
    """Find the cluster a provider's kubeconfig points at; None when that cannot be told."""
    try:
        kubeconfig = yaml.safe_load(config["kubeconfig"])
        contexts = {entry["name"]: entry["context"] for entry in kubeconfig["contexts"]}
        current = contexts[config.get("context") or kubeconfig["current-context"]]
        wanted = config.get("cluster") or current["cluster"]
        return next(entry for entry in kubeconfig["clusters"] if entry["name"] == wanted)
    except (KeyError, TypeError, StopIteration, AttributeError, yaml.YAMLError):
        return None
