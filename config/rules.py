"""Rules between settings of different components, and between a stack and its environment.

A rule is a generator of findings. It runs only when all sections that it looks at are valid on
their own, so that one mistake does not show up as two.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from . import certificates
from .capacity import FLUSH_SECONDS
from .errors import Finding, shown
from .kinds import duration_seconds, go_duration
from .object_store import ExternalMinioConfig, ManagedStoreConfig, MinioConfig, ObjectStoreConfig
from .platform import Environment
from .retention import deletes_live_blocks, retention_days
from .stack import StackConfig
from .tempo import Distributed2Config, Distributed3Config, DistributedConfig

Rule = Callable[[StackConfig, Environment], Iterator[Finding]]

_RULES: list[tuple[frozenset[str], Rule]] = []


def _rule(*sections: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _RULES.append((frozenset(sections), rule))
        return rule

    return register


def check(
    stack: StackConfig, environment: Environment, invalid: Sequence[str] = ()
) -> list[Finding]:
    """All findings of all rules; `invalid` names the sections (fields) that can't be looked at."""
    return [
        finding
        for sections, rule in _RULES
        if sections.isdisjoint(invalid)
        for finding in rule(stack, environment)
    ]


def environment_of(stack: StackConfig, stack_name: str) -> Environment:
    """The environment a stack belongs to; the strictest one when nothing says."""
    if stack.environment is not None:
        return stack.environment
    match stack_name:
        case "dev" | "staging" | "prod":
            return stack_name
        case _:
            return "prod"


def namespaces_of(stack: StackConfig) -> dict[str, str]:
    """The namespace of each component that has one, by its key in the stack file."""
    namespaces = {"tempo.namespace": stack.tempo.namespace}
    if isinstance(stack.object_store, MinioConfig):
        namespaces["objectStore.namespace"] = stack.object_store.namespace
    if stack.collector is not None:
        namespaces["collector.namespace"] = stack.collector.namespace
    if stack.traefik is not None and stack.traefik.install == "release":
        namespaces["traefik.namespace"] = stack.traefik.namespace
    if stack.harness is not None and stack.harness.install == "release":
        namespaces["harness.namespace"] = stack.harness.namespace
    return namespaces


