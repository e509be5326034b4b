"""Grafana's data sources: one model, and its two forms, for the HTTP API and for provisioning.

`jsonData` is canonical and minimal: Grafana adds defaults of its own to what it is given, and any
key that it would answer differently shows as a change in every preview.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pulumi import Input, Output

from config.grafana import LokiDatasourceConfig, TempoDatasourceConfig

from ..contracts import TENANT_HEADER, LokiRef, PrometheusRef, TraceLogFormat, TraceQuery
from .text import as_yaml

_LINK_TO_TRACE: Final = "${__value.raw}"
"""What a derived field asks Tempo for: the id that it found."""


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """One data source, as Grafana's HTTP API has it."""

    kind: Literal["tempo", "loki"]
    key: str
    """What tells it from the others of the stack, in its resource's name."""
    name: str
    uid: str
    url: Input[str]
    json_data: Mapping[str, Any]
    secure_json_data: Mapping[str, str] = field(default_factory=dict)
    """What Grafana takes and never gives away again."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What goes with each request, kept like that as well. Not in the JSON, where Grafana has
    them: the provider refuses them there."""


def tempo_data_source(
    settings: TempoDatasourceConfig,
    query: TraceQuery,
    loki_uid: str | None,
    loki: LokiRef | None,
    prometheus: PrometheusRef | None,
    tenant: str | None = None,
) -> DataSource:
    """The Tempo data source, with links to logs, and the graphs that need metrics.

    With tenants there is one for each: the default tenant's has the name and the uid of the
    settings, each other's the tenant behind them.
    """
    data: dict[str, Any] = {"nodeGraph": {"enabled": True}}
    if query.streaming:
        data["streamingEnabled"] = {"metrics": True, "search": True}
    if loki is not None:
        data["tracesToLogsV2"] = {
            "datasourceUid": loki_uid,
            "filterByTraceID": True,
            # Log lines are written a little before and after their span.
            "spanStartTimeShift": "-5m",
            "spanEndTimeShift": "5m",
        }
        if loki.labels:
            data["tracesToLogsV2"]["tags"] = [
                {"key": attribute, "value": label} for attribute, label in loki.labels.items()
            ]
    if prometheus is not None:
        data["serviceMap"] = {"datasourceUid": prometheus.datasource_uid}
        data["tracesToMetrics"] = {"datasourceUid": prometheus.datasource_uid}
    secure, headers = {}, {}
    name, uid, key = settings.name, settings.uid, "tempo"
    if tenant is not None:
        # A tenant that people could change would be everybody's.
        headers[TENANT_HEADER] = tenant
        if tenant != query.tenants[0]:
            name, uid, key = f"{name} ({tenant})", f"{uid}-{tenant}", f"tempo-{tenant}"
    if query.ca_certificate is not None:
        data["tlsAuthWithCACert"] = True
        secure["tlsCACert"] = query.ca_certificate
    return DataSource(
        kind="tempo",
        key=key,
        name=name,
        uid=uid,
        url=query.url,
        json_data=data,
        secure_json_data=secure,
        headers=headers,
    )


def loki_data_source(
    settings: LokiDatasourceConfig,
    loki: LokiRef,
    tempo_uid: str,
    formats: Sequence[TraceLogFormat],
) -> DataSource:
    """The Loki data source, with a derived field for each kind of log."""
    data = {"derivedFields": derived_fields(tempo_uid, formats)}
    return DataSource(
        kind="loki",
        key="loki",
        name=settings.name,
        uid=settings.uid,
        url=loki.url,
        json_data=data,
    )


def derived_fields(tempo_uid: str, formats: Sequence[TraceLogFormat]) -> list[dict[str, Any]]:
    """Loki's derived fields: how Grafana finds the trace of a line."""
    return [_derived_field(tempo_uid, log_format) for log_format in formats]


def _derived_field(tempo_uid: str, log_format: TraceLogFormat) -> dict[str, Any]:
    field: dict[str, Any] = {
        "name": log_format.name,
        "matcherRegex": log_format.matcher_regex,
        "datasourceUid": tempo_uid,
        "url": _LINK_TO_TRACE,
    }
    # `regex` is what Grafana takes a field without a type for.
    if log_format.matcher_type != "regex":
        field["matcherType"] = log_format.matcher_type
    if log_format.url_display_label is not None:
        field["urlDisplayLabel"] = log_format.url_display_label
    return field


def canonical_json(data: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces, which is how the provider compares it."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def provisioning_file(sources: Sequence[DataSource], organization: int | None) -> Output[str]:
    """The text of a provisioning file with these data sources."""
    document = {
        "apiVersion": 1,
        # What an earlier file had and this one does not is deleted.
        "prune": True,
        "datasources": [_provisioned(source, organization) for source in sources],
    }
    return provisioning_text(document)


def provisioning_text(document: Any) -> Output[str]:
    """A part of a provisioning file as text.

    Grafana expands variables in these files, but not in what its API is given: `$` is doubled
    here, and `${__value.raw}` would otherwise be an empty text.
    """
    return as_yaml(document).apply(lambda text: text.replace("$", "$$"))


def _provisioned(source: DataSource, organization: int | None) -> dict[str, Any]:
    data, secure = dict(source.json_data), dict(source.secure_json_data)
    for number, (name, value) in enumerate(source.headers.items(), 1):
        data[f"httpHeaderName{number}"] = name
        secure[f"httpHeaderValue{number}"] = value
    return {
        "name": source.name,
        "type": source.kind,
        "uid": source.uid,
        "url": source.url,
        "access": "proxy",
        "editable": False,
        **({} if organization is None else {"orgId": organization}),
        "jsonData": data,
        **({"secureJsonData": secure} if secure else {}),
    }
