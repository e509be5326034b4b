"""Rules on the demo application."""

from collections.abc import Iterator

from ..errors import Finding, shown
from ..platform import GIVE_AWAY, Environment
from ..stack import NAMESPACED, StackConfig, can_be_meshed, namespaces_of
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


@rule("demo_app", "kubernetes", "environment")
def _a_meshed_demo_needs_no_more_than_restricted(
    stack: StackConfig, environment: Environment
) -> Iterator[Finding]:
    demo = stack.demo_app
    # Refused altogether in prod: two remedies would be one too many.
    if demo is None or not demo.linkerd or environment == "prod":
        return
    if not can_be_meshed(stack, demo.namespace):
        yield Finding(
            "tracing:demoApp.linkerd",
            "gives each pod a container that sets its routes (NET_ADMIN), which Pod Security "
            "`restricted` refuses, and every namespace that this stack makes is that; write "
            "tracing:kubernetes.linkerdCni: true if Linkerd runs with its CNI plug-in, or make "
            f"{shown(demo.namespace)} yourself and list it under "
            f"tracing:kubernetes.existingNamespaces; {GIVE_AWAY}",
        )
