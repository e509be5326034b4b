"""Owns what Tempo needs inside an object store: bucket, lifecycle, user, policy, and the Secret
with the keys. Needs a `StoreServer`. Gives `S3Access`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_minio as minio
import pulumi_random as random
from pulumi import Input, Output, ResourceOptions

from config.object_store import ManagedStoreConfig, S3Config, StoreConfig

from .ca_bundle import ca_bundle
from .contracts import S3Access, StoreAdmin, StoreServer
from .external_secret import external_secret
from .kubernetes_object import KubernetesObject, object_metadata
from .secret_version import secret_version

ACCESS_KEY_VARIABLE: Final = "MINIO_ACCESS_KEY_ID"
SECRET_KEY_VARIABLE: Final = "MINIO_SECRET_ACCESS_KEY"
"""Keys of the Secret, and so the environment variables of the pods that read it."""

TEMPO_ACTIONS: Final = (
    "s3:PutObject",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:DeleteObject",
    "s3:GetObjectTagging",
    "s3:PutObjectTagging",
)
"""What Tempo may do, and no more (Tempo's documentation, "Amazon S3 permissions")."""


@dataclass(frozen=True, kw_only=True)
class ObjectStoreArgs:
    """What Tempo's part of an object store is made from."""

    settings: StoreConfig
    server: StoreServer
    namespace: Input[str]
    """Namespace of the workload that gets the keys."""
    expire_days: int | None
    """Days after which the bucket deletes objects; `None` where the lifecycle is not managed."""
    access_key: Output[str] | None
    secret_key: Output[str] | None
    """Both are given for a store whose users are not managed."""
    delete_data: bool
    """Allow what deletes the bucket, also with objects in it."""
    adopt_existing: bool
    """Take over a bucket that is there already."""


class ObjectStore(pulumi.ComponentResource):
    """Tempo's bucket, and the keys to it."""

    access: S3Access

    def __init__(
        self, name: str, args: ObjectStoreArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("tracing:index:ObjectStore", name, None, opts)
        child = ResourceOptions(parent=self)
        settings = args.settings

        secret_name, version, ready = self._keys(name, args)
        ca = (
            ca_bundle(
                f"{name}-ca",
                object_name=f"{settings.secret_name}-ca",
                namespace=args.namespace,
                certificate=args.server.ca_certificate,
                opts=child,
            )
            if args.server.ca_certificate is not None
            else None
        )
        self.access = S3Access(
            endpoint=args.server.endpoint,
            server=args.server.server,
            bucket=settings.bucket,
            region=settings.region,
            insecure=args.server.insecure,
            path_style=args.server.path_style,
            secret_name=secret_name,
            access_key_variable=ACCESS_KEY_VARIABLE,
            secret_key_variable=SECRET_KEY_VARIABLE,
            secret_version=version,
            ca=ca,
            ready=ready,
        )
        self.register_outputs({"bucket": settings.bucket, "secretName": secret_name})

    def _keys(
        self, name: str, args: ObjectStoreArgs
    ) -> tuple[Output[str], Input[str], Sequence[pulumi.Resource]]:
        """The Secret with Tempo's keys, its version, and what has to exist before it is of use."""
        settings, child = args.settings, ResourceOptions(parent=self)
        if isinstance(settings, S3Config) and (external := settings.external_secret) is not None:
            brought = external_secret(
                f"{name}-access",
                external,
                secret_name=settings.secret_name,
                namespace=args.namespace,
                keys={
                    ACCESS_KEY_VARIABLE: external.access_key,
                    SECRET_KEY_VARIABLE: external.secret_key,
                },
                opts=child,
            )
            return brought.physical_name, str(external.version), (brought,)
        access_key: Input[str]
        ready: list[pulumi.Resource] = []
        if isinstance(settings, ManagedStoreConfig) and args.server.admin is not None:
            access_key = settings.access_key
            secret_key = self._generated_key(name, settings.key_version)
            ready = self._managed(name, settings, args, args.server.admin, secret_key)
        elif args.access_key is not None and args.secret_key is not None:
            access_key, secret_key = args.access_key, args.secret_key
        else:
            raise ValueError("a store without an admin API needs its keys given")
        secret = KubernetesObject(
            f"{name}-access",
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": object_metadata(settings.secret_name, args.namespace),
                "stringData": {ACCESS_KEY_VARIABLE: access_key, SECRET_KEY_VARIABLE: secret_key},
            },
            child,
        )
        version = secret_version(
            f"{name}-access-version", {"access": access_key, "secret": secret_key}, child
        )
        return secret.physical_name, version, (secret, *ready)

    def _generated_key(self, name: str, version: int) -> Output[str]:
        password = random.RandomPassword(
            f"{name}-secret-key",
            length=40,
            special=False,
            # The first one has none: it was there before versions were.
            keepers={"version": str(version)} if version > 1 else None,
            opts=ResourceOptions(parent=self),
        )
        return Output.secret(password.result)

    def _managed(
        self,
        name: str,
        settings: ManagedStoreConfig,
        args: ObjectStoreArgs,
        admin: StoreAdmin,
        secret_key: Output[str],
    ) -> list[pulumi.Resource]:
        provider = minio.Provider(
            f"{name}-admin",
            minio_server=admin.address,
            minio_ssl=admin.tls,
            minio_insecure=None if admin.verified or not admin.tls else True,
            minio_region=settings.region,
            minio_user=admin.user,
            # The provider's schema does not mark it as a secret.
            minio_password=Output.secret(admin.password),
            minio_cacert_file=admin.ca_file,
            opts=ResourceOptions(
                parent=self,
                # A local port is nobody's business but this machine's.
                hide_diffs=["minioServer"] if admin.local else None,
            ),
        )
        child = ResourceOptions(parent=self, provider=provider, deleted_with=admin.dies_with)
        bucket = minio.S3Bucket(
            f"{name}-bucket",
            bucket=settings.bucket,
            acl="private",
            # Never left out: after a refresh the provider takes the old value for its own default,
            # and `true` would stay.
            force_destroy=args.delete_data,
            opts=ResourceOptions.merge(
                child,
                ResourceOptions(
                    depends_on=_once_reachable(admin),
                    protect=not args.delete_data,
                    import_=settings.bucket if args.adopt_existing else None,
                ),
            ),
        )
        # All of it after the bucket. If that is somebody else's, then so are the user and the
        # policy of the same name, which the provider would take over without a word; and a server
        # that refuses to answer is one error, not four.
        child = ResourceOptions.merge(child, ResourceOptions(depends_on=[bucket]))
        ready: list[pulumi.Resource] = [bucket]
        after: list[pulumi.Resource] = [bucket]
        if settings.versioning:
            versioning = minio.S3BucketVersioning(
                f"{name}-versioning",
                bucket=bucket.bucket,
                versioning_configuration={"status": "Enabled"},
                opts=child,
            )
            # One after the other: MinIO keeps both in one file, and of two changes at once it can
            # lose one without a word (seen with MinIO of 2026-02).
            after.append(versioning)
        if args.expire_days is not None:
            minio.IlmPolicy(
                f"{name}-lifecycle",
                bucket=bucket.bucket,
                rules=[
                    minio.IlmPolicyRuleArgs(
                        id=f"{args.expire_days}dRetention",
                        expiration=f"{args.expire_days}d",
                        noncurrent_version_expiration_days=settings.lifecycle.noncurrent_days,
                    )
                ],
                opts=ResourceOptions.merge(child, ResourceOptions(depends_on=after)),
            )
        # The provider would have a user of another name deleted before the new one is made, and
        # Tempo without a valid key for as long as its pods take to restart.
        created_first = ResourceOptions(delete_before_replace=False)
        # Never `force_destroy`: with it the provider deletes the user on any update.
        user = minio.IamUser(
            f"{name}-user",
            name=settings.access_key,
            secret=secret_key,
            opts=ResourceOptions.merge(child, created_first),
        )
        policy = minio.IamPolicy(
            f"{name}-policy",
            name=settings.policy_name,
            policy=tempo_policy(settings.bucket),
            opts=child,
        )
        attachment = minio.IamUserPolicyAttachment(
            f"{name}-user-policy",
            user_name=user.name,
            policy_name=policy.name,
            opts=ResourceOptions.merge(child, created_first),
        )
        return [*ready, attachment]


def _once_reachable(admin: StoreAdmin) -> Output[list[Input[pulumi.Resource]]] | None:
    """What calls to the admin API have to wait for: the server itself, and the way to it."""
    server = admin.dies_with
    if admin.reachable is None or server is None:
        return None
    # Through an output, not a plain list: the engine's "created" is not yet "answers here".
    servers: list[Input[pulumi.Resource]] = [server]
    return admin.reachable.apply(lambda _: servers)


def tempo_policy(bucket: str) -> str:
    """The IAM policy that lets Tempo use `bucket`, and nothing else, as canonical JSON."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TempoPermissions",
                    "Effect": "Allow",
                    "Action": list(TEMPO_ACTIONS),
                    "Resource": [f"arn:aws:s3:::{bucket}/*", f"arn:aws:s3:::{bucket}"],
                }
            ],
        }
    )
