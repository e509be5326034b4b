"""Stacks with each part that there is something to see of, as the program registers them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from promql_parser import VectorSelector, walk

from ops.goldens import dashboard_of
from ops.registrations import Recorded, record

URL: Final = "http://prometheus.monitoring:9090/api/v1/write"
GENERATOR: Final = {"remoteWriteUrl": URL}
OPERATOR: Final = {"operator": {"labels": {"release": "monitoring"}}}
TEMPO_3: Final = {
    "profile": "distributed-3",
    "acknowledgeNoDowngrade": True,
    "kafka": {"address": "kafka:9092"},
    "metricsGenerator": GENERATOR,
}

PLATFORMS: Final[dict[str, dict[str, Any]]] = {
    "everything of Tempo 2": {
        "tracing:tempo": {"metricsGenerator": GENERATOR},
        "tracing:collector": {},
        "tracing:prometheus": OPERATOR,
    },
    "Tempo 3, without a collector": {
        "tracing:tempo": TEMPO_3,
        "tracing:prometheus": OPERATOR,
    },
    "one process, without an operator": {
        "tracing:tempo": {"profile": "monolithic"},
        "tracing:collector": {},
        "tracing:prometheus": {"datasourceUid": "metrics"},
    },
    "only the service graph": {
        "tracing:tempo": {"metricsGenerator": GENERATOR | {"processors": ["service-graphs"]}},
        "tracing:prometheus": {},
    },
}
GRAFANA: Final = {
    "api": {"url": "https://grafana.example.com"},
    "sidecar": {"mode": "sidecar", "namespace": "monitoring"},
}


@cache
def recorded(platform: str, mode: str = "api") -> Recorded:
    """What a stack with such a platform registers."""
    settings = PLATFORMS[platform] | {"tracing:grafana": GRAFANA[mode]}
    secrets = {"tracing:grafanaAuth": "token"} if mode == "api" else {}
    return record("dev", settings, secrets)


def boards(run: Recorded) -> dict[str, dict[str, Any]]:
    """The dashboards of a stack by their resources' names, as Grafana takes them."""
    return {
        resource.name: json.loads(text)
        for resource in run.resources
        if (text := dashboard_of(resource))
    }


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels of a dashboard but the headings of its rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def rules(run: Recorded) -> list[dict[str, Any]]:
    """The alert rules of a stack."""
    groups = run.one("alerts-rules").inputs["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metrics_of(expression: Any) -> set[str]:
    """The metrics that a parsed expression asks for."""
    names: set[str] = set()

    def visit(part: Any) -> None:
        if isinstance(part, VectorSelector) and part.name:
            names.add(part.name)

    walk(expression, visit)
    return names


def expressions(run: Recorded) -> list[str]:
    """All PromQL of a stack, with values in place of Grafana's own variables."""
    asked = [
        target["expr"]
        for board in boards(run).values()
        for panel in panels(board)
        for target in panel["targets"]
    ]
    if any(resource.name == "alerts-rules" for resource in run.resources):
        asked += [rule["expr"] for rule in rules(run)]
    return [text.replace("$__rate_interval", "5m").replace("$service", ".+") for text in asked]