@_rule("kubernetes", "environment")
def _context_is_named(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    # The ambient context is whatever the last `kubectl config use-context` left behind: an
    # update of prod must not depend on it.
    if environment != "dev" and stack.kubernetes.context is None:
        yield Finding(
            "tracing:kubernetes.context",
            f"is missing, and a {environment} stack (a stack is prod unless its name or "
            "tracing:environment says otherwise) never uses the current context; write the name "
            "of the cluster's context (kubectl config get-contexts)",
        )


@_rule("kubernetes", "object_store", "tempo", "collector", "traefik", "harness")
def _existing_namespaces_are_used(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    used = set(namespaces_of(stack).values())
    for index, name in enumerate(stack.kubernetes.existing_namespaces):
        if name not in used:
            yield Finding(
                f"tracing:kubernetes.existingNamespaces[{index}]",
                f"{shown(name)} is not the namespace of any component; remove it, or write one of "
                f"{', '.join(sorted(used))}",
            )


@_rule("object_store", "tempo", "collector", "traefik", "harness")
def _system_namespaces_are_not_ours(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    for key, name in namespaces_of(stack).items():
        if name.startswith("kube-") and name not in stack.kubernetes.existing_namespaces:
            yield Finding(
                f"tracing:{key}",
                f"{shown(name)} belongs to Kubernetes; write a namespace of your own, or list it "
                "under tracing:kubernetes.existingNamespaces",
            )


@_rule("object_store", "tempo")
def _tempo_deletes_before_the_bucket(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    store, retention = stack.object_store, stack.tempo.block_retention
    if isinstance(store, ManagedStoreConfig) and deletes_live_blocks(store.lifecycle, retention):
        yield Finding(
            "tracing:objectStore.lifecycle.expireDays",
            f"{store.lifecycle.expire_days} deletes blocks that Tempo still keeps "
            f"(tracing:tempo.blockRetention is {retention}); write more than "
            f"{retention_days(retention)}, or remove the key",
        )


@_rule("tempo")
def _enough_ingesters_for_the_copies(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if not isinstance(stack.tempo, Distributed2Config):
        return
    ingester = stack.tempo.ingester
    if ingester.replicas < ingester.replication_factor:
        yield Finding(
            "tracing:tempo.ingester.replicas",
            f"{ingester.replicas} is less than replicationFactor {ingester.replication_factor}, "
            "so no trace could be written; write at least that many, or a smaller "
            "tracing:tempo.ingester.replicationFactor",
        )


@_rule("tempo")
def _traces_are_kept_until_they_are_flushed(
    stack: StackConfig, _: Environment
) -> Iterator[Finding]:
    retention, capacity = stack.tempo.block_retention, stack.tempo.capacity
    if duration_seconds(retention) < FLUSH_SECONDS:
        yield Finding(
            "tracing:tempo.blockRetention",
            f"{shown(retention)} is shorter than Tempo takes to bring a trace to the bucket; write "
            "45m or more",
        )
    if capacity is not None and duration_seconds(capacity.retention) != duration_seconds(retention):
        yield Finding(
            "tracing:tempo.blockRetention",
            f"{shown(retention)} is another time than tracing:tempo.capacity.retention "
            f"{shown(capacity.retention)}; remove it, the capacity's is taken",
        )


@_rule("tempo", "environment")
def _three_copies_outside_dev(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    if environment == "dev" or not isinstance(stack.tempo, Distributed2Config):
        return
    if stack.tempo.ingester.replication_factor < 3:
        yield Finding(
            "tracing:tempo.ingester.replicationFactor",
            f"{stack.tempo.ingester.replication_factor} loses traces with one ingester, and this "
            f"is a {environment} stack; write 3, or tracing:environment: dev",
        )


@_rule("tempo")
def _autoscaling_can_work(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if not isinstance(stack.tempo, DistributedConfig):
        return
    workloads = {
        "distributor": stack.tempo.distributor,
        "querier": stack.tempo.querier,
        "queryFrontend": stack.tempo.query_frontend,
        "gateway": stack.tempo.gateway,
    }
    for name, workload in workloads.items():
        if workload is None or workload.autoscaling is None:
            continue
        key, scaling = f"tracing:tempo.{name}", workload.autoscaling
        if "replicas" in workload.model_fields_set:
            yield Finding(
                f"{key}.replicas",
                "has no effect beside autoscaling, which chooses the number; remove one of them",
            )
        if workload.resources.cpu is None:
            yield Finding(
                f"{key}.resources.cpu",
                "is missing, and autoscaling is by the part of it that is used; write a request "
                "such as 500m",
            )
        if scaling.min_replicas > scaling.max_replicas:
            yield Finding(
                f"{key}.autoscaling.maxReplicas",
                f"{scaling.max_replicas} is less than minReplicas {scaling.min_replicas}; write at "
                "least that many",
            )


@_rule("tempo")
def _no_way_back_is_acknowledged(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    # Whether the stack ran Tempo 2 before is not known here; that there is no way back holds for a
    # new one as well.
    if isinstance(stack.tempo, Distributed3Config) and not stack.tempo.acknowledge_no_downgrade:
        yield Finding(
            "tracing:tempo.acknowledgeNoDowngrade",
            "is missing, and there is no way back from Tempo 3 to 2; read docs/tempo.md, then "
            "write true, or use the profile distributed-2",
        )


@_rule("tempo")
def _block_builders_share_the_partitions(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if not isinstance(stack.tempo, Distributed3Config):
        return
    partitions, builders = stack.tempo.kafka.partitions, stack.tempo.block_builder.replicas
    if builders is None or partitions % builders == 0:
        return
    fitting = [str(n) for n in range(1, partitions + 1) if partitions % n == 0]
    yield Finding(
        "tracing:tempo.blockBuilder.replicas",
        f"{builders} can't share the {partitions} partitions of tracing:tempo.kafka.partitions "
        f"evenly, and a partition without a builder is never written to the store; write one of "
        f"{', '.join(fitting)}, or another number of partitions",
    )


@_rule("tempo", "collector")
def _tempo_accepts_the_collector(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.collector is not None and "otlpGrpc" not in stack.tempo.receivers:
        yield Finding(
            "tracing:tempo.receivers",
            "has no otlpGrpc, which the collector exports to; add otlpGrpc",
        )


def _ingest(stack: StackConfig) -> tuple[str, Sequence[str]]:
    """Where sources of spans send to: its key in the stack file, and the receivers open there."""
    if stack.collector is not None:
        return "collector", stack.collector.receivers
    return "tempo", stack.tempo.receivers


@_rule("tempo", "collector", "traefik")
def _traefik_finds_its_receiver(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.traefik is None:
        return
    owner, receivers = _ingest(stack)
    wanted = "otlpGrpc" if stack.traefik.protocol == "grpc" else "otlpHttp"
    if wanted not in receivers:
        yield Finding(
            "tracing:traefik.protocol",
            f"{shown(stack.traefik.protocol)} needs the receiver {wanted}; add it to "
            f"tracing:{owner}.receivers, or write the other protocol",
        )


@_rule("tempo", "collector", "linkerd", "harness")
def _mesh_and_harness_find_otlp_grpc(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    owner, receivers = _ingest(stack)
    for key, source in (("linkerd", stack.linkerd), ("harness", stack.harness)):
        if source is not None and "otlpGrpc" not in receivers:
            yield Finding(
                f"tracing:{key}",
                "sends OTLP over gRPC, which is not open; add otlpGrpc to "
                f"tracing:{owner}.receivers",
            )


@_rule("loki", "grafana")
def _loki_is_shown_in_grafana(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.loki is not None and stack.grafana is None:
        yield Finding(
            "tracing:loki", "has no use without Grafana; add tracing:grafana, or remove it"
        )
    if stack.prometheus is not None and stack.grafana is None:
        yield Finding(
            "tracing:prometheus", "has no use without Grafana; add tracing:grafana, or remove it"
        )


@_rule("grafana", "loki", "prometheus")
def _datasource_uids_differ(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.grafana is None:
        return
    uids = {"tracing:grafana.tempo.uid": stack.grafana.tempo.uid}
    if stack.loki is not None:
        uids["tracing:grafana.loki.uid"] = stack.grafana.loki.uid
    if stack.prometheus is not None:
        uids["tracing:prometheus.datasourceUid"] = stack.prometheus.datasource_uid
    yield from _twice(uids, "a data source's uid is its own")


@_rule("tempo", "collector", "traefik", "harness")
def _releases_differ(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    releases = {"tracing:tempo.releaseName": (stack.tempo.namespace, stack.tempo.release_name)}
    for key, part in (("collector", stack.collector), ("traefik", stack.traefik)):
        if part is not None and getattr(part, "install", "release") == "release":
            releases[f"tracing:{key}.releaseName"] = (part.namespace, part.release_name)
    if stack.harness is not None and stack.harness.install == "release":
        releases["tracing:harness.releaseName"] = (
            stack.harness.namespace,
            stack.harness.release_name,
        )
    yield from _twice(
        {key: f"{namespace}/{name}" for key, (namespace, name) in releases.items()},
        "two Helm releases can't have one name in one namespace",
    )


def _twice(values: dict[str, str], reason: str) -> Iterator[Finding]:
    counts = Counter(values.values())
    for key, value in values.items():
        if counts[value] > 1:
            others = ", ".join(k for k, v in values.items() if v == value and k != key)
            yield Finding(key, f"{shown(value)} is also {others}; {reason}, write another")


@_rule("object_store")
def _admin_is_one_way(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    store = stack.object_store
    if (
        isinstance(store, MinioConfig)
        and store.admin.endpoint is not None
        and "port_forward" in store.admin.model_fields_set
    ):
        yield Finding(
            "tracing:objectStore.admin",
            "has both endpoint and portForward; write the one that Pulumi is to use",
        )


@_rule("object_store")
def _the_admin_endpoint_is_there(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    store = stack.object_store
    if not isinstance(store, MinioConfig) or store.admin.endpoint is not None:
        return
    for field, key in (("insecure", "insecure"), ("ca_file", "caFile")):
        if field in store.admin.model_fields_set:
            yield Finding(
                f"tracing:objectStore.admin.{key}",
                "is about an endpoint, and there is none; remove it, or write "
                "tracing:objectStore.admin.endpoint",
            )


@_rule("object_store")
def _authorities_can_be_read(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    for key, path in _ca_files(stack.object_store).items():
        try:
            certificates.read(path)
        except ValueError as error:
            yield Finding(f"tracing:objectStore.{key}", f"{shown(path)} {error}")


def _ca_files(store: ObjectStoreConfig) -> dict[str, str]:
    """The files with certificates that a store names, by key."""
    if isinstance(store, MinioConfig):
        tls = store.tls.ca_file if store.tls is not None else None
        files = {"tls.caFile": tls, "admin.caFile": store.admin.ca_file}
    else:
        files = {"caFile": store.ca_file}
    return {key: path for key, path in files.items() if path is not None}


@_rule("object_store", "tempo")
def _secrets_of_the_store_differ(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    store = stack.object_store
    if (
        isinstance(store, MinioConfig)
        and store.namespace == stack.tempo.namespace
        and store.secret_name == store.root_secret_name
    ):
        yield Finding(
            "tracing:objectStore.secretName",
            f"{shown(store.secret_name)} is also the Secret of the server's root user, whose "
            "password Tempo must not get; write another",
        )


@_rule("object_store", "environment")
def _the_ingress_is_encrypted(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    store = stack.object_store
    if not isinstance(store, MinioConfig) or store.ingress is None or environment != "prod":
        return
    if store.ingress.tls_secret_name is None:
        yield Finding(
            "tracing:objectStore.ingress.tlsSecretName",
            "is missing, and without it traces leave the cluster in clear; write the name of the "
            "Secret with the certificate of the host",
        )


@_rule("object_store", "environment")
def _credentials_travel_encrypted(
    stack: StackConfig, environment: Environment
) -> Iterator[Finding]:
    store = stack.object_store
    clear = "lets an administrator be overheard on the way to the store; write false and a "
    if environment != "prod":
        return
    if isinstance(store, ExternalMinioConfig) and store.insecure:
        yield Finding("tracing:objectStore.insecure", f"{clear}TLS endpoint")
    if isinstance(store, MinioConfig) and store.admin.endpoint and store.admin.insecure:
        yield Finding("tracing:objectStore.admin.insecure", f"{clear}TLS endpoint")


@_rule("tempo")
def _durations_are_whole_seconds(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if go_duration(stack.tempo.block_retention).endswith("ms"):
        yield Finding(
            "tracing:tempo.blockRetention",
            f"{shown(stack.tempo.block_retention)} is finer than a second; write hours or days",
        )
