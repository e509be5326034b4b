"""What the charts of all profiles of Tempo are told alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from config.platform import ComputeResources
from config.tempo import MetricsGeneratorConfig
from config.tenancy import TenancyConfig

from ..contracts import CaBundle, S3Access
from .annotations import (
    AUTHORITY_ANNOTATION,
    CA_ANNOTATION,
    RELOADER_ANNOTATION,
    VERSION_ANNOTATION,
)
from .resources import compute_resources
from .tempo_tls import TempoTls, mounts, probe_scheme, volumes

CA_PATH: Final = "/etc/store-ca"

OFF_STORE: Final[Mapping[str, tuple[str, ...]]] = {
    "distributed-2": ("distributor",),
    "distributed-3": ("distributor", "live-store", "metrics-generator"),
}
"""Microservices of a profile that never ask the store, by the label of the chart.

By Tempo's module table (`cmd/tempo/app/modules.go`). All others ask it before they start, and end
where it does not answer, Tempo 2's generator too: without the keys they would never run.
"""

EXPAND: Final = "-config.expand-env=true"
"""Tempo itself expands the references to the store's keys when it starts."""

ALIVE_PATH: Final = "/status/version"
"""Answered as soon as Tempo runs. The charts ask /ready, which says no for as long as a write-ahead
log is read again after a crash: a pod that needs more than a minute for it would be killed at it,
each time anew."""

RETRY_AFTER: Final = {"retry_after_on_resource_exhausted": "5s"}
"""The distributor's answer to who is over a limit. By default it is one that OTLP's rules (and so
the collector) take for final: what is sent at once after an outage would be dropped."""


@dataclass(frozen=True, kw_only=True)
class PodNeeds:
    """What every pod of Tempo is given."""

    s3: S3Access
    on_store: bool = True
    """Whether the pod asks the store: it has the keys and the store's authority then."""
    tls: TempoTls | None = None
    tenancy: TenancyConfig | None = None


def alive_probe(tls: TempoTls | None) -> dict[str, Any]:
    """The liveness probe of Tempo's processes; the chart has the other fields."""
    return {"httpGet": {"path": ALIVE_PATH, **probe_scheme(tls)}}


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


def pod_annotations(pod: PodNeeds) -> dict[str, Any]:
    """What restarts a pod of Tempo's when the store's keys or an authority are others."""
    annotations: dict[str, Any] = {}
    if pod.on_store:
        annotations[VERSION_ANNOTATION] = pod.s3.secret_version
    if (ca := _store_ca(pod)) is not None:
        annotations[CA_ANNOTATION] = ca.version
    if pod.tls is not None:
        annotations[AUTHORITY_ANNOTATION] = pod.tls.ca.version
    return annotations


def pod_volumes(pod: PodNeeds) -> list[dict[str, Any]]:
    """The volumes with the store's authority, if it has one of its own, and with Tempo's TLS."""
    ca = _store_ca(pod)
    of_store = [] if ca is None else [{"name": "store-ca", "configMap": {"name": ca.config_map}}]
    return [*of_store, *volumes(pod.tls)]


def pod_mounts(pod: PodNeeds) -> list[dict[str, Any]]:
    """Where `pod_volumes` are mounted."""
    ca = {"name": "store-ca", "mountPath": CA_PATH, "readOnly": True}
    return [*([] if _store_ca(pod) is None else [ca]), *mounts(pod.tls)]


def _store_ca(pod: PodNeeds) -> CaBundle | None:
    return pod.s3.ca if pod.on_store else None


def keys_from_secret(s3: S3Access) -> list[dict[str, Any]]:
    """The store's keys as environment variables."""
    return [{"secretRef": {"name": s3.secret_name}}]


def workload(
    pod: PodNeeds, resources: ComputeResources, replicas: int | None = None
) -> dict[str, Any]:
    """One microservice. `replicas` is `None` where the chart knows one number only."""
    # Not `global.extraEnvFrom`, which hands the store's keys to memcached and to the gateway's
    # nginx as well.
    values: dict[str, Any] = {} if replicas is None else {"replicas": replicas}
    if pod.on_store:
        values["extraEnvFrom"] = keys_from_secret(pod.s3)
    annotations = pod_annotations(pod)
    if pod.tls is not None:
        # Gossip reads its certificate once.
        annotations[RELOADER_ANNOTATION] = pod.tls.secret_name
    if annotations:
        values["podAnnotations"] = annotations
    if pod_volumes(pod):
        values |= {"extraVolumes": pod_volumes(pod), "extraVolumeMounts": pod_mounts(pod)}
    if compute := compute_resources(resources):
        values["resources"] = compute
    return values
