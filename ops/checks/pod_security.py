"""Pod-security labels: whether the cluster lets the stack's pods into its namespaces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from ops.hops.cluster import KubectlError
from policy.judged import Resource
from policy.rules.namespaces import LABEL
from policy.rules.pods import RULE

BASELINE: Final = ("hostPath", "hostNetwork", "hostPID", "hostIPC", "of its node", "privileged")
"""Of what the standard `restricted` refuses, what `baseline` refuses as well."""


def _check(subject: Subject) -> list[Finding]:
    try:
        listed = json.loads(subject.kubectl.ask("get", "namespaces", "--output=json"))["items"]
    except KubectlError as error:
        raise Skipped(str(error)) from None
    enforced = {
        each["metadata"]["name"]: (each["metadata"].get("labels") or {}).get(LABEL)
        for each in listed
    }
    return list(_findings(subject, enforced))


def _findings(subject: Subject, enforced: dict[str, str | None]) -> Iterator[Finding]:
    for registered in subject.resources:
        resource = Resource(
            type=registered.type, name=registered.name, properties=registered.inputs
        )
        level = enforced.get(resource.namespace or "")
        if level not in ("restricted", "baseline"):
            continue
        refused = [
            finding.message
            for finding in RULE.findings([resource])
            if level == "restricted" or any(word in finding.message for word in BASELINE)
        ]
        if refused:
            yield _refused(
                subject, str(resource.namespace), level, resource.name, "; ".join(refused)
            )
    demo = subject.settings.demo_app
    if demo is not None and demo.linkerd and not subject.settings.kubernetes.linkerd_cni:
        level = enforced.get(demo.namespace)
        # In no manifest: Linkerd's injector adds it.
        if level in ("restricted", "baseline"):
            proxy = "the container that sets the routes of Linkerd's proxy has NET_ADMIN"
            yield _refused(subject, demo.namespace, level, "demo-app", proxy)


def _refused(subject: Subject, namespace: str, level: str, name: str, why: str) -> Finding:
    return Finding(
        level="error",
        what=f"{namespace} enforces the pod security standard {level}, which {name} does not keep:"
        f" {why}",
        why="the API server refuses its pods, and the update waits for them until it fails",
        command=subject.kubectl.line(
            "label", "namespace", namespace, f"{LABEL}=privileged", "--overwrite"
        ),
    )


CHECK: Final = Check(name="pod security", run=_check)
