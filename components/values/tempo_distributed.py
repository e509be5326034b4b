"""Values of the chart tempo-distributed, 2.x and 3.x."""

from typing import Any, Final

from config.kinds import go_duration
from config.tempo import Distributed2Config, Distributed3Config, DistributedConfig, SaslConfig

from ..contracts import S3Access
from .tempo import EXPAND, s3_block, workload

SASL_USERNAME: Final = "KAFKA_SASL_USERNAME"
SASL_PASSWORD: Final = "KAFKA_SASL_PASSWORD"
"""Environment variables of the pods that talk to Kafka."""


def tempo_2_values(settings: Distributed2Config, s3: S3Access) -> dict[str, Any]:
    """Values of the Helm release of Tempo 2 as microservices."""
    common = _common(settings, s3)
    return {
        **common,
        # Tempo has no OpenCensus receiver since 2.10.6; the chart still renders one.
        "traces": {**common["traces"], "opencensus": {"enabled": False}},
        "ingester": {
            **workload(s3, settings.ingester.resources, settings.ingester.replicas),
            "persistence": {"enabled": True, "size": settings.ingester.volume_size},
            "config": {"replication_factor": settings.ingester.replication_factor},
        },
        "compactor": {
            **workload(s3, settings.compactor.resources, settings.compactor.replicas),
            "config": {"compaction": {"block_retention": go_duration(settings.block_retention)}},
        },
        "minio": {"enabled": False},
    }


def tempo_3_values(settings: Distributed3Config, s3: S3Access) -> dict[str, Any]:
    """Values of the Helm release of Tempo 3 as microservices on Kafka."""
    kafka = settings.kafka
    builders = settings.block_builder.replicas or kafka.partitions
    common = _common(settings, s3)
    retention = {"compaction": {"block_retention": go_duration(settings.block_retention)}}
    return {
        **common,
        "distributor": {**common["distributor"], **_sasl(kafka.sasl)},
        "ingest": {
            "kafka": {
                "address": kafka.address,
                "topic": kafka.topic,
                "auto_create_topic_enabled": kafka.create_topic,
                "auto_create_topic_default_partitions": kafka.partitions,
            }
        },
        "blockBuilder": {
            **workload(s3, settings.block_builder.resources, builders),
            **_sasl(kafka.sasl),
            "config": {"partitions_per_instance": kafka.partitions // builders},
        },
        "liveStore": {
            # One for each partition: a partition without a live-store has no newest traces.
            **workload(s3, settings.live_store.resources, kafka.partitions),
            **_sasl(kafka.sasl),
        },
        "backendScheduler": {
            **workload(s3, settings.backend_scheduler.resources),
            "config": {"provider": {"compaction": retention}},
        },
        "backendWorker": workload(
            s3, settings.backend_worker.resources, settings.backend_worker.replicas
        ),
    }


def _common(settings: DistributedConfig, s3: S3Access) -> dict[str, Any]:
    return {
        # Without it the chart derives every Service's name from the release's name by rules of
        # its own, and the addresses this program hands out would only match some names.
        "fullnameOverride": settings.release_name,
        "reportingEnabled": False,
        "global": {"extraArgs": [EXPAND]},
        "traces": _receivers(settings.receivers),
        "storage": {"trace": {"backend": "s3", "s3": s3_block(s3)}},
        "distributor": {
            **workload(s3, settings.distributor.resources, settings.distributor.replicas),
            "config": {"log_received_spans": settings.log_received_spans.model_dump()},
        },
        "querier": workload(s3, settings.querier.resources, settings.querier.replicas),
        "queryFrontend": workload(
            s3, settings.query_frontend.resources, settings.query_frontend.replicas
        ),
        "gateway": {"enabled": settings.gateway},
        "memcached": {"enabled": settings.memcached},
        # The chart configures its memcached as a cache whether or not it installs one.
        **({} if settings.memcached else {"cache": {"caches": []}}),
    }


def _sasl(sasl: SaslConfig | None) -> dict[str, Any]:
    """How a workload signs in to Kafka.

    By arguments, in which the kubelet expands the variables: the chart writes four settings of
    Kafka's into Tempo's configuration, and these are not among them.
    """
    if sasl is None:
        return {}
    secret = {"name": sasl.secret_name}
    keys = {SASL_USERNAME: sasl.username_key, SASL_PASSWORD: sasl.password_key}
    return {
        "extraArgs": [
            f"-ingest.kafka.sasl-username=$({SASL_USERNAME})",
            f"-ingest.kafka.sasl-password=$({SASL_PASSWORD})",
        ],
        "extraEnv": [
            {"name": name, "valueFrom": {"secretKeyRef": {**secret, "key": key}}}
            for name, key in keys.items()
        ],
    }


def _receivers(receivers: tuple[str, ...]) -> dict[str, Any]:
    """Each receiver said explicitly, on or off, so that a chart's new default opens no port."""

    def on(receiver: str) -> dict[str, bool]:
        return {"enabled": receiver in receivers}

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
