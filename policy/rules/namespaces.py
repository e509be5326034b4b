"""Pod-security labels: the cluster itself refuses pods that a namespace is not meant for."""

from collections.abc import Iterator
from typing import Final

from ..judged import Finding, Resource, Rule
from ..marks import child

LABEL: Final = "pod-security.kubernetes.io/enforce"


def _check(resource: Resource) -> Iterator[Finding]:
    if resource.kind != "Namespace" or not resource.is_kubernetes_object:
        return
    level = child(resource.properties, "metadata", "labels", LABEL)
    if level != "restricted":
        said = f"is {level}" if level else "is missing"
        yield Finding(
            resource=resource,
            message=f"the label {LABEL} {said}",
            remedy=f"Set {LABEL} to restricted.",
        )


RULE = Rule(
    name="pod-security-labels",
    description="Namespaces are `restricted`, and the cluster enforces it.",
    of_resource=_check,
)
