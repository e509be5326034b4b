"""Which of a stack's hops there are, and which of them are encrypted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .grafana import GrafanaApiConfig
from .object_store import MinioConfig
from .stack import StackConfig
from .tempo import Distributed3Config, DistributedConfig
from .tls import Hop


@dataclass(frozen=True, kw_only=True)
class HopState:
    """One hop of a stack."""

    encrypted: bool
    """By TLS."""
    remedy: str
    """What to write in the stack file so that it is."""


_TEMPO_TLS: Final = "write tracing:tempo.tls"
_COLLECTOR_TLS: Final = "write tracing:collector.tls"
_NEVER: Final = "it can't be"


def hops_of(stack: StackConfig) -> Mapping[Hop, HopState]:
    """Every hop that this stack has."""
    return {
        **_traces(stack),
        **_store(stack),
        **_metrics(stack),
        **_grafana(stack),
        **_readers(stack),
    }


def insecure_hops(stack: StackConfig) -> Mapping[Hop, str]:
    """The hops of a stack that are not encrypted, and why: empty where the stack does not say."""
    allowed = stack.allow_insecure
    return {
        hop: allowed.get(hop, allowed.get("all", stack.open or ""))
        for hop, state in hops_of(stack).items()
        if not state.encrypted
    }


def _traces(stack: StackConfig) -> dict[Hop, HopState]:
    tempo = HopState(encrypted=stack.tempo.tls is not None, remedy=_TEMPO_TLS)
    hops: dict[Hop, HopState] = {}
    if stack.collector is None:
        hops["senders-to-tempo"] = tempo
    else:
        hops["senders-to-collector"] = HopState(
            encrypted=stack.collector.tls is not None, remedy=_COLLECTOR_TLS
        )
        hops["collector-to-tempo"] = tempo
    if isinstance(stack.tempo, DistributedConfig):
        hops["tempo-internal"] = tempo
        if stack.tempo.memcached:
            hops["tempo-to-cache"] = HopState(
                encrypted=False, remedy=f"{_NEVER}; write tracing:tempo.memcached: false"
            )
    if isinstance(stack.tempo, Distributed3Config):
        hops["tempo-to-kafka"] = HopState(encrypted=False, remedy=f"{_NEVER} before Tempo 3.1")
    return hops


def _store(stack: StackConfig) -> dict[Hop, HopState]:
    store = stack.object_store
    if not isinstance(store, MinioConfig):
        state = HopState(
            encrypted=not store.insecure,
            remedy="write tracing:objectStore.insecure: false and an endpoint with TLS",
        )
        return {"tempo-to-store": state, "pulumi-to-store": state}
    hops: dict[Hop, HopState] = {
        "tempo-to-store": HopState(
            encrypted=store.tls is not None, remedy="write tracing:objectStore.tls"
        )
    }
    # Through a port-forward it is the API server's TLS.
    if store.admin.endpoint is not None:
        hops["pulumi-to-store"] = HopState(
            encrypted=not store.admin.insecure,
            remedy="write tracing:objectStore.admin.insecure: false and an endpoint with TLS",
        )
    return hops


def _metrics(stack: StackConfig) -> dict[Hop, HopState]:
    hops: dict[Hop, HopState] = {}
    written = {
        "tracing:tempo.metricsGenerator": stack.tempo.metrics_generator,
        "tracing:collector.metrics": stack.collector.metrics if stack.collector else None,
    }
    for key, metrics in written.items():
        if metrics is not None:
            hops["metrics-to-prometheus"] = HopState(
                encrypted=metrics.remote_write_url.startswith("https:"),
                remedy=f"write an https address in {key}.remoteWriteUrl",
            )
    has_operator = stack.prometheus is not None and stack.prometheus.operator is not None
    policies = stack.network_policies
    # Without an operator a Prometheus that the policies let in asks by settings of its own; without
    # policies that is any.
    if not has_operator and policies.enabled and not policies.scrapers.given:
        return hops
    hops["prometheus-to-tempo"] = HopState(encrypted=stack.tempo.tls is not None, remedy=_TEMPO_TLS)
    if stack.collector is not None:
        hops["prometheus-to-collector"] = HopState(
            encrypted=stack.collector.tls is not None, remedy=_COLLECTOR_TLS
        )
    # Only for an operator does MinIO answer without a token.
    if has_operator and isinstance(stack.object_store, MinioConfig):
        hops["prometheus-to-store"] = HopState(
            encrypted=stack.object_store.tls is not None, remedy="write tracing:objectStore.tls"
        )
    if stack.traefik is not None and stack.traefik.install == "release":
        hops["prometheus-to-traefik"] = HopState(
            encrypted=stack.traefik.metrics_tls is not None,
            remedy="write tracing:traefik.metricsTls",
        )
    return hops


def _readers(stack: StackConfig) -> dict[Hop, HopState]:
    """Who is let in beside Grafana, or signs in at the gateway: passwords go this way."""
    signs_in = stack.tenancy is not None and stack.tenancy.authentication is not None
    policies = stack.network_policies
    # Without policies anybody may ask.
    if not signs_in and policies.enabled and not policies.readers.given:
        return {}
    return {"readers-to-tempo": HopState(encrypted=stack.tempo.tls is not None, remedy=_TEMPO_TLS)}


def _grafana(stack: StackConfig) -> dict[Hop, HopState]:
    if stack.grafana is None:
        return {}
    hops: dict[Hop, HopState] = {
        "grafana-to-tempo": HopState(encrypted=stack.tempo.tls is not None, remedy=_TEMPO_TLS)
    }
    # Through a port-forward it is the API server's TLS.
    if isinstance(stack.grafana, GrafanaApiConfig) and stack.grafana.url is not None:
        hops["pulumi-to-grafana"] = HopState(
            encrypted=stack.grafana.url.startswith("https:"),
            remedy="write an https address in tracing:grafana.url",
        )
    if stack.loki is not None:
        hops["grafana-to-loki"] = HopState(
            encrypted=stack.loki.url.startswith("https:"),
            remedy="write an https address in tracing:loki.url",
        )
    return hops
