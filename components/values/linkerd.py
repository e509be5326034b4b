"""Values of the chart linkerd-control-plane that turn tracing on."""

from typing import Any

from config.linkerd import LinkerdConfig

from ..contracts import TraceIngest


def linkerd_values(settings: LinkerdConfig, traces_to: TraceIngest) -> dict[str, Any]:
    """Tracing of the proxies and, if wanted, of the control plane's own components."""
    endpoint = traces_to.require_otlp_grpc().authority
    return {
        "proxy": {
            "tracing": {
                "enabled": True,
                "traceServiceName": settings.trace_service_name,
                "labels": settings.labels,
                "collector": {
                    "endpoint": endpoint,
                    # Proxies open a mutual TLS connection only to an identity they are told.
                    "meshIdentity": {
                        "serviceAccountName": traces_to.identity.service_account,
                        "namespace": traces_to.identity.namespace,
                    },
                },
            }
        },
        "controller": {
            "tracing": {"enabled": settings.controller, "collector": {"endpoint": endpoint}}
        },
    }
