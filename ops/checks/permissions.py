"""What the user may do in the cluster, of what an update of this stack does there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from config.grafana import GrafanaApiConfig
from config.object_store import MinioConfig
from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from ops.hops.cluster import KubectlError
from policy.judged import Resource, helm_values
from policy.marks import mappings

VERBS: Final = ("get", "list", "watch", "create", "patch", "update", "delete")
"""What the provider and Helm do with an object: look, wait, make, change, take away."""

_PLURALS: Final = {
    "Ingress": "ingresses",
    "NetworkPolicy": "networkpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets",
}
CLUSTER_WIDE: Final = frozenset({"Namespace", "ClusterRole", "ClusterRoleBinding"})

CHART_KINDS: Final = (
    ("", "configmaps"),
    ("", "secrets"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("policy", "poddisruptionbudgets"),
)
"""What charts make in any case: without the chart itself nobody can say more. Helm keeps its
releases in Secrets."""


@dataclass(frozen=True, kw_only=True, order=True)
class Access:
    """One thing that an update does."""

    namespace: str
    """Empty for what is in none."""
    group: str
    resource: str
    verb: str
    subresource: str = ""

    @property
    def review(self) -> dict[str, Any]:
        """The question to the API server."""
        attributes = {
            "group": self.group,
            "resource": self.resource,
            "subresource": self.subresource,
            "verb": self.verb,
            "namespace": self.namespace,
        }
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
        }

    @property
    def kind(self) -> str:
        """The resource as kubectl takes it."""
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{name}/{self.subresource}" if self.subresource else name


EVERYTHING: Final = Access(namespace="", group="*", resource="*", verb="*")


def needed(subject: Subject) -> list[Access]:
    """What an update of the stack does in the cluster."""
    found: set[Access] = set()
    for registered in subject.resources:
        resource = Resource(
            type=registered.type, name=registered.name, properties=registered.inputs
        )
        if resource.is_release:
            found |= set(_of_chart(resource))
        elif resource.is_kubernetes_object:
            found |= set(_all_verbs(*_address(resource)))
    store, grafana = subject.settings.object_store, subject.settings.grafana
    if isinstance(store, MinioConfig) and store.admin.endpoint is None:
        found |= set(_forward(store.namespace, "statefulset"))
    way = grafana.port_forward if isinstance(grafana, GrafanaApiConfig) else None
    if way is not None:
        found |= set(_forward(way.namespace, way.resource.partition("/")[0]))
    return sorted(found)


def _forward(namespace: str, kind: str) -> Iterator[Access]:
    """What `kubectl port-forward` asks for: the object that is named, its pods, and the way."""
    group = "" if kind == "service" else "apps"
    yield Access(namespace=namespace, group=group, resource=f"{kind}s", verb="get")
    for verb in ("get", "list"):
        yield Access(namespace=namespace, group="", resource="pods", verb=verb)
    yield Access(
        namespace=namespace, group="", resource="pods", subresource="portforward", verb="create"
    )


def _address(resource: Resource) -> tuple[str, str, str]:
    version = str(resource.properties.get("apiVersion", "v1"))
    group = version.partition("/")[0] if "/" in version else ""
    plural = _PLURALS.get(resource.kind, f"{resource.kind.lower()}s")
    namespace = "" if resource.kind in CLUSTER_WIDE else resource.namespace or "default"
    return namespace, group, plural


def _of_chart(release: Resource) -> Iterator[Access]:
    namespace = release.namespace or "default"
    for group, plural in CHART_KINDS:
        yield from _all_verbs(namespace, group, plural)
    for values in helm_values(release):
        for manifest in values.get("extraObjects", ()):
            type = f"kubernetes:{manifest['apiVersion']}:{manifest['kind']}"
            # What is in a namespace goes to the release's.
            placed = {**manifest, "metadata": {"namespace": namespace, **manifest["metadata"]}}
            yield from _all_verbs(*_address(Resource(type=type, name="", properties=placed)))
        if release.properties["chart"] == "traefik":
            yield from _of_traefik(values)
    creates = any(
        key == "clusterRole" and mapping[key].get("create") is True
        for values in helm_values(release)
        for _, mapping in mappings(values)
        for key in mapping
    )
    if creates:
        yield from _roles("", "clusterrole")


def _of_traefik(values: Mapping[str, Any]) -> Iterator[Access]:
    """What its chart makes beside what all do: a class of Ingresses, and roles of its own."""
    yield from _all_verbs("", "networking.k8s.io", "ingressclasses")
    if not values.get("rbac", {}).get("namespaced"):
        yield from _roles("", "clusterrole")
        return
    for namespace in values["providers"]["kubernetesIngress"]["namespaces"]:
        yield from _roles(namespace, "role")


def _roles(namespace: str, kind: str) -> Iterator[Access]:
    for plural in (f"{kind}s", f"{kind}bindings"):
        yield from _all_verbs(namespace, "rbac.authorization.k8s.io", plural)


def _all_verbs(namespace: str, group: str, resource: str) -> Iterator[Access]:
    for verb in VERBS:
        yield Access(namespace=namespace, group=group, resource=resource, verb=verb)


def _check(subject: Subject) -> list[Finding]:
    wanted = needed(subject)
    try:
        if _denied(subject, [EVERYTHING]) == []:
            return []
        denied = _denied(subject, wanted)
    except KubectlError as error:
        raise Skipped(str(error)) from None
    return [
        Finding(
            level="error",
            what=f"you may not {', '.join(sorted(verbs))} {kind}"
            + (f" in {namespace}" if namespace else ""),
            why="the update fails when it comes to one of them",
            command=subject.kubectl.line(
                "auth",
                "can-i",
                "--list",
                *([f"--namespace={namespace}"] if namespace else []),
            )
            + "  # ask the cluster's administrator for a role with these",
        )
        for (namespace, kind), verbs in _grouped(denied).items()
    ]


def _grouped(denied: Iterable[Access]) -> dict[tuple[str, str], list[str]]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for access in denied:
        grouped.setdefault((access.namespace, access.kind), []).append(access.verb)
    return grouped


def _denied(subject: Subject, wanted: list[Access]) -> list[Access]:
    """What of it the API server would refuse; raises KubectlError."""
    reviews = {"apiVersion": "v1", "kind": "List", "items": [each.review for each in wanted]}
    said = subject.kubectl.ask(
        "create", "--filename=-", "--output=json", "--validate=false", given=json.dumps(reviews)
    )
    return [
        access
        for access, answer in zip(wanted, _documents(said), strict=True)
        if not answer["status"].get("allowed")
    ]


def _documents(text: str) -> list[dict[str, Any]]:
    """kubectl's answers: one document, a list, or one after the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = decoder.raw_decode(text, at)
        found += document["items"] if document.get("kind") == "List" else [document]
    return found


CHECK: Final = Check(name="permissions", run=_check)
