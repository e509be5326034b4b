"""Owns a MinIO server in the cluster. Needs a namespace. Gives the server as a `StoreServer`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_random as random
from pulumi import Input, Output, ResourceOptions

from config.certificates import read as read_certificates
from config.object_store import MinioConfig
from config.platform import KubernetesConfig
from port_forward import PortForward

from .ca_bundle import ca_bundle
from .certificate import certificate
from .contracts import (
    ClusterTls,
    PrometheusOperator,
    Scraped,
    StoreAdmin,
    StoreServer,
    joined,
    scraped,
    service_host,
)
from .kubernetes_object import FORCE, SKIP_AWAIT, KubernetesObject, object_metadata
from .network import Connection, Network, Pods, Surroundings, at
from .secret_version import secret_version
from .values.ingress import ingress_spec
from .values.minio import (
    METRICS_PATH,
    S3_PORT,
    disruption_budget_spec,
    headless_service_spec,
    minio_spec,
    service_spec,
    volume_claim_name,
    volume_claim_spec,
)
from .values.pod_monitor import pod_monitor_spec


@dataclass(frozen=True, kw_only=True)
class MinioServerArgs:
    """What a MinIO server is made from."""

    settings: MinioConfig
    namespace: Input[str]
    root_password: Output[str] | None
    """Generated once and kept in the state if `None`."""
    cluster: KubernetesConfig
    """The cluster, for reaching the server through `kubectl port-forward`."""
    delete_data: bool
    """Allow what deletes the servers or their volumes."""
    surroundings: Surroundings
    tls: ClusterTls | None = None
    """Who signs certificates; the usual authorities if `None`."""
    operator: PrometheusOperator | None = None
    """Who is to ask for metrics; they are open then."""


class MinioServer(pulumi.ComponentResource):
    """MinIO, one server or a pool of them: StatefulSet, volume claims, Services, and the Secret of
    its root user."""

    server: StoreServer
    root_password: Output[str]
    metrics: Scraped | None
    """`None` where nobody may ask for them."""
    network: Network

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

        def add(
            role: str,
            kind: str,
            object_name: str,
            opts: ResourceOptions = child,
            *,
            api_version: str = "v1",
            annotations: Mapping[str, str] | None = None,
            selected_by: Mapping[str, str] | None = None,
            **fields: Any,
        ) -> KubernetesObject:
            metadata = object_metadata(
                object_name, args.namespace, {**labels, **(selected_by or {})}, annotations
            )
            manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
            return KubernetesObject(f"{name}-{role}", manifest, opts)

        root = add(
            "root",
            "Secret",
            settings.root_secret_name,
            stringData={
                "MINIO_ROOT_USER": settings.root_user,
                "MINIO_ROOT_PASSWORD": self.root_password,
            },
        )
        service = add("service", "Service", settings.name, spec=service_spec(labels))
        headless = add(
            "headless",
            "Service",
            f"{settings.name}-headless",
            spec=headless_service_spec(labels),
        )
        # Claims of their own, which the StatefulSet takes up by their names: those that it makes
        # itself nobody could protect, grow, or see in a preview.
        volumes = [
            add(
                f"volume-{index}",
                "PersistentVolumeClaim",
                volume_claim_name(settings, index),
                ResourceOptions(parent=self, protect=not args.delete_data),
                # Forced: one that a StatefulSet made has its size from the StatefulSet.
                annotations={**SKIP_AWAIT, **FORCE},
                spec=volume_claim_spec(settings),
            )
            for index in range(settings.replicas)
        ]
        authority = _authority(settings, args.tls)
        ca = (
            ca_bundle(
                f"{name}-ca",
                object_name=f"{settings.name}-ca",
                namespace=args.namespace,
                certificate=authority,
                opts=child,
            )
            if authority is not None
            else None
        )
        tls_secret = None
        if settings.tls is not None:
            own = service_host(settings.name, args.namespace)
            pool = service_host(f"*.{settings.name}-headless", args.namespace)
            tls_secret = certificate(
                f"{name}-certificate",
                given=settings.tls.secret_name,
                secret_name=settings.certificate_name,
                namespace=args.namespace,
                dns_names=[own] if settings.replicas == 1 else [own, pool],
                tls=args.tls,
                opts=child,
            )
        server = add(
            "server",
            "StatefulSet",
            settings.name,
            ResourceOptions(
                parent=self,
                depends_on=volumes,
                protect=not args.delete_data,
                # The template is only what a claim that is missing would be made from; grown
                # volumes must not make the StatefulSet anew.
                ignore_changes=["spec.volumeClaimTemplates"],
                # A pool can't change its number of servers: as a replacement it is refused.
                replace_on_changes=["spec.replicas"],
            ),
            api_version="apps/v1",
            spec=minio_spec(
                settings,
                labels=labels,
                namespace=args.namespace,
                headless=headless.physical_name,
                root_secret=root.physical_name,
                root_version=secret_version(
                    f"{name}-root-version",
                    {"user": settings.root_user, "password": self.root_password},
                    child,
                ),
                ca=ca,
                tls_secret=tls_secret,
                metrics=args.operator is not None,
            ),
        )
        host = service_host(service.physical_name, args.namespace)
        self.metrics = None
        if args.operator is not None:
            add(
                "monitor",
                "PodMonitor",
                settings.name,
                api_version="monitoring.coreos.com/v1",
                selected_by=args.operator.labels,
                # Not a ServiceMonitor: the two Services have the same labels, and each pod would
                # count twice.
                spec=pod_monitor_spec(
                    labels,
                    "s3",
                    METRICS_PATH,
                    tls_host=host if settings.tls is not None else None,
                    ca=ca,
                ),
            )
            jobs = f"{settings.namespace}/{settings.name}"
            self.metrics = scraped(args.operator, settings.namespace, jobs)
        if settings.replicas > 1:
            add(
                "disruption-budget",
                "PodDisruptionBudget",
                settings.name,
                api_version="policy/v1",
                spec=disruption_budget_spec(labels),
            )
        if settings.ingress is not None:
            add(
                "ingress",
                "Ingress",
                settings.name,
                api_version="networking.k8s.io/v1",
                # Its address comes from a controller that is not this stack's to wait for.
                annotations={**SKIP_AWAIT, **settings.ingress.annotations},
                spec=ingress_spec(settings.ingress, service.physical_name, "s3"),
            )
        pods = Pods(role="minio", namespace=args.namespace, labels=labels)
        s3 = at(pods, S3_PORT)
        askers = [
            *([pods] if settings.replicas > 1 else []),
            *([args.surroundings.scrapers] if args.operator is not None else []),
            *(args.surroundings.controllers("objectStore") if settings.ingress else []),
        ]
        self.network = Network(
            pods=(pods,), connections=tuple(Connection(client=each, server=s3) for each in askers)
        )
        self.server = StoreServer(
            server=s3,
            endpoint=joined(host, ":", S3_PORT),
            insecure=settings.tls is None,
            path_style=True,
            ca_certificate=authority,
            admin=_admin(args, server, self.root_password),
        )
        self.register_outputs({"endpoint": self.server.endpoint})


def _authority(settings: MinioConfig, tls: ClusterTls | None) -> str | None:
    """The authority that signed the servers' certificate, if it is not one of the usual ones."""
    if settings.tls is None:
        return None
    if settings.tls.ca_file is not None:
        return read_certificates(settings.tls.ca_file)
    return tls.ca_certificate if tls else None


