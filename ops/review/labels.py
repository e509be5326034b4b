"""Which labels a change has: a table from resource type and property to what a reviewer looks for.

The table errs on the side of a label: one too many is looked at, one too few is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

from config.kinds import duration_seconds, quantity
from ops.review.change import MISSING, Label, Operation, PropertyChange, Resource

RELEASE: Final = "kubernetes:helm.sh/v3:Release"
OPEN_HOPS: Final = "tracing:index:OpenHops"

_BUCKET: Final = "minio:index/s3Bucket:S3Bucket"
_LIFECYCLE: Final = "minio:index/ilmPolicy:IlmPolicy"
_NETWORK_POLICY: Final = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_WORKLOAD: Final = "kubernetes:apps/v1:*"
_KAFKA: Final = "kubernetes:kafka.strimzi.io/*"
_PODS: Final = (RELEASE, _WORKLOAD, "kubernetes:batch/v1:CronJob", _KAFKA)
_DATA: Final = (
    _BUCKET,
    "kubernetes:core/v1:Namespace",
    "kubernetes:core/v1:PersistentVolumeClaim",
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:kafka.strimzi.io/*:Kafka",
    "kubernetes:kafka.strimzi.io/*:KafkaNodePool",
    "kubernetes:kafka.strimzi.io/*:KafkaTopic",
)

When = Callable[[PropertyChange], bool]


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A property of a type, and what a change of it means."""

    label: Label
    types: tuple[str, ...] = ("*",)
    """Patterns of the resource's type."""
    path: str
    """Regular expression, found anywhere in the property's path."""
    but: str | None = None
    """Regular expression of paths that are no case of it."""
    names: str = "*"
    """Pattern of the resource's logical name."""
    when: When = lambda change: True

    def meets(self, resource: Resource, change: PropertyChange) -> bool:
        """Whether the change of a resource is a case of this row."""
        return (
            _is_one_of(resource.type, self.types)
            and fnmatchcase(resource.name, self.names)
            and re.search(self.path, change.path) is not None
            and (self.but is None or re.search(self.but, change.path) is None)
            and self.when(change)
        )


@dataclass(frozen=True, kw_only=True)
class _WholeRow:
    """What it means that a resource of a type is created, replaced or deleted."""

    label: Label
    types: tuple[str, ...] = ("*",)
    names: str = "*"
    operations: tuple[Operation, ...]


def _is_one_of(type: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(type, pattern) for pattern in patterns)


def _truth(value: Any) -> bool:
    return value is True or str(value).lower() in {"true", "1", "yes", "on"}


def _is_added(change: PropertyChange) -> bool:
    return change.old is MISSING


def _is_removed(change: PropertyChange) -> bool:
    return change.new is MISSING


def _turns_on(change: PropertyChange) -> bool:
    return change.new is not MISSING and _truth(change.new) and not _truth(change.old)


def _turns_off(change: PropertyChange) -> bool:
    return _truth(change.old) and (change.new is MISSING or not _truth(change.new))


def _is_less(change: PropertyChange) -> bool:
    """Whether it is a shorter time, a smaller size or number; what can't be compared counts."""
    old, new = _size(change.old), _size(change.new)
    return old is None or new is None or new < old


def _size(value: Any) -> Decimal | None:
    text = str(value)
    for read in (Decimal, duration_seconds, quantity):
        try:
            return read(text)
        except (ValueError, ArithmeticError):
            continue
    return None


def _leaves_tls(change: PropertyChange) -> bool:
    return str(change.old).startswith("https://") and str(change.new).startswith("http://")


def _listens_wider(change: PropertyChange) -> bool:
    # Of the collector and Tempo: 0.0.0.0 is every interface of the pod, localhost only its own.
    local = re.compile(r"^(localhost|127\.|\[::1\])")
    return bool(local.match(str(change.old))) and not local.match(str(change.new))


def _reaches_outside(change: PropertyChange) -> bool:
    return change.new in {"LoadBalancer", "NodePort"}


