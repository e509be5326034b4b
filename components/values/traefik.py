"""Traefik's tracing and access log: as values of its chart, and as command-line arguments."""

from collections.abc import Sequence
from typing import Any, Final

from pulumi import Input

from config.kinds import registry_image
from config.traefik import TRAEFIK_DERIVED_FIELD, TraefikConfig

from ..contracts import TraceIngest, TraceLogFormat, joined
from .resources import compute_resources

B3_TRACE_ID: Final = "X-B3-Traceid"
"""The request header in which Traefik 2 hands the trace's id on, as it writes it."""

LOG_FORMATS: Final = {
    3: TraceLogFormat(name=TRAEFIK_DERIVED_FIELD, json_fields=("trace_id", "TraceId")),
    2: TraceLogFormat(name=TRAEFIK_DERIVED_FIELD, json_fields=(f"request_{B3_TRACE_ID}",)),
}
"""Fields of a JSON access-log line that hold the trace's id, by Traefik's version (3.7 writes both,
3.0 to 3.6 the second one)."""

METRICS_PATH: Final = "/metrics"

DEFAULT_PROPAGATORS: Final = ("tracecontext", "baggage")
"""What OpenTelemetry propagates when OTEL_PROPAGATORS is not set."""

LISTS_ARE_REPLACED: Final = """\
# For `helm upgrade -f yours.yaml -f this.yaml`. Helm merges mappings, but of lists it takes the
# last: if yours.yaml has additionalArguments or env, copy what is below into it instead.
"""
"""The head of the exported values: without it arguments of one's own are lost in silence."""


def traefik_values(
    settings: TraefikConfig,
    traces_to: TraceIngest,
    ca: str | None = None,
    metrics_secret: Input[str] | None = None,
    route_namespaces: Sequence[Input[str]] = (),
) -> dict[str, Any]:
    """Values of the Helm release of Traefik 3 (chart 41).

    `ca` is the PEM of the authority of an ingest with TLS; the usual ones if `None`.
    `metrics_secret` is the Secret with the certificate for Traefik's own metrics, which are plain
    if `None`. `route_namespaces` are those whose routes it serves; all if empty.
    """
    objects = [
        *([] if metrics_secret is None else [_metrics_route(settings, metrics_secret)]),
        *(_cluster_role(settings) if route_namespaces else []),
    ]
    told = [
        *_authority(settings, traces_to, ca),
        *([_WITH_INGRESS_CLASSES] if route_namespaces else []),
    ]
    compute = compute_resources(settings.resources)
    return {
        "fullnameOverride": settings.release_name,
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        **({} if settings.image is None else {"image": registry_image(settings.image)}),
        "service": {"spec": {"type": settings.service_type}},
        **({"resources": compute} if compute else {}),
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
            "otlp": {"enabled": True, **_otlp_values(settings, traces_to)},
        },
        # Not among the chart's own keys, which would fold the certificate's lines into one.
        **({"additionalArguments": told} if told else {}),
        **({} if metrics_secret is None else {"metrics": {"prometheus": {"manualRouting": True}}}),
        **(_served(route_namespaces) if route_namespaces else {}),
        **({"extraObjects": objects} if objects else {}),
        **_environment(settings),
    }


_WITH_INGRESS_CLASSES: Final = "--providers.kubernetesingress.disableClusterScopeResources=false"
"""Said after the chart's own `true`, with which Traefik ignores every Ingress that names a class,
and so each that the cluster gave the default one to. Of a switch said twice the last one counts."""


def _served(namespaces: Sequence[Input[str]]) -> dict[str, Any]:
    """Roles in these namespaces, where the chart otherwise makes a ClusterRole."""
    named = {"namespaces": list(namespaces)}
    return {
        "rbac": {"namespaced": True},
        "providers": {"kubernetesCRD": named, "kubernetesIngress": named},
    }


def _cluster_role(settings: TraefikConfig) -> list[dict[str, Any]]:
    """What Traefik looks up that is in no namespace; nothing of it is secret."""
    group = "rbac.authorization.k8s.io"
    metadata = {"name": f"{settings.release_name}-{settings.namespace}-cluster"}
    read = {"verbs": ["get", "list", "watch"]}
    account = {"name": settings.release_name, "namespace": settings.namespace}
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": [
                {"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], **read},
                {"apiGroups": [""], "resources": ["nodes"], **read},
            ],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
    ]