def minio_forward(settings: MinioConfig, cluster: KubernetesConfig) -> PortForward:
    """How the server is reached from where Pulumi runs."""
    return PortForward(
        local_port=settings.admin.port_forward.local_port,
        local_port_key="tracing:objectStore.admin.portForward.localPort",
        remote_port=S3_PORT,
        health="/minio/health/cluster",
        tls=settings.tls is not None,
        context=cluster.context,
        kubeconfig=cluster.kubeconfig,
    )


def _admin(args: MinioServerArgs, server: KubernetesObject, password: Output[str]) -> StoreAdmin:
    admin = args.settings.admin
    if admin.endpoint is not None:
        return StoreAdmin(
            address=admin.endpoint,
            tls=not admin.insecure,
            ca_file=admin.ca_file,
            user=args.settings.root_user,
            password=password,
            reachable=server.id.apply(lambda _: None),
            dies_with=server,
        )
    return StoreAdmin(
        address=f"127.0.0.1:{admin.port_forward.local_port}",
        tls=args.settings.tls is not None,
        verified=False,
        local=True,
        user=args.settings.root_user,
        password=password,
        reachable=minio_forward(args.settings, args.cluster).open(
            args.namespace,
            # From the id, which the engine knows only once the server is ready.
            server.id.apply(lambda _: f"statefulset/{args.settings.name}"),
        ),
        dies_with=server,
    )
