"""How the components of a stack are made: which of them, and which contract goes to which.

A function for each, in the order in which data flows; `__main__` calls them in that order. A
component that the stack does not have is `None`, and so are its contracts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes import Provider

import charts
import config
from components.alerts import Alerts, AlertsArgs
from components.collector import Collector, CollectorArgs
from components.contracts import (
    ChartRef,
    ClusterTls,
    KafkaAccess,
    PlatformMetrics,
    PrometheusOperator,
    PrometheusRef,
    S3Access,
    StoreServer,
    TraceIngest,
    TraceLogFormat,
    TraceQuery,
)
from components.demo_app import DemoApp, DemoAppArgs
from components.external import (
    cluster_tls,
    external_kafka,
    external_store,
    loki_ref,
    prometheus_ref,
    surroundings,
)
from components.grafana import Grafana, GrafanaArgs
from components.harness import Harness, HarnessArgs
from components.kafka import Kafka, KafkaArgs
from components.linkerd import Linkerd, LinkerdArgs
from components.minio_server import MinioServer, MinioServerArgs
from components.namespaces import Namespaces, NamespacesArgs
from components.network import Network, Surroundings, connections
from components.network_policies import NetworkPolicies, NetworkPoliciesArgs
from components.object_store import ObjectStore, ObjectStoreArgs
from components.open_hops import OpenHops
from components.tempo import Tempo, TempoArgs
from components.traefik import Traefik, TraefikArgs
from components.values.traefik_network import traefik_peer
from components.vulture import Vulture, VultureArgs


@dataclass(frozen=True, kw_only=True)
class Site:
    """What every component of a stack is made with."""

    loaded: config.Loaded
    charts: dict[str, ChartRef]
    """By the component's name."""
    namespaces: Namespaces
    prometheus: PrometheusRef | None
    tls: ClusterTls | None
    surroundings: Surroundings
    networks: list[Network] = field(default_factory=list)
    """Of each component, as it is made."""
    opts: ResourceOptions
    """With the provider of the stack's cluster."""

    @property
    def stack(self) -> config.StackConfig:
        """The stack's configuration."""
        return self.loaded.stack

    @property
    def operator(self) -> PrometheusOperator | None:
        """Who is to ask for metrics."""
        return self.prometheus.operator if self.prometheus else None


def site(loaded: config.Loaded) -> Site:
    """The cluster, its namespaces and the charts.

    Raises ChartError, before anything is registered, for an archive that can't be used.
    """
    stack = loaded.stack
    located = charts.locate(stack)
    cluster = Provider(
        "kubernetes",
        context=stack.kubernetes.context,
        kubeconfig=stack.kubernetes.kubeconfig,
        # Otherwise a changed Secret is deleted and made anew, and pods that start in between fail.
        enable_secret_mutable=True,
        enable_config_map_mutable=True,
        upsert_existing_objects=stack.adopt_existing or None,
    )
    opts = ResourceOptions(providers=[cluster])
    namespaces = Namespaces(
        "namespaces",
        NamespacesArgs(
            names=loaded.namespaces,
            existing=stack.kubernetes.existing_namespaces,
            protected=() if stack.delete_data else loaded.data_namespaces,
        ),
        opts,
    )
    return Site(
        loaded=loaded,
        charts=located,
        namespaces=namespaces,
        prometheus=prometheus_ref(stack.prometheus),
        tls=cluster_tls(stack.tls),
        surroundings=surroundings(
            stack.network_policies,
            grafana_namespaces=config.grafana_namespaces(stack),
            tenants=stack.tenancy is not None,
            traefik=(
                traefik_peer(stack.traefik, namespaces.get(stack.traefik.namespace))
                if stack.traefik
                else None
            ),
            served_by_traefik=config.served_ingresses(stack),
            route_namespaces=config.route_namespaces(stack),
            remote_write_url=config.remote_write_url(stack),
        ),
        opts=opts,
    )


