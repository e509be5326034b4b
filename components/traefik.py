"""Owns Traefik's tracing and access log. Needs where to send spans. Gives its `TraceLogFormat`, and
values for a Traefik that is managed elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi import Input, Output, ResourceOptions

from config.certificates import read as read_certificates
from config.traefik import TraefikConfig

from .ca_bundle import ca_bundle
from .certificate import certificate
from .contracts import (
    ChartRef,
    ClusterTls,
    PrometheusOperator,
    TraceIngest,
    TraceLogFormat,
    service_host,
)
from .kubernetes_object import KubernetesObject, object_metadata
from .network import Network, Surroundings
from .release import helm_release
from .values.pod_monitor import pod_monitor_spec
from .values.text import as_yaml
from .values.traefik import (
    LISTS_ARE_REPLACED,
    LOG_FORMATS,
    METRICS_PATH,
    argument_values,
    traefik_values,
)
from .values.traefik_network import pod_labels, traefik_network


@dataclass(frozen=True, kw_only=True)
class TraefikArgs:
    """What Traefik's tracing is made from."""

    settings: TraefikConfig
    namespace: Input[str] | None
    """Namespace of the release; `None` where there is none."""
    chart: ChartRef | None
    """Chart of the release; `None` where there is none."""
    traces_to: TraceIngest
    surroundings: Surroundings
    route_namespaces: Sequence[Input[str]] = ()
    """Namespaces whose routes the release serves; all if empty."""
    tls: ClusterTls | None = None
    operator: PrometheusOperator | None = None


class Traefik(pulumi.ComponentResource):
    """Traefik as a Helm release, the settings of the one that k3s ships, or values for another."""

    network: Network
    log_format: TraceLogFormat
    values: Output[str] | None
    """Text of a values file, for `helm upgrade -f`; `None` where nobody needs it."""

    def __init__(self, name: str, args: TraefikArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Traefik", name, None, opts)
        settings = args.settings
        self.log_format = LOG_FORMATS[settings.version]
        self.values = None
        self.network = traefik_network(settings, args.namespace, args.traces_to, args.surroundings)
        endpoint = args.traces_to.otlp_grpc or args.traces_to.otlp_http
        ca = endpoint.ca_certificate if endpoint else None
        if settings.ca_file is not None:
            ca = read_certificates(settings.ca_file)
        if settings.install == "values":
            text = as_yaml(argument_values(settings, args.traces_to, ca))
            self.values = Output.concat(LISTS_ARE_REPLACED, text)
        elif args.chart is not None and args.namespace is not None:
            self._install(name, args, args.chart, args.namespace, ca)
        else:
            values = argument_values(settings, args.traces_to, ca)
            KubernetesObject(
                f"{name}-chart-config",
                {
                    "apiVersion": "helm.cattle.io/v1",
                    "kind": "HelmChartConfig",
                    # k3s reads only this name in this namespace.
                    "metadata": object_metadata("traefik", "kube-system"),
                    "spec": {"valuesContent": as_yaml(values)},
                },
                ResourceOptions(parent=self),
            )
        self.register_outputs({"derivedField": self.log_format.name})

    def _install(
        self, name: str, args: TraefikArgs, chart: ChartRef, namespace: Input[str], ca: str | None
    ) -> None:
        """The release, the certificate of its metrics, and who asks for them."""
        settings, child = args.settings, ResourceOptions(parent=self)
        host = service_host(settings.release_name, namespace)
        secret = settings.metrics_tls and certificate(
            f"{name}-certificate",
            given=settings.metrics_tls.secret_name,
            secret_name=settings.certificate_name,
            namespace=namespace,
            dns_names=[host],
            tls=args.tls,
            opts=child,
        )
        helm_release(
            f"{name}-release",
            chart=chart,
            release_name=settings.release_name,
            namespace=namespace,
            values=traefik_values(
                settings, args.traces_to, ca, secret, route_namespaces=args.route_namespaces
            ),
            parent=self,
        )
        if args.operator is None:
            return
        asked_ca = (
            ca_bundle(
                f"{name}-ca",
                object_name=f"{settings.release_name}-metrics-ca",
                namespace=namespace,
                certificate=args.tls.ca_certificate,
                opts=child,
            )
            if secret is not None and args.tls is not None
            else None
        )
        labels = pod_labels(settings)
        KubernetesObject(
            f"{name}-monitor",
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PodMonitor",
                "metadata": object_metadata(
                    settings.release_name, namespace, {**labels, **args.operator.labels}
                ),
                "spec": pod_monitor_spec(
                    labels,
                    "metrics",
                    METRICS_PATH,
                    tls_host=host if secret is not None else None,
                    ca=asked_ca,
                ),
            },
            child,
        )
