"""What can be managed in each kind of object store: one table, for the errors and the docs."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

Capability = Literal["bucket", "lifecycle", "users", "tags", "versioning", "abort-multipart"]
StoreType = Literal["minio", "external-minio", "s3"]

CAPABILITIES: Final[Mapping[str, frozenset[Capability]]] = {
    "minio": frozenset({"bucket", "lifecycle", "users", "versioning", "abort-multipart"}),
    "external-minio": frozenset({"bucket", "lifecycle", "users", "versioning"}),
    "s3": frozenset(),
}
"""What a stack manages, by the store's `type`.

`tags`: none, pulumi-minio has no resource for them. `abort-multipart`: not a lifecycle rule
(pulumi-minio's rules have no such action, and MinIO ignores it), but a setting of the server, so
only of one that this stack runs. `s3`: Tempo's keys are not allowed to change anything but objects.
"""

KEYS: Final[Mapping[Capability, tuple[str, ...]]] = {
    "lifecycle": ("lifecycle",),
    "users": ("user", "policy", "keyVersion", "rootUser"),
    "tags": ("tags",),
    "versioning": ("versioning",),
    "abort-multipart": ("abortMultipartDays",),
}
"""The keys of `tracing:objectStore` with which a capability is asked for; a bucket needs none."""

_REMEDY: Final[Mapping[Capability, str]] = {
    "lifecycle": "set the bucket's expiry, longer than Tempo's block retention, with the store's "
    "own tools",
    "users": "make the user with the store's own tools, and give its keys as the secrets "
    "tracing:objectStoreAccessKey and tracing:objectStoreSecretKey",
    "tags": "tag the bucket with the store's own tools",
    "versioning": "switch versioning on with the store's own tools",
    "abort-multipart": "set it at the server (MinIO: MINIO_API_STALE_UPLOADS_EXPIRY; AWS: a "
    "lifecycle rule)",
}


def refused_keys(store_type: StoreType) -> dict[str, str]:
    """The keys that a kind of store can't have, each with what to do instead."""
    return {
        key: f"asks for {capability}, which this program can't manage in a store of type "
        f"{store_type}{_others(capability)}; remove the key, and {_REMEDY[capability]}"
        for capability in get_args(Capability)
        if capability not in CAPABILITIES[store_type]
        for key in KEYS.get(capability, ())
    }


def _others(capability: Capability) -> str:
    able = [name for name, capabilities in CAPABILITIES.items() if capability in capabilities]
    return f" (it can in {' and '.join(able)})" if able else " (nor in any other)"
