"""The cluster: its context, whether it answers, what it has of what the stack needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from config.kafka import KafkaClusterConfig
from config.stack import grafana_namespaces
from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from ops.hops.cluster import KubectlError
from ops.registrations import RELEASE
from policy.judged import Resource, helm_values
from policy.marks import child, mappings

DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
STRIMZI_GROUP: Final = "kafka.strimzi.io"


def _reachable(subject: Subject) -> list[Finding]:
    context = subject.settings.kubernetes.context
    try:
        known = subject.kubectl.ask("config", "get-contexts", "--output=name").splitlines()
    except KubectlError as error:
        raise Skipped(str(error)) from None
    if context is None and not known:
        return [_no_context("the kubeconfig has no context")]
    if context is not None and context not in known:
        return [_no_context(f"the kubeconfig has no context {context}", context)]
    try:
        subject.kubectl.ask("get", "--raw=/version")
    except KubectlError as error:
        return [
            Finding(
                level="error",
                what=f"the cluster does not answer: {error}",
                why="a preview goes through without it, and the update fails at the first object",
                command=subject.kubectl.line("cluster-info"),
            )
        ]
    return []


def _no_context(what: str, context: str | None = None) -> Finding:
    known = "kubectl config get-contexts"
    return Finding(
        level="error",
        what=what,
        why="the update would have no cluster to go to",
        command=known
        if context is None
        else f"{known}  # then write one of them under tracing:kubernetes.context",
    )


def _namespaces(subject: Subject) -> list[Finding]:
    settings = subject.settings
    made = {
        resource.inputs["metadata"]["name"]
        for resource in subject.resources
        if resource.type.endswith(":Namespace")
    }
    sections = {
        "kubernetes.existingNamespaces": settings.kubernetes.existing_namespaces,
        "traefik.routeNamespaces": settings.traefik.route_namespaces if settings.traefik else (),
        "grafana.namespace": grafana_namespaces(settings),
    }
    # Each once, however many name it.
    wanted = {
        name: key for key, names in reversed(sections.items()) for name in names if name not in made
    }
    if not wanted:
        raise Skipped("the stack makes all of its namespaces")
    there = {each["metadata"]["name"] for each in _listed(subject, "namespaces")}
    return [
        Finding(
            level="error",
            what=f"there is no namespace {name}, which tracing:{key} takes for one that is there",
            why="the update fails when it comes to the first object in it",
            command=subject.kubectl.line("create", "namespace", name),
        )
        for name, key in sorted(wanted.items())
        if name not in there
    ]


def _storage(subject: Subject) -> list[Finding]:
    named, default = _classes(subject)
    if not named and not default:
        raise Skipped("nothing of this stack asks for a volume")
    classes = _listed(subject, "storageclasses.storage.k8s.io")
    names = {each["metadata"]["name"] for each in classes}
    missing = sorted(named - names)
    found = [
        Finding(
            level="error",
            what=f"there is no StorageClass {name}",
            why="volumes that ask for it stay pending, and so do their pods",
            command=subject.kubectl.line("get", "storageclasses"),
        )
        for name in missing
    ]
    defaults = [
        each["metadata"]["name"]
        for each in classes
        if (each["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    if default and len(defaults) != 1:
        patch = json.dumps(
            {"metadata": {"annotations": {DEFAULT_CLASS: "false" if defaults else "true"}}}
        )
        name = defaults[0] if defaults else "NAME"
        found.append(
            Finding(
                level="warning" if defaults else "error",
                what=f"{len(defaults) or 'no'} StorageClasses are the default one",
                why="volumes that name none get the newest of them"
                if defaults
                else "volumes that name none stay pending, and so do their pods",
                command=subject.kubectl.line("patch", "storageclass", name, f"--patch='{patch}'"),
            )
        )
    return found


def _classes(subject: Subject) -> tuple[set[str], bool]:
    """The StorageClasses that volumes name, and whether some name none."""
    named: set[str] = set()
    default = False
    for resource in subject.resources:
        claims: list[Any] = []
        if resource.type.endswith(":PersistentVolumeClaim"):
            claims.append(child(resource.inputs, "spec", "storageClassName"))
        if resource.type.endswith(":KafkaNodePool"):
            volumes = child(resource.inputs, "spec", "storage", "volumes") or ()
            claims += [child(volume, "class") for volume in volumes]
        if resource.type == RELEASE:
            claims += _chart_claims(resource.inputs)
        named |= {name for name in claims if isinstance(name, str)}
        default = default or None in claims
    return named, default


def _chart_claims(inputs: Mapping[str, Any]) -> Iterator[str | None]:
    release = Resource(type=RELEASE, name="", properties=inputs)
    for values in helm_values(release):
        for _, mapping in mappings(values):
            persistence = mapping.get("persistence")
            if child(persistence, "enabled") is True:
                yield child(persistence, "storageClass") or child(persistence, "storageClassName")
            for template in mapping.get("volumeClaimTemplates") or ():
                yield child(template, "spec", "storageClassName")


def _versions(subject: Subject) -> list[Finding]:
    try:
        known = set(subject.kubectl.ask("api-versions").split())
    except KubectlError as error:
        raise Skipped(str(error)) from None
    wanted: dict[str, set[str]] = {}
    for resource in subject.resources:
        version = resource.inputs.get("apiVersion")
        if resource.type.startswith("kubernetes:") and isinstance(version, str):
            wanted.setdefault(version, set()).add(resource.type.rpartition(":")[2])
    kafka = subject.settings.kafka
    own_operator = isinstance(kafka, KafkaClusterConfig) and kafka.operator == "release"
    return [
        Finding(
            level="error",
            what=f"the cluster does not know {version} ({', '.join(sorted(kinds))})",
            why="the update fails when it comes to the first of them",
            command=subject.kubectl.line("api-resources", f"--api-group={version.split('/')[0]}"),
        )
        for version, kinds in sorted(wanted.items())
        # The operator of the stack's own brings its definitions along.
        if version not in known and not (own_operator and version.startswith(STRIMZI_GROUP))
    ]


def _listed(subject: Subject, *kind: str) -> list[dict[str, Any]]:
    try:
        return json.loads(subject.kubectl.ask("get", *kind, "--output=json"))["items"]
    except KubectlError as error:
        raise Skipped(str(error)) from None


CHECKS: Final = (
    Check(name="cluster", run=_reachable),
    Check(name="namespaces", run=_namespaces),
    Check(name="storage classes", run=_storage),
    Check(name="API versions", run=_versions),
)
