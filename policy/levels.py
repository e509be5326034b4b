"""How strict each rule is, by environment. The one place to change it."""

from typing import Final, Literal

from .judged import Level

Environment = Literal["dev", "staging", "prod"]

_OFF, _ADVISORY, _MANDATORY = Level.DISABLED, Level.ADVISORY, Level.MANDATORY

LEVELS: Final[dict[str, dict[Environment, Level]]] = {
    "no-plaintext-secret": {"dev": _MANDATORY, "staging": _MANDATORY, "prod": _MANDATORY},
    "no-insecure-endpoint": {"dev": _OFF, "staging": _MANDATORY, "prod": _MANDATORY},
    # Advisory because what may stay open is said in the stack file: `tracing:allowInsecure`.
    "tls-inside-cluster": {"dev": _OFF, "staging": _ADVISORY, "prod": _ADVISORY},
    # Advisory because what a tag may name is said in the stack file: `tracing:allowTags`.
    "images-by-digest": {"dev": _OFF, "staging": _OFF, "prod": _ADVISORY},
    "requests-and-limits": {"dev": _OFF, "staging": _ADVISORY, "prod": _MANDATORY},
    "no-wildcard-access": {"dev": _ADVISORY, "staging": _MANDATORY, "prod": _MANDATORY},
    "restricted-pods": {"dev": _ADVISORY, "staging": _MANDATORY, "prod": _MANDATORY},
    "pod-security-labels": {"dev": _ADVISORY, "staging": _MANDATORY, "prod": _MANDATORY},
    "consistent-retention": {"dev": _MANDATORY, "staging": _MANDATORY, "prod": _MANDATORY},
    "default-deny": {"dev": _ADVISORY, "staging": _MANDATORY, "prod": _MANDATORY},
    # In dev `tracing:deleteData: true` is how it is meant.
    "protected-data": {"dev": _OFF, "staging": _MANDATORY, "prod": _MANDATORY},
}
"""By rule and environment. A test checks that each rule is here, for each environment."""
