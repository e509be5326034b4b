"""What the Kubernetes pod security standard `restricted` asks for, where a chart leaves it out."""

from typing import Any, Final

SECCOMP: Final[dict[str, Any]] = {"seccompProfile": {"type": "RuntimeDefault"}}
"""Part of a pod's security context."""

NO_PRIVILEGES: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
"""Part of a container's security context."""
