"""Restricted pods: the Kubernetes pod security standard of that name.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..judged import Finding, Resource, Rule, helm_values
from ..marks import child, mappings, shown
from ..workloads import containers, pod_spec

_SECCOMP: Final = ("RuntimeDefault", "Localhost")
_HOST: Final = ("hostNetwork", "hostPID", "hostIPC")
_CONTEXTS: Final = ("securityContext", "podSecurityContext", "containerSecurityContext")
_ROOT: Final = (0, "0")


def _check(resource: Resource) -> Iterator[Finding]:
    if (pod := pod_spec(resource)) is not None:
        for message, remedy in _pod(pod):
            yield Finding(resource=resource, message=message, remedy=remedy)
    for values in helm_values(resource):
        for message, remedy in _values(values):
            yield Finding(resource=resource, message=message, remedy=remedy)


def _pod(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    context = pod.get("securityContext") or {}
    yield from _contrary(pod, "pod")
    yield from _contrary_context(context, "the pod's securityContext")
    for name, container in containers(pod):
        own = container.get("securityContext") or {}
        yield from _contrary_context(own, f"container {name}'s securityContext")
        yield from _contrary(container, f"container {name}")
        if not _either(own, context, "runAsNonRoot"):
            yield f"container {name} may run as root", "Set securityContext.runAsNonRoot: true."
        seccomp = child(own, "seccompProfile", "type") or child(context, "seccompProfile", "type")
        if seccomp not in _SECCOMP:
            yield (
                f"container {name} has no seccompProfile",
                "Set securityContext.seccompProfile.type: RuntimeDefault.",
            )
        if own.get("allowPrivilegeEscalation") is not False:
            yield (
                f"container {name} may gain privileges",
                "Set securityContext.allowPrivilegeEscalation: false.",
            )
        if "ALL" not in (child(own, "capabilities", "drop") or ()):
            yield (
                f"container {name} keeps capabilities",
                "Set securityContext.capabilities.drop: [ALL].",
            )


def _either(own: Mapping[str, Any], pod: Mapping[str, Any], key: str) -> Any:
    return own[key] if own.get(key) is not None else pod.get(key)


def _values(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What Helm values say against the standard. What they leave to the chart is not seen."""
    for path, mapping in mappings(values, ("values",)):
        yield from _contrary(mapping, shown(path))
        for key in _CONTEXTS:
            context = mapping.get(key)
            if isinstance(context, Mapping):
                yield from _contrary_context(context, shown((*path, key)))


def _contrary(mapping: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    for key in _HOST:
        if mapping.get(key) is True:
            yield f"{where} has {key}", f"Remove {key}."
    if "hostPath" in mapping and isinstance(mapping["hostPath"], Mapping):
        yield f"{where} is a hostPath", "Use a volume claim."
    for volume in mapping.get("volumes") or ():
        if where == "pod" and isinstance(volume, Mapping) and "hostPath" in volume:
            yield f"the volume {volume.get('name')} is a hostPath", "Use a volume claim."
    for port in mapping.get("ports") or ():
        if isinstance(port, Mapping) and port.get("hostPort"):
            yield f"{where} takes port {port['hostPort']} of its node", "Remove hostPort."
    if where.startswith("values") and mapping.get("hostPort"):
        yield f"{where} takes port {mapping['hostPort']} of its node", "Set hostPort: 0."


def _contrary_context(context: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    if context.get("privileged") is True:
        yield f"{where} is privileged", "Remove `privileged`."
    if context.get("runAsUser") in _ROOT and context.get("runAsUser") is not False:
        yield f"{where} has runAsUser 0, which is root", "Name another user."
    if context.get("runAsNonRoot") is False:
        yield f"{where} has runAsNonRoot: false", "Set runAsNonRoot: true."
    if context.get("allowPrivilegeEscalation") is True:
        yield f"{where} allows to gain privileges", "Set allowPrivilegeEscalation: false."
    if child(context, "seccompProfile", "type") == "Unconfined":
        yield f"{where} has seccompProfile Unconfined", "Set RuntimeDefault."
    added = [
        item for item in child(context, "capabilities", "add") or () if item != "NET_BIND_SERVICE"
    ]
    if added:
        yield f"{where} adds the capabilities {', '.join(added)}", "Remove them."


RULE = Rule(
    name="restricted-pods",
    description="Pods keep the Kubernetes pod security standard `restricted`.",
    of_resource=_check,
)
