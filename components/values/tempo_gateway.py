"""The configuration of the nginx before Tempo's HTTP API and its OTLP receivers.

Not the chart's own one: that talks plain HTTP to what is behind it, and passes on to anybody what
is an operator's to ask for (flush, shutdown, the rings).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from config.tempo import DistributedConfig
from config.tenancy import BasicAuthConfig, TenancyConfig, TrustedProxyConfig

from ..contracts import TENANT_HEADER
from .annotations import AUTHORITY_ANNOTATION, VERSION_ANNOTATION
from .tempo import PodNeeds
from .tempo_network import GATEWAY_PORT, HTTP_PORT, RECEIVERS
from .tempo_tls import CERTIFICATE_PATH, TempoTls, mounts, probe_scheme, volumes

HTPASSWD_KEY: Final = ".htpasswd"
"""Key of the users' Secret, which the chart mounts as files."""


def gateway_values(settings: DistributedConfig, pod: PodNeeds) -> dict[str, Any]:
    """What the chart's `gateway` is told of nginx, of TLS and of who may ask."""
    tls, tenancy = pod.tls, pod.tenancy
    file = nginx_configuration(settings, tls, tenancy)
    values: dict[str, Any] = {"nginxConfig": {"file": file}}
    if tenancy is not None and isinstance(tenancy.authentication, BasicAuthConfig):
        users = tenancy.authentication
        values["basicAuth"] = {"enabled": True, "existingSecret": users.secret_name}
        if users.external_secret is not None:
            version = str(users.external_secret.version)
            values["podAnnotations"] = {VERSION_ANNOTATION: version}
    if tls is not None:
        annotations = values.get("podAnnotations", {})
        values |= {
            # The authority it reads once.
            "podAnnotations": {**annotations, AUTHORITY_ANNOTATION: tls.ca.version},
            "extraVolumes": volumes(tls),
            "extraVolumeMounts": mounts(tls),
            "livenessProbe": {"httpGet": probe_scheme(tls)},
            "readinessProbe": {"httpGet": probe_scheme(tls)},
        }
    return values


def nginx_configuration(
    settings: DistributedConfig, tls: TempoTls | None, tenancy: TenancyConfig | None = None
) -> str:
    """nginx.conf, in which the chart fills in namespace and DNS.

    What is behind has its name looked up for each request, as pods' addresses change: hence the
    variables.
    """
    lines = [
        "worker_processes auto;",
        "error_log /dev/stderr;",
        "pid /tmp/nginx.pid;",
        *_block("events", ["worker_connections 4096;"]),
        *_block(
            "http", [*_HTTP, *_tls_http(tls), *_who(tenancy), *_servers(settings, tls, tenancy)]
        ),
    ]
    return "\n".join(lines) + "\n"


_HTTP: Final = [
    "client_body_temp_path /tmp/client_temp;",
    "proxy_temp_path /tmp/proxy_temp_path;",
    "fastcgi_temp_path /tmp/fastcgi_temp;",
    "uwsgi_temp_path /tmp/uwsgi_temp;",
    "scgi_temp_path /tmp/scgi_temp;",
    "proxy_http_version 1.1;",
    "default_type application/octet-stream;",
    "server_tokens off;",
    "map $status $loggable { ~^[23] 0; default 1; }",
    "access_log /dev/stderr combined if=$loggable;",
    "resolver {{ .Values.global.dnsService }}.{{ .Values.global.dnsNamespace }}.svc."
    "{{ .Values.global.clusterDomain }};",
    # A batch of spans is larger than nginx's one megabyte.
    "client_max_body_size 16m;",
]


def _tls_http(tls: TempoTls | None) -> list[str]:
    if tls is None:
        return []
    return [
        # By a variable nginx reads them for each connection; else once, and it would show one that
        # has expired until somebody restarts it.
        f"map $host $certificates {{ default {CERTIFICATE_PATH}; }}",
        "ssl_certificate $certificates/tls.crt;",
        "ssl_certificate_key $certificates/tls.key;",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        *(
            f"{kind}_ssl_{name};"
            for kind in ("proxy", "grpc")
            for name in (
                f"trusted_certificate {tls.ca_file}",
                "verify on",
                "verify_depth 3",
                "server_name on",
                "protocols TLSv1.2 TLSv1.3",
            )
        ),
    ]


