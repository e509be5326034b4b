"""What Kubernetes' Pod Security Standard `restricted` denies of a pod, and what this program denies
beside it.

By the standard's text (kubernetes.io, "Pod Security Standards"), for pods of Linux.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
SECCOMP = {"RuntimeDefault", "Localhost"}
SYSCTLS = frozenset({"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range"})


def denied(pod: Mapping[str, Any]) -> list[str]:
    """What of a pod's `spec` the standard denies, for people to read."""
    return [*_of_pod(pod), *(each for c in containers(pod) for each in _of_container(pod, c))]


def containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All of a pod."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def writable(pod: Mapping[str, Any]) -> list[str]:
    """The containers whose own files can be written, which the standard does not deny."""
    return [
        container["name"]
        for container in containers(pod)
        if not (container.get("securityContext") or {}).get("readOnlyRootFilesystem")
    ]


def wildcards(role: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rules of a Role or ClusterRole that are about everything of some kind."""
    return [
        rule
        for rule in role.get("rules") or []
        if any("*" in rule.get(key, []) for key in ("apiGroups", "resources", "verbs"))
    ]


def _of_pod(pod: Mapping[str, Any]) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield key
    for volume in pod.get("volumes", []):
        kinds = {*volume} - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']}: {', '.join(kinds)}"
    context = pod.get("securityContext") or {}
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"


def _of_container(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext") or {}
    # A container's own setting goes before the pod's.
    effective = {**(pod.get("securityContext") or {}), **own}
    if own.get("privileged"):
        yield f"{name}: privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in capabilities.get("drop", []):
        yield f"{name}: capabilities are not dropped"
    if {*capabilities.get("add", [])} - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities are added"
    if effective.get("runAsNonRoot") is not True:
        yield f"{name}: runAsNonRoot"
    if effective.get("runAsUser") == 0:
        yield f"{name}: runAsUser 0"
    if (effective.get("seccompProfile") or {}).get("type") not in SECCOMP:
        yield f"{name}: seccompProfile"
    if own.get("procMount", "Default") != "Default":
        yield f"{name}: procMount"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield f"{name}: hostPort"
