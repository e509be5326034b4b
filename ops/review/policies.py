"""What a stack violates after a change: the rules of the policy pack, over what was previewed."""

from __future__ import annotations

from typing import cast, get_args

import policy
from config.platform import Environment
from ops.review.sides import Sides

_ENVIRONMENT = "tracing:environment"


def policy_violations(sides: Sides) -> tuple[policy.Violation, ...]:
    """Those of the head, the mandatory ones first; none where its preview failed."""
    if sides.head_error is not None:
        return ()
    resources = [
        policy.Resource(
            type=step.type, name=step.name, properties=step.new_inputs, protect=step.protect
        )
        for step in sides.steps
        if step.op != "delete"
    ]
    return tuple(policy.violations(resources, _environment(sides)))


def _environment(sides: Sides) -> Environment:
    """As the program has it: what the file says, or the stack's name, or the strictest."""
    said = sides.new_settings.get(_ENVIRONMENT, sides.stack)
    return cast(Environment, said) if said in get_args(Environment) else "prod"
