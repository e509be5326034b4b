"""Whom the network policies of a stack keep out although it names them: as warnings, because each
may be meant, and nothing is lost by it."""

from .grafana import GrafanaApiConfig
from .object_store import MinioConfig
from .stack import StackConfig

KEY = "tracing:networkPolicies"


def kept_out(stack: StackConfig) -> list[str]:
    """What to tell who runs the stack."""
    settings = stack.network_policies
    if not settings.enabled:
        return []
    own_traefik = stack.traefik is not None
    sources = (stack.traefik, stack.harness, stack.demo_app)
    has_ingress = (
        isinstance(stack.object_store, MinioConfig) and stack.object_store.ingress is not None
    ) or (stack.demo_app is not None and stack.demo_app.ingress is not None)
    told = {
        "grafana": (
            isinstance(stack.grafana, GrafanaApiConfig)
            and not settings.grafana.given
            # Round the gateway only with tenants; without, readers reach what Grafana does.
            and (stack.tenancy is not None or not settings.readers.given),
            "Grafana can't ask Tempo; write the namespace that it runs in",
        ),
        "scrapers": (
            stack.prometheus is not None
            and stack.prometheus.operator is not None
            and not settings.scrapers.given,
            "Prometheus can't ask for metrics; write the namespace that it runs in",
        ),
        "senders": (
            not settings.senders.given
            and (stack.linkerd is not None or not any(part is not None for part in sources)),
            "no application can send spans; write the namespaces of those that do"
            + (", with Linkerd of all meshed pods" if stack.linkerd is not None else ""),
        ),
        "ingressControllers": (
            has_ingress and not own_traefik and not settings.ingress_controllers.given,
            "the stack's Ingresses lead nowhere; write the namespace of their controller",
        ),
    }
    return [
        f"{KEY}.{key}.namespaces: is empty, so that {text}"
        for key, (applies, text) in told.items()
        if applies
    ]
