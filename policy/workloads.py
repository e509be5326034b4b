"""Pods: where a Kubernetes object has its pods' spec, and what containers are in it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .judged import Resource
from .marks import Path, child

_TEMPLATES = {
    "Pod": (),
    "CronJob": ("jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"), ("template", "spec")
    ),
}


def pod_spec(resource: Resource) -> Mapping[str, Any] | None:
    """The spec of the pods that an object makes; `None` if it makes none."""
    if not resource.is_kubernetes_object or resource.kind not in _TEMPLATES:
        return None
    found = child(resource.properties, "spec", *_TEMPLATES[resource.kind])
    return found if isinstance(found, Mapping) else None


def containers(pod: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The containers of a pod by name, those that run first included."""
    for key in ("initContainers", "containers"):
        for container in pod.get(key) or ():
            if isinstance(container, Mapping):
                yield str(container.get("name", key)), container


def workload_sections(values: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The parts of Helm values that describe a workload: those that say how many pods it has.

    At most one level deep, as charts have them; the whole of the values as `()` if it is one.
    """
    candidates: list[tuple[Path, Any]] = [((), values)]
    candidates += [((key,), item) for key, item in values.items()]
    for path, section in candidates:
        if not isinstance(section, Mapping) or section.get("enabled") is False:
            continue
        says = {"replicas", "replicaCount"} & set(section)
        if says or section.get("mode") == "daemonset":
            yield path, section


def names(items: Any) -> str:
    """Names as a sentence has them."""
    texts = [str(item) for item in items] if isinstance(items, Sequence) else list(map(str, items))
    return ", ".join(texts)
