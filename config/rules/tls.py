"""Rules on TLS: who has a certificate, who verifies it, and what may go without."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from ..errors import Finding, shown
from ..hops import hops_of
from ..object_store import MinioConfig
from ..platform import Environment
from ..stack import StackConfig, ingresses_of
from ..tempo import MonolithicConfig
from ..tls import ServerCertificateConfig
from .authorities import unreadable
from .registry import needless, rule

UDP_RECEIVERS: Final = ("jaegerThriftCompact", "jaegerThriftBinary")


class Server(NamedTuple):
    """A server with TLS."""

    tls: ServerCertificateConfig
    namespace: str
    certificate_name: str
    """Secret with its certificate, where an issuer makes it."""


def servers(stack: StackConfig) -> dict[str, Server]:
    """The servers with TLS, by the key that gives it to them."""
    tempo, collector, store, traefik = (
        stack.tempo,
        stack.collector,
        stack.object_store,
        stack.traefik,
    )
    found: dict[str, Server] = {}
    if tempo.tls is not None:
        found["tracing:tempo.tls"] = Server(tempo.tls, tempo.namespace, tempo.certificate_name)
    if collector is not None and collector.tls is not None:
        found["tracing:collector.tls"] = Server(
            collector.tls, collector.namespace, collector.certificate_name
        )
    if isinstance(store, MinioConfig) and store.tls is not None:
        found["tracing:objectStore.tls"] = Server(
            store.tls, store.namespace, store.certificate_name
        )
    if traefik is not None and traefik.metrics_tls is not None:
        found["tracing:traefik.metricsTls"] = Server(
            traefik.metrics_tls, traefik.namespace, traefik.certificate_name
        )
    return found


@rule("object_store", "demo_app", "environment")
def _ingresses_are_encrypted(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    for key, ingress in ingresses_of(stack).items():
        if environment != "dev" and ingress.tls_secret_name is None:
            yield Finding(
                f"tracing:{key}.ingress.tlsSecretName",
                "is missing, and without it what goes in and out of the cluster there is in clear; "
                "write the name of the Secret with the certificate of the host",
            )


@rule("tls")
def _the_authority_can_be_read(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.tls is not None:
        yield from unreadable("tracing:tls.caFile", stack.tls.ca_file)


@rule("tls", "tempo", "collector", "object_store", "traefik")
def _somebody_uses_the_authority(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.tls is not None and not servers(stack):
        yield Finding(
            "tracing:tls",
            "has no effect, as no server has TLS; add tls: {} to tracing:tempo, "
            "tracing:collector or tracing:objectStore, or metricsTls: {} to tracing:traefik, or "
            "remove it",
        )


@rule("tls", "tempo", "collector", "object_store", "traefik")
def _each_server_has_a_certificate(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    issuer = stack.tls.issuer if stack.tls else None
    for key, server in servers(stack).items():
        if server.tls.secret_name is None and issuer is None:
            yield Finding(
                f"{key}.secretName",
                "is missing, and nothing makes a certificate; write the Secret's name, or "
                "tracing:tls.issuer",
            )


@rule("tls", "tempo")
def _tempo_verifies_itself(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.tempo.tls is not None and stack.tls is None:
        yield Finding(
            "tracing:tls.caFile",
            "is missing: Tempo's certificate is for names within the cluster, which no public "
            "authority signs; write the PEM file of the one that does",
        )


@rule("tempo")
def _no_udp_beside_tls(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.tempo.tls is None:
        return
    for index, receiver in enumerate(stack.tempo.receivers):
        if receiver in UDP_RECEIVERS:
            yield Finding(
                f"tracing:tempo.receivers[{index}]",
                f"{shown(receiver)} is UDP, which has no TLS: its spans would be open beside "
                "tracing:tempo.tls; remove one of them",
            )


@rule("tempo", "collector", "vulture", "tls")
def _who_sends_to_tempo_has_a_certificate(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    tls, collector = stack.tempo.tls, stack.collector
    mutual = tls is not None and tls.client_certificates
    key = "tracing:tempo.tls.clientCertificates"
    if not mutual:
        if collector is not None and collector.client_certificate is not None:
            yield Finding(
                "tracing:collector.clientCertificate",
                f"is asked for by nobody; write {key}: true, or remove it",
            )
        return
    if collector is None:
        yield Finding(
            key,
            "keeps out everybody, as only the collector is given a certificate; add "
            "tracing:collector, or remove it",
        )
    elif collector.client_certificate is None and (stack.tls is None or stack.tls.issuer is None):
        yield Finding(
            "tracing:collector.clientCertificate.secretName",
            f"is missing, and {key} asks for it; write the Secret's name, or tracing:tls.issuer",
        )
    if stack.vulture is not None:
        yield Finding(
            key,
            "keeps out tracing:vulture, which has no certificate to show; remove one of them",
        )


@rule("tls", "tempo", "collector", "linkerd", "demo_app", "traefik")
def _senders_can_verify(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    owner, tls = (
        ("collector", stack.collector.tls) if stack.collector else ("tempo", stack.tempo.tls)
    )
    if tls is None:
        return
    if owner == "tempo" and stack.linkerd is not None:
        yield Finding(
            "tracing:tempo.tls",
            "keeps Linkerd's proxies out: they know no TLS but the mesh's own; add "
            "tracing:collector without tls and mesh its pods, or remove tracing:linkerd",
        )
    private = stack.tls is not None and tls.secret_name is None
    if private and stack.traefik is not None and stack.traefik.version == 2:
        yield Finding(
            f"tracing:{owner}.tls",
            "keeps out tracing:traefik of version 2, which can't be told an authority; remove it, "
            "or write version: 3",
        )
    if stack.tls is not None and stack.demo_app is not None:
        yield Finding(
            f"tracing:{owner}.tls",
            f"keeps out {shown(stack.demo_app.app)}, which can't be told an authority; remove it "
            "or tracing:demoApp",
        )


@rule("tempo", "prometheus")
def _prometheus_can_speak_tls(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.prometheus is None or stack.prometheus.operator is None:
        return
    if isinstance(stack.tempo, MonolithicConfig) and stack.tempo.tls is not None:
        yield Finding(
            "tracing:tempo.tls",
            "hides a monolithic Tempo's metrics from tracing:prometheus.operator: the chart's "
            "ServiceMonitor knows plain HTTP only; remove one of them, or write profile: "
            "distributed-2",
        )


@rule(
    "environment",
    "open",
    "allow_insecure",
    "tls",
    "tempo",
    "collector",
    "object_store",
    "grafana",
    "loki",
    "prometheus",
    "network_policies",
    "tenancy",
    "traefik",
)
def _what_is_open_is_meant_to_be(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    hops = hops_of(stack)
    allowed = stack.allow_insecure
    is_allowed = environment == "dev" or stack.open is not None or "all" in allowed
    for hop, state in hops.items():
        if not is_allowed and not state.encrypted and hop not in allowed:
            yield Finding(
                f"tracing:allowInsecure.{hop}",
                f"is missing, and this hop is not encrypted; {state.remedy}, or say here why it "
                f"may be open: {hop}: the reason",
            )
    settled = {hop: state.encrypted for hop, state in hops.items()}
    yield from needless("tracing:allowInsecure", allowed, settled, noun="hop", state="encrypted")
