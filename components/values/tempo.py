"""What the charts of all profiles of Tempo are told alike."""

from typing import Any, Final

from config.platform import ComputeResources
from config.tempo import MetricsGeneratorConfig

from ..contracts import S3Access
from .annotations import CA_ANNOTATION, VERSION_ANNOTATION
from .resources import compute_resources

CA_PATH: Final = "/etc/store-ca"

EXPAND: Final = "-config.expand-env=true"
"""Tempo itself expands the references to the store's keys when it starts."""

ALIVE_PATH: Final = "/status/version"
"""Answered as soon as Tempo runs. The charts ask /ready, which says no for as long as a write-ahead
log is read again after a crash: a pod that needs more than a minute for it would be killed at it,
each time anew."""

RETRY_AFTER: Final = {"retry_after_on_resource_exhausted": "5s"}
"""The distributor's answer to who is over a limit. By default it is one that OTLP's rules (and so
the collector) take for final: what is sent at once after an outage would be dropped."""


def s3_block(s3: S3Access) -> dict[str, Any]:
    """Tempo's `storage.trace.s3`."""
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


def remote_write(settings: MetricsGeneratorConfig) -> dict[str, Any]:
    """Where Tempo's generator writes metrics, with the exemplars that lead to single traces."""
    return {"url": settings.remote_write_url, "send_exemplars": True}


def pod_annotations(s3: S3Access) -> dict[str, Any]:
    """What restarts a pod of Tempo's when the store's keys or authority are others."""
    annotations = {VERSION_ANNOTATION: s3.secret_version}
    if s3.ca is not None:
        annotations[CA_ANNOTATION] = s3.ca.version
    return annotations


def ca_volumes(s3: S3Access) -> list[dict[str, Any]]:
    """The volume with the store's authority, if it has one of its own."""
    if s3.ca is None:
        return []
    return [{"name": "store-ca", "configMap": {"name": s3.ca.config_map}}]


def ca_mounts(s3: S3Access) -> list[dict[str, Any]]:
    """Where `ca_volumes` is mounted."""
    if s3.ca is None:
        return []
    return [{"name": "store-ca", "mountPath": CA_PATH, "readOnly": True}]


def keys_from_secret(s3: S3Access) -> list[dict[str, Any]]:
    """The store's keys as environment variables."""
    return [{"secretRef": {"name": s3.secret_name}}]


def workload(
    s3: S3Access, resources: ComputeResources, replicas: int | None = None
) -> dict[str, Any]:
    """One microservice. `replicas` is `None` where the chart knows one number only."""
    # Not `global.extraEnvFrom`, which hands the store's keys to memcached and to the gateway's
    # nginx as well.
    values: dict[str, Any] = {} if replicas is None else {"replicas": replicas}
    values |= {"extraEnvFrom": keys_from_secret(s3), "podAnnotations": pod_annotations(s3)}
    if s3.ca is not None:
        values |= {"extraVolumes": ca_volumes(s3), "extraVolumeMounts": ca_mounts(s3)}
    if compute := compute_resources(resources):
        values["resources"] = compute
    return values
