"""CPU and memory as Kubernetes wants them."""

from typing import Any

from config.platform import ComputeResources


def compute_resources(resources: ComputeResources) -> dict[str, Any]:
    """Requests and limits of a container; empty when nothing is configured.

    Memory is limited to what is requested, so that a pod is never killed for memory that the node
    promised to others; CPU has no limit, because throttling delays spans without saving anything.
    """
    requests = {
        name: value
        for name, value in (("cpu", resources.cpu), ("memory", resources.memory))
        if value is not None
    }
    limits = {"memory": resources.memory} if resources.memory is not None else {}
    return {key: value for key, value in (("requests", requests), ("limits", limits)) if value}
