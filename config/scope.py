"""Which settings are the same in every environment, and which belong to one: said at each field.

`python -m ops promote` carries the promoted ones from stack to stack and leaves the others alone.
Promoted is what has to be tried before it reaches the next environment: versions, features, modes,
what is sampled, what log lines look like. Of the environment are its sizes, names, addresses,
authorities, what is there already, how long it keeps traces, and what somebody confirmed for it.
"""

from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic.fields import FieldInfo

T = TypeVar("T")


class Scope(StrEnum):
    """Whom a setting belongs to."""

    PROMOTED = "promoted"
    """Every environment: carried from one to the next."""
    ENVIRONMENT = "environment"
    """One environment: never carried."""


Promoted = Annotated[T, Scope.PROMOTED]
"""Of a section that may be missing: whether there is one is promoted; its keys say for themselves.
"""

PerEnvironment = Annotated[T, Scope.ENVIRONMENT]


def scopes_of(field: FieldInfo) -> list[Scope]:
    """What is said at a field: one, but none at a section that can't be missing."""
    return [said for said in field.metadata if isinstance(said, Scope)]
