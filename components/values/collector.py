"""Values of the chart opentelemetry-collector."""

from typing import Any, Final

from config.collector import CollectorConfig
from config.kinds import split_image

from ..contracts import PrometheusOperator, TraceIngest
from .resources import compute_resources

HEALTH_CHECK_PORT: Final = 13133
"""The chart's probes ask this port."""

RECEIVER_PORTS: Final = {
    "otlpGrpc": ("otlp", 4317),
    "otlpHttp": ("otlp-http", 4318),
    "zipkin": ("zipkin", 9411),
    "jaegerGrpc": ("jaeger-grpc", 14250),
    "jaegerThriftHttp": ("jaeger-thrift", 14268),
}
"""The name of each receiver's port in the chart, and its number."""


def collector_values(
    settings: CollectorConfig, traces_to: TraceIngest, operator: PrometheusOperator | None = None
) -> dict[str, Any]:
    """Values of the Helm release of the collector."""
    values: dict[str, Any] = {
        "fullnameOverride": settings.release_name,
        "mode": settings.mode,
        "image": split_image(settings.image),
        # The chart leaves the Service out in daemonset mode unless it is asked for; applications
        # are told one address in either mode.
        "service": {"enabled": True},
        "ports": _ports(settings.receivers),
        "useGOMEMLIMIT": True,
        "resources": compute_resources(settings.resources),
        # Not `config`, which is merged over defaults that open Jaeger, Zipkin and Prometheus
        # receivers: what stands here is the whole configuration.
        "alternateConfig": collector_config(settings, traces_to),
    }
    if settings.mode == "deployment":
        values["replicaCount"] = settings.replicas
    if operator is not None:
        values["serviceMonitor"] = {"enabled": True, "extraLabels": dict(operator.labels)}
    return values


def collector_config(settings: CollectorConfig, traces_to: TraceIngest) -> dict[str, Any]:
    """The collector's own configuration."""
    receivers = _receivers(settings.receivers)
    tempo = traces_to.require_otlp_grpc()
    return {
        "extensions": {"health_check": {"endpoint": _listen(HEALTH_CHECK_PORT)}},
        "receivers": receivers,
        "processors": {
            "memory_limiter": {
                "check_interval": "1s",
                "limit_percentage": 80,
                "spike_limit_percentage": 20,
            },
            "batch": {},
        },
        "exporters": {
            "otlp_grpc": {"endpoint": tempo.authority, "tls": {"insecure": not tempo.tls}},
        },
        "service": {
            "extensions": ["health_check"],
            "telemetry": {
                "metrics": {
                    "readers": [
                        {
                            "pull": {
                                "exporter": {
                                    "prometheus": {"host": "${env:MY_POD_IP}", "port": 8888}
                                }
                            }
                        }
                    ]
                }
            },
            "pipelines": {
                "traces": {
                    "receivers": list(receivers),
                    # First, because only what has not been taken in yet can still be refused.
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["otlp_grpc"],
                }
            },
        },
    }


def _listen(port: int) -> str:
    # On every address of the pod: `kubectl port-forward`, by which people try the collector,
    # arrives at its loopback one.
    return f"0.0.0.0:{port}"


def _receivers(receivers: tuple[str, ...]) -> dict[str, Any]:
    def protocols(**names: str) -> dict[str, Any]:
        return {
            protocol: {"endpoint": _listen(RECEIVER_PORTS[name][1])}
            for protocol, name in names.items()
            if name in receivers
        }

    result: dict[str, Any] = {}
    if otlp := protocols(grpc="otlpGrpc", http="otlpHttp"):
        result["otlp"] = {"protocols": otlp}
    if jaeger := protocols(grpc="jaegerGrpc", thrift_http="jaegerThriftHttp"):
        result["jaeger"] = {"protocols": jaeger}
    if "zipkin" in receivers:
        result["zipkin"] = {"endpoint": _listen(RECEIVER_PORTS["zipkin"][1])}
    return result


def _ports(receivers: tuple[str, ...]) -> dict[str, Any]:
    """Each port said explicitly, so that the chart's defaults open nothing else."""
    ports = {
        port: {"enabled": receiver in receivers} for receiver, (port, _) in RECEIVER_PORTS.items()
    }
    return {**ports, "jaeger-compact": {"enabled": False}, "metrics": {"enabled": True}}
