"""Settings of the object store that keeps the traces."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from .base import Section
from .capabilities import refused_keys
from .external_secrets import StoreKeysConfig
from .kinds import (
    BucketName,
    DnsLabel,
    HostPort,
    Image,
    NonEmpty,
    Port,
    Size,
    StatefulSetName,
)
from .platform import ComputeResources, IngressConfig
from .scope import PerEnvironment, Promoted
from .tls import ServerCertificateConfig

LARGEST_POOL = 16
"""Servers, of one drive each, that form one erasure set (MinIO's documentation, "Erasure
Coding": 2 to 16 drives); more would have to be a multiple of a set's size."""


class LifecycleConfig(Section):
    """The bucket's own clean-up: a safety net behind Tempo's retention, never ahead of it."""

    expire_days: PerEnvironment[Annotated[int, Field(ge=1, le=3650)] | None] = None
    """Days after which the server deletes objects. If not given: Tempo's block retention plus
    five days. Must be longer than the block retention."""
    noncurrent_days: PerEnvironment[Annotated[int, Field(ge=1, le=3650)]] = 3
    """Days after which a version that was overwritten or deleted is removed."""


class PortForwardConfig(Section):
    """Reach the server from where Pulumi runs through `kubectl port-forward`, during updates."""

    local_port: PerEnvironment[Port] = 19000
    """Port of 127.0.0.1 to listen on."""


class AdminConfig(Section):
    """How Pulumi reaches the in-cluster server to manage bucket, lifecycle, user and policy."""

    endpoint: PerEnvironment[HostPort | None] = None
    """Address that is reachable from where Pulumi runs, such as minio.example.com:443."""
    insecure: PerEnvironment[bool] = False
    """The endpoint speaks plain HTTP."""
    ca_file: PerEnvironment[NonEmpty | None] = None
    """PEM file, relative to the project, with the CA that signed the endpoint's certificate; the
    usual public CAs if not given."""
    port_forward: PortForwardConfig = PortForwardConfig()
    """Used when no endpoint is given."""


class StoreConfig(Section):
    """What every kind of store has."""

    bucket: PerEnvironment[BucketName] = "tempo"
    """Bucket that holds the traces."""
    region: PerEnvironment[NonEmpty] = "us-east-1"
    """Region of the bucket; for MinIO the server's site region."""
    secret_name: PerEnvironment[DnsLabel] = "tempo-minio-secret"
    """Kubernetes Secret, in Tempo's namespace, with the store's keys."""


class ManagedStoreConfig(StoreConfig):
    """A store whose bucket, lifecycle, user and policy this stack manages."""

    versioning: Promoted[bool] = False
    """Keep versions that were overwritten or deleted, for `lifecycle.noncurrentDays`."""
    lifecycle: LifecycleConfig = LifecycleConfig()
    user: PerEnvironment[NonEmpty | None] = None
    """Name of Tempo's user in the store: its access key. The bucket's name if not given."""
    policy: PerEnvironment[NonEmpty | None] = None
    """Name of the user's policy in the store. The bucket's name if not given."""
    key_version: PerEnvironment[Annotated[int, Field(ge=1, le=9999)]] = 1
    """Raise it to rotate Tempo's key: from 2 on the user is called `<user>-<keyVersion>` and has a
    key of its own; the one before is deleted once Tempo uses the new one."""

    @property
    def access_key(self) -> str:
        """Name of Tempo's user, which is its access key.

        Another one for each version, so that the old and the new key are valid at once.
        """
        return self.access_key_of(self.key_version)

    def access_key_of(self, version: int) -> str:
        """Name of Tempo's user under one of the versions of the key."""
        user = self.user or self.bucket
        return user if version == 1 else f"{user}-{version}"

    @property
    def other_key_versions(self) -> tuple[int, ...]:
        """Versions under which an earlier update may have made a user: the first, the last ten,
        and the next, in case a rotation was taken back."""
        last = range(max(1, self.key_version - 10), self.key_version + 2)
        return tuple(sorted({1, *last} - {self.key_version}))

    @property
    def policy_name(self) -> str:
        """Name of the policy of Tempo's user."""
        return self.policy or self.bucket


def _servers(count: int) -> int:
    if count in (2, 3):
        raise ValueError(
            "servers can't lose one and go on; write 1 (no redundancy), or 4 or more (erasure "
            "coding over all of them)"
        )
    return count


class ServerTlsConfig(ServerCertificateConfig):
    """TLS of the in-cluster server.

    The certificate needs the name `<name>.<namespace>.svc.cluster.local`, and with more than one
    server also `*.<name>-headless.<namespace>.svc.cluster.local`.
    """

    ca_file: PerEnvironment[NonEmpty | None] = None
    """PEM file, relative to the project, with the CA that signed the certificate: Tempo and the
    servers verify against it. `tracing:tls.caFile` if not given, or the usual public CAs without
    that."""


class MinioConfig(ManagedStoreConfig):
    """MinIO in the cluster, on persistent volumes: one server, or several with erasure coding."""

    refused: ClassVar = refused_keys("minio")

    type: PerEnvironment[Literal["minio"]] = "minio"
    """A server of this stack's own, in the cluster."""
    namespace: PerEnvironment[DnsLabel] = "tempo"
    """Namespace of the server."""
    name: PerEnvironment[StatefulSetName] = "minio"
    """Name of the StatefulSet and Service."""
    image: Promoted[Image] = "docker.io/pgsty/minio:RELEASE.2026-04-17T00-00-00Z"
    """Upstream stopped publishing images in 2025; this is a maintained rebuild. A digest may
    follow the tag: repository:tag@sha256:..."""
    replicas: PerEnvironment[
        Annotated[int, Field(ge=1, le=LARGEST_POOL), AfterValidator(_servers)]
    ] = 1
    """Servers: 1, or 4 to 16 that keep the traces erasure-coded between them and go on while one is
    missing. It can't be changed while the store holds traces."""
    root_user: PerEnvironment[NonEmpty] = "admin"
    """Root user; its password is the secret `tracing:objectStoreRootPassword`, or generated."""
    volume_size: PerEnvironment[Size] = "20Gi"
    """Size of each server's volume. It can grow, if the StorageClass allows that; not shrink."""
    storage_class: PerEnvironment[DnsLabel | None] = None
    """StorageClass of the volumes; the cluster's default if not given."""
    resources: ComputeResources = ComputeResources(cpu="100m", memory="512Mi")
    abort_multipart_days: Promoted[Annotated[int, Field(ge=1, le=365)]] = 1
    """Days after which the parts of an upload that was never completed are removed."""
    tls: PerEnvironment[ServerTlsConfig | None] = None
    ingress: PerEnvironment[IngressConfig | None] = None
    admin: AdminConfig = AdminConfig()

    @property
    def parity(self) -> int:
        """Of all volumes, how many MinIO spends on being able to lose some (its documentation,
        "Erasure Coding": the default parity)."""
        if self.replicas == 1:
            return 0
        return 2 if self.replicas < 6 else 3 if self.replicas < 8 else 4

    @property
    def root_secret_name(self) -> str:
        """Secret, in the server's namespace, with root's name and password."""
        return f"{self.name}-root"

    @property
    def certificate_name(self) -> str:
        """Secret with the server's certificate, where an issuer makes it."""
        return f"{self.name}-tls"


class ExternalMinioConfig(ManagedStoreConfig):
    """A MinIO server outside this stack, managed through its admin API."""

    refused: ClassVar = refused_keys("external-minio")

    type: PerEnvironment[Literal["external-minio"]]
    """A server that is there already."""
    endpoint: PerEnvironment[HostPort]
    """Address of the S3 API, for Tempo and for Pulumi."""
    insecure: PerEnvironment[bool] = False
    """The endpoint speaks plain HTTP."""
    root_user: PerEnvironment[NonEmpty] = "admin"
    """An administrator; its password is the secret `tracing:objectStoreRootPassword`."""
    ca_file: PerEnvironment[NonEmpty | None] = None
    """PEM file, relative to the project, with the CA that signed the server's certificate: Pulumi
    and Tempo verify against it. The usual public CAs if not given."""


class S3Config(StoreConfig):
    """Any S3: bucket and keys are given, nothing in the store is managed.

    The keys are the secrets `tracing:objectStoreAccessKey` and `tracing:objectStoreSecretKey`, or
    come from a store of secrets.
    """

    refused: ClassVar = refused_keys("s3")

    type: PerEnvironment[Literal["s3"]]
    """A bucket that is there already."""
    endpoint: PerEnvironment[HostPort]
    """Address of the S3 API, such as s3.eu-west-1.amazonaws.com."""
    insecure: PerEnvironment[bool] = False
    """The endpoint speaks plain HTTP."""
    path_style: PerEnvironment[bool] = False
    """Bucket in the path rather than in the host name, as many servers other than AWS need it."""
    check: PerEnvironment[bool] = True
    """Ask the store at the beginning of each update whether bucket and keys are right. Write false
    for an endpoint that only the cluster reaches. Not asked with `externalSecret`: the keys are not
    known here."""
    external_secret: PerEnvironment[StoreKeysConfig | None] = None
    ca_file: PerEnvironment[NonEmpty | None] = None
    """PEM file, relative to the project, with the CA that signed the server's certificate. The
    usual public CAs if not given."""


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
