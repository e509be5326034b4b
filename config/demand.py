"""What Tempo has to carry, and between which limits that can be planned.

The pages that are quoted are those of `capacity.py`.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from .kinds import duration_seconds

INGEST_MAX: Final = 1000
"""MB/s. One querier for each: more would be over the 1000 pods that `kinds.Replicas` allows."""

QUERIES_MAX: Final = 500
"""A second. 750 queriers, so that these stay below 1000 pods as well."""

QUERIES_DEFAULT: Final = 0.1
"""A second, where nobody says: one in ten seconds. From 0.15 MB/s on the traffic asks for more."""

FLUSH_SECONDS: Final = 45 * 60
"""Seconds until a trace of Tempo 2 has left the ingester: `max_block_duration` 30m and
`complete_block_timeout` 15m: "up to approximately 45 minutes" ("Migrate from Tempo 2.x to 3.0")."""

_RETENTION_MAX: Final = 10 * 365 * 86400


class DemandError(ValueError):
    """A demand that can't be planned. Its text is what is wrong and the remedy, without the key."""

    def __init__(
        self,
        field: Literal["ingest_mbps", "retention", "queries_per_second", "replication_factor"],
        reason: str,
    ) -> None:
        super().__init__(reason)
        self.field = field
        """Which part of the demand, by its name in `Demand` or `plan`: the caller knows its key."""


@dataclass(frozen=True)
class Demand:
    """What Tempo has to carry."""

    ingest_mbps: Decimal | float
    """MB (10^6 bytes) of spans that arrive in a second, at peak."""
    retention: str
    """How long traces are kept, such as 14d."""
    queries_per_second: Decimal | float = QUERIES_DEFAULT
    """Searches and look-ups that people start in a second, at peak."""


def ingest_of(value: Decimal | float) -> Fraction:
    """MB/s as an exact number; raises DemandError unless it is above 0 and at most INGEST_MAX."""
    number = Decimal(str(value))
    if not number.is_finite():
        raise DemandError("ingest_mbps", "is not a number; write the peak in MB/s, such as 40")
    # A byte a second: less is a slip as well, and would only make the fractions long.
    if number < Decimal("0.000001"):
        raise DemandError(
            "ingest_mbps", "is no traffic; write the peak in MB/s, a number above 0, such as 40"
        )
    if number > INGEST_MAX:
        raise DemandError(
            "ingest_mbps",
            f"is above {INGEST_MAX} MB/s, the most that is planned; write MB (10^6 bytes) a "
            "second, or share the traffic among several Tempos",
        )
    return Fraction(number)


def retention_of(text: str) -> Fraction:
    """Seconds as an exact number; raises DemandError unless it is 45m to 10 years."""
    try:
        seconds = Fraction(duration_seconds(text))
    except ValueError as error:
        raise DemandError("retention", str(error)) from None
    if seconds < FLUSH_SECONDS:
        raise DemandError(
            "retention",
            "is shorter than Tempo takes to bring a trace to the bucket; write 45m or more",
        )
    if seconds > _RETENTION_MAX:
        raise DemandError(
            "retention", "is longer than ten years, the most that is planned; write 3650d or less"
        )
    return seconds


def queries_of(value: Decimal | float) -> Fraction:
    """Queries a second as an exact number; raises DemandError unless above 0, to QUERIES_MAX."""
    number = Decimal(str(value))
    if not number.is_finite():
        raise DemandError(
            "queries_per_second", "is not a number; write the queries a second, such as 5"
        )
    if number < Decimal("0.000001"):
        raise DemandError(
            "queries_per_second",
            f"is no query; write a number above 0, or leave it out for {QUERIES_DEFAULT}",
        )
    if number > QUERIES_MAX:
        raise DemandError(
            "queries_per_second",
            f"is above {QUERIES_MAX} queries a second, the most that is planned; write what people "
            "start, not the jobs that Tempo makes of it",
        )
    return Fraction(number)
