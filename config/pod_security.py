"""How strict Kubernetes is with the pods of each namespace of a stack.

`restricted`, the strictest of the Pod Security Standards, wherever the pods satisfy it; where some
can't, for the reason that stands here.
"""

from dataclasses import dataclass
from typing import Final

from .platform import PodSecurityLevel
from .stack import StackConfig

ORDER: Final[tuple[PodSecurityLevel, ...]] = ("restricted", "baseline", "privileged")


@dataclass(frozen=True, kw_only=True)
class PodSecurityException:
    """Pods that can't satisfy the strictest level."""

    namespace: str
    level: PodSecurityLevel
    """The strictest one that they satisfy."""
    reason: str
    instead: str = ""
    """What else the stack can write, so that they satisfy it."""


def exceptions(stack: StackConfig) -> list[PodSecurityException]:
    """All that a stack has."""
    found = []
    collector = stack.collector
    if (
        collector is not None
        and collector.mode != "deployment"
        and collector.queue.volume == "hostPath"
    ):
        found.append(
            PodSecurityException(
                namespace=collector.namespace,
                level="privileged",
                reason="the collector on each node keeps its queue on the node's disk (hostPath), "
                "in a directory of root's",
                instead="tracing:collector.queue.volume: emptyDir, which is lost with its pod",
            )
        )
    if stack.harness is not None and stack.harness.install == "release":
        found.append(
            PodSecurityException(
                namespace=stack.harness.namespace,
                level="privileged",
                reason="what Harness's pods need is the umbrella chart's to know",
            )
        )
    if stack.demo_app is not None and stack.demo_app.linkerd:
        found.append(
            PodSecurityException(
                namespace=stack.demo_app.namespace,
                level="privileged",
                reason="Linkerd's proxy is put before a pod by a container that sets its routes "
                "(NET_ADMIN), unless Linkerd's CNI plug-in does",
            )
        )
    return found


def levels(stack: StackConfig) -> dict[str, PodSecurityLevel]:
    """The level of each namespace: what its components need, or what the stack says."""
    result: dict[str, PodSecurityLevel] = dict(stack.kubernetes.pod_security)
    for each in exceptions(stack):
        known: PodSecurityLevel = result.get(each.namespace, "restricted")
        if ORDER.index(each.level) > ORDER.index(known):
            result[each.namespace] = each.level
    return result
