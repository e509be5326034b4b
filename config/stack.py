"""The whole configuration of a stack: one field for each `tracing:` key."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from .base import Section
from .collector import CollectorConfig
from .demo_app import DemoAppConfig
from .grafana import GrafanaConfig, GrafanaSidecarConfig, LokiConfig, PrometheusConfig
from .harness import HarnessConfig
from .kafka import KafkaClusterConfig
from .kinds import NonEmpty
from .linkerd import LinkerdConfig
from .network_policies import NetworkPoliciesConfig
from .object_store import MinioConfig, ObjectStoreConfig
from .platform import ChartsConfig, Environment, ImageKey, IngressConfig, KubernetesConfig
from .scope import PerEnvironment, Promoted
from .tempo import Distributed2Config, TempoConfig
from .tenancy import TenancyConfig
from .tls import Hop, TlsConfig
from .traefik import TraefikConfig
from .vulture import VultureConfig


def _reason(value: object) -> object:
    # At the top of a stack file Pulumi takes the quotes from "true".
    if value is not None and not isinstance(value, str):
        raise ValueError(
            "is no reason; write why this stack is open, such as: a cluster of its own, with "
            "synthetic traces only"
        )
    return value


class StackConfig(Section):
    """One stack: one tracing platform on one Kubernetes cluster.

    A component that is `None` is not part of the stack.
    """

    environment: PerEnvironment[Environment | None] = None
    """How strict to be. If not given: the stack's name where that is dev, staging or prod; `prod`
    for every other name."""
    delete_data: PerEnvironment[bool] = False
    """Allow what deletes traces. Without it the bucket, the volumes and their namespaces are
    protected: a destroy, a rename or a replacement of them is refused. To destroy a stack that
    holds traces, set it, `make up`, then `make destroy`."""
    adopt_existing: PerEnvironment[bool] = False
    """Take over Kubernetes objects and a bucket that are there already under the stack's names but
    not in its state, such as volumes that an earlier stack left behind. Without it they are an
    error. Remove it after the update."""
    open: PerEnvironment[Annotated[NonEmpty | None, BeforeValidator(_reason)]] = None
    """Why this stack is open, which is then asked for nowhere else: there are no network policies
    (unless networkPolicies.enabled is true), and outside `dev` hops may go without TLS, tags name
    images, and Traefik serves all namespaces. Whoever reviews the stack reads it."""
    allow_insecure: PerEnvironment[dict[Literal[Hop, "all"], NonEmpty]] = Field(
        default_factory=dict
    )
    """Hops that may go without TLS outside `dev`, each with the reason; `all` for every one of
    them. Whoever reviews the stack reads it."""
    allow_tags: PerEnvironment[dict[Literal[ImageKey, "all"], NonEmpty]] = Field(
        default_factory=dict
    )
    """Images that a tag alone may name in `prod`, each with the reason; `all` for every one of
    them. Whoever reviews the stack reads it."""
    kubernetes: KubernetesConfig = KubernetesConfig()
    charts: ChartsConfig = ChartsConfig()
    tls: PerEnvironment[TlsConfig | None] = None
    tenancy: PerEnvironment[TenancyConfig | None] = None
    network_policies: NetworkPoliciesConfig = NetworkPoliciesConfig()
    object_store: ObjectStoreConfig = MinioConfig()
    kafka: PerEnvironment[KafkaClusterConfig | None] = None
    tempo: TempoConfig = Distributed2Config()
    collector: Promoted[CollectorConfig | None] = None
    traefik: Promoted[TraefikConfig | None] = None
    linkerd: Promoted[LinkerdConfig | None] = None
    harness: Promoted[HarnessConfig | None] = None
    demo_app: PerEnvironment[DemoAppConfig | None] = None
    vulture: Promoted[VultureConfig | None] = None
    grafana: PerEnvironment[GrafanaConfig | None] = Field(default=None)
    loki: PerEnvironment[LokiConfig | None] = None
    prometheus: PerEnvironment[PrometheusConfig | None] = None


NAMESPACED: Final = (
    "object_store",
    "kafka",
    "tempo",
    "collector",
    "traefik",
    "harness",
    "demo_app",
)
"""The sections that `namespaces_of` looks at."""


def opened(stack: StackConfig) -> StackConfig:
    """The stack with what `tracing:open` turns off, as far as it does not say otherwise itself."""
    if stack.open is None or "enabled" in stack.network_policies.model_fields_set:
        return stack
    policies = stack.network_policies.model_copy(update={"enabled": False})
    return stack.model_copy(update={"network_policies": policies})


def environment_of(stack: StackConfig, stack_name: str) -> Environment:
    """The environment a stack belongs to; the strictest one when nothing says."""
    return environment_named(stack.environment, stack_name)


def environment_named(setting: str | None, stack_name: str) -> Environment:
    """The same by the setting alone, as it stands in the stack file."""
    named = setting or stack_name
    match named:
        case "dev" | "staging" | "prod":
            return named
        case _:
            return "prod"


def namespaces_of(stack: StackConfig) -> dict[str, str]:
    """The namespace of each component that has one, by its key in the stack file."""
    namespaces = {"tempo.namespace": stack.tempo.namespace}
    if isinstance(stack.object_store, MinioConfig):
        namespaces["objectStore.namespace"] = stack.object_store.namespace
    if stack.kafka is not None:
        namespaces["kafka.namespace"] = stack.kafka.namespace
    if stack.collector is not None:
        namespaces["collector.namespace"] = stack.collector.namespace
    if stack.traefik is not None and stack.traefik.install == "release":
        namespaces["traefik.namespace"] = stack.traefik.namespace
    if stack.harness is not None and stack.harness.install == "release":
        namespaces["harness.namespace"] = stack.harness.namespace
    if stack.demo_app is not None:
        namespaces["demoApp.namespace"] = stack.demo_app.namespace
    return namespaces


def grafana_namespaces(stack: StackConfig) -> tuple[str, ...]:
    """The namespaces of a Grafana that asks Tempo, as far as the stack knows them."""
    grafana = stack.grafana
    return (grafana.namespace,) if isinstance(grafana, GrafanaSidecarConfig) else ()


def ingresses_of(stack: StackConfig) -> dict[str, IngressConfig]:
    """The Ingresses of this stack, by the section of the stack file that has them."""
    store, demo = stack.object_store, stack.demo_app
    found = {
        "objectStore": store.ingress if isinstance(store, MinioConfig) else None,
        "demoApp": demo.ingress if demo is not None else None,
    }
    return {key: ingress for key, ingress in found.items() if ingress is not None}


def _is_served(ingress: IngressConfig, traefik: TraefikConfig) -> bool:
    """Whether an Ingress is this Traefik's, whose chart calls its class after the release and makes
    it the cluster's default. By the annotation of old Traefik knows one name only."""
    if ingress.class_name is not None:
        return ingress.class_name == traefik.release_name
    return ingress.annotations.get("kubernetes.io/ingress.class", "traefik") == "traefik"