def _is_a_port(change: PropertyChange) -> bool:
    return change.new is not MISSING and change.new not in {0, "0", "", None}


def _is_wildcard(change: PropertyChange) -> bool:
    return str(change.new).endswith("*") and not str(change.old).endswith("*")


_TABLE: Final = (
    # Data
    _Row(
        label=Label.LOSES_DATA,
        types=(_BUCKET,),
        path=r"^forceDestroy$",
        when=_turns_on,
    ),
    _Row(
        label=Label.LOSES_DATA,
        types=("minio:index/s3BucketVersioning:*",),
        path=r"status$",
        when=lambda change: change.new != "Enabled",
    ),
    _Row(
        label=Label.LOSES_DATA,
        types=(RELEASE, _LIFECYCLE, _KAFKA),
        path=r"retention|rules\[\d+\]\.expiration$",
        but=r"rules\[\d+\]\.id$",
        when=_is_less,
    ),
    _Row(
        label=Label.LOSES_DATA,
        types=(RELEASE, _KAFKA),
        path=r"replication_?[fF]actor|min\.insync\.replicas|\.spec\.replicas$",
        when=_is_less,
    ),
    _Row(label=Label.LOSES_DATA, types=(_KAFKA,), path=r"deleteClaim$", when=_turns_on),
    _Row(
        label=Label.LOSES_DATA,
        types=(RELEASE,),
        path=r"(persistence|persistentVolume)\.enabled$|sending_queue\.enabled$",
        when=_turns_off,
    ),
    _Row(
        label=Label.LOSES_DATA,
        types=(RELEASE,),
        path=r"sending_queue\.storage$|volumeClaimTemplates",
        when=_is_removed,
    ),
    # Another chart is another set of workloads: what the old ones had not flushed is gone.
    _Row(label=Label.LOSES_DATA, types=(RELEASE,), names="tempo*", path=r"^chart$"),
    _Row(label=Label.LOSES_DATA, types=(RELEASE,), names="collector*", path=r"^values\.mode$"),
    # TLS and authentication
    _Row(label=Label.WEAKENS, path=r"", when=lambda change: change.exposed),
    _Row(
        label=Label.WEAKENS,
        path=r"([iI]nsecure|insecure_?[sS]kip_?[vV]erify|[sS]kip_?(tls_?)?[vV]erify)$",
        when=_turns_on,
    ),
    _Row(
        label=Label.WEAKENS,
        path=r"([sS]sl|(^|\.)tls|tls\.enabled|auth(entication|orization)?\.enabled"
        r"|(multitenancy|auth)[eE]nabled)$",
        when=_turns_off,
    ),
    _Row(
        label=Label.WEAKENS,
        path=r"(^|[.\[\"])(m?tls|auth|authenticator|authentication|authorization|sasl|basic_?auth"
        r"|bearer_?token|client_ca_file|[a-z_]*ca_?(file|path)|cacert)([.\[\]\"]|$)",
        but=r"([iI]nsecure|[vV]erify|enabled)$",
        when=_is_removed,
    ),
    _Row(label=Label.WEAKENS, path=r"", when=_leaves_tls),
    _Row(label=Label.WEAKENS, types=(OPEN_HOPS,), path=r"", when=_is_added),
    _Row(
        label=Label.WEAKENS,
        types=(RELEASE,),
        path=r"processors\.redaction(\.|$)|blocked_(key_patterns|values)",
        when=_is_removed,
    ),
    _Row(
        label=Label.WEAKENS,
        types=("minio:index/iamPolicy:*",),
        path=r"(Action|Resource|Principal)",
        when=_is_wildcard,
    ),
    # Whose Secrets Traefik reads.
    _Row(label=Label.WEAKENS, types=(RELEASE,), path=r"rbac\.namespaced$", when=_turns_off),
    _Row(
        label=Label.WEAKENS,
        types=(RELEASE,),
        path=r"providers\.kubernetesIngress\.namespaces\[",
        # One in the place of another is one more.
        when=lambda change: not _is_removed(change),
    ),
    # MinIO shows its metrics to everybody who reaches it.
    _Row(
        label=Label.WEAKENS,
        types=(_WORKLOAD,),
        path=r"env\[\d+\]",
        when=lambda change: change.new in {"MINIO_PROMETHEUS_AUTH_TYPE", "public"},
    ),
    # Ports
    _Row(
        label=Label.OPENS_PORT,
        path=r"(service|[sS]ervice\.spec|^spec)\.type$",
        when=_reaches_outside,
    ),
    _Row(
        label=Label.OPENS_PORT,
        types=("kubernetes:core/v1:Service", _WORKLOAD),
        path=r"ports\[\d+\](\.(port|targetPort|nodePort|hostPort|containerPort|protocol))?$",
        when=_is_a_port,
    ),
    _Row(
        label=Label.OPENS_PORT,
        types=("kubernetes:networking.k8s.io/v1:Ingress",),
        path=r"^spec\.rules",
        when=_is_added,
    ),
    _Row(label=Label.OPENS_PORT, path=r"hostNetwork$", when=_turns_on),
    _Row(
        label=Label.OPENS_PORT,
        types=(RELEASE,),
        path=r"(host|node)Port$",
        when=_is_a_port,
    ),
    _Row(
        label=Label.OPENS_PORT,
        types=(RELEASE, "kubernetes:helm.cattle.io/v1:*"),
        path=r"(^|\.)(ports|receivers|traces|protocols|ingress(Route)?|gateway|service)\."
        r"(.*\.)?(enabled|expose|default)$",
        when=_turns_on,
    ),
    _Row(
        label=Label.OPENS_PORT,
        types=(RELEASE,),
        path=r"receivers\..*(endpoint|protocols\.[^.]+)$|(^|\.)ports\.[^.]+\.(port|exposedPort)$",
        when=lambda change: _is_added(change) or _listens_wider(change),
    ),
    _Row(
        label=Label.OPENS_PORT,
        types=(RELEASE,),
        path=r"networkPolicy\.enabled$",
        when=_turns_off,
    ),
    _Row(
        label=Label.OPENS_PORT,
        types=(RELEASE, _NETWORK_POLICY),
        path=r"(networkPolicy.*([fF]rom|ingress|[nN]amespaces)|^spec\.ingress)",
        when=_is_added,
    ),
    # How long traces are kept
    _Row(label=Label.RETENTION, types=(RELEASE, _KAFKA), path=r"retention"),
    _Row(
        label=Label.RETENTION,
        types=(_LIFECYCLE,),
        path=r"rules\[\d+\]\.(expiration|transition|noncurrent|filter|status)|^rules(\[\d+\])?$",
    ),
    # Pods that are replaced by new ones. Scaling, Services and what only Helm or another
    # controller reads leaves those that are there alone.
    _Row(
        label=Label.RESTARTS,
        types=(RELEASE,),
        path=r"^(values\.|chart$|version$)",
        but=r"(^|\.)(replicas|replicaCount|minReplicas|maxReplicas|autoscaling|hpa"
        r"|service|serviceMonitor|metaMonitoring|prometheusRule|podDisruptionBudget|maxUnavailable"
        r"|networkPolicy|ingress|ingressRoute|persistence\.size)(\.|\[|$)",
    ),
    # The collector's own configuration has a section of this name.
    _Row(
        label=Label.RESTARTS,
        types=(RELEASE,),
        path=r"^values\.(alternateConfig|config|tempo\.structuredConfig)\.",
    ),
    _Row(label=Label.RESTARTS, types=(_WORKLOAD,), path=r"^spec\.template\."),
    _Row(label=Label.RESTARTS, types=("kubernetes:helm.cattle.io/v1:*",), path=r"^spec\."),
    _Row(
        label=Label.RESTARTS,
        types=(
            "kubernetes:kafka.strimzi.io/*:Kafka",
            "kubernetes:kafka.strimzi.io/*:KafkaNodePool",
        ),
        path=r"^spec\.",
        but=r"^spec\.replicas$",
    ),
    # What is paid for
    _Row(
        label=Label.COST,
        types=_PODS,
        path=r"(^|\.)(replicas|replicaCount|minReplicas|maxReplicas|schedule)$"
        r"|(^|\.)resources\.|resources$",
    ),
    _Row(
        label=Label.COST,
        types=(*_PODS, "kubernetes:core/v1:PersistentVolumeClaim"),
        path=r"(^|\.)(size|storage|storageClass(Name)?)$|requests\.storage$",
        but=r"sending_queue\.storage$",
    ),
    _Row(label=Label.COST, path=r"(service|[sS]ervice\.spec|^spec)\.type$"),
    _Row(
        label=Label.COST,
        types=(RELEASE, "kubernetes:helm.cattle.io/v1:*"),
        path=r"[sS]ample_?[rR]ate$|sampling_percentage$|tail_sampling\.policies|^values\.mode$",
    ),
    _Row(label=Label.COST, types=(RELEASE,), path=r"block_retention$"),
    _Row(label=Label.COST, types=(_KAFKA,), path=r"retention"),
    _Row(label=Label.COST, types=(_LIFECYCLE,), path=r"rules\[\d+\]\.(expiration|transition)"),
)

