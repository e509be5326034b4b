"""Resources that may do what a rule forbids, each with its reason."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """One resource that a rule lets pass; its violations are advisory, and say why."""

    rule: str
    resource: str
    """Logical name."""
    only: str = ""
    """Text that the violation's message has to contain; all of the rule's if empty."""
    reason: str


BUILT_IN: Final = (
    Exemption(
        rule="no-wildcard-access",
        resource="kafka-user",
        only="every group",
        reason="Tempo names the consumer groups of its live-stores after their pods",
    ),
    Exemption(
        rule="requests-and-limits",
        resource="harness-release",
        reason="the umbrella's values are the services' own; this stack only sets their tracing",
    ),
)
"""What the program can't do otherwise."""


def reason_for(
    exemptions: Iterable[Exemption], rule: str, resource: str, message: str
) -> str | None:
    """Why a resource may nevertheless; `None` if it may not."""
    for exemption in exemptions:
        if (exemption.rule, exemption.resource) == (rule, resource) and exemption.only in message:
            return exemption.reason
    return None
