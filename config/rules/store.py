"""Rules on the object store."""

from collections.abc import Iterator

from ..errors import Finding
from ..object_store import ManagedStoreConfig, MinioConfig, ObjectStoreConfig
from ..platform import Environment
from ..retention import deletes_live_blocks, retention_days
from ..stack import StackConfig
from .authorities import unreadable
from .registry import rule


@rule("object_store", "tempo")
def _tempo_deletes_before_the_bucket(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    store, retention = stack.object_store, stack.tempo.block_retention
    if isinstance(store, ManagedStoreConfig) and deletes_live_blocks(store.lifecycle, retention):
        yield Finding(
            "tracing:objectStore.lifecycle.expireDays",
            f"{store.lifecycle.expire_days} deletes blocks that Tempo still keeps "
            f"(tracing:tempo.blockRetention is {retention}); write more than "
            f"{retention_days(retention)}, or remove the key",
        )


@rule("object_store")
def _admin_is_one_way(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    store = stack.object_store
    if (
        isinstance(store, MinioConfig)
        and store.admin.endpoint is not None
        and "port_forward" in store.admin.model_fields_set
    ):
        yield Finding(
            "tracing:objectStore.admin",
            "has both endpoint and portForward; write the one that Pulumi is to use",
        )


@rule("object_store")
def _the_admin_endpoint_is_there(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    store = stack.object_store
    if not isinstance(store, MinioConfig) or store.admin.endpoint is not None:
        return
    for field, key in (("insecure", "insecure"), ("ca_file", "caFile")):
        if field in store.admin.model_fields_set:
            yield Finding(
                f"tracing:objectStore.admin.{key}",
                "is about an endpoint, and there is none; remove it, or write "
                "tracing:objectStore.admin.endpoint",
            )


@rule("object_store")
def _authorities_can_be_read(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    for key, path in _ca_files(stack.object_store).items():
        yield from unreadable(f"tracing:objectStore.{key}", path)


@rule("object_store")
def _authorities_are_asked_for(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    # Whoever wrote an authority takes the hop for one that is encrypted.
    store = stack.object_store
    if not isinstance(store, MinioConfig):
        endpoint, section = store, "tracing:objectStore"
    elif store.admin.endpoint is not None:
        endpoint, section = store.admin, "tracing:objectStore.admin"
    else:
        return
    if endpoint.insecure and endpoint.ca_file is not None:
        yield Finding(
            f"{section}.caFile",
            f"has no effect: this hop is plain HTTP; remove it, or write {section}.insecure: false",
        )


def _ca_files(store: ObjectStoreConfig) -> dict[str, str]:
    """The files with certificates that a store names, by key."""
    if isinstance(store, MinioConfig):
        tls = store.tls.ca_file if store.tls is not None else None
        files = {"tls.caFile": tls, "admin.caFile": store.admin.ca_file}
    else:
        files = {"caFile": store.ca_file}
    return {key: path for key, path in files.items() if path is not None}
