"""Owns Traefik's tracing and access log. Needs where to send spans. Gives its `TraceLogFormat`."""

from dataclasses import dataclass

import pulumi
from pulumi import Input, ResourceOptions

from config.traefik import TraefikConfig

from .contracts import ChartRef, TraceIngest, TraceLogFormat
from .kubernetes_object import KubernetesObject, object_metadata
from .release import helm_release
from .values.text import as_yaml
from .values.traefik import LOG_FORMAT, helm_chart_config_values, traefik_values


@dataclass(frozen=True, kw_only=True)
class TraefikArgs:
    """What Traefik's tracing is made from."""

    settings: TraefikConfig
    namespace: Input[str] | None
    """Namespace of the release; `None` for a HelmChartConfig."""
    chart: ChartRef | None
    """Chart of the release; `None` for a HelmChartConfig."""
    traces_to: TraceIngest


class Traefik(pulumi.ComponentResource):
    """Traefik as a Helm release, or the settings of the one that k3s ships."""

    log_format: TraceLogFormat

    def __init__(self, name: str, args: TraefikArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Traefik", name, None, opts)
        self.log_format = LOG_FORMAT
        if args.chart is not None and args.namespace is not None:
            helm_release(
                f"{name}-release",
                chart=args.chart,
                release_name=args.settings.release_name,
                namespace=args.namespace,
                values=traefik_values(args.settings, args.traces_to),
                parent=self,
            )
        else:
            values = helm_chart_config_values(args.settings, args.traces_to)
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
