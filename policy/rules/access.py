"""No wildcard: roles name what they allow, in the cluster and in the store."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..judged import Finding, Resource, Rule, helm_values
from ..marks import child, mappings, opened, shown

_EVERYTHING = frozenset({"cluster-admin"})


def _check(resource: Resource) -> Iterator[Finding]:
    values = helm_values(resource)
    judged: Any = values if values else resource.properties
    prefix = ("values",) if values else ()
    for path, mapping in mappings(judged):
        where = (*prefix, *path[1:]) if values else path
        if "verbs" in mapping and ("resources" in mapping or "nonResourceURLs" in mapping):
            for key in ("verbs", "apiGroups", "resources", "nonResourceURLs"):
                if "*" in _all(mapping.get(key)):
                    yield Finding(
                        resource=resource,
                        message=f"{shown((*where, key))} is *",
                        remedy="Name what the workload asks for, and nothing else.",
                    )
    role = child(resource.properties, "roleRef", "name")
    if isinstance(role, str) and role in _EVERYTHING:
        yield Finding(
            resource=resource,
            message=f"roleRef.name is {role}",
            remedy="Bind a role of its own, with what the workload asks for.",
        )
    if resource.kind == "IamPolicy":
        yield from _store(resource)
    if resource.kind == "KafkaUser":
        yield from _kafka(resource)


def _all(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value or ()]


def _store(resource: Resource) -> Iterator[Finding]:
    try:
        policy = json.loads(opened(resource.properties.get("policy")))
        statements = policy["Statement"]
    except (TypeError, ValueError, KeyError):
        return
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        if statement.get("Effect") != "Allow":
            continue
        for action in _all(statement.get("Action")):
            if action == "*" or action.endswith(":*"):
                yield Finding(
                    resource=resource,
                    message=f"the policy allows the action {action}",
                    remedy="Name the actions: what Tempo needs is in docs/object-store.md.",
                )
        for target in _all(statement.get("Resource")):
            if target.rpartition(":")[2] in ("*", "*/*"):
                yield Finding(
                    resource=resource,
                    message=f"the policy is for every bucket ({target})",
                    remedy="Name the bucket.",
                )


def _kafka(resource: Resource) -> Iterator[Finding]:
    for entry in child(resource.properties, "spec", "authorization", "acls") or ():
        if child(entry, "resource", "name") == "*" or "All" in _all(child(entry, "operations")):
            kind = child(entry, "resource", "type")
            yield Finding(
                resource=resource,
                message=f"an ACL allows everything on a {kind}, or something on every {kind}",
                remedy="Name the resource and the operations.",
            )


RULE = Rule(
    name="no-wildcard-access",
    description="Roles and policies name what they allow; none has a wildcard.",
    of_resource=_check,
)
