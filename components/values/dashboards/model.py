"""What a dashboard shows: plain data, which Grafana's own model is made from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

RATE: Final = "[$__rate_interval]"
"""Grafana's own window for `rate`: four times the scrape interval at least."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """One question to Prometheus."""

    expr: str
    """PromQL."""
    legend: str
    """Name of each line; {{label}} is replaced."""
    exemplars: bool = False
    """Show single traces as points."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A way from a line or a dashboard to somewhere else."""

    title: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One graph."""

    title: str
    description: str
    """What it means, and what is wrong when it is not as usual."""
    unit: str
    """Grafana's id of the unit: cps and reqps (counts and requests a second), Bps, bytes, s, ms,
    percentunit (0 to 1), short (a number)."""
    queries: tuple[Query, ...]
    stacked: bool = False
    links: tuple[Link, ...] = ()
    """From each of its lines."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels under one heading, of one width beside each other."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice at the top of a dashboard: values of a label."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One dashboard."""

    key: str
    """Part of its uid and of its resource's name; for ever."""
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    links: tuple[Link, ...] = ()

    def panels(self) -> Iterator[Panel]:
        """All panels, from top to bottom."""
        for row in self.rows:
            yield from row.panels
