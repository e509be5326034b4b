"""Consistent retention: Tempo deletes a block before the bucket deletes its objects."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from config.kinds import duration_seconds

from ..judged import Finding, Resource, Rule, helm_values
from ..marks import child

PATHS: Final = (
    ("compactor", "config", "compaction", "block_retention"),
    ("backendScheduler", "config", "provider", "compaction", "compaction", "block_retention"),
    ("tempo", "retention"),
    ("config", "compactor", "compaction", "block_retention"),
)
"""Where charts of Tempo have the block retention: 2.x, 3.x, and two of the single process."""


def _check(resources: Sequence[Resource]) -> Iterator[Finding]:
    kept = [(resource, text, seconds) for resource, text, seconds in _retentions(resources)]
    for lifecycle in resources:
        if lifecycle.kind != "IlmPolicy":
            continue
        rules = child(lifecycle.properties, "rules")
        for rule in rules if isinstance(rules, list) else ():
            expiration = child(rule, "expiration")
            expires = _seconds(expiration)
            if expires is None:
                continue
            for tempo, text, seconds in kept:
                if expires <= seconds:
                    yield Finding(
                        resource=lifecycle,
                        message=f"objects go after {expiration}, but {tempo.name} keeps blocks for"
                        f" {text}",
                        remedy="Remove tracing:objectStore.lifecycle.expireDays, or make it longer"
                        " than tracing:tempo.blockRetention.",
                    )


def _retentions(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str, float]]:
    for resource in resources:
        for values in helm_values(resource):
            for path in PATHS:
                text = child(values, *path)
                seconds = _seconds(text)
                if seconds is not None:
                    yield resource, text, seconds


def _seconds(text: Any) -> float | None:
    """Seconds of a duration; `None` for what is none, such as a date or an unknown."""
    if not isinstance(text, str):
        return None
    try:
        return float(duration_seconds(text))
    except ValueError:
        return None


RULE = Rule(
    name="consistent-retention",
    description="The bucket's lifecycle is longer than Tempo's block retention.",
    of_stack=_check,
)
