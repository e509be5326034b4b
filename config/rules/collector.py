"""Rules on the collector."""

from collections.abc import Iterator
from typing import Final

from ..collector_tiers import (
    GATEWAY_SUFFIX,
    gateway_tier,
    ingest_mbps,
    size,
    tiers,
)
from ..errors import Finding, shown
from ..kinds import STATEFUL_SET_NAME_MAX
from ..platform import Environment
from ..stack import StackConfig
from .autoscaling import scaling_findings
from .registry import rule
from .tls import UDP_RECEIVERS

KEY: Final = "tracing:collector"

SCALED_OUTAGE_MAX: Final = 30
"""Minutes. Kubernetes waits an hour at most before it removes a pod (an autoscaler's
`stabilizationWindowSeconds`), and a pod is to stay for an outage and as long again to send."""

LEAST_BURST: Final = 4
"""MB that Tempo has to take at once: the collector's largest batch is 3 MB."""


@rule("collector", "tempo")
def _the_volume_holds_the_budget(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.collector is None:
        return
    queue = stack.collector.queue
    tenants = 1 if stack.tenancy is None else len(stack.tenancy.all)
    wanting = [
        (tier, tier.queue)
        for tier in tiers(stack.collector, tenants)
        if tier.queue is not None and tier.queue.volume_bytes < tier.queue.volume_needed
    ]
    if not wanting:
        return
    largest, its = max(wanting, key=lambda each: each[1].volume_needed)
    mbps = ingest_mbps(stack.collector)
    yield Finding(
        f"{KEY}.queue.volumeSize",
        f"{shown(queue.volume_size)} can't hold {queue.outage_minutes} minutes of {mbps:g} MB a "
        f"second over {largest.replicas} pod{'s' if largest.replicas > 1 else ''} of "
        f"{largest.release_name}; write {size(its.volume_needed)} or more, fewer "
        f"{KEY}.queue.outageMinutes, or remove it",
    )


@rule("collector")
def _what_is_said_of_pods_has_an_effect(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    collector = stack.collector
    if collector is None:
        return
    if collector.mode != "deployment":
        for field in {"replicas", "autoscaling"} & collector.model_fields_set:
            instead = f", or write it under {KEY}.gateway" if gateway_tier(collector) else ""
            yield Finding(
                f"{KEY}.{field}",
                f"has no effect with mode {collector.mode}, which has one pod on each node; remove "
                f"it{instead}",
            )
    if collector.queue.nodes is not None and (
        collector.mode == "deployment" or gateway_tier(collector)
    ):
        yield Finding(
            f"{KEY}.queue.nodes",
            "has no effect: the pods that have a queue are counted by replicas; remove it",
        )
    if "gateway" in collector.model_fields_set and gateway_tier(collector) is None:
        yield Finding(
            f"{KEY}.gateway",
            "has no effect: there is one tier only; remove it, or write mode: agent-gateway",
        )


@rule("collector")
def _autoscaling_can_work(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    collector = stack.collector
    if collector is None:
        return
    for key, workload in ((KEY, collector), (f"{KEY}.gateway", collector.gateway)):
        yield from scaling_findings(key, workload)
        if workload.autoscaling is not None and collector.queue.outage_minutes > SCALED_OUTAGE_MAX:
            yield Finding(
                f"{key}.autoscaling",
                f"removes pods before they have sent what {collector.queue.outage_minutes} minutes "
                f"of {KEY}.queue.outageMinutes left in their queues; write replicas, or at most "
                f"{SCALED_OUTAGE_MAX} minutes",
            )


@rule("collector")
def _names_are_short_enough(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.collector is None:
        return
    names = [t.release_name for t in tiers(stack.collector) if t.workload == "statefulset"]
    excess = max((len(name) - STATEFUL_SET_NAME_MAX for name in names), default=0)
    if excess > 0:
        given = stack.collector.release_name
        suffix = f" with {GATEWAY_SUFFIX} behind it" if gateway_tier(stack.collector) else ""
        yield Finding(
            f"{KEY}.releaseName",
            f"{shown(given)}{suffix} is longer than the {STATEFUL_SET_NAME_MAX} characters of a "
            f"StatefulSet's name; write at most {len(given) - excess}",
        )


@rule("collector", "tempo")
def _spans_are_counted_once(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.collector is None or stack.collector.metrics is None:
        return
    if stack.tempo.metrics_generator is not None:
        yield Finding(
            f"{KEY}.metrics",
            "makes the metrics that Tempo's generator makes as well, so that each span would be "
            "counted twice; remove it, or tracing:tempo.metricsGenerator",
        )


@rule("collector", "tempo")
def _tempo_takes_a_batch_at_once(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.collector is None:
        return
    limits = {"limits": stack.tempo.limits} | {
        f"tenants.{tenant}": limit for tenant, limit in stack.tempo.tenants.items()
    }
    for key, limit in limits.items():
        if limit is not None and limit.burst_mb < LEAST_BURST:
            yield Finding(
                f"tracing:tempo.{key}.burstMb",
                f"{limit.burst_mb} is less than the collector's largest batch, which it would send "
                f"again for ever; write at least {LEAST_BURST}",
            )


@rule("collector")
def _redaction_is_on_for_its_names(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.collector is None or stack.collector.redaction.enabled:
        return
    if stack.collector.redaction.attributes:
        yield Finding(
            f"{KEY}.redaction.attributes",
            "has no effect while redaction is off; remove it, or enabled: false",
        )


@rule("collector", "linkerd", "traefik", "harness")
def _senders_can_speak_tls(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.collector is None or stack.collector.tls is None:
        return
    tls = stack.collector.tls
    for index, receiver in enumerate(stack.collector.receivers):
        if receiver in UDP_RECEIVERS:
            yield Finding(
                f"{KEY}.receivers[{index}]",
                f"{shown(receiver)} is UDP, which has no TLS: its spans would be open beside "
                f"{KEY}.tls; remove one of them",
            )
    if stack.linkerd is not None:
        yield Finding(
            f"{KEY}.tls",
            "keeps Linkerd's proxies out: they know no TLS but the mesh's own; remove it and mesh "
            "the collector's pods, or remove tracing:linkerd",
        )
    if tls.client_ca_secret_name is None:
        return
    for key, sender in (("traefik", stack.traefik), ("harness", stack.harness)):
        if sender is not None:
            yield Finding(
                f"{KEY}.tls.clientCaSecretName",
                f"keeps out tracing:{key}, which this program gives no certificate; remove one of "
                "them",
            )
