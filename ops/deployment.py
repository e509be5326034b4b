"""A stack's deployment, as `pulumi stack export` has it, and what recovery makes of it.

Written down as created is what was under way, or what a plan would create: a refresh finds out
whether it is there. What is not certain is marked until then: an update in between would try to
mend it, where it would otherwise take it for there and leave it out.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from config.object_store import MinioConfig, StoreConfig
from ops.checks.releases import PENDING

Resource = Mapping[str, Any]

_SECRET: Final = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
"""How a deployment marks a secret; with `plaintext`, JSON as text, until it is imported."""
_RELEASE: Final = "kubernetes:helm.sh/v3:Release"
_HIDDEN: Final = ("[secret]", "04da6b54-80e4-46f7-96ec-b56ff0331ba9")
"""What stands in a plan for a secret, and for a value that is known only when it is applied."""
_PROVIDER: Final = "pulumi:providers:"
_BUCKET: Final = "minio:index/s3Bucket:S3Bucket"
_USER: Final = "minio:index/iamUser:IamUser"
FORMER: Final = "-former-user-"
"""Stands in the names of users that a refresh is to look for."""
_OF_STORE: Final = ("parent", "provider", "deletedWith")
"""What everything in an object store has in common."""
_REFERS: Final = ("deletedWith", "viewOf")
_UNCERTAIN: Final = "it is not known yet whether this exists; run make recover"
"""Stands where the engine keeps what went wrong with a resource, which its next update mends."""


def physical_id(resource: Resource) -> str | None:
    """The id that a resource has once it exists, from its inputs.

    `None` for what can be made again without harm: values that live in the state alone, and what
    the provider overwrites (users, policies and lifecycles of a MinIO).
    """
    type, inputs = resource["type"], _plain(resource.get("inputs") or {})
    if type == _RELEASE:
        return f"{inputs['namespace']}/{inputs['name']}"
    if type.startswith("kubernetes:"):
        metadata = inputs["metadata"]
        namespace = metadata.get("namespace")
        return f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
    if type == _BUCKET:
        return inputs["bucket"]
    if type.startswith("grafana:"):
        uid = inputs.get("uid") or json.loads(inputs.get("configJson", "{}")).get("uid")
        return f"{inputs.get('orgId', 1)}:{uid}"
    return None


def settled(deployment: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The deployment with nothing under way, and what of it may exist, by type and name.

    A resource that was being created is listed as if it had been: a refresh removes it again if it
    is not there. Whatever was being changed or deleted is listed already.
    """
    resources = [dict(resource) for resource in deployment.get("resources") or []]
    kept = []
    for operation in deployment.get("pending_operations") or []:
        resource = operation["resource"]
        if operation["type"] != "creating" or not resource.get("custom"):
            continue
        id = physical_id(resource)
        if id is not None and _list(resources, _made(resource, id)):
            kept.append(f"{resource['type'].rpartition(':')[2]} {id}")
    rest = {key: value for key, value in deployment.items() if key != "pending_operations"}
    return {**rest, "resources": _in_order(resources)}, kept


