"""Values of the chart tempo-distributed 2.x."""

from typing import Any, Final

from config.kinds import go_duration
from config.platform import ComputeResources
from config.tempo import TempoConfig

from ..contracts import S3Access
from .annotations import CA_ANNOTATION, VERSION_ANNOTATION
from .resources import compute_resources

CA_PATH: Final = "/etc/store-ca"


def tempo_distributed_values(settings: TempoConfig, s3: S3Access) -> dict[str, Any]:
    """Values of the Helm release of Tempo 2 as microservices."""

    annotations = {VERSION_ANNOTATION: s3.secret_version}
    mounts: dict[str, Any] = {}
    if s3.ca is not None:
        annotations[CA_ANNOTATION] = s3.ca.version
        mounts = {
            "extraVolumes": [{"name": "store-ca", "configMap": {"name": s3.ca.config_map}}],
            "extraVolumeMounts": [{"name": "store-ca", "mountPath": CA_PATH, "readOnly": True}],
        }

    def workload(replicas: int, resources: ComputeResources) -> dict[str, Any]:
        return {
            "replicas": replicas,
            # Not `global.extraEnvFrom`, which hands the store's keys to memcached and to the
            # gateway's nginx as well.
            "extraEnvFrom": [{"secretRef": {"name": s3.secret_name}}],
            "podAnnotations": annotations,
            **mounts,
            **({"resources": compute} if (compute := compute_resources(resources)) else {}),
        }

    return {
        # Without it the chart derives every Service's name from the release's name by rules of
        # its own, and the addresses this program hands out would only match some names.
        "fullnameOverride": settings.release_name,
        "reportingEnabled": False,
        # Tempo itself expands the references to the store's keys when it starts.
        "global": {"extraArgs": ["-config.expand-env=true"]},
        "traces": _receivers(settings.receivers),
        "storage": {"trace": {"backend": "s3", "s3": _s3(s3)}},
        "distributor": {
            **workload(settings.distributor.replicas, settings.distributor.resources),
            "config": {
                "log_received_spans": settings.log_received_spans.model_dump(),
            },
        },
        "ingester": {
            **workload(settings.ingester.replicas, settings.ingester.resources),
            "persistence": {"enabled": True, "size": settings.ingester.volume_size},
            "config": {"replication_factor": settings.ingester.replication_factor},
        },
        "querier": workload(settings.querier.replicas, settings.querier.resources),
        "queryFrontend": workload(
            settings.query_frontend.replicas, settings.query_frontend.resources
        ),
        "compactor": {
            **workload(settings.compactor.replicas, settings.compactor.resources),
            "config": {"compaction": {"block_retention": go_duration(settings.block_retention)}},
        },
        "gateway": {"enabled": settings.gateway},
        "memcached": {"enabled": settings.memcached},
        # The chart configures its memcached as a cache whether or not it installs one.
        **({} if settings.memcached else {"cache": {"caches": []}}),
        "minio": {"enabled": False},
    }


def _s3(s3: S3Access) -> dict[str, Any]:
    values: dict[str, Any] = {
        "bucket": s3.bucket,
        "endpoint": s3.endpoint,
        "region": s3.region,
        # Expanded by Tempo itself when it starts: the keys are in no values, state or preview.
        "access_key": f"${{{s3.access_key_variable}}}",
        "secret_key": f"${{{s3.secret_key_variable}}}",
        "insecure": s3.insecure,
    }
    if s3.ca is not None:
        values["tls_ca_path"] = f"{CA_PATH}/{s3.ca.key}"
    if s3.path_style:
        values["forcepathstyle"] = True
    return values


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
        # Tempo has no OpenCensus receiver since 2.10.6; the chart still renders one.
        "opencensus": {"enabled": False},
    }