def _who(tenancy: TenancyConfig | None) -> list[str]:
    """From who asks to the tenant; an empty one is refused."""
    match tenancy.authentication if tenancy else None:
        case BasicAuthConfig(users=users):
            return _block("map $remote_user $tenant", _table(users))
        case TrustedProxyConfig(header=header):
            variable = f"$http_{header.lower().replace('-', '_')}"
            tenants = tenancy.all if tenancy else ()
            return _block(f"map {variable} $tenant", _table({name: name for name in tenants}))
        case None:
            return []


def _table(entries: Mapping[str, str]) -> list[str]:
    # nginx compares without regard to case, but for regular expressions that say otherwise.
    return [
        'default "";',
        *(f'"~^{re.escape(key)}$" "{value}";' for key, value in entries.items()),
    ]


def _authenticated(tenancy: TenancyConfig | None, kind: str) -> list[str]:
    """Who is let in to a location, and as whom: what a client says of its tenant is replaced."""
    match tenancy.authentication if tenancy else None:
        case BasicAuthConfig():
            # Who is in the Secret but not in the map gets no tenant, and so nothing from Tempo.
            let_in = [
                'auth_basic "Tempo";',
                f"auth_basic_user_file /etc/nginx/secrets/{HTPASSWD_KEY};",
            ]
        case TrustedProxyConfig(networks=networks):
            let_in = [*(f"allow {network};" for network in networks), "deny all;"]
        case None:
            return []
    return [
        *let_in,
        f"{kind}_set_header {TENANT_HEADER} $tenant;",
        # Tempo has no use for it.
        f'{kind}_set_header Authorization "";',
    ]


def _servers(
    settings: DistributedConfig, tls: TempoTls | None, tenancy: TenancyConfig | None
) -> list[str]:
    ssl = "" if tls is None else " ssl"
    # Whoever shows no certificate of its own is not taken in by the receivers.
    takes_spans = tls is None or not tls.client_certificates
    otlp_grpc = RECEIVERS["otlpGrpc"].number
    query = f"{settings.release_name}-query-frontend"
    distributor = f"{settings.release_name}-distributor"
    main = [f"listen {GATEWAY_PORT}{ssl};"]
    main += _block("location = /", ["return 200 'OK';"])
    main += _pass("^~ /api", "http", query, HTTP_PORT, tls, tenancy)
    if "otlpHttp" in settings.receivers and takes_spans:
        main += _pass(
            "= /v1/traces", "http", distributor, RECEIVERS["otlpHttp"].number, tls, tenancy
        )
    main += _block("location /", ["return 404;"])
    servers = _block("server", main)
    if "otlpGrpc" in settings.receivers and takes_spans:
        export = "= /opentelemetry.proto.collector.trace.v1.TraceService/Export"
        servers += _block(
            "server",
            [
                f"listen {otlp_grpc}{ssl};",
                "http2 on;",
                *_pass(export, "grpc", distributor, otlp_grpc, tls, tenancy),
                *_block("location /", ["return 404;"]),
            ],
        )
    return servers


def _pass(
    location: str,
    protocol: str,
    service: str,
    port: int,
    tls: TempoTls | None,
    tenancy: TenancyConfig | None,
) -> list[str]:
    """A location that is passed on to a Service of Tempo's."""
    kind = "grpc" if protocol == "grpc" else "proxy"
    scheme = protocol if tls is None else f"{protocol}s"
    uri = "" if protocol == "grpc" else "$request_uri"
    host = f"{service}.{{{{ .Release.Namespace }}}}.svc.{{{{ .Values.global.clusterDomain }}}}"
    return _block(
        f"location {location}",
        [
            *_authenticated(tenancy, kind),
            f"set $upstream {host};",
            *([f"{kind}_ssl_name {host};"] if tls is not None else []),
            f"{kind}_pass {scheme}://$upstream:{port}{uri};",
        ],
    )


def _block(name: str, lines: list[str]) -> list[str]:
    return [f"{name} {{", *(f"  {line}" for line in lines), "}"]