def adopted(
    deployment: Mapping[str, Any], plan: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    """The deployment with all that a plan would create, and what of it may exist.

    Left out is what can be made again without harm, and what belongs to a provider that can't be
    asked yet, because its password is not known to a plan.
    """
    resources = [dict(resource) for resource in deployment.get("resources") or []]
    listed = {resource["urn"] for resource in resources if _is_live(resource)}
    providers = {r["urn"]: r["id"] for r in resources if r["type"].startswith(_PROVIDER)}
    kept = []
    for step in plan:
        resource = {**step.get("newState", {})}
        creates = step["op"] == "create" and resource["urn"] not in listed
        if not creates and step["op"] != "replace":
            continue
        inputs = resource.get("inputs") or {}
        known = _known(inputs)
        if resource["type"].startswith(_PROVIDER):
            if known != inputs or not creates:
                continue
            id = providers[resource["urn"]] = str(uuid.uuid4())
        elif not resource.get("custom"):
            id = None
        else:
            provider = resource["provider"].rpartition("::")[0]
            id = physical_id({**resource, "inputs": known})
            if id is None or provider not in providers:
                continue
            resource["provider"] = f"{provider}::{providers[provider]}"
        resource = {**_referring_to(resource, listed), "inputs": known}
        made = resource if id is None else _made(resource, id)
        if not _list(resources, made):
            continue
        if id is not None and not resource["type"].startswith(_PROVIDER):
            kept.append(f"{resource['type'].rpartition(':')[2]} {id}")
        listed.add(resource["urn"])
    return {**deployment, "resources": _in_order(resources)}, kept


def _is_live(resource: Resource) -> bool:
    """Whether an entry is of what there is to be, not of what it replaced or is to replace."""
    return not resource.get("delete") and not resource.get("pendingReplacement")


def _list(resources: list[dict[str, Any]], made: dict[str, Any]) -> bool:
    """Put a resource in the place of the one that it replaces, which is left to be deleted, or is
    gone, as the engine does it; `False` if it is listed already.

    That is of an operation that a later update ended, and which the engine still has for one under
    way: listed twice, with the id of what is there, that would be deleted.
    """
    same = [other for other in resources if other["urn"] == made["urn"]]
    if any(_is_live(other) and other.get("id") == made.get("id") for other in same):
        return False
    place = resources.index(same[0]) if same else len(resources)
    replaced = [
        {**other, "delete": True}
        for other in same
        # Of the same id it is the same thing, whichever of them made it.
        if not other.get("pendingReplacement") and other.get("id") != made.get("id")
    ]
    rest = [other for other in resources[place:] if other["urn"] != made["urn"]]
    resources[place:] = [made, *replaced, *rest]
    return True


def _in_order(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources, each after all that it refers to: the engine refuses any other order."""
    by_urn: dict[str, dict[str, Any]] = {}
    for resource in sorted(resources, key=lambda entry: not _is_live(entry)):
        by_urn.setdefault(resource["urn"], resource)
    ordered: list[dict[str, Any]] = []
    met: set[int] = set()

    def put(resource: dict[str, Any]) -> None:
        if id(resource) in met:
            return
        met.add(id(resource))
        for urn in _references(resource):
            if urn in by_urn:
                put(by_urn[urn])
        ordered.append(resource)

    for resource in resources:
        put(resource)
    return ordered


def _references(resource: Resource) -> Iterator[str]:
    provider = resource.get("provider") or ""
    yield from filter(None, [resource.get("parent"), provider.rpartition("::")[0]])
    yield from resource.get("dependencies") or []
    for of in (resource.get("propertyDependencies") or {}).values():
        yield from of or []
    yield from filter(None, (resource.get(name) for name in _REFERS))


def without(deployment: Mapping[str, Any], package: str) -> dict[str, Any]:
    """The deployment without all that is in a server that is lost (`minio`, `grafana`).

    A refresh can't find that out: the provider fails on a policy that is gone, and has no server
    to ask before the next update has made it.
    """
    every = deployment.get("resources") or []
    kept = [resource for resource in every if not resource["type"].startswith(f"{package}:")]
    urns = {resource["urn"] for resource in kept}
    return {**deployment, "resources": [_referring_to(resource, urns) for resource in kept]}


def with_former_users(deployment: Mapping[str, Any], store: StoreConfig) -> dict[str, Any]:
    """The deployment with the users that Tempo has, or had, under other versions of its key.

    A refresh takes out those that do not exist, and the next update deletes the others. Of a
    destroy that ended halfway: the engine drops what is in the store with its server, and where
    the key is replaced then, the volume would keep the former user, whose key stays valid.
    """
    resources = [dict(resource) for resource in deployment.get("resources") or []]
    buckets = [resource for resource in resources if resource["type"] == _BUCKET]
    if not isinstance(store, MinioConfig) or not buckets:
        return {**deployment, "resources": resources}
    listed = {resource.get("id") for resource in resources if resource["type"] == _USER}
    scope, _, bucket = buckets[0]["urn"].rpartition("::")
    for version in store.other_key_versions:
        user = store.access_key_of(version)
        if user in listed:
            continue
        resources.append(
            {
                "urn": f"{scope.removesuffix(_BUCKET)}{_USER}::{bucket}{FORMER}{version}",
                "type": _USER,
                "custom": True,
                "id": user,
                "inputs": {"name": user},
                "outputs": {"name": user},
                **{key: buckets[0][key] for key in _OF_STORE if key in buckets[0]},
            }
        )
    return {**deployment, "resources": resources}


def _referring_to(resource: Resource, urns: Collection[str]) -> dict[str, Any]:
    """A resource without references to what is not listed."""
    result = {**resource}
    result["dependencies"] = [urn for urn in result.get("dependencies") or [] if urn in urns]
    result["propertyDependencies"] = {
        name: [urn for urn in of or [] if urn in urns]
        for name, of in (result.get("propertyDependencies") or {}).items()
    }
    for name in _REFERS:
        if result.get(name) not in urns:
            result.pop(name, None)
    return result


def _made(resource: Resource, id: str) -> dict[str, Any]:
    """A resource as it is listed once it has been created, as far as its inputs tell."""
    inputs = resource.get("inputs") or {}
    outputs = {**inputs}
    if resource["type"] == _RELEASE:
        # Otherwise the provider takes the release for one to import, and keeps the chart's own
        # name where the program says a path.
        outputs["__inputs"] = {**_SECRET, "plaintext": json.dumps(_plain(inputs))}
    # A provider is nothing that a refresh would look for.
    doubt = {} if resource["type"].startswith(_PROVIDER) else {"initErrors": [_UNCERTAIN]}
    return {**resource, "id": id, "outputs": outputs, **doubt}


def _known(value: Any) -> Any:
    """A value without what a plan hides."""
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items() if item not in _HIDDEN}
    if isinstance(value, list):
        return [_known(item) for item in value if item not in _HIDDEN]
    return value


def _plain(value: Any) -> Any:
    """A value without the marks of secrets."""
    if isinstance(value, Mapping):
        if _SECRET.items() <= value.items():
            return _plain(json.loads(value["plaintext"]))
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def unfinished_releases(deployment: Mapping[str, Any]) -> Iterator[str]:
    """The releases that Helm had not done with when they were looked at."""
    for resource in deployment.get("resources") or []:
        status = ((resource.get("outputs") or {}).get("status") or {}) if _is_live(resource) else {}
        if resource["type"] == _RELEASE and status.get("status") in PENDING:
            yield f"release {resource['id']} is {status['status']}"
