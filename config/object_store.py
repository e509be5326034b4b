"""Settings of the object store that keeps the traces."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from .base import Section
from .kinds import BucketName, DnsLabel, HostPort, Image, NonEmpty, Port, Size
from .platform import ComputeResources


class LifecycleConfig(Section):
    """The bucket's own clean-up: a safety net behind Tempo's retention, never ahead of it."""

    expire_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days after which the server deletes objects. If not given: Tempo's block retention plus
    five days. Must be longer than the block retention."""
    noncurrent_days: Annotated[int, Field(ge=1, le=3650)] = 3
    """Days after which a version that was overwritten or deleted is removed."""


class PortForwardConfig(Section):
    """Reach the server from where Pulumi runs through `kubectl port-forward`, during updates."""

    local_port: Port = 19000
    """Port of 127.0.0.1 to listen on."""


class AdminConfig(Section):
    """How Pulumi reaches the in-cluster server to manage bucket, lifecycle, user and policy."""

    endpoint: HostPort | None = None
    """Address that is reachable from where Pulumi runs, such as minio.example.com:443."""
    insecure: bool = False
    """The endpoint speaks plain HTTP."""
    port_forward: PortForwardConfig = PortForwardConfig()
    """Used when no endpoint is given."""


class StoreConfig(Section):
    """What every kind of store has."""

    bucket: BucketName = "tempo"
    """Bucket that holds the traces."""
    region: NonEmpty = "us-east-1"
    """Region of the bucket; for MinIO the server's site region."""
    secret_name: DnsLabel = "tempo-minio-secret"
    """Kubernetes Secret, in Tempo's namespace, with the store's keys."""


class ManagedStoreConfig(StoreConfig):
    """A store whose bucket, lifecycle, user and policy this stack manages."""

    lifecycle: LifecycleConfig = LifecycleConfig()
    user: NonEmpty = "tempo"
    """Name of Tempo's user in the store: its access key."""
    policy: NonEmpty = "tempo"
    """Name of the user's policy in the store."""


class MinioConfig(ManagedStoreConfig):
    """One MinIO server in the cluster, on a persistent volume."""

    type: Literal["minio"] = "minio"
    """A server of this stack's own, in the cluster."""
    namespace: DnsLabel = "tempo"
    """Namespace of the server."""
    name: DnsLabel = "minio"
    """Name of the StatefulSet and Service."""
    image: Image = "docker.io/pgsty/minio:RELEASE.2026-04-17T00-00-00Z"
    """Upstream stopped publishing images in 2025; this is a maintained rebuild."""
    root_user: NonEmpty = "admin"
    """Root user; its password is the secret `tracing:objectStoreRootPassword`, or generated."""
    volume_size: Size = "20Gi"
    """Size of the volume that holds the traces."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volume; the cluster's default if not given."""
    resources: ComputeResources = ComputeResources(cpu="100m", memory="512Mi")
    admin: AdminConfig = AdminConfig()


class ExternalMinioConfig(ManagedStoreConfig):
    """A MinIO server outside this stack, managed through its admin API."""

    type: Literal["external-minio"]
    """A server that is there already."""
    endpoint: HostPort
    """Address of the S3 API, for Tempo and for Pulumi."""
    insecure: bool = False
    """The endpoint speaks plain HTTP."""
    root_user: NonEmpty = "admin"
    """An administrator; its password is the secret `tracing:objectStoreRootPassword`."""
    ca_file: NonEmpty | None = None
    """File with the CA that signed the server's certificate, where Pulumi runs."""


class S3Config(StoreConfig):
    """Any S3: bucket and keys are given, nothing in the store is managed.

    The keys are the secrets `tracing:objectStoreAccessKey` and `tracing:objectStoreSecretKey`.
    """

    type: Literal["s3"]
    """A bucket that is there already."""
    endpoint: HostPort
    """Address of the S3 API, such as s3.eu-west-1.amazonaws.com."""
    insecure: bool = False
    """The endpoint speaks plain HTTP."""
    path_style: bool = False
    """Bucket in the path rather than in the host name; most servers other than AWS need it."""


def _store_type(value: object) -> Any:
    """Which kind of store a mapping describes; the in-cluster one when it does not say."""
    if isinstance(value, Mapping):
        return value.get("type", "minio")
    return getattr(value, "type", "minio")


ObjectStoreConfig = Annotated[
    Annotated[MinioConfig, Tag("minio")]
    | Annotated[ExternalMinioConfig, Tag("external-minio")]
    | Annotated[S3Config, Tag("s3")],
    Discriminator(_store_type),
]
"""Told apart by `type`; `minio` if not given."""
