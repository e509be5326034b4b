"""Rules on Harness: what a version of its umbrella chart has, and what it is told."""

from collections.abc import Iterator

from ..errors import Finding, shown
from ..harness_services import GLOBAL_SECTION, Proof, minor_version, service
from ..platform import GIVE_AWAY, Environment
from ..stack import NAMESPACED, StackConfig, namespaces_of
from .registry import rule, shared


@rule("harness")
def _values_are_merged_into_a_release(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.harness is not None and stack.harness.install == "values" and stack.harness.values:
        yield Finding(
            "tracing:harness.values",
            "is only used with install: release; write that, or remove it and keep your values in "
            "your own file (helm upgrade -f yours.yaml -f harnessValues)",
        )


@rule(*NAMESPACED)
def _the_release_has_a_namespace_of_its_own(
    stack: StackConfig, _: Environment
) -> Iterator[Finding]:
    # Which is not closed: what else is in it, its Secrets too, would be open to Harness's pods.
    yield from shared(
        namespaces_of(stack), "harness.namespace", "write a namespace of Harness' own"
    )


@rule("harness", "kubernetes")
def _the_release_is_put_into_a_namespace_that_is_there(
    stack: StackConfig, _: Environment
) -> Iterator[Finding]:
    harness = stack.harness
    if harness is None or harness.install != "release":
        return
    others = {name for key, name in namespaces_of(stack).items() if key != "harness.namespace"}
    if harness.namespace not in {*stack.kubernetes.existing_namespaces, *others}:
        yield Finding(
            "tracing:harness.namespace",
            f"{shown(harness.namespace)} would be `restricted` as all namespaces that this stack "
            "makes, and what Harness's pods need is the umbrella chart's to know; make it "
            f"yourself, and list it under tracing:kubernetes.existingNamespaces; {GIVE_AWAY}",
        )


@rule("harness")
def _traced_services_are_in_the_chart(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    harness = stack.harness
    if harness is None or harness.services is None:
        return
    minor = minor_version(harness.chart_version)
    for index, name in enumerate(harness.services):
        known = service(name)
        if known.proof(minor) is Proof.ABSENT:
            yield Finding(
                f"tracing:harness.services[{index}]",
                f"{shown(name)} is not in the umbrella chart {harness.chart_version}: it "
                f"{known.absence(minor)}; remove it, or write the version that you run under "
                "tracing:harness.chartVersion",
            )


@rule("harness")
def _single_services_are_not_all(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    harness = stack.harness
    if harness is None or harness.services is None:
        return
    section: object = harness.values
    for key in GLOBAL_SECTION.split("."):
        section = section.get(key) if isinstance(section, dict) else None
    if section is not None:
        yield Finding(
            "tracing:harness.services",
            f"can't be told apart with {GLOBAL_SECTION} in tracing:harness.values, which reaches "
            "every service; remove one of the two",
        )
