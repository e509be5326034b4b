"""Rules on the demo application."""

from collections.abc import Iterator

from ..errors import Finding, shown
from ..platform import Environment
from ..stack import NAMESPACED, StackConfig, namespaces_of
from .registry import rule


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
    if stack.demo_app is None:
        return
    names = namespaces_of(stack)
    demo = names.pop("demoApp.namespace")
    for key, name in names.items():
        if name == demo:
            yield Finding(
                "tracing:demoApp.namespace",
                f"{shown(demo)} is also tracing:{key}; write a namespace of the demo's own",
            )
