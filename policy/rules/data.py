"""Protected data: what holds traces is not deleted by a mistake."""

from collections.abc import Iterator, Sequence
from typing import Final

from ..judged import Finding, Resource, Rule, helm_values
from ..marks import child, mappings

KEEPS_DATA: Final = frozenset(
    {"PersistentVolumeClaim", "S3Bucket", "KafkaNodePool", "KafkaTopic", "Kafka"}
)
"""Kinds with which data goes, but for StatefulSets that make volume claims."""
_REMEDY: Final = (
    "Protect it (ResourceOptions.protect): remove tracing:deleteData from the stack file."
)


def keeps_data(resource: Resource) -> bool:
    """Whether the data goes with this resource."""
    if resource.kind == "StatefulSet" and resource.is_kubernetes_object:
        return bool(child(resource.properties, "spec", "volumeClaimTemplates"))
    # A component may be called like a kind; what it is made of is judged itself.
    return resource.kind in KEEPS_DATA and not resource.type.startswith("tracing:")


def _has_volumes(resource: Resource) -> bool:
    """Whether a release has volumes that go with its namespace."""
    return any(
        child(mapping, "persistence", "enabled") is True
        for values in helm_values(resource)
        for _, mapping in mappings(values)
    )


def _check(resources: Sequence[Resource]) -> Iterator[Finding]:
    holding: dict[str, str] = {}
    for resource in resources:
        if keeps_data(resource):
            if not resource.protect:
                yield Finding(
                    resource=resource,
                    message="is not protected, and keeps traces",
                    remedy=_REMEDY,
                )
            if child(resource.properties, "forceDestroy") is True:
                yield Finding(
                    resource=resource,
                    message="forceDestroy empties it before it is deleted",
                    remedy=_REMEDY,
                )
        if resource.namespace and (keeps_data(resource) or _has_volumes(resource)):
            holding.setdefault(resource.namespace, resource.name)
    for resource in resources:
        name = child(resource.properties, "metadata", "name")
        if resource.kind == "Namespace" and name in holding and not resource.protect:
            yield Finding(
                resource=resource,
                message=f"is not protected, and the volumes of {holding[name]} go with it",
                remedy=_REMEDY,
            )


RULE = Rule(
    name="protected-data",
    description="Buckets, volumes and what holds them are protected from deletion.",
    of_stack=_check,
)
