"""Values of the chart linkerd-control-plane that turn tracing on."""

from typing import Any

from config.linkerd import LinkerdConfig

from ..contracts import TraceIngest


def linkerd_values(settings: LinkerdConfig, traces_to: TraceIngest) -> dict[str, Any]:
    """Tracing of the proxies and, if wanted, of the control plane's own components."""
    grpc = traces_to.require_otlp_grpc()
    if grpc.tls:
        raise ValueError("Linkerd's proxies bring their own TLS; this ingest wants its own as well")
    return {
        "proxy": {
            "tracing": {
                "enabled": True,
                "traceServiceName": settings.trace_service_name,
                "labels": settings.labels,
                "collector": {
                    "endpoint": grpc.authority,
                    # Proxies open a mutual TLS connection only to an identity they are told.
                    "meshIdentity": {
                        "serviceAccountName": traces_to.identity.service_account,
                        "namespace": traces_to.identity.namespace,
                    },
                },
            }
        },
        "controller": {"tracing": _controller(settings)},
    }


def _controller(settings: LinkerdConfig) -> dict[str, Any]:
    if settings.controller_endpoint is None:
        # Without an endpoint of their own the chart would give them the proxies', at which the
        # OpenCensus that they speak (pkg/trace in linkerd2) is an unknown service.
        return {"enabled": False}
    return {"enabled": True, "collector": {"endpoint": settings.controller_endpoint}}
