"""Rules on the demo application."""

from collections.abc import Iterator

from ..errors import Finding, shown
from ..platform import Environment
from ..stack import NAMESPACED, StackConfig, namespaces_of
from .registry import rule, shared


@rule("demo_app", "environment")
def _no_demo_in_prod(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    if stack.demo_app is not None and environment == "prod":
        yield Finding(
            "tracing:demoApp",
            "is a demo with images that nobody maintains for production, and this is a prod stack "
            "(a stack is prod unless its name or tracing:environment says otherwise); remove it, "
            "or write tracing:environment: dev or staging",
        )


@rule(*NAMESPACED)
def _the_demo_has_a_namespace_of_its_own(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    # It is called `web` and the like there, and goes with everything that it brought.
    yield from shared(
        namespaces_of(stack), "demoApp.namespace", "write a namespace of the demo's own"
    )


@rule("demo_app", "linkerd", "kubernetes")
def _a_meshed_demo_needs_no_more_than_restricted(
    stack: StackConfig, _: Environment
) -> Iterator[Finding]:
    demo, linkerd = stack.demo_app, stack.linkerd
    if demo is None or not demo.linkerd or (linkerd is not None and linkerd.cni_enabled):
        return
    if demo.namespace not in stack.kubernetes.existing_namespaces:
        yield Finding(
            "tracing:demoApp.linkerd",
            "gives each pod a container that sets its routes (NET_ADMIN), which Pod Security "
            "`restricted` refuses, and every namespace that this stack makes is that; write "
            "tracing:linkerd.cniEnabled: true if the mesh has Linkerd's CNI plug-in, or make "
            f"{shown(demo.namespace)} yourself and list it under "
            "tracing:kubernetes.existingNamespaces",
        )
