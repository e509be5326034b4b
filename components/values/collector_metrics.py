"""The collector's own metrics: where they can be read, and with TLS how they get there.

The endpoint that the collector has for them knows no TLS (0.158.0). With TLS it sends them to a
receiver of its own, on the loopback address, and a `prometheus` exporter offers them in its place,
under the same names and labels.
"""

from collections.abc import Mapping
from typing import Any, Final

from pulumi import Input

from config.collector import CollectorConfig

from ..contracts import PrometheusOperator
from .collector_tls import CollectorTls, certificate_files

METRICS_PORT: Final = 8888

OWN: Final = "own_metrics"
"""Name of what the collector's own metrics pass through."""
_RECEIVER: Final = f"otlp/{OWN}"
_PROCESSOR: Final = f"resource/{OWN}"
_EXPORTER: Final = f"prometheus/{OWN}"

_LOOPBACK: Final = "127.0.0.1:8889"
_INTERVAL_MILLISECONDS: Final = 10_000
"""As old as what Prometheus reads can be: it asks every 15 to 60 s."""


def metrics_readers(settings: CollectorConfig) -> list[Mapping[str, Any]]:
    """Who takes the metrics from the collector's own telemetry."""
    if settings.tls is None:
        exporter = {"prometheus": {"host": "${env:MY_POD_IP}", "port": METRICS_PORT}}
        return [{"pull": {"exporter": exporter}}]
    otlp = {"protocol": "grpc", "endpoint": f"http://{_LOOPBACK}", "insecure": True}
    return [{"periodic": {"interval": _INTERVAL_MILLISECONDS, "exporter": {"otlp": otlp}}}]


def offered_metrics(settings: CollectorConfig) -> dict[str, dict[str, Any]]:
    """Receivers, processors, exporters and pipelines that offer the metrics over TLS."""
    if settings.tls is None:
        return {}
    of_resource = ("service.name", "service.instance.id", "service.version")
    return {
        "receivers": {_RECEIVER: {"protocols": {"grpc": {"endpoint": _LOOPBACK}}}},
        "processors": {
            # They would become labels `job` and `instance`, which are Prometheus' to give.
            _PROCESSOR: {"attributes": [{"key": name, "action": "delete"} for name in of_resource]}
        },
        "exporters": {
            _EXPORTER: {
                # On the loopback address as well, at which `kubectl port-forward` arrives.
                "endpoint": f"0.0.0.0:{METRICS_PORT}",
                # Nobody is asked for a certificate: Prometheus has none of the applications'.
                "tls": certificate_files(),
                # Otherwise each name would be another one than without TLS.
                "translation_strategy": "UnderscoreEscapingWithoutSuffixes",
                "without_scope_info": True,
            }
        },
        "pipelines": {
            f"metrics/{OWN}": {
                "receivers": [_RECEIVER],
                "processors": [_PROCESSOR],
                "exporters": [_EXPORTER],
            }
        },
    }


def service_monitor(
    settings: CollectorConfig, tls: CollectorTls, operator: PrometheusOperator, host: Input[str]
) -> dict[str, Any]:
    """Values of the chart's ServiceMonitor; `host` is a name that is in the certificate."""
    values: dict[str, Any] = {"enabled": True, "extraLabels": dict(operator.labels)}
    if settings.tls is not None:
        verified: dict[str, Any] = {"serverName": host}
        if tls.ca is not None:
            verified["ca"] = {"configMap": {"name": tls.ca.config_map, "key": tls.ca.key}}
        endpoint = {"port": "metrics", "scheme": "https", "tlsConfig": verified}
        values["metricsEndpoints"] = [endpoint]
    return values
