"""Values of the chart tempo-distributed, 2.x and 3.x."""

from dataclasses import replace
from typing import Any, Final

from config.kinds import go_duration, registry_image
from config.tempo import (
    Distributed2Config,
    Distributed3Config,
    DistributedConfig,
    MetricsGeneratorConfig,
    ScaledWorkloadConfig,
)

from ..contracts import KafkaAccess, KafkaLogin, PrometheusOperator
from .overrides import default_overrides, tenant_overrides
from .resources import compute_resources
from .security import SECCOMP
from .tempo import (
    EXPAND,
    OFF_STORE,
    RETRY_AFTER,
    PodNeeds,
    alive_probe,
    remote_write,
    s3_block,
    workload,
)
from .tempo_gateway import gateway_values
from .tempo_tls import TempoTls, clients, gossip, listening, probe_scheme, receiver

SASL_USERNAME: Final = "KAFKA_SASL_USERNAME"
SASL_PASSWORD: Final = "KAFKA_SASL_PASSWORD"
"""Environment variables of the pods that talk to Kafka."""

LEAVING: Final = "10s"
"""How long a pod that is to end still answers, having said that it is not ready: until then
somebody may have it for an address. Without it every update cuts off requests."""

GRACE_SECONDS: Final = 60
"""More than `LEAVING` and the half minute that Tempo gives open requests and jobs."""


def tempo_2_values(
    settings: Distributed2Config, pod: PodNeeds, operator: PrometheusOperator | None = None
) -> dict[str, Any]:
    """Values of the Helm release of Tempo 2 as microservices."""
    common = _common(settings, pod, operator)
    return {
        **common,
        # Tempo has no OpenCensus receiver since 2.10.6; the chart still renders one.
        "traces": {**common["traces"], "opencensus": {"enabled": False}},
        "ingester": {
            **workload(pod, settings.ingester.resources, settings.ingester.replicas),
            **_spread("ingester", settings.ingester.replicas),
            "persistence": {"enabled": True, "size": settings.ingester.volume_size},
            "config": {"replication_factor": settings.ingester.replication_factor},
        },
        "compactor": {
            **workload(pod, settings.compactor.resources, settings.compactor.replicas),
            **_spread("compactor", settings.compactor.replicas),
            "config": {"compaction": {"block_retention": go_duration(settings.block_retention)}},
        },
        "minio": {"enabled": False},
    }


