"""Traefik's roles in the namespaces that it serves, which go with a namespace that is deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ops.checks.finding import Check, Finding, Skipped
from ops.checks.releases import helm, revisions_of
from ops.checks.subject import Subject
from ops.hops.cluster import KubectlError

_SERVED: Final = re.compile(r"--providers\.kubernetesingress\.namespaces=(.*)")


def _check(subject: Subject) -> list[Finding]:
    traefik = subject.settings.traefik
    if traefik is None or traefik.install != "release":
        raise Skipped("this stack installs no Traefik")
    name, namespace = traefik.release_name, traefik.namespace
    try:
        installed = subject.kubectl.ask(
            *("get", "deployment", name, "--ignore-not-found", "--output=json"), namespace=namespace
        )
        # By what is installed: a namespace that only the stack file names gets its role yet.
        served = _served(json.loads(installed)) if installed.strip() else []
        if not served:
            raise Skipped("no Traefik of some namespaces is installed")
        bound = _bound(subject, name)
    except KubectlError as error:
        raise Skipped(str(error)) from None
    missing = [each for each in served if each not in bound]
    if not missing:
        return []
    last = max((each.number for each in revisions_of(subject, namespace).get(name, ())), default=0)
    command = helm(
        subject.settings.kubernetes, "rollback", name, str(last), "--namespace", namespace
    )
    return [
        Finding(
            level="error",
            what=f"Traefik has no role in {', '.join(missing)}, whose routes it serves",
            why="the namespace was deleted since. Traefik reads none of its routes, and a pod of it"
            " that starts waits for them and serves no route of any namespace",
            command=f"{command}  # with the namespace there again; for one that is gone for good"
            " take it out of tracing:traefik.routeNamespaces instead, and make up",
        )
    ]


def _served(deployment: Mapping[str, Any]) -> list[str]:
    """The namespaces that its pods are told of; none where they serve all."""
    told = [
        argument
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for argument in container.get("args", ())
    ]
    found = next(filter(None, map(_SERVED.fullmatch, told)), None)
    return found[1].split(",") if found else []


def _bound(subject: Subject, name: str) -> set[str]:
    """The namespaces with a RoleBinding of the release's name."""
    said = subject.kubectl.ask(
        "get",
        "rolebindings.rbac.authorization.k8s.io",
        "--all-namespaces",
        f"--field-selector=metadata.name={name}",
        "--output=json",
    )
    return {each["metadata"]["namespace"] for each in json.loads(said)["items"]}


CHECK: Final = Check(name="Traefik's roles", run=_check)