_WHOLE: Final = (
    _WholeRow(label=Label.REPLACES, operations=("replace",)),
    _WholeRow(label=Label.LOSES_DATA, types=_DATA, operations=("delete", "replace")),
    # What a Tempo or a collector has in its pods and volumes goes with the release.
    _WholeRow(
        label=Label.LOSES_DATA, types=(RELEASE,), names="tempo*", operations=("delete", "replace")
    ),
    _WholeRow(
        label=Label.LOSES_DATA,
        types=(RELEASE,),
        names="collector*",
        operations=("delete", "replace"),
    ),
    _WholeRow(
        label=Label.OPENS_PORT,
        types=("kubernetes:core/v1:Service", "kubernetes:networking.k8s.io/v1:Ingress"),
        operations=("create",),
    ),
    _WholeRow(label=Label.OPENS_PORT, types=(_NETWORK_POLICY,), operations=("delete",)),
    _WholeRow(label=Label.RETENTION, types=(_LIFECYCLE,), operations=("create", "delete")),
    _WholeRow(
        label=Label.COST,
        types=(*_PODS, "kubernetes:core/v1:PersistentVolumeClaim"),
        operations=("create", "delete"),
    ),
)


def labelled(resource: Resource) -> Resource:
    """A resource with the labels of what happens to it, and of each property."""
    properties = tuple(
        replace(change, labels=_of_property(resource, change)) for change in resource.properties
    )
    found = {label for change in properties for label in change.labels}
    if resource.operation in {"create", "delete"}:
        # Every property is new, or gone: of these only what is open from now on is of interest.
        found &= {Label.OPENS_PORT} if resource.operation == "create" else set()
    found |= {
        row.label
        for row in _WHOLE
        if resource.operation in row.operations
        and _is_one_of(resource.type, row.types)
        and fnmatchcase(resource.name, row.names)
    }
    if resource.rendered is not None:
        # Known, where the chart was rendered: not what a value might do, but which pods differ.
        restarts = any(rendered.restarts for rendered in resource.rendered.objects)
        found = found - {Label.RESTARTS} | ({Label.RESTARTS} if restarts else set())
    return replace(
        resource, properties=properties, labels=tuple(label for label in Label if label in found)
    )


def _of_property(resource: Resource, change: PropertyChange) -> tuple[Label, ...]:
    found = {row.label for row in _TABLE if row.meets(resource, change)}
    return tuple(label for label in Label if label in found)
