"""Rules on who sends spans to whom: each sender finds its protocol open."""

from collections.abc import Iterator, Sequence

from ..demo_app import EmojivotoConfig, HotrodConfig
from ..errors import Finding, shown
from ..platform import Environment
from ..stack import StackConfig
from .registry import rule


@rule("tempo", "collector")
def _tempo_accepts_the_collector(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.collector is not None and "otlpGrpc" not in stack.tempo.receivers:
        yield Finding(
            "tracing:tempo.receivers",
            "has no otlpGrpc, which the collector exports to; add otlpGrpc",
        )


def _ingest(stack: StackConfig) -> tuple[str, Sequence[str]]:
    """Where sources of spans send to: its key in the stack file, and the receivers open there."""
    if stack.collector is not None:
        return "collector", stack.collector.receivers
    return "tempo", stack.tempo.receivers


@rule("tempo", "collector", "traefik")
def _traefik_finds_its_receiver(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.traefik is None:
        return
    owner, receivers = _ingest(stack)
    if stack.traefik.version == 2:
        if "zipkin" not in receivers:
            yield Finding(
                "tracing:traefik.version",
                f"2 sends Zipkin, which is not open; add zipkin to tracing:{owner}.receivers, or "
                "write version: 3",
            )
        return
    wanted = "otlpGrpc" if stack.traefik.protocol == "grpc" else "otlpHttp"
    if wanted not in receivers:
        yield Finding(
            "tracing:traefik.protocol",
            f"{shown(stack.traefik.protocol)} needs the receiver {wanted}; add it to "
            f"tracing:{owner}.receivers, or write the other protocol",
        )


@rule("tempo", "collector", "linkerd", "harness")
def _mesh_and_harness_find_otlp_grpc(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    owner, receivers = _ingest(stack)
    for key, source in (("linkerd", stack.linkerd), ("harness", stack.harness)):
        if source is not None and "otlpGrpc" not in receivers:
            yield Finding(
                f"tracing:{key}",
                "sends OTLP over gRPC, which is not open; add otlpGrpc to "
                f"tracing:{owner}.receivers",
            )


@rule("tempo", "collector", "demo_app")
def _the_demo_finds_its_receiver(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    owner, receivers = _ingest(stack)
    match stack.demo_app:
        case HotrodConfig():
            wanted, protocol = "otlpHttp", "OTLP over HTTP"
        case EmojivotoConfig():
            wanted, protocol = "otlpGrpc", "OTLP over gRPC (through its bridge)"
        case None:
            return
    if wanted not in receivers:
        yield Finding(
            "tracing:demoApp.app",
            f"{shown(stack.demo_app.app)} sends {protocol}, which is not open; add {wanted} to "
            f"tracing:{owner}.receivers, or write the other application",
        )


@rule("tempo", "vulture")
def _vulture_finds_its_receiver(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.vulture is not None and "otlpGrpc" not in stack.tempo.receivers:
        yield Finding(
            "tracing:vulture",
            "sends OTLP over gRPC to Tempo itself, which is not open there; add otlpGrpc to "
            "tracing:tempo.receivers",
        )
