"""What holds for every workload that the cluster may scale."""

from collections.abc import Iterator
from typing import Protocol

from ..errors import Finding
from ..platform import AutoscalingConfig, ComputeResources


class ScaledWorkload(Protocol):
    """A section with a number of pods, or bounds for the cluster to choose within."""

    @property
    def autoscaling(self) -> AutoscalingConfig | None:
        """The bounds."""
        ...

    @property
    def resources(self) -> ComputeResources:
        """What each pod requests."""
        ...

    @property
    def model_fields_set(self) -> set[str]:
        """The fields that the stack file has."""
        ...


def scaling_findings(key: str, workload: ScaledWorkload) -> Iterator[Finding]:
    """What keeps the autoscaling of a workload from working; `key` is the workload's own."""
    scaling = workload.autoscaling
    if scaling is None:
        return
    if "replicas" in workload.model_fields_set:
        yield Finding(
            f"{key}.replicas",
            "has no effect beside autoscaling, which chooses the number; remove one of them",
        )
    if workload.resources.cpu is None:
        yield Finding(
            f"{key}.resources.cpu",
            "is missing, and autoscaling is by the part of it that is used; write a request "
            "such as 500m",
        )
    if scaling.min_replicas > scaling.max_replicas:
        yield Finding(
            f"{key}.autoscaling.maxReplicas",
            f"{scaling.max_replicas} is less than minReplicas {scaling.min_replicas}; write at "
            "least that many",
        )
