"""Settings of the metrics that are made of spans, by the collector or by Tempo."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Section
from .kinds import Url
from .scope import PerEnvironment, Promoted


class MetricsOfSpans(Section):
    """What whoever makes metrics of spans is told; how many there may be is each one's own."""

    remote_write_url: PerEnvironment[Url]
    """Where a Prometheus (or Mimir) takes them, such as
    http://prometheus.monitoring:9090/api/v1/write."""
    processors: Promoted[
        Annotated[tuple[Literal["span-metrics", "service-graphs"], ...], Field(min_length=1)]
    ] = ("span-metrics", "service-graphs")
    """What is made: rates, errors and durations of spans; requests between services."""
