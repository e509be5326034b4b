"""Owns a MinIO server in the cluster. Needs a namespace. Gives the server as a `StoreServer`."""

from dataclasses import dataclass

import pulumi
import pulumi_random as random
from pulumi import Input, Output, ResourceOptions

from config.object_store import MinioConfig
from config.platform import KubernetesConfig
from port_forward import PortForward

from .contracts import StoreAdmin, StoreServer, joined, service_host
from .kubernetes_object import KubernetesObject, object_metadata
from .secret_version import secret_version
from .values.minio import CONSOLE_PORT, S3_PORT, minio_spec


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
        root = KubernetesObject(
            f"{name}-root",
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": object_metadata(f"{settings.name}-root", args.namespace, labels),
                "stringData": {
                    "MINIO_ROOT_USER": settings.root_user,
                    "MINIO_ROOT_PASSWORD": self.root_password,
                },
            },
            child,
        )
        service = KubernetesObject(
            f"{name}-service",
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": object_metadata(settings.name, args.namespace, labels),
                "spec": {
                    "selector": labels,
                    "ports": [
                        {"name": "s3", "port": S3_PORT, "targetPort": "s3"},
                        {"name": "console", "port": CONSOLE_PORT, "targetPort": "console"},
                    ],
                },
            },
            child,
        )
        server = KubernetesObject(
            f"{name}-server",
            {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "metadata": object_metadata(settings.name, args.namespace, labels),
                "spec": minio_spec(
                    settings,
                    labels=labels,
                    service=service.physical_name,
                    root_secret=root.physical_name,
                    root_version=secret_version(
                        f"{name}-root-version",
                        {"user": settings.root_user, "password": self.root_password},
                        child,
                    ),
                ),
            },
            child,
        )
        self.server = StoreServer(
            endpoint=joined(service_host(service.physical_name, args.namespace), ":", S3_PORT),
            insecure=True,
            path_style=True,
            admin=_admin(args, server, self.root_password),
        )
        self.register_outputs({"endpoint": self.server.endpoint})


def minio_forward(settings: MinioConfig, cluster: KubernetesConfig) -> PortForward:
    """How the server is reached from where Pulumi runs."""
    return PortForward(
        local_port=settings.admin.port_forward.local_port,
        remote_port=S3_PORT,
        context=cluster.context,
        kubeconfig=cluster.kubeconfig,
    )


def _admin(args: MinioServerArgs, server: KubernetesObject, password: Output[str]) -> StoreAdmin:
    admin = args.settings.admin
    if admin.endpoint is not None:
        return StoreAdmin(
            address=admin.endpoint,
            tls=not admin.insecure,
            user=args.settings.root_user,
            password=password,
            reachable=server.id.apply(lambda _: None),
            dies_with=server,
        )
    return StoreAdmin(
        address=f"127.0.0.1:{admin.port_forward.local_port}",
        tls=False,
        user=args.settings.root_user,
        password=password,
        reachable=minio_forward(args.settings, args.cluster).open(
            args.namespace,
            # From the id, which the engine knows only once the server is ready.
            server.id.apply(lambda _: f"statefulset/{args.settings.name}"),
        ),
        dies_with=server,
    )