def tempo_3_values(
    settings: Distributed3Config,
    pod: PodNeeds,
    kafka: KafkaAccess,
    operator: PrometheusOperator | None = None,
) -> dict[str, Any]:
    """Values of the Helm release of Tempo 3 as microservices on Kafka."""
    topic, partitions = settings.kafka, settings.kafka.partitions
    builders = settings.block_builder.replicas or partitions
    login = _login(kafka.login)
    common = _common(settings, pod, operator)
    live_store = _needs(pod, settings, "live-store")
    generator = common.get("metricsGenerator")
    retention = {"compaction": {"block_retention": go_duration(settings.block_retention)}}
    return {
        **common,
        "distributor": {**common["distributor"], **login},
        # It reads the spans from Kafka.
        **({"metricsGenerator": {**generator, **login}} if generator else {}),
        "ingest": {
            "kafka": {
                "address": kafka.address,
                "topic": topic.topic,
                "auto_create_topic_enabled": topic.create_topic,
                "auto_create_topic_default_partitions": partitions,
            }
        },
        "blockBuilder": {
            **workload(pod, settings.block_builder.resources, builders),
            **_spread("block-builder", builders),
            **login,
            "config": {"partitions_per_instance": partitions // builders},
        },
        "liveStore": {
            # One for each partition: a partition without a live-store has no newest traces.
            **workload(live_store, settings.live_store.resources, partitions),
            **_spread("live-store", partitions),
            **login,
        },
        "backendScheduler": {
            **workload(pod, settings.backend_scheduler.resources),
            "config": {"provider": {"compaction": retention}},
        },
        "backendWorker": {
            **workload(pod, settings.backend_worker.resources, settings.backend_worker.replicas),
            **_spread("backend-worker", settings.backend_worker.replicas),
            # The chart's own half minute is all that a worker gives its job to be finished.
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            # The template asks for both, and the chart has a default for neither.
            "podDisruptionBudget": {"enabled": True},
            "maxUnavailable": 1,
        },
    }


def _common(
    settings: Distributed2Config | Distributed3Config,
    pod: PodNeeds,
    operator: PrometheusOperator | None,
) -> dict[str, Any]:
    return {
        # Without it the chart derives every Service's name from the release's name by rules of
        # its own, and the addresses this program hands out would only match some names.
        "fullnameOverride": settings.release_name,
        "reportingEnabled": False,
        **({"multitenancyEnabled": True} if pod.tenancy else {}),
        **({"streamOverHTTPEnabled": True} if settings.streaming else {}),
        "global": {"extraArgs": [EXPAND]},
        "tempo": {
            # Of the distributor's settings the chart knows others only.
            "structuredConfig": {"distributor": RETRY_AFTER, **_structured_tls(settings, pod.tls)},
            "livenessProbe": alive_probe(pod.tls),
            **_readiness(pod.tls),
            # Of memcached and the gateway as well, beside the group of the chart's own.
            "podSecurityContext": SECCOMP,
            **_image(settings.image),
        },
        "traces": _receivers(settings.receivers, pod.tls),
        "storage": {"trace": {"backend": "s3", "s3": s3_block(pod.s3)}},
        "distributor": {
            **_scaled(_needs(pod, settings, "distributor"), "distributor", settings.distributor),
            "config": {"log_received_spans": settings.log_received_spans.model_dump()},
            "shutdownDelay": LEAVING,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
        },
        "querier": _scaled(pod, "querier", settings.querier),
        "queryFrontend": {
            **_scaled(pod, "query-frontend", settings.query_frontend),
            "extraArgs": [f"-shutdown-delay={LEAVING}"],
            "terminationGracePeriodSeconds": GRACE_SECONDS,
        },
        "gateway": _gateway(settings, pod),
        "memcached": _memcached(settings),
        # The chart configures its memcached as a cache whether or not it installs one.
        **({} if settings.memcached else {"cache": {"caches": []}}),
        **_overrides(settings),
        **_metrics_generator(
            settings.metrics_generator, _needs(pod, settings, "metrics-generator")
        ),
        **_monitors(operator, pod.tls),
    }


def _monitors(operator: PrometheusOperator | None, tls: TempoTls | None) -> dict[str, Any]:
    if operator is None:
        return {}
    monitor: dict[str, Any] = {"enabled": True, "labels": dict(operator.labels)}
    if tls is not None:
        authority = {"configMap": {"name": tls.ca.config_map, "key": tls.ca.key}}
        monitor |= {
            "scheme": "https",
            "tlsConfig": {"ca": authority, "serverName": tls.server_name},
        }
    return {"metaMonitoring": {"serviceMonitor": monitor}}


def _structured_tls(
    settings: Distributed2Config | Distributed3Config, tls: TempoTls | None
) -> dict[str, Any]:
    """What of TLS the chart has no values for."""
    if tls is None:
        return {}
    return {
        "server": listening(tls),
        "memberlist": gossip(tls),
        **clients(tls, settings.profile),
    }


def _readiness(tls: TempoTls | None) -> dict[str, Any]:
    return {} if tls is None else {"readinessProbe": {"httpGet": probe_scheme(tls)}}


def _memcached(settings: DistributedConfig) -> dict[str, Any]:
    """The cache: as much in need of a second pod as the queriers that ask it."""
    if not settings.memcached:
        return {"enabled": False}
    scaling = settings.querier.autoscaling
    queriers = scaling.min_replicas if scaling else settings.querier.replicas
    replicas = min(queriers, 2)
    # memcached's own limit is 64 MB of items; the rest is for connections and the process.
    memory = "128Mi"
    return {
        "enabled": True,
        "replicas": replicas,
        **_image(settings.memcached_image),
        **_spread("memcached", replicas),
        "resources": {"requests": {"cpu": "50m", "memory": memory}, "limits": {"memory": memory}},
    }


def _overrides(settings: DistributedConfig) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if defaults := default_overrides(settings):
        values["overrides"] = {"defaults": defaults}
    if tenants := tenant_overrides(settings):
        values["per_tenant_overrides"] = tenants
    return values


def _metrics_generator(settings: MetricsGeneratorConfig | None, pod: PodNeeds) -> dict[str, Any]:
    if settings is None:
        return {}
    return {
        "metricsGenerator": {
            "enabled": True,
            **workload(pod, settings.resources, settings.replicas),
            **_spread("metrics-generator", settings.replicas),
            "config": {"storage": {"remote_write": [remote_write(settings)]}},
        }
    }


def _image(image: str | None) -> dict[str, Any]:
    return {} if image is None else {"image": registry_image(image)}


def _needs(
    pod: PodNeeds, settings: Distributed2Config | Distributed3Config, component: str
) -> PodNeeds:
    # The distributor takes spans from everybody: whoever breaks into it is not to find there the
    # keys to read and delete all traces.
    return replace(pod, on_store=component not in OFF_STORE[settings.profile])


def _scaled(pod: PodNeeds, component: str, settings: ScaledWorkloadConfig) -> dict[str, Any]:
    return {**workload(pod, settings.resources), **_replicas(component, settings)}


def _gateway(settings: DistributedConfig, pod: PodNeeds) -> dict[str, Any]:
    gateway = settings.gateway
    if gateway is None:
        return {"enabled": False}
    values = {
        "enabled": True,
        **_replicas("gateway", gateway),
        **_image(gateway.image),
        **gateway_values(settings, pod),
    }
    if compute := compute_resources(gateway.resources):
        values["resources"] = compute
    return values


def _replicas(component: str, settings: ScaledWorkloadConfig) -> dict[str, Any]:
    """How many pods: a number, or bounds for the cluster to choose within."""
    scaling = settings.autoscaling
    if scaling is None:
        return {"replicas": settings.replicas, **_spread(component, settings.replicas)}
    return {
        "autoscaling": {
            "enabled": True,
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "targetCPUUtilizationPercentage": scaling.target_cpu_percent,
        },
        # The chart makes a PodDisruptionBudget by this number, also where it is not used for pods.
        "replicas": scaling.min_replicas,
        **_spread(component, scaling.max_replicas),
    }


def _spread(component: str, replicas: int) -> dict[str, Any]:
    """Pods of one kind on as many zones and nodes as there are.

    The chart spreads most of them over zones only, and the compactor over nothing. Wanted, not
    required: a pod that shares a node is better than one that finds none. The chart takes these as
    the text of a template.

    The chart's own affinity is taken away: of most kinds it allows no two pods on a node, and so
    no more pods than nodes, whatever the replicas or the autoscaler say.
    """
    if replicas == 1:
        return {}
    labels = f'(dict "ctx" . "component" "{component}")'
    keys = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    return {
        "topologySpreadConstraints": "".join(_CONSTRAINT % (key, labels) for key in keys),
        "affinity": "",
    }


_CONSTRAINT: Final = """\
- maxSkew: 1
  topologyKey: %s
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "tempo.selectorLabels" %s | nindent 6 }}
"""


def _login(login: KafkaLogin | None) -> dict[str, Any]:
    """How a workload signs in to Kafka.

    By arguments, in which the kubelet expands the variables: the chart writes four settings of
    Kafka's into Tempo's configuration, and these are not among them.
    """
    if login is None:
        return {}
    secret = {"name": login.secret_name}
    keys = {SASL_USERNAME: login.username_key, SASL_PASSWORD: login.password_key}
    # Read by nobody: a pod whose template is another is restarted, and these values have no
    # annotations of their own.
    version = (
        [] if login.version is None else [{"name": "KAFKA_LOGIN_VERSION", "value": login.version}]
    )
    return {
        "extraArgs": [
            f"-ingest.sasl-username=$({SASL_USERNAME})",
            f"-ingest.sasl-password=$({SASL_PASSWORD})",
        ],
        "extraEnv": [
            {"name": name, "valueFrom": {"secretKeyRef": {**secret, "key": key}}}
            for name, key in keys.items()
        ]
        + version,
    }


def _receivers(receivers: tuple[str, ...], tls: TempoTls | None) -> dict[str, Any]:
    """Each receiver said explicitly, on or off, so that a chart's new default opens no port."""

    def on(name: str) -> dict[str, Any]:
        if name not in receivers:
            return {"enabled": False}
        return {"enabled": True, **({"receiverConfig": receiver(tls)} if tls else {})}

    return {
        "otlp": {"grpc": on("otlpGrpc"), "http": on("otlpHttp")},
        "zipkin": on("zipkin"),
        "jaeger": {
            "grpc": on("jaegerGrpc"),
            "thriftHttp": on("jaegerThriftHttp"),
            "thriftCompact": on("jaegerThriftCompact"),
            "thriftBinary": on("jaegerThriftBinary"),
        },
    }
