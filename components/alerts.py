"""Owns the alert rules. Needs to know what there is to see of the platform, and the operator."""

from dataclasses import dataclass

import pulumi
from pulumi import Input, ResourceOptions

from .contracts import PlatformMetrics, PrometheusOperator
from .kubernetes_object import KubernetesObject, object_metadata


@dataclass(frozen=True, kw_only=True)
class AlertsArgs:
    """What the alert rules are made from."""

    namespace: Input[str]
    platform: PlatformMetrics
    operator: PrometheusOperator


class Alerts(pulumi.ComponentResource):
    """Alert rules for all of the platform, as one PrometheusRule."""

    def __init__(self, name: str, args: AlertsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Alerts", name, None, opts)
        # Here, because a preview without alerts need not load them.
        from .values.alerts import alert_groups, rule_spec

        rules = KubernetesObject(
            f"{name}-rules",
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                "metadata": object_metadata("tracing", args.namespace, args.operator.labels),
                "spec": rule_spec(alert_groups(args.platform), args.operator.runbooks),
            },
            ResourceOptions(parent=self),
        )
        self.register_outputs({"rules": rules.physical_name})
