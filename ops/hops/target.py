"""What a smoke test is aimed at: a stack's addresses and parts, as its program gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from components.contracts import CLUSTER_DOMAIN, TraceLogFormat
from components.object_store import ACCESS_KEY_VARIABLE, SECRET_KEY_VARIABLE
from components.values.traefik import LOG_FORMATS
from config import MinioConfig, StackConfig
from config.grafana import GrafanaApiConfig, GrafanaConfig
from config.load import sections
from config.platform import KubernetesConfig
from config.profiles import Profile
from config.tempo import TempoConfig
from ops.registrations import RELEASE, Recorded, record
from ops.stack_files import ROOT, placeholders, plain_settings

INSTANCE: Final = "app.kubernetes.io/instance"
"""Label that every chart puts on a release's objects: the release's name. MinIO's have it too."""
COMPONENT: Final = "app.kubernetes.io/component"

STORE_WRITERS: Final[Mapping[Profile, str | None]] = {
    "distributed-2": "ingester",
    "distributed-3": "block-builder",
    "monolithic": None,
}
"""Which component of Tempo writes blocks to the store; `None` where there is one process."""


@dataclass(frozen=True)
class Address:
    """A URL, and whether it is one of the cluster's own that is to be forwarded."""

    url: str
    in_cluster: bool = False
    server_name: str | None = None
    """The name that its certificate is for, where that is not the URL's own."""
    resource: str | None = None
    """What to forward to in the namespace, where it is not the Service that the URL is of."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the stack in the cluster, as kubectl finds it."""

    role: str
    """What it is to a reader: the collector, Tempo, the object store."""
    namespace: str
    selector: str
    """Of the labels that its workloads, pods and endpoints carry."""
    keys: str | None = None
    """What holds its keys to the store, such as "Secret tempo/tempo-minio-secret"."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Everything that the hops need to know; what is `None` the stack does not have."""

    stack: str | None = None
    kubernetes: KubernetesConfig = field(default_factory=KubernetesConfig)
    otlp_grpc: Address | None = None
    otlp_http: Address | None = None
    tempo: Address | None = None
    profile: Profile | None = None
    ingesters: tuple[Address, ...] = ()
    """Given explicitly; found by their labels if empty."""
    grafana: Address | None = None
    organization: int | None = None
    tempo_uid: str = "tempo"
    loki_uid: str = "loki"
    loki: Address | None = None
    log_format: TraceLogFormat | None = None
    """How the access log that Loki gets shows its trace ids."""
    tenant: str | None = None
    """The tenant that spans without a mark are of; `None` where there is only one."""
    tempo_name: str | None = None
    """The name in the certificate of each of Tempo's pods; `None` for a Tempo without TLS."""
    ca_file: Path | None = None
    """The authority of the stack's own certificates."""
    parts: tuple[Part, ...] = ()
    """In the order in which a span passes them."""

    def part(self, role: str) -> Part | None:
        """The part of that role."""
        return next((part for part in self.parts if part.role == role), None)

    @property
    def store_writer(self) -> str | None:
        """Labels of the pods that write blocks; `None` without a Tempo in the cluster."""
        tempo = self.part(TEMPO)
        if tempo is None or self.profile is None:
            return None
        component = STORE_WRITERS[self.profile]
        return tempo.selector if component is None else f"{tempo.selector},{COMPONENT}={component}"


COLLECTOR: Final = "collector"
TEMPO: Final = "Tempo"
STORE: Final = "object store"


def target_of(stack: str, file: Path) -> Target:
    """The target that a stack file describes.

    Raises UserError where the file has no stack's form, ConfigError where it is refused. Nothing is
    asked of Pulumi's backend, so neither its login nor the passphrase is needed.
    """
    # Without the secrets, which may be encrypted, and without archives of charts, which are of no
    # use to a trace.
    plain = plain_settings(file)
    if "tracing:charts" in plain:
        plain["tracing:charts"] = {}
    recorded = record(stack, plain, placeholders(plain))
    settings, _, _ = sections(plain, set())
    return _target(stack, settings, recorded)


def _target(stack: str, settings: StackConfig, recorded: Recorded) -> Target:
    def output(name: str) -> Address | None:
        url = recorded.outputs.get(name)
        return None if url is None else Address(url, in_cluster=True)

    target = Target(
        stack=stack,
        kubernetes=settings.kubernetes,
        otlp_grpc=output("otlpGrpcEndpoint"),
        otlp_http=output("otlpHttpEndpoint"),
        tempo=output("tempoUrl"),
        profile=settings.tempo.profile,
        log_format=None if settings.traefik is None else LOG_FORMATS[settings.traefik.version],
        tenant=settings.tenancy.default if settings.tenancy else None,
        tempo_name=None if settings.tempo.tls is None else _tempo_name(settings.tempo),
        ca_file=None if settings.tls is None else ROOT / settings.tls.ca_file,
        parts=tuple(_parts(settings, recorded)),
    )
    if settings.grafana is None:
        return target
    return replace(
        target,
        **_grafana(settings.grafana),
        loki=None if settings.loki is None else _loki(settings.loki.url),
    )


def _tempo_name(settings: TempoConfig) -> str:
    return f"{settings.release_name}.{settings.namespace}.svc.{CLUSTER_DOMAIN}"


def _grafana(settings: GrafanaConfig) -> dict[str, Any]:
    return {
        "grafana": _grafana_address(settings),
        "organization": settings.organization,
        "tempo_uid": settings.tempo.uid,
        "loki_uid": settings.loki.uid,
    }


def _grafana_address(settings: GrafanaConfig) -> Address | None:
    # By a sidecar nobody has to say where Grafana is.
    if not isinstance(settings, GrafanaApiConfig):
        return None
    way = settings.port_forward
    if way is None:
        return None if settings.url is None else Address(settings.url)
    name = way.resource.partition("/")[2]
    url = f"http://{name}.{way.namespace}.svc:{way.remote_port}"
    return Address(url, in_cluster=True, resource=way.resource)


def _loki(url: str) -> Address:
    # As Grafana reaches it: often a name that only the cluster knows.
    host = url.split("://", 1)[-1].split("/")[0].split(":")[0]
    return Address(url, in_cluster=host.endswith((".svc", ".svc.cluster.local")))


def _parts(settings: StackConfig, recorded: Recorded) -> list[Part]:
    releases = [resource for resource in recorded.resources if resource.type == RELEASE]

    def of(component: str, role: str, keys: str | None = None) -> list[Part]:
        return [
            Part(
                role=role,
                namespace=release.inputs["namespace"],
                selector=f"{INSTANCE}={release.inputs['name']}",
                keys=keys,
            )
            for release in releases
            if release.parent == component
        ]

    secret = f"Secret {settings.tempo.namespace}/{settings.object_store.secret_name}"
    keys = f"{secret} ({ACCESS_KEY_VARIABLE}, {SECRET_KEY_VARIABLE})"
    parts = [*of("collector", COLLECTOR), *of("tempo", TEMPO, keys)]
    if isinstance(settings.object_store, MinioConfig):
        labels = recorded.one("minio-server").inputs["metadata"]["labels"]
        parts.append(
            Part(
                role=STORE,
                namespace=settings.object_store.namespace,
                selector=f"{INSTANCE}={labels[INSTANCE]}",
            )
        )
    return parts
