"""Values of the chart tempo: one process."""

from typing import Any, Final

from config.kinds import go_duration, registry_image
from config.tempo import MetricsGeneratorConfig, MonolithicConfig

from ..contracts import PrometheusOperator
from .overrides import default_overrides, tenant_overrides
from .resources import compute_resources
from .security import CONTAINER, SECCOMP
from .tempo import (
    RETRY_AFTER,
    PodNeeds,
    alive_probe,
    keys_from_secret,
    pod_annotations,
    pod_mounts,
    pod_volumes,
    remote_write,
    s3_block,
)
from .tempo_tls import TempoTls, clients, listening, probe_scheme, receiver
from .text import as_yaml

JAEGER: Final = {
    "jaegerGrpc": ("grpc", 14250),
    "jaegerThriftHttp": ("thrift_http", 14268),
    "jaegerThriftCompact": ("thrift_compact", 6831),
    "jaegerThriftBinary": ("thrift_binary", 6832),
}
"""Tempo's name of each of Jaeger's protocols, and the port of the Service."""


def tempo_monolithic_values(
    settings: MonolithicConfig, pod: PodNeeds, operator: PrometheusOperator | None = None
) -> dict[str, Any]:
    """Values of the Helm release of Tempo as one process."""
    return {
        "fullnameOverride": settings.release_name,
        "tempo": {
            "reportingEnabled": False,
            **({} if settings.image is None else registry_image(settings.image)),
            # The chart's gigabyte of ballast is from the time before Go had a memory limit.
            "memBallastSizeMbs": 0,
            "extraArgs": {"config.expand-env": "true"},
            "extraEnvFrom": keys_from_secret(pod.s3),
            "extraVolumeMounts": pod_mounts(pod),
            "resources": compute_resources(settings.resources),
            "livenessProbe": alive_probe(pod.tls),
            **({"readinessProbe": {"httpGet": probe_scheme(pod.tls)}} if pod.tls else {}),
            # Only for the ports of the Service: what is "" there has none.
            "receivers": {"jaeger": {"protocols": _ports(settings.receivers)}},
            "securityContext": CONTAINER,
            "per_tenant_overrides": tenant_overrides(settings),
        },
        # The chart's own text is made from `tempo`, where its default receivers can't be taken
        # away.
        "config": as_yaml(tempo_configuration(settings, pod)),
        "persistence": {"enabled": True, "size": settings.volume_size},
        # Beside the user and groups of the chart's own.
        "securityContext": SECCOMP,
        # Tempo asks nothing of the Kubernetes API.
        "serviceAccount": {"automountServiceAccountToken": False},
        "podAnnotations": pod_annotations(pod),
        "extraVolumes": pod_volumes(pod),
        **_monitor(operator),
    }


def _monitor(operator: PrometheusOperator | None) -> dict[str, Any]:
    if operator is None:
        return {}
    return {"serviceMonitor": {"enabled": True, "additionalLabels": dict(operator.labels)}}


def tempo_configuration(settings: MonolithicConfig, pod: PodNeeds) -> dict[str, Any]:
    """Tempo's own configuration file."""
    overrides: dict[str, Any] = {"per_tenant_override_config": "/conf/overrides.yaml"}
    if defaults := default_overrides(settings):
        overrides["defaults"] = defaults
    return {
        "usage_report": {"reporting_enabled": False},
        **({"multitenancy_enabled": True} if pod.tenancy else {}),
        "server": {"http_listen_port": 3200, **listening(pod.tls)},
        **clients(pod.tls, settings.profile),
        **({"stream_over_http_enabled": True} if settings.streaming else {}),
        "distributor": {
            "receivers": _receivers(settings.receivers, pod.tls),
            "log_received_spans": settings.log_received_spans.model_dump(),
            **RETRY_AFTER,
        },
        "compactor": {"compaction": {"block_retention": go_duration(settings.block_retention)}},
        "storage": {
            "trace": {
                "backend": "s3",
                "s3": s3_block(pod.s3),
                "wal": {"path": "/var/tempo/wal"},
                "local": {"path": "/var/tempo/traces"},
            }
        },
        "overrides": overrides,
        **_metrics_generator(settings.metrics_generator),
    }


def _metrics_generator(settings: MetricsGeneratorConfig | None) -> dict[str, Any]:
    if settings is None:
        return {}
    return {
        "metrics_generator": {
            "storage": {
                "path": "/var/tempo/generator/wal",
                "remote_write": [remote_write(settings)],
            },
            "traces_storage": {"path": "/var/tempo/generator/traces"},
        }
    }


def _ports(receivers: tuple[str, ...]) -> dict[str, Any]:
    return {
        protocol: {"endpoint": f"0.0.0.0:{port}" if receiver in receivers else ""}
        for receiver, (protocol, port) in JAEGER.items()
    }


def _receivers(receivers: tuple[str, ...], tls: TempoTls | None) -> dict[str, Any]:
    open_: dict[str, Any] = {}

    def listen(port: int) -> dict[str, Any]:
        return {"endpoint": f"0.0.0.0:{port}", **receiver(tls)}

    otlp = {
        protocol: listen(port)
        for name, protocol, port in (("otlpGrpc", "grpc", 4317), ("otlpHttp", "http", 4318))
        if name in receivers
    }
    jaeger = {
        protocol: listen(port) for name, (protocol, port) in JAEGER.items() if name in receivers
    }
    if otlp:
        open_["otlp"] = {"protocols": otlp}
    if jaeger:
        open_["jaeger"] = {"protocols": jaeger}
    if "zipkin" in receivers:
        open_["zipkin"] = listen(9411)
    return open_
