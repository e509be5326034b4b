"""The rules as policies of the engine."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import pulumi
import pulumi_policy.policy as library
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from config.stack import environment_named

from .exceptions import BUILT_IN, Exemption, reason_for
from .judged import Finding, Resource, Rule
from .levels import LEVELS, Environment
from .marks import UNKNOWN
from .rules import RULES

NAME: Final = "tracing"

CONFIGURATION: Final = PolicyConfigSchema(
    properties={
        "exceptions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "resource": {"type": "string", "minLength": 1},
                    "reason": {"type": "string", "minLength": 1},
                },
                "required": ["resource", "reason"],
                "additionalProperties": False,
            },
        }
    }
)
"""Of each policy: resources, by logical name, that it lets pass, and why."""


def start() -> None:
    """Serve the policies of the stack's environment until the engine ends this process."""
    _keep_marks()
    environment = environment_named(pulumi.Config("tracing").get("environment"), pulumi.get_stack())
    PolicyPack(name=NAME, policies=[_policy(rule, environment) for rule in RULES])


def _keep_marks() -> None:
    """Let the rules see what is secret.

    The library takes the marks of secrets away before it asks a policy, so that none could tell a
    password in clear from an encrypted one.
    """
    setattr(library, "deserialize_properties", lambda props, proxy_secrets=False: props)  # noqa: B010


def _policy(rule: Rule, environment: Environment) -> Policy:
    described: dict[str, Any] = {
        "name": rule.name,
        "description": rule.description,
        "enforcement_level": EnforcementLevel(LEVELS[rule.name][environment]),
        "config_schema": CONFIGURATION,
    }
    if rule.of_resource is not None:
        return ResourceValidationPolicy(validate=_each(rule, rule.of_resource), **described)
    assert rule.of_stack is not None
    return StackValidationPolicy(validate=_together(rule, rule.of_stack), **described)


def _each(
    rule: Rule, check: Callable[[Resource], Iterable[Finding]]
) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        exemptions = _exemptions(rule, args.get_config())
        for finding in check(_resource(args)):
            if _counts(rule, finding, exemptions):
                report(f"{finding.message}. {finding.remedy}", None)

    return validate


def _together(
    rule: Rule, check: Callable[[Sequence[Resource]], Iterable[Finding]]
) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        exemptions = _exemptions(rule, args.get_config())
        resources = [_resource(each) for each in args.resources]
        pairs = zip(resources, args.resources, strict=True)
        addresses = {id(resource): each.urn for resource, each in pairs}
        for finding in check(resources):
            if _counts(rule, finding, exemptions):
                report(f"{finding.message}. {finding.remedy}", addresses[id(finding.resource)])

    return validate


def _counts(rule: Rule, finding: Finding, exemptions: Iterable[Exemption]) -> bool:
    """Whether a finding is a violation: the library knows one level for all of a policy's."""
    return reason_for(exemptions, rule.name, finding.resource.name, finding.message) is None


def _exemptions(rule: Rule, configuration: Mapping[str, Any] | None) -> list[Exemption]:
    given = (configuration or {}).get("exceptions") or ()
    own = [Exemption(rule=rule.name, **each) for each in given]
    return [*own, *BUILT_IN]


def _resource(given: ResourceValidationArgs | PolicyResource) -> Resource:
    return Resource(
        type=given.resource_type,
        name=given.name,
        properties=_plain(given.props),
        protect=given.opts.protect,
    )


def _plain(value: Any) -> Any:
    """What the library hands over, which raises where a value is unknown, as plain values."""
    match value:
        case Mapping():
            return {key: _item(value, key) for key in value}
        case str():
            return value
        case Sequence():
            return [_item(value, index) for index in range(len(value))]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _item(values: Any, key: Any) -> Any:
    try:
        return _plain(values[key])
    except UnknownValueError:
        return UNKNOWN
