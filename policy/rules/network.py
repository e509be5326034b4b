"""Default-deny: in a namespace, what nobody allowed is refused."""

from collections.abc import Iterator, Sequence

from ..judged import Finding, Resource, Rule
from ..marks import child


def _check(resources: Sequence[Resource]) -> Iterator[Finding]:
    denied = {resource.namespace for resource in resources if _denies(resource)}
    for resource in resources:
        if resource.kind != "Namespace" or not resource.is_kubernetes_object:
            continue
        name = child(resource.properties, "metadata", "name")
        if isinstance(name, str) and name not in denied:
            yield Finding(
                resource=resource,
                message=f"no NetworkPolicy denies by default what enters {name}",
                remedy="Add one with podSelector {}, policyTypes [Ingress] and no rule.",
            )


def _denies(resource: Resource) -> bool:
    if resource.kind != "NetworkPolicy" or not resource.is_kubernetes_object:
        return False
    spec = child(resource.properties, "spec")
    return (
        not child(spec, "podSelector")
        and "Ingress" in (child(spec, "policyTypes") or ("Ingress",))
        and not child(spec, "ingress")
    )


RULE = Rule(
    name="default-deny",
    description="Each namespace of the platform denies by default what enters it.",
    of_stack=_check,
)
