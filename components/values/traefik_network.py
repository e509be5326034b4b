"""Traefik's pods, by the labels and ports of its chart, and who connects to whom."""

from typing import Final

from pulumi import Input

from config.traefik import TraefikConfig

from ..contracts import TraceIngest
from ..network import Network, Outside, Peer, Pods, Server, Surroundings, at, connections

K3S_NAMESPACE: Final = "kube-system"
"""Where k3s runs the Traefik that it ships."""

ENTRY_POINTS: Final = (8000, 8443)
"""The ports of the chart's entry points web and websecure."""
METRICS_PORT: Final = 9100


def pod_labels(settings: TraefikConfig) -> dict[str, str]:
    """By which the pods of this stack's Traefik are found."""
    return {
        "app.kubernetes.io/name": "traefik",
        "app.kubernetes.io/instance": f"{settings.release_name}-{settings.namespace}",
    }


def traefik_peer(settings: TraefikConfig, namespace: Input[str] | None) -> Peer:
    """The pods of this stack's Traefik, or where another one is."""
    if settings.install == "release" and namespace is not None:
        return Pods(role="traefik", namespace=namespace, labels=pod_labels(settings))
    of_k3s = settings.install == "helm-chart-config"
    return Outside(namespaces=(K3S_NAMESPACE if of_k3s else settings.namespace,))


def traefik_network(
    settings: TraefikConfig,
    namespace: Input[str] | None,
    traces_to: TraceIngest,
    surroundings: Surroundings,
) -> Network:
    """What Traefik connects to, and who to it where it is this stack's own."""
    peer = traefik_peer(settings, namespace)
    allowed = connections(peer, _spans_to(settings, traces_to))
    if isinstance(peer, Outside):
        return Network(connections=allowed)
    return Network(
        pods=(peer,),
        connections=(
            *allowed,
            *connections(peer, surroundings.api_server, Server(at=surroundings.backends, ports=())),
            *connections(surroundings.visitors, at(peer, *ENTRY_POINTS)),
            *connections(surroundings.scrapers, at(peer, METRICS_PORT)),
        ),
    )


def _spans_to(settings: TraefikConfig, traces_to: TraceIngest) -> Server | None:
    if settings.version == 2:
        return traces_to.require_zipkin().server
    if settings.protocol == "grpc":
        return traces_to.require_otlp_grpc().server
    return traces_to.require_otlp_http().server
