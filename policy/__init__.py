"""The platform's policies: rules over resources, for `pulumi up --policy-pack policy` and reports.

`violations` is all that a caller needs; it needs neither an engine nor its library of policies.
`__main__.py` is what the engine starts (docs/policy.md).
"""

from collections.abc import Iterable, Sequence

from .exceptions import BUILT_IN, Exemption, reason_for
from .judged import Finding, Level, Resource, Rule, Violation, of_manifest
from .levels import LEVELS, Environment
from .rules import RULES

__all__ = [
    "LEVELS",
    "RULES",
    "Environment",
    "Exemption",
    "Level",
    "Resource",
    "Rule",
    "Violation",
    "of_manifest",
    "violation",
    "violations",
]


def violations(
    resources: Sequence[Resource],
    environment: Environment,
    exemptions: Iterable[Exemption] = (),
) -> list[Violation]:
    """What these resources violate in an environment, the mandatory ones first.

    `exemptions` are the site's own, on top of those that the program needs. Rules that look at
    several resources at once (retention, default-deny) only see the ones given.
    """
    known = (*exemptions, *BUILT_IN)
    found = [
        violation(rule, finding, level, known)
        for rule in RULES
        if (level := LEVELS[rule.name][environment]) is not Level.DISABLED
        for finding in rule.findings(resources)
    ]
    return sorted(found, key=lambda each: each.level is not Level.MANDATORY)


def violation(
    rule: Rule, finding: Finding, level: Level, exemptions: Iterable[Exemption]
) -> Violation:
    """A rule's finding at a level, which an exemption lowers to advisory."""
    reason = reason_for(exemptions, rule.name, finding.resource.name, finding.message)
    return Violation(
        rule=rule.name,
        level=level if reason is None else Level.ADVISORY,
        resource=finding.resource.name,
        type=finding.resource.type,
        message=finding.message,
        remedy=finding.remedy,
        exception=reason or "",
    )
