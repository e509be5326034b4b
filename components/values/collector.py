"""Values of the chart opentelemetry-collector."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from config.collector import CollectorConfig
from config.collector_tiers import Tier, size
from config.kinds import split_image
from config.tenancy import TenancyConfig

from ..contracts import Endpoint, PrometheusOperator, service_host
from .annotations import AUTHORITY_ANNOTATION
from .collector_config import (
    RECEIVER_PORTS,
    STORAGE_PATH,
    UDP_RECEIVERS,
    collector_config,
)
from .collector_metrics import service_monitor
from .collector_tls import CA_PATH, CollectorTls, tls_secrets
from .resources import compute_resources
from .security import CONTAINER, pod_security_context

CHART_LABEL: Final = "opentelemetry-collector"
"""What the chart labels its pods with, whatever the release's name."""

USER: Final = 10001
"""The upstream image's user, and the group of the files on a volume."""

SCALE_DOWN_MAX_SECONDS: Final = 3600
"""Kubernetes' limit of `stabilizationWindowSeconds`."""


def collector_values(
    settings: CollectorConfig,
    tier: Tier,
    exports_to: Endpoint,
    tempo: Endpoint,
    tls: CollectorTls,
    operator: PrometheusOperator | None = None,
    tenancy: TenancyConfig | None = None,
) -> dict[str, Any]:
    """Values of the Helm release of one tier.

    `exports_to` is Tempo or the next tier.
    """
    receivers = settings.receivers if tier.is_first else ("otlpGrpc",)
    values: dict[str, Any] = {
        "fullnameOverride": tier.release_name,
        "mode": tier.workload,
        "image": split_image(settings.image),
        # The chart leaves the Service out in daemonset mode unless it is asked for; applications
        # are told one address in either mode.
        "service": {"enabled": True},
        "ports": _ports(tier, receivers),
        "useGOMEMLIMIT": True,
        "resources": compute_resources(tier.resources),
        # Not `config`, which is merged over defaults that open Jaeger, Zipkin and Prometheus
        # receivers: what stands here is the whole configuration.
        "alternateConfig": collector_config(settings, tier, exports_to, tempo, tenancy),
        **_pods(tier),
        **_volumes(settings, tier, tls),
    }
    if tls.ca is not None:
        values["podAnnotations"] = {AUTHORITY_ANNOTATION: tls.ca.version}
    if tier.is_first:
        values["clusterRole"] = _CLUSTER_ROLE
        if settings.resource_attributes:
            values["extraEnvs"] = [
                {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": _attributes(settings)}
            ]
    else:
        # A name for each pod, not one address for all: the first tier chooses among them.
        values["service"] |= {"clusterIP": "None"}
        # It asks nothing of the Kubernetes API.
        values["serviceAccount"] = {"automountServiceAccountToken": False}
    if operator is not None:
        host = service_host(tier.release_name, settings.namespace)
        values["serviceMonitor"] = service_monitor(settings, tls, operator, host)
    return values


_CLUSTER_ROLE: Final = {
    # What k8s_attributes asks for: which pod has an address, and whose it is.
    "create": True,
    "rules": [
        {
            "apiGroups": [""],
            "resources": ["pods", "namespaces"],
            "verbs": ["get", "list", "watch"],
        },
    ],
}


def _attributes(settings: CollectorConfig) -> str:
    return ",".join(
        f"{key}={quote(value, safe='')}" for key, value in settings.resource_attributes.items()
    )


def _ports(tier: Tier, receivers: Sequence[str]) -> dict[str, Any]:
    """Each port said explicitly, so that the chart's defaults open nothing else."""
    ports: dict[str, Any] = {}
    for receiver, (name, number) in RECEIVER_PORTS.items():
        ports[name] = {"enabled": receiver in receivers}
        if tier.workload == "daemonset":
            # By default the chart takes these ports of each node as well.
            ports[name]["hostPort"] = 0
        if name == "jaeger-binary" and receiver in receivers:
            # The chart knows all others.
            ports[name] |= {"containerPort": number, "servicePort": number}
        if receiver in UDP_RECEIVERS and receiver in receivers:
            ports[name] |= {"protocol": "UDP"}
    if "jaegerThriftBinary" not in receivers:
        del ports["jaeger-binary"]
    return {**ports, "metrics": {"enabled": True}}


def _pods(tier: Tier) -> dict[str, Any]:
    if tier.workload == "daemonset":
        # Also where nothing else runs but what tolerates a taint: its Service is the node's own.
        return {"tolerations": [{"operator": "Exists"}]}
    scaling = tier.autoscaling
    values: dict[str, Any] = {"replicaCount": tier.replicas}
    if scaling is not None:
        values["autoscaling"] = {
            "enabled": True,
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "targetCPUUtilizationPercentage": scaling.target_cpu_percent,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": SCALE_DOWN_MAX_SECONDS}},
        }
    if tier.max_replicas > 1:
        values["podDisruptionBudget"] = {"enabled": True, "maxUnavailable": 1}
        values["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": key,
                # Wanted, not required: a pod that shares a node is better than none.
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": tier_labels(tier.release_name)},
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ]
    return values


def tier_labels(release_name: str) -> dict[str, str]:
    """The labels of a tier's pods that no other pods have."""
    return {
        "app.kubernetes.io/name": CHART_LABEL,
        "app.kubernetes.io/instance": release_name,
    }


def _volumes(settings: CollectorConfig, tier: Tier, tls: CollectorTls) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    values: dict[str, Any] = {
        "podSecurityContext": {**pod_security_context(USER), "fsGroup": USER},
        "securityContext": CONTAINER,
    }
    if tier.queue is not None:
        mounts.append({"name": "queue", "mountPath": STORAGE_PATH})
        room = settings.queue.volume_size or size(tier.queue.volume_bytes)
        if tier.workload == "daemonset":
            # A claim for each node can't be had, and the node's own disk takes root and a namespace
            # in which every pod may have it.
            volumes.append({"name": "queue", "emptyDir": {"sizeLimit": room}})
        else:
            values["statefulset"] = {"volumeClaimTemplates": [_queue_claim(room)]}
    for name, (secret, path) in tls_secrets(settings, tier, tls).items():
        volumes.append({"name": name, "secret": {"secretName": secret}})
        mounts.append({"name": name, "mountPath": path, "readOnly": True})
    if tls.ca is not None:
        volumes.append({"name": "ca", "configMap": {"name": tls.ca.config_map}})
        mounts.append({"name": "ca", "mountPath": CA_PATH, "readOnly": True})
    if volumes:
        values["extraVolumes"] = volumes
    if mounts:
        values["extraVolumeMounts"] = mounts
    return values


def _queue_claim(room: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "queue"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": room}},
        },
    }
