"""Grafana's HTTP API: the data sources, and what is behind them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from ops.hops.hop import HopFailed
from ops.hops.http import Client
from ops.hops.tempo import Tempo

RAW_VALUE = "${__value.raw}"
"""What stands in a link for the value that was found (Grafana's documentation, "Derived
fields")."""


@dataclass(frozen=True)
class Link:
    """Where a derived field leads to."""

    field: str
    datasource_uid: str
    query: str


@dataclass(frozen=True)
class Grafana:
    """A Grafana, with the rights of one credential."""

    api: Client

    def datasource(self, uid: str, kind: str) -> dict[str, Any]:
        """A data source as Grafana has it; raises HopFailed if it is none of that kind."""
        found = self.api.get(f"/api/datasources/uid/{uid}", missing=True)
        if found is None:
            raise HopFailed(f"Grafana has no data source with the uid {uid}")
        if found.get("type") != kind:
            raise HopFailed(f"Grafana's data source {uid} is of type {found.get('type')}")
        return found

    def behind(self, uid: str) -> Client:
        """The API that a data source leads to."""
        return self.api.below(f"/api/datasources/proxy/uid/{uid}")

    def tempo(self, uid: str) -> Tempo:
        """The Tempo behind a data source."""
        return Tempo(self.behind(uid))

    def log_lines(self, uid: str, query: str, since_ns: int) -> list[str]:
        """The lines that a LogQL query finds in the Loki behind a data source."""
        answer = self.behind(uid).get(
            "/loki/api/v1/query_range", query=query, start=since_ns, limit=10
        )
        return [line for stream in answer["data"]["result"] for _, line in stream["values"]]


def links(datasource: dict[str, Any], line: str) -> list[Link]:
    """The internal links that a Loki data source makes of a log line, as Grafana's Explore does."""
    made = []
    for field in (datasource.get("jsonData") or {}).get("derivedFields") or []:
        if field.get("matcherType", "regex") != "regex" or not field.get("datasourceUid"):
            continue
        found = re.search(field["matcherRegex"], line)
        if found is not None and found.groups() and found[1]:
            query = (field.get("url") or RAW_VALUE).replace(RAW_VALUE, found[1])
            made.append(Link(field["name"], field["datasourceUid"], query))
    return made


def credential(auth: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """A token, or user:password, for each request."""
    encoded = base64.b64encode(auth.encode()).decode()
    value = f"Basic {encoded}" if ":" in auth else f"Bearer {auth}"

    # Not as a header of the session: there the user's .netrc would win over it.
    def add(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = value
        return request

    return add