def _metrics_route(settings: TraefikConfig, secret: Input[str]) -> dict[str, Any]:
    """A route with a certificate to Traefik's own metrics, in place of the chart's plain one.

    Not by `ports.metrics.http.tls`, which has no certificate but Traefik's default one: that is the
    routes', and self-signed unless somebody names another.
    """
    route = {
        "match": f"PathPrefix(`{METRICS_PATH}`)",
        "kind": "Rule",
        "services": [{"kind": "TraefikService", "name": "prometheus@internal"}],
    }
    return {
        "apiVersion": "traefik.io/v1alpha1",
        "kind": "IngressRoute",
        "metadata": {"name": f"{settings.release_name}-metrics"},
        "spec": {"entryPoints": ["metrics"], "routes": [route], "tls": {"secretName": secret}},
    }


def _otlp_values(settings: TraefikConfig, traces_to: TraceIngest) -> dict[str, Any]:
    if settings.protocol == "grpc":
        grpc = traces_to.require_otlp_grpc()
        return {"grpc": {"enabled": True, "endpoint": grpc.authority, "insecure": not grpc.tls}}
    http = traces_to.require_otlp_http()
    return {"http": {"enabled": True, "endpoint": http.url("/v1/traces")}}


def _environment(settings: TraefikConfig) -> dict[str, Any]:
    if settings.version == 2 or settings.propagators == DEFAULT_PROPAGATORS:
        return {}
    return {"env": [{"name": "OTEL_PROPAGATORS", "value": ",".join(settings.propagators)}]}


def argument_values(
    settings: TraefikConfig, traces_to: TraceIngest, ca: str | None = None
) -> dict[str, Any]:
    """Values for a Traefik whose chart is not this stack's: k3s', or one managed elsewhere.

    As command-line arguments, because the version of that chart is not known here, and its keys of
    access log and tracing were renamed more than once (ADR 0007); Traefik's own arguments were not.
    """
    return {"additionalArguments": arguments(settings, traces_to, ca), **_environment(settings)}


def arguments(
    settings: TraefikConfig, traces_to: TraceIngest, ca: str | None = None
) -> list[Input[str]]:
    """Traefik's command-line arguments for access log and tracing."""
    zipkin = settings.version == 2
    # In the order of the stack file; a header that is kept anyway is named once.
    kept = dict.fromkeys((*settings.keep_headers, *((B3_TRACE_ID,) if zipkin else ())))
    return [
        "--accesslog=true",
        "--accesslog.format=json",
        "--accesslog.fields.defaultmode=keep",
        "--accesslog.fields.headers.defaultmode=drop",
        *(f"--accesslog.fields.headers.names.{name}=keep" for name in kept),
        "--tracing=true",
        f"--tracing.servicename={settings.service_name}",
        *(_zipkin(settings, traces_to) if zipkin else _otlp(settings, traces_to)),
        *_authority(settings, traces_to, ca),
    ]


def _otlp(settings: TraefikConfig, traces_to: TraceIngest) -> list[Input[str]]:
    """What Traefik 3 alone is told."""
    result: list[Input[str]] = [
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


def _zipkin(settings: TraefikConfig, traces_to: TraceIngest) -> list[Input[str]]:
    """What Traefik 2 alone is told."""
    url = traces_to.require_zipkin().url("/api/v2/spans")
    return [
        "--tracing.zipkin=true",
        joined("--tracing.zipkin.httpEndpoint=", url),
        # One span for both ends of a request, and ids as long as those of everything else here.
        "--tracing.zipkin.sameSpan=true",
        "--tracing.zipkin.id128Bit=true",
        f"--tracing.zipkin.sampleRate={settings.sample_rate:g}",
    ]


def _authority(settings: TraefikConfig, traces_to: TraceIngest, ca: str | None) -> list[str]:
    """The authority itself, not its file: no volume is needed, wherever Traefik runs."""
    if ca is None or settings.version == 2:
        return []
    grpc = settings.protocol == "grpc"
    endpoint = traces_to.require_otlp_grpc() if grpc else traces_to.require_otlp_http()
    # With an authority Traefik speaks TLS even where it was told not to.
    return [f"--tracing.otlp.{settings.protocol}.tls.ca={ca}"] if endpoint.tls else []