def served_ingresses(stack: StackConfig) -> tuple[str, ...]:
    """The sections whose Ingresses are the stack's Traefik's."""
    traefik = stack.traefik
    if traefik is None:
        return ()
    return tuple(
        key for key, ingress in ingresses_of(stack).items() if _is_served(ingress, traefik)
    )


def route_namespaces(stack: StackConfig) -> tuple[str, ...]:
    """The namespaces whose routes this stack's Traefik serves; empty where it serves all."""
    traefik, namespaces = stack.traefik, namespaces_of(stack)
    if traefik is None or not traefik.route_namespaces:
        return ()
    own = {namespaces[f"{key}.namespace"] for key in served_ingresses(stack)}
    return tuple(sorted({traefik.namespace, *traefik.route_namespaces, *own}))


def remote_write_url(stack: StackConfig) -> str | None:
    """Where metrics made of spans are written to; `None` where none are."""
    makers = [stack.tempo.metrics_generator, stack.collector and stack.collector.metrics]
    # Never both: spans would be counted twice.
    return next((maker.remote_write_url for maker in makers if maker), None)


def meshed(stack: StackConfig) -> bool:
    """Whether Linkerd's proxies may stand between pods of the stack."""
    of_demo_app = stack.demo_app is not None and stack.demo_app.linkerd
    return stack.linkerd is not None or of_demo_app


def can_be_meshed(stack: StackConfig, namespace: str) -> bool:
    """Whether Pod Security lets a pod with Linkerd's proxy into a namespace, as far as the stack
    knows: those of others have a level of their own."""
    return stack.kubernetes.linkerd_cni or namespace in stack.kubernetes.existing_namespaces


def shows_dashboards(stack: StackConfig) -> bool:
    """Whether the stack makes dashboards in Grafana: as it says, or where there is a Prometheus."""
    if stack.grafana is None or stack.prometheus is None:
        return False
    return stack.grafana.dashboards is not False
