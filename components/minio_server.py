"""Owns a MinIO server in the cluster. Needs a namespace. Gives the server as a `StoreServer`."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random
from pulumi import Input, Output, ResourceOptions

from config.object_store import MinioConfig
from config.platform import KubernetesConfig
from port_forward import PortForward

from .contracts import StoreAdmin, StoreServer, joined, service_host
from .values.resources import compute_resources

S3_PORT: Final = 9000
CONSOLE_PORT: Final = 9001
USER_ID: Final = 1000
"""Any user but root will do: the server writes to its volume only, which the group owns."""


@dataclass(frozen=True, kw_only=True)
class MinioServerArgs:
    """What a MinIO server is made from."""

    settings: MinioConfig
    namespace: Input[str]
    root_password: Output[str] | None
    """Generated once and kept in the state if `None`."""
    cluster: KubernetesConfig
    """The cluster, for reaching the server through `kubectl port-forward`."""


class MinioServer(pulumi.ComponentResource):
    """One MinIO server: StatefulSet with a volume, Service, and the Secret of its root user."""

    server: StoreServer
    root_password: Output[str]

    def __init__(
        self, name: str, args: MinioServerArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("tracing:index:MinioServer", name, None, opts)
        child = ResourceOptions(parent=self)
        settings = args.settings
        labels = {"app.kubernetes.io/name": "minio", "app.kubernetes.io/instance": settings.name}

        self.root_password = Output.secret(
            args.root_password
            if args.root_password is not None
            else random.RandomPassword(
                f"{name}-root-password",
                length=32,
                # Letters and digits only: the password travels through URLs and shells.
                special=False,
                opts=child,
            ).result
        )
        root = k8s.core.v1.Secret(
            f"{name}-root",
            metadata={
                "name": f"{settings.name}-root",
                "namespace": args.namespace,
                "labels": labels,
            },
            string_data={
                "MINIO_ROOT_USER": settings.root_user,
                "MINIO_ROOT_PASSWORD": self.root_password,
            },
            opts=child,
        )
        service = k8s.core.v1.Service(
            f"{name}-service",
            metadata={"name": settings.name, "namespace": args.namespace, "labels": labels},
            spec={
                "selector": labels,
                "ports": [
                    {"name": "s3", "port": S3_PORT, "target_port": "s3"},
                    {"name": "console", "port": CONSOLE_PORT, "target_port": "console"},
                ],
            },
            opts=child,
        )
        stateful_set = k8s.apps.v1.StatefulSet(
            f"{name}-server",
            metadata={"name": settings.name, "namespace": args.namespace, "labels": labels},
            spec={
                "replicas": 1,
                "service_name": service.metadata.name,
                "selector": {"match_labels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "automount_service_account_token": False,
                        "security_context": {
                            "run_as_non_root": True,
                            "run_as_user": USER_ID,
                            "run_as_group": USER_ID,
                            "fs_group": USER_ID,
                            # Without it every start walks the whole volume to change its owner.
                            "fs_group_change_policy": "OnRootMismatch",
                            "seccomp_profile": {"type": "RuntimeDefault"},
                        },
                        "containers": [_container(settings, root.metadata.name)],
                        "volumes": [{"name": "tmp", "empty_dir": {}}],
                    },
                },
                "volume_claim_templates": [_volume_claim(settings)],
            },
            opts=child,
        )
        self.server = StoreServer(
            endpoint=joined(service_host(service.metadata.name, args.namespace), ":", S3_PORT),
            insecure=True,
            path_style=True,
            admin=_admin(args, stateful_set, self.root_password),
        )
        self.register_outputs({"endpoint": self.server.endpoint})


def _admin(
    args: MinioServerArgs, stateful_set: k8s.apps.v1.StatefulSet, password: Output[str]
) -> StoreAdmin:
    admin = args.settings.admin
    if admin.endpoint is not None:
        return StoreAdmin(
            address=admin.endpoint,
            tls=not admin.insecure,
            user=args.settings.root_user,
            password=password,
            reachable=stateful_set.id.apply(lambda _: None),
            dies_with=stateful_set,
        )
    return StoreAdmin(
        address=f"127.0.0.1:{admin.port_forward.local_port}",
        tls=False,
        user=args.settings.root_user,
        password=password,
        reachable=PortForward(
            local_port=admin.port_forward.local_port,
            remote_port=S3_PORT,
            context=args.cluster.context,
            kubeconfig=args.cluster.kubeconfig,
        ).open(
            args.namespace,
            # From the id, which the engine knows only once the server is ready.
            stateful_set.id.apply(lambda _: f"statefulset/{args.settings.name}"),
        ),
        dies_with=stateful_set,
    )


def _container(settings: MinioConfig, root_secret: Input[str]) -> dict:
    probe = {"period_seconds": 5, "timeout_seconds": 3}
    return {
        "name": "minio",
        "image": settings.image,
        "command": ["minio"],
        "args": ["server", "/data", "--console-address", f":{CONSOLE_PORT}"],
        "env": [{"name": "MINIO_SITE_REGION", "value": settings.region}],
        "env_from": [{"secret_ref": {"name": root_secret}}],
        "ports": [
            {"name": "s3", "container_port": S3_PORT},
            {"name": "console", "container_port": CONSOLE_PORT},
        ],
        "readiness_probe": {
            "http_get": {"path": "/minio/health/ready", "port": "s3"},
            **probe,
        },
        "liveness_probe": {
            "http_get": {"path": "/minio/health/live", "port": "s3"},
            "failure_threshold": 6,
            **probe,
        },
        "resources": compute_resources(settings.resources),
        "security_context": {
            "allow_privilege_escalation": False,
            "read_only_root_filesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volume_mounts": [
            {"name": "data", "mount_path": "/data"},
            {"name": "tmp", "mount_path": "/tmp"},
        ],
    }


def _volume_claim(settings: MinioConfig) -> dict:
    spec: dict = {
        "access_modes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": settings.volume_size}},
    }
    if settings.storage_class is not None:
        spec["storage_class_name"] = settings.storage_class
    return {"metadata": {"name": "data"}, "spec": spec}
