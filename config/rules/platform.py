"""Rules on the cluster: its context, namespaces, and the names of releases in them."""

from collections.abc import Iterator

from ..collector_tiers import gateway_tier
from ..errors import Finding, shown
from ..kafka import KAFKA_OPERATOR
from ..platform import Environment
from ..stack import NAMESPACED, StackConfig, namespaces_of
from .registry import rule, twice


@rule("kubernetes", "environment")
def _context_is_named(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    # The ambient context is whatever the last `kubectl config use-context` left behind: an
    # update of prod must not depend on it.
    if environment != "dev" and stack.kubernetes.context is None:
        yield Finding(
            "tracing:kubernetes.context",
            f"is missing, and a {environment} stack (a stack is prod unless its name or "
            "tracing:environment says otherwise) never uses the current context; write the name "
            "of the cluster's context (kubectl config get-contexts)",
        )


@rule("kubernetes", *NAMESPACED)
def _existing_namespaces_are_used(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    used = set(namespaces_of(stack).values())
    for index, name in enumerate(stack.kubernetes.existing_namespaces):
        if name not in used:
            yield Finding(
                f"tracing:kubernetes.existingNamespaces[{index}]",
                f"{shown(name)} is not the namespace of any component; remove it, or write one of "
                f"{', '.join(sorted(used))}",
            )


@rule(*NAMESPACED)
def _system_namespaces_are_not_ours(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    for key, name in namespaces_of(stack).items():
        if name.startswith("kube-") and name not in stack.kubernetes.existing_namespaces:
            yield Finding(
                f"tracing:{key}",
                f"{shown(name)} belongs to Kubernetes; write a namespace of your own, or list it "
                "under tracing:kubernetes.existingNamespaces",
            )


@rule("kafka", "tempo", "collector", "traefik", "harness")
def _releases_differ(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    releases = {"tracing:tempo.releaseName": (stack.tempo.namespace, stack.tempo.release_name)}
    for key, part in (("collector", stack.collector), ("traefik", stack.traefik)):
        if part is not None and getattr(part, "install", "release") == "release":
            releases[f"tracing:{key}.releaseName"] = (part.namespace, part.release_name)
    if stack.collector is not None and (gateway := gateway_tier(stack.collector)):
        releases["tracing:collector.gateway"] = (stack.collector.namespace, gateway.release_name)
    if stack.harness is not None and stack.harness.install == "release":
        releases["tracing:harness.releaseName"] = (
            stack.harness.namespace,
            stack.harness.release_name,
        )
    if stack.kafka is not None and stack.kafka.operator == "release":
        releases["tracing:kafka.namespace"] = (stack.kafka.namespace, KAFKA_OPERATOR)
    yield from twice(
        {key: f"{namespace}/{name}" for key, (namespace, name) in releases.items()},
        "two Helm releases can't have one name in one namespace",
    )