def open_hops(at: Site) -> None:
    """What is not encrypted, for who reviews the stack."""
    OpenHops("open-hops", config.insecure_hops(at.stack), everything=at.stack.open)


def minio(at: Site) -> MinioServer | None:
    """The stack's own MinIO."""
    settings = at.stack.object_store
    if not isinstance(settings, config.MinioConfig):
        return None
    made = MinioServer(
        "minio",
        MinioServerArgs(
            settings=settings,
            namespace=at.namespaces[settings.namespace],
            root_password=at.loaded.secrets.object_store_root_password,
            cluster=at.stack.kubernetes,
            delete_data=at.stack.delete_data,
            tls=at.tls,
            surroundings=at.surroundings,
            operator=at.operator,
        ),
        at.opts,
    )
    at.networks.append(made.network)
    return made


def store(at: Site, server: StoreServer | None) -> S3Access:
    """The bucket, in the stack's own server or in one outside."""
    settings, secrets = at.stack.object_store, at.loaded.secrets
    if not isinstance(settings, config.MinioConfig):
        target = at.stack.network_policies.targets.object_store
        server = external_store(settings, secrets.object_store_root_password, target)
    elif server is None:
        raise ValueError("a store of the stack's own needs its server")
    return ObjectStore(
        "store",
        ObjectStoreArgs(
            settings=settings,
            server=server,
            namespace=at.namespaces[at.stack.tempo.namespace],
            expire_days=at.loaded.expire_days,
            access_key=secrets.object_store_access_key,
            secret_key=secrets.object_store_secret_key,
            delete_data=at.stack.delete_data,
            adopt_existing=at.stack.adopt_existing,
        ),
        at.opts,
    ).access


def kafka(at: Site) -> KafkaAccess | None:
    """The Kafka before Tempo, the stack's own or one outside."""
    settings, tempo = at.stack.kafka, at.stack.tempo
    if settings is None or not isinstance(tempo, config.Distributed3Config):
        return external_kafka(tempo, at.stack.network_policies.targets.kafka)
    made = Kafka(
        "kafka",
        KafkaArgs(
            settings=settings,
            topic=tempo.kafka,
            namespace=at.namespaces[settings.namespace],
            clients=at.namespaces[tempo.namespace],
            chart=at.charts.get("kafka"),
            surroundings=at.surroundings,
            delete_data=at.stack.delete_data,
        ),
        at.opts,
    )
    at.networks.append(made.network)
    return made.access


def tempo(at: Site, s3: S3Access, broker: KafkaAccess | None) -> Tempo:
    """Tempo, on its bucket."""
    made = Tempo(
        "tempo",
        TempoArgs(
            settings=at.stack.tempo,
            namespace=at.namespaces[at.stack.tempo.namespace],
            chart=at.charts["tempo"],
            tenancy=at.stack.tenancy,
            s3=s3,
            kafka=broker,
            tls=at.tls,
            surroundings=at.surroundings,
            operator=at.operator,
        ),
        at.opts,
    )
    at.networks.append(made.network)
    return made


def collector(at: Site, traces_to: TraceIngest) -> Collector | None:
    """The collector before Tempo."""
    settings = at.stack.collector
    if settings is None:
        return None
    made = Collector(
        "collector",
        CollectorArgs(
            settings=settings,
            namespace=at.namespaces[settings.namespace],
            chart=at.charts["collector"],
            traces_to=traces_to,
            surroundings=at.surroundings,
            tenancy=at.stack.tenancy,
            tls=at.tls,
            operator=at.operator,
        ),
        at.opts,
    )
    at.networks.append(made.network)
    return made


def traefik(at: Site, traces_to: TraceIngest) -> TraceLogFormat | None:
    """Traefik, and how its access log shows the trace."""
    settings = at.stack.traefik
    if settings is None:
        return None
    made = Traefik(
        "traefik",
        TraefikArgs(
            settings=settings,
            namespace=at.namespaces.get(settings.namespace),
            chart=at.charts.get("traefik"),
            traces_to=traces_to,
            surroundings=at.surroundings,
            route_namespaces=[
                at.namespaces.names.get(name, name) for name in config.route_namespaces(at.stack)
            ],
            tls=at.tls,
            operator=at.operator,
        ),
        at.opts,
    )
    at.networks.append(made.network)
    if made.values is not None:
        pulumi.export("traefikValues", made.values)
    return made.log_format


