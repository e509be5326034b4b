"""The collector's pods, by the labels and ports of its chart, and who connects to whom."""

from typing import Final

from pulumi import Input

from config.collector import CollectorConfig
from config.collector_tiers import Tier, tiers

from ..network import (
    Connection,
    Network,
    Outside,
    Pods,
    Server,
    Surroundings,
    TargetPort,
    at,
    connections,
)
from .collector import tier_labels
from .collector_config import RECEIVER_PORTS, UDP_RECEIVERS
from .collector_metrics import METRICS_PORT

CLOUD_METADATA: Final = at(Outside(cidrs=("169.254.169.254/32",)), 80)
"""Where all three clouds' machines ask who they are (their documentation, "instance metadata")."""


def collector_pods(tier: Tier, namespace: Input[str]) -> Pods:
    """The pods of a tier."""
    role = "collector" if tier.is_first else "collector-gateway"
    return Pods(role=role, namespace=namespace, labels=tier_labels(tier.release_name))


def collector_receivers(settings: CollectorConfig, pods: Pods) -> Server:
    """The first tier, on all ports that applications may use."""
    return Server(
        at=pods,
        ports=tuple(
            TargetPort(
                number=RECEIVER_PORTS[name][1], protocol="UDP" if name in UDP_RECEIVERS else "TCP"
            )
            for name in settings.receivers
        ),
    )


def collector_network(
    settings: CollectorConfig,
    namespace: Input[str],
    tempo: Server | None,
    surroundings: Surroundings,
) -> Network:
    """The tiers, and what they connect to; `tempo` is where spans go in the end."""
    own: list[Pods] = []
    allowed: list[Connection] = []
    for tier in tiers(settings):
        pods = collector_pods(tier, namespace)
        allowed += connections(surroundings.scrapers, at(pods, METRICS_PORT))
        if tier.is_first:
            # For the attributes of the senders' pods.
            allowed += connections(pods, surroundings.api_server)
            if settings.resource_detectors:
                allowed += connections(pods, CLOUD_METADATA)
        else:
            allowed += connections(own[-1], at(pods, RECEIVER_PORTS["otlpGrpc"][1]))
        if tier.is_last or settings.telemetry.trace_sample_rate > 0:
            allowed += connections(pods, tempo)
        if tier.is_last and settings.metrics is not None:
            allowed += connections(pods, surroundings.remote_write)
        own.append(pods)
    return Network(pods=tuple(own), connections=tuple(allowed))
