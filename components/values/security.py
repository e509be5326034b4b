"""What pods may do: nothing that the strictest of Kubernetes' Pod Security Standards denies."""

from typing import Any, Final

SECCOMP: Final = {"seccompProfile": {"type": "RuntimeDefault"}}
"""For a pod's `securityContext`: the system calls that the runtime lets through."""

CONTAINER: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""A container's `securityContext`; who its user is stands beside, or in the pod's."""

RESTRICTED_CONTAINER: Final[dict[str, Any]] = {"runAsNonRoot": True, **SECCOMP, **CONTAINER}
"""A container's whole `securityContext`, where the pod's is made by others."""


def pod_security_context(user: int) -> dict[str, Any]:
    """A pod's `securityContext` for a user, and the group of the same number."""
    return {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": user, **SECCOMP}
