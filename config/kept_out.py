"""Whom a stack keeps out although it names them, or lets in all the same: as warnings, because each
may be meant, and nothing is lost by it."""

from .grafana import GrafanaApiConfig
from .platform import GIVE_AWAY
from .stack import StackConfig, can_be_meshed, ingresses_of, served_ingresses

KEY = "tracing:networkPolicies"


def kept_out(stack: StackConfig) -> list[str]:
    """What to tell who runs the stack."""
    return [*_by_policies(stack), *_by_pod_security(stack), *_let_in(stack)]


def _let_in(stack: StackConfig) -> list[str]:
    """The other way round: who is not kept out by what stands there for it."""
    if stack.tenancy is None or stack.network_policies.enabled:
        return []
    return [
        "tracing:tenancy: keeps nobody from another tenant's traces without network policies: any "
        "pod of the cluster may ask Tempo's own port as whichever tenant it says; write "
        f"{KEY}.enabled: true"
    ]


def _by_pod_security(stack: StackConfig) -> list[str]:
    namespace = (stack.collector or stack.tempo).namespace
    if stack.linkerd is None or can_be_meshed(stack, namespace):
        return []
    return [
        f"tracing:linkerd: its proxies send to meshed pods only, and no pod of {namespace} can be "
        "one: without Linkerd's CNI plug-in it has a container with NET_ADMIN, which Pod Security "
        "`restricted` refuses; write tracing:kubernetes.linkerdCni: true if Linkerd runs with its "
        f"CNI plug-in, or make {namespace} yourself and list it under "
        f"tracing:kubernetes.existingNamespaces; {GIVE_AWAY}"
    ]


def _by_policies(stack: StackConfig) -> list[str]:
    settings = stack.network_policies
    if not settings.enabled:
        return []
    sources = (stack.traefik, stack.harness, stack.demo_app)
    not_served = ingresses_of(stack).keys() - served_ingresses(stack)
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
            bool(not_served) and not settings.ingress_controllers.given,
            f"the Ingress of {' and '.join(sorted(not_served))} leads nowhere; write the namespace "
            "of its controller",
        ),
    }
    return [
        f"{KEY}.{key}.namespaces: is empty, so that {text}"
        for key, (applies, text) in told.items()
        if applies
    ]
