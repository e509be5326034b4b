"""Owns what Tempo needs inside an object store: bucket, lifecycle, user, policy, and the Secret
with the keys. Needs a `StoreServer`. Gives `S3Access`."""

import json
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_minio as minio
import pulumi_random as random
from pulumi import Input, Output, ResourceOptions

from config.object_store import ManagedStoreConfig, StoreConfig

from .contracts import S3Access, StoreAdmin, StoreServer
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
    """Given for a store whose users are not managed."""
    secret_key: Output[str] | None
    """Generated if `None` and the store's users are managed."""


class ObjectStore(pulumi.ComponentResource):
    """Tempo's bucket, and the keys to it."""

    access: S3Access

    def __init__(
        self, name: str, args: ObjectStoreArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("tracing:index:ObjectStore", name, None, opts)
        child = ResourceOptions(parent=self)
        settings = args.settings

        access_key: Input[str]
        ready: list[pulumi.Resource] = []
        if isinstance(settings, ManagedStoreConfig) and args.server.admin is not None:
            access_key = settings.user
            secret_key = self._secret_key(name, args.secret_key)
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
        self.access = S3Access(
            endpoint=args.server.endpoint,
            bucket=settings.bucket,
            region=settings.region,
            insecure=args.server.insecure,
            path_style=args.server.path_style,
            secret_name=secret.physical_name,
            access_key_variable=ACCESS_KEY_VARIABLE,
            secret_key_variable=SECRET_KEY_VARIABLE,
            secret_version=secret_version(
                f"{name}-access-version", {"access": access_key, "secret": secret_key}, child
            ),
            ready=(secret, *ready),
        )
        self.register_outputs({"bucket": settings.bucket, "secretName": secret.physical_name})

    def _secret_key(self, name: str, given: Output[str] | None) -> Output[str]:
        if given is not None:
            return Output.secret(given)
        password = random.RandomPassword(
            f"{name}-secret-key", length=40, special=False, opts=ResourceOptions(parent=self)
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
            minio_region=settings.region,
            minio_user=admin.user,
            # The provider's schema does not mark it as a secret.
            minio_password=Output.secret(admin.password),
            minio_cacert_file=admin.ca_file,
            opts=ResourceOptions(parent=self),
        )
        child = ResourceOptions(
            parent=self,
            provider=provider,
            depends_on=_once_reachable(admin),
            deleted_with=admin.dies_with,
        )
        bucket = minio.S3Bucket(f"{name}-bucket", bucket=settings.bucket, acl="private", opts=child)
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
                opts=child,
            )
        user = minio.IamUser(f"{name}-user", name=settings.user, secret=secret_key, opts=child)
        policy = minio.IamPolicy(
            f"{name}-policy", name=settings.policy, policy=tempo_policy(settings.bucket), opts=child
        )
        attachment = minio.IamUserPolicyAttachment(
            f"{name}-user-policy", user_name=user.name, policy_name=policy.name, opts=child
        )
        return [bucket, attachment]


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
