"""Tempo's HTTP API, asked directly or through Grafana."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from ops.hops.http import Client

SEARCH_WINDOW_SECONDS: Final = 15 * 60
"""Clocks differ a little; and it is the newest traces that are looked for."""


@dataclass(frozen=True)
class Tempo:
    """The query API."""

    api: Client

    def services(self, trace_id: str) -> set[str] | None:
        """The services that have a span in a trace; `None` if it is not known. Raises HopFailed."""
        answer = self.api.get(f"/api/v2/traces/{trace_id}", missing=True)
        if answer is None:
            return None
        trace: dict[str, Any] = answer.get("trace") or answer
        spans = trace.get("resourceSpans") or trace.get("batches") or []
        return {_service(batch) for batch in spans} or None

    def search(self, query: str, now: float) -> set[str]:
        """The ids of the recent traces that a TraceQL query finds; raises HopFailed."""
        found = self.api.get(
            "/api/search",
            q=query,
            start=int(now) - SEARCH_WINDOW_SECONDS,
            end=int(now) + SEARCH_WINDOW_SECONDS,
            limit=20,
        )
        # Tempo leaves out zeros at an id's beginning.
        return {trace["traceID"].zfill(32) for trace in found.get("traces") or []}


def _service(batch: dict[str, Any]) -> str:
    attributes = batch.get("resource", {}).get("attributes", [])
    return next(
        (found["value"]["stringValue"] for found in attributes if found["key"] == "service.name"),
        "",
    )


def metric(exposition: str, name: str) -> float:
    """The sum of all series of a metric in Prometheus' text format; 0 if there is none."""
    samples = re.findall(
        rf"^{re.escape(name)}(?:\{{.*\}})? ([^ \n]+)", exposition, flags=re.MULTILINE
    )
    return sum(map(float, samples))
