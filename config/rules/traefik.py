"""Rules on Traefik: what each version and each way to install it has."""

from collections.abc import Iterator
from typing import Final

from ..errors import Finding, shown
from ..platform import Environment
from ..stack import NAMESPACED, StackConfig, namespaces_of, route_namespaces
from .authorities import unreadable
from .registry import rule

CONTEXTS: Final = ("tracecontext", "b3", "b3multi")
"""The propagators that carry a trace's id; baggage carries none."""

READ_BY_LINKERD: Final = ("tracecontext", "b3multi")
"""What Linkerd's proxy looks for in a request, in this order (`linkerd/trace-context` in
linkerd2-proxy); it has no setting for it."""


@rule("traefik")
def _traefik_2_is_not_installed(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    traefik = stack.traefik
    if traefik is not None and traefik.version == 2 and traefik.install == "release":
        yield Finding(
            "tracing:traefik.install",
            '"release" installs Traefik 3, and tracing:traefik.version is 2; write values or '
            "helm-chart-config, or version: 3",
        )


@rule("traefik")
def _only_what_is_installed_is_this_stacks(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    traefik = stack.traefik
    if traefik is None or traefik.install == "release":
        return
    remedies = {
        "image": "name the image",
        "metrics_tls": "close the port",
        "route_namespaces": "name its namespaces",
        "acknowledge_secrets": "name its namespaces",
    }
    for name, remedy in remedies.items():
        if name in traefik.model_fields_set:
            yield Finding(
                f"tracing:traefik.{type(traefik).model_fields[name].alias}",
                f"has no effect with install: {traefik.install}; remove it, and {remedy} where "
                "that Traefik is installed",
            )


@rule("environment", "open", *NAMESPACED)
def _whose_secrets_it_reads_is_said(
    stack: StackConfig, environment: Environment
) -> Iterator[Finding]:
    traefik = stack.traefik
    if traefik is None or traefik.install != "release":
        return
    served, with_keys = route_namespaces(stack), _served_with_keys(stack)
    acknowledged = traefik.acknowledge_secrets
    is_asked = environment != "dev" and stack.open is None and not acknowledged
    if is_asked and not served:
        yield Finding(
            "tracing:traefik.routeNamespaces",
            "is missing, and without it Traefik serves every namespace and may read every Secret "
            "of the cluster; write the namespaces whose routes it serves, or "
            "tracing:traefik.acknowledgeSecrets: true",
        )
    if is_asked and with_keys:
        yield Finding(
            "tracing:traefik.acknowledgeSecrets",
            f"is missing, and Traefik may read the Secrets of {', '.join(with_keys)}, which it "
            "serves (routeNamespaces, its own namespace, an Ingress of its class), and where more "
            "than routes has keys; leave these to another controller, or write true",
        )
    if acknowledged and served and not with_keys:
        yield Finding(
            "tracing:traefik.acknowledgeSecrets",
            f"has no effect: Traefik serves {', '.join(served)} only, without keys of this stack; "
            "remove it",
        )


def _served_with_keys(stack: StackConfig) -> list[str]:
    """Of the namespaces that Traefik serves those where others keep what it has no use for."""
    others = {
        namespace
        for key, namespace in namespaces_of(stack).items()
        if key not in {"traefik.namespace", "demoApp.namespace"}
    }
    return sorted({*route_namespaces(stack)} & {*others, "kube-system"})


@rule("traefik")
def _traefik_2_has_only_zipkin(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    traefik = stack.traefik
    if traefik is None or traefik.version != 2:
        return
    if "protocol" in traefik.model_fields_set:
        yield Finding(
            "tracing:traefik.protocol",
            f"{shown(traefik.protocol)} is OTLP, which Traefik 2 does not send; remove it (Traefik "
            "2 sends Zipkin), or write version: 3",
        )
    if "propagators" in traefik.model_fields_set and traefik.propagators != ("b3multi",):
        yield Finding(
            "tracing:traefik.propagators",
            f"{shown(traefik.propagators)} is not what Traefik 2 propagates; remove it (Traefik 2 "
            "propagates b3multi, nothing else), or write version: 3",
        )
    if traefik.ca_file is not None:
        yield Finding(
            "tracing:traefik.caFile",
            "can't be told to Traefik 2, which sends Zipkin to what the usual authorities signed; "
            "remove it, or write version: 3",
        )
    if traefik.resource_attributes:
        yield Finding(
            "tracing:traefik.resourceAttributes",
            "can't be sent by Traefik 2, as Zipkin has none; remove it, or write version: 3",
        )


@rule("traefik")
def _the_authority_can_be_read(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.traefik is not None:
        yield from unreadable("tracing:traefik.caFile", stack.traefik.ca_file)


@rule("traefik", "collector")
def _the_authority_is_asked_for(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    traefik, collector = stack.traefik, stack.collector
    # Version 2 is told that it has no use for an authority at all.
    if traefik is None or traefik.ca_file is None or traefik.version == 2:
        return
    if collector is None or collector.tls is None:
        receiver = "Tempo" if collector is None else "the collector"
        yield Finding(
            "tracing:traefik.caFile",
            f"has no effect: {receiver} takes spans in clear; remove it, or write "
            "tracing:collector.tls",
        )


@rule("traefik")
def _some_header_carries_the_trace(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    traefik = stack.traefik
    if traefik is not None and not set(traefik.propagators) & set(CONTEXTS):
        yield Finding(
            "tracing:traefik.propagators",
            f"{shown(traefik.propagators)} carries no trace to the services behind Traefik; add "
            f"one of {', '.join(CONTEXTS)}",
        )


@rule("traefik", "linkerd")
def _linkerd_reads_what_traefik_writes(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    traefik = stack.traefik
    if traefik is None or stack.linkerd is None or traefik.version == 2:
        return
    # With baggage alone there is no trace at all, which is another finding.
    if set(traefik.propagators) & set(CONTEXTS) and not (
        set(traefik.propagators) & set(READ_BY_LINKERD)
    ):
        yield Finding(
            "tracing:traefik.propagators",
            f"{shown(traefik.propagators)} is not read by Linkerd's proxies (tracing:linkerd), so "
            f"that they make no spans; add {' or '.join(READ_BY_LINKERD)}",
        )
