"""Requests and limits: what a pod needs is promised to it, and what it takes is bounded."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..judged import Finding, Resource, Rule, helm_values
from ..marks import child, mappings, shown
from ..workloads import containers, names, pod_spec, workload_sections

WANTED = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
"""No limit of CPU: throttling delays spans without saving anything (components/values/
resources.py)."""

_REMEDY = "Set `resources` (cpu, memory) of that workload in the stack file."


def missing(resources: Any) -> list[str]:
    """What a container's `resources` lack."""
    return [".".join(path) for path in WANTED if not child(resources, *path)]


def _check(resource: Resource) -> Iterator[Finding]:
    if (pod := pod_spec(resource)) is not None:
        for name, container in containers(pod):
            if lacking := missing(container.get("resources")):
                yield Finding(
                    resource=resource,
                    message=f"container {name} has no {names(lacking)}",
                    remedy=_REMEDY,
                )
    nodes = child(resource.properties, "spec", "resources")
    if resource.kind == "KafkaNodePool" and (lacking := missing(nodes)):
        yield Finding(
            resource=resource,
            message=f"spec.resources has no {names(lacking)}",
            remedy=_REMEDY,
        )
    if resource.is_release:
        values = helm_values(resource)
        for each in values:
            yield from _sections(resource, each)
        if not any(_resources_in(each) for each in values):
            yield Finding(
                resource=resource,
                message="the values set no container's resources",
                remedy=_REMEDY,
            )


def _sections(resource: Resource, values: Mapping[str, Any]) -> Iterator[Finding]:
    for path, section in workload_sections(values):
        # A chart with one workload may have the container's settings in a part of their own.
        parts = [section, *(item for item in section.values() if isinstance(item, Mapping))]
        given = [part["resources"] for part in parts if part.get("resources")]
        if not given and not path and not _resources_in(values):
            continue  # Said once, for the whole release.
        lacking = min((missing(each) for each in given), key=len, default=missing(None))
        if lacking:
            yield Finding(
                resource=resource,
                message=f"{shown(('values', *path))} has no {names(lacking)} in its resources",
                remedy=_REMEDY,
            )


def _resources_in(values: Mapping[str, Any]) -> bool:
    return any(
        isinstance(found := mapping.get("resources"), Mapping) and bool(found)
        for _, mapping in mappings(values)
    )


RULE = Rule(
    name="requests-and-limits",
    description="Containers request CPU and memory, and memory is limited.",
    of_resource=_check,
)
