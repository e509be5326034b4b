"""The `jsonData` of Grafana's data sources.

Canonical and minimal: Grafana adds defaults of its own to what it is given, and any key that it
would answer differently shows as a change in every preview.
"""

import json
from collections.abc import Sequence
from typing import Any

from ..contracts import PrometheusRef, TraceLogFormat


def canonical_json(data: dict[str, Any]) -> str:
    """JSON with sorted keys and no spaces, which is how the provider compares it."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def tempo_json_data(loki_uid: str | None, prometheus: PrometheusRef | None) -> dict[str, Any]:
    """Settings of the Tempo data source: links to logs, and the graphs that need metrics."""
    data: dict[str, Any] = {"nodeGraph": {"enabled": True}}
    if loki_uid is not None:
        data["tracesToLogsV2"] = {
            "datasourceUid": loki_uid,
            "filterByTraceID": True,
            # Log lines are written a little before and after their span.
            "spanStartTimeShift": "-5m",
            "spanEndTimeShift": "5m",
        }
    if prometheus is not None:
        data["serviceMap"] = {"datasourceUid": prometheus.datasource_uid}
        data["tracesToMetrics"] = {"datasourceUid": prometheus.datasource_uid}
    return data


def loki_json_data(tempo_uid: str, formats: Sequence[TraceLogFormat]) -> dict[str, Any]:
    """Settings of the Loki data source: one derived field for each kind of log."""
    return {
        "derivedFields": [
            {
                "name": log_format.name,
                "matcherRegex": log_format.matcher_regex,
                "datasourceUid": tempo_uid,
                # One `$`: provisioning files need two, the HTTP API must not have them.
                "url": "${__value.raw}",
            }
            for log_format in formats
        ]
    }