def linkerd(at: Site, traces_to: TraceIngest) -> None:
    """The values for a Linkerd."""
    if at.stack.linkerd is not None:
        args = LinkerdArgs(settings=at.stack.linkerd, traces_to=traces_to)
        pulumi.export("linkerdValues", Linkerd("linkerd", args, at.opts).values)


def harness(at: Site, traces_to: TraceIngest) -> None:
    """Harness, or the values for one."""
    settings = at.stack.harness
    if settings is None:
        return
    made = Harness(
        "harness",
        HarnessArgs(
            settings=settings,
            namespace=at.namespaces.get(settings.namespace),
            chart=at.charts.get("harness"),
            traces_to=traces_to,
        ),
        at.opts,
    )
    at.networks.append(made.network)
    pulumi.export("harnessValues", made.values)


def demo_app(at: Site, traces_to: TraceIngest) -> None:
    """An application that sends traces."""
    settings = at.stack.demo_app
    if settings is not None:
        namespace = at.namespaces[settings.namespace]
        args = DemoAppArgs(
            settings=settings,
            namespace=namespace,
            traces_to=traces_to,
            surroundings=at.surroundings,
            proxies_send=at.stack.linkerd is not None,
        )
        at.networks.append(DemoApp("demo-app", args, at.opts).network)


def vulture(at: Site, of: Tempo) -> None:
    """The check that what is written to Tempo can be read."""
    if at.stack.vulture is not None:
        made = Vulture(
            "vulture",
            VultureArgs(
                settings=at.stack.vulture,
                namespace=at.namespaces[at.stack.tempo.namespace],
                traces_to=of.ingest,
                query=of.query,
            ),
            at.opts,
        )
        at.networks.append(made.network)


def alerts(at: Site, platform: PlatformMetrics) -> None:
    """Alerts, where there is an operator to take them up."""
    if at.operator is not None:
        namespace = at.namespaces[at.stack.tempo.namespace]
        args = AlertsArgs(namespace=namespace, platform=platform, operator=at.operator)
        Alerts("alerts", args, at.opts)


def grafana(
    at: Site, of: Tempo, log_formats: Sequence[TraceLogFormat], platform: PlatformMetrics
) -> None:
    """Data sources and dashboards."""
    settings = at.stack.grafana
    if settings is None:
        return
    made = Grafana(
        "grafana",
        GrafanaArgs(
            settings=settings,
            auth=at.loaded.secrets.grafana_auth,
            query=of.query,
            loki=loki_ref(at.stack.loki),
            prometheus=at.prometheus,
            log_formats=log_formats,
            shown=platform if config.shows_dashboards(at.stack) else None,
            cluster=at.stack.kubernetes,
        ),
        at.opts,
    )
    if made.loki_derived_fields is not None:
        pulumi.export("lokiDerivedFields", made.loki_derived_fields)


def network_policies(at: Site, ingest: TraceIngest, query: TraceQuery) -> None:
    """Who may connect to whom: after all components, which say so."""
    for text in config.kept_out(at.stack):
        pulumi.log.warn(text)
    if not at.stack.network_policies.enabled:
        return
    from_outside = (
        *connections(at.surroundings.senders, ingest.receivers),
        *connections(at.surroundings.askers, query.server),
    )
    owned = sorted(at.loaded.namespaces - {*at.stack.kubernetes.existing_namespaces})
    NetworkPolicies(
        "network-policies",
        NetworkPoliciesArgs(
            networks=[*at.networks, Network(connections=from_outside)],
            surroundings=at.surroundings,
            owned={name: at.namespaces[name] for name in owned},
            meshed=config.meshed(at.stack),
        ),
        at.opts,
    )
