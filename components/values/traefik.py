"""Traefik 3's tracing and access log: as values of its chart, and as command-line arguments."""

from typing import Any, Final

from pulumi import Input

from config.traefik import TRAEFIK_DERIVED_FIELD, TraefikConfig

from ..contracts import TraceIngest, TraceLogFormat, joined

LOG_FORMAT: Final = TraceLogFormat(name=TRAEFIK_DERIVED_FIELD, json_fields=("trace_id", "TraceId"))
"""Fields of a JSON access-log line that hold the trace's id (Traefik 3.7 writes both, earlier
versions the second one)."""

DEFAULT_PROPAGATORS: Final = ("tracecontext", "baggage")
"""What OpenTelemetry propagates when OTEL_PROPAGATORS is not set."""


def traefik_values(settings: TraefikConfig, traces_to: TraceIngest) -> dict[str, Any]:
    """Values of the Helm release of Traefik (chart 41)."""
    return {
        "fullnameOverride": settings.release_name,
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "service": {"spec": {"type": settings.service_type}},
        "accessLog": {
            "enabled": True,
            "format": "json",
            "fields": {
                "defaultMode": "keep",
                "headers": {
                    "defaultMode": "drop",
                    "names": dict.fromkeys(settings.keep_headers, "keep"),
                },
            },
        },
        "tracing": {
            "serviceName": settings.service_name,
            "sampleRate": settings.sample_rate,
            "resourceAttributes": settings.resource_attributes,
            "otlp": {"enabled": True, **_otlp(settings, traces_to)},
        },
        **_environment(settings),
    }


def _otlp(settings: TraefikConfig, traces_to: TraceIngest) -> dict[str, Any]:
    if settings.protocol == "grpc":
        grpc = traces_to.require_otlp_grpc()
        return {"grpc": {"enabled": True, "endpoint": grpc.authority, "insecure": not grpc.tls}}
    http = traces_to.require_otlp_http()
    return {"http": {"enabled": True, "endpoint": http.url("/v1/traces")}}


def _environment(settings: TraefikConfig) -> dict[str, Any]:
    if settings.propagators == DEFAULT_PROPAGATORS:
        return {}
    return {"env": [{"name": "OTEL_PROPAGATORS", "value": ",".join(settings.propagators)}]}


def helm_chart_config_values(settings: TraefikConfig, traces_to: TraceIngest) -> dict[str, Any]:
    """Values for the Traefik that k3s ships.

    As command-line arguments: each k3s release carries another version of the chart, and the keys
    of access log and tracing were renamed between them; Traefik's own arguments were not.
    """
    return {"additionalArguments": arguments(settings, traces_to), **_environment(settings)}


def arguments(settings: TraefikConfig, traces_to: TraceIngest) -> list[Input[str]]:
    """Traefik's command-line arguments for access log and tracing."""
    result: list[Input[str]] = [
        "--accesslog=true",
        "--accesslog.format=json",
        "--accesslog.fields.defaultmode=keep",
        "--accesslog.fields.headers.defaultmode=drop",
        *(f"--accesslog.fields.headers.names.{name}=keep" for name in settings.keep_headers),
        "--tracing=true",
        f"--tracing.servicename={settings.service_name}",
        f"--tracing.samplerate={settings.sample_rate:g}",
        *(
            f"--tracing.resourceattributes.{key}={value}"
            for key, value in settings.resource_attributes.items()
        ),
    ]
    if settings.protocol == "grpc":
        grpc = traces_to.require_otlp_grpc()
        result.append(joined("--tracing.otlp.grpc.endpoint=", grpc.authority))
        result.append(f"--tracing.otlp.grpc.insecure={str(not grpc.tls).lower()}")
    else:
        url = traces_to.require_otlp_http().url("/v1/traces")
        result.append(joined("--tracing.otlp.http.endpoint=", url))
    return result
