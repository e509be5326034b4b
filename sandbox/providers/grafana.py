"""The grafana provider: data sources, folders and dashboards of one server."""

import json
import secrets
from collections.abc import Mapping
from importlib import metadata
from typing import Any, ClassVar

from ..cloud import Cloud
from .bridged import BridgedSimulation, Field, Kind, canonical_json, same_json
from .simulation import Failure, ProviderError, Request

_ORGANIZATION = Field(replaces=True, computed=True)
_UID = Field(replaces=True, computed=True)
_RESERVED = {
    "jsonDataEncoded": ("httpHeaderName", "teamHttpHeaders"),
    "secureJsonDataEncoded": ("httpHeaderValue",),
}


def _same_data(old: Any, new: Any) -> bool:
    """Whether two documents are equal; none at all is an empty one."""
    return same_json(old or "{}", new or "{}")


class _Known(Kind):
    """Something Grafana knows by a uid within an organization."""

    kind: ClassVar[str]
    unique: ClassVar[tuple[str, ...]] = ()
    """What no two objects may share."""
    hidden: ClassVar[tuple[str, ...]] = ()
    """What the server takes and never returns."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def complete(self, state: dict[str, Any], url: str) -> dict[str, Any]:
        """Add what the server answers with."""
        return state

    def create(self, request: Request) -> tuple[str, dict[str, Any]]:
        state = {"orgId": "1", "uid": secrets.token_hex(7), **self.state(request)}
        state = self.complete(state, request.config.get("url", ""))
        id = f"{state['orgId']}:{state['uid']}"
        for other in self._cloud.objects("grafana", self.kind):
            for key in self.unique:
                if (other.properties["orgId"], other.properties[key]) == (
                    state["orgId"],
                    state[key],
                ):
                    raise ProviderError(
                        f"[POST] 409 Conflict: a {self.kind} with the same {key} "
                        f"({state[key]}) already exists"
                    )
        self._store(id, state)
        return id, state

    def read(self, request: Request) -> dict[str, Any] | None:
        found = self._cloud.get("grafana", self.kind, request.id)
        if found is None:
            return None
        kept = {key: request.olds[key] for key in self.hidden if key in request.olds}
        return {**request.olds, **{k: v for k, v in found.items() if k not in self.hidden}, **kept}

    def update(self, request: Request) -> dict[str, Any]:
        if self._cloud.get("grafana", self.kind, request.id) is None:
            raise ProviderError(f"[PUT] 404 Not Found: no {self.kind} {request.id}")
        state = self.complete(
            {**request.olds, **self.state(request)}, request.config.get("url", "")
        )
        for key in set(request.old_inputs) - set(request.news):
            if not self.fields[key].computed and self.fields[key].default is None:
                state.pop(key, None)
        self._store(request.id, state)
        return state

    def delete(self, request: Request) -> None:
        if self._cloud.get("grafana", self.kind, request.id) is not None:
            self._cloud.remove("grafana", self.kind, request.id)

    def _store(self, id: str, state: Mapping[str, Any]) -> None:
        self._cloud.put("grafana", self.kind, id, dict(state))


class _DataSource(_Known):
    kind = "DataSource"
    unique = ("name", "uid")
    hidden = ("secureJsonDataEncoded", "httpHeaders")
    secrets = hidden
    fields: ClassVar = {
        "orgId": _ORGANIZATION,
        "uid": _UID,
        "name": Field(required=True),
        "type": Field(required=True),
        "accessMode": Field(default="proxy"),
        "basicAuthEnabled": Field(default=False),
        "basicAuthUsername": Field(default=""),
        "databaseName": Field(default=""),
        "httpHeaders": Field(),
        # A default data source can only be replaced by another: switching it off is no change.
        "isDefault": Field(default=False, same=lambda old, new: old == new or (old and not new)),
        "url": Field(),
        "username": Field(default=""),
        "jsonDataEncoded": Field(same=_same_data),
        "secureJsonDataEncoded": Field(same=_same_data),
        "privateDataSourceConnectNetworkId": Field(default=""),
    }

    def validate(self, inputs: Mapping[str, Any]) -> list[Failure]:
        failures = []
        for key, reserved in _RESERVED.items():
            text = inputs.get(key, "{}")
            try:
                json.loads(text)
            except ValueError as error:
                failures.append(Failure(f"not JSON: {error}", key))
            for word in reserved:
                if word in text:
                    failures.append(Failure(f"{word} is reserved: use httpHeaders", key))
        return failures

    def complete(self, state: dict[str, Any], url: str) -> dict[str, Any]:
        for key in _RESERVED:
            if key in state:
                state[key] = canonical_json(state[key])
        # The server answers with a document whether or not it was given one.
        state.setdefault("jsonDataEncoded", "{}")
        if state["isDefault"]:
            for other in self._cloud.objects("grafana", self.kind):
                self._cloud.drift("grafana", self.kind, other.id, "isDefault", False)
        return state


class _Folder(_Known):
    kind = "Folder"
    unique = ("uid",)
    outputs = ("url",)
    fields: ClassVar = {
        "orgId": _ORGANIZATION,
        "uid": _UID,
        "title": Field(required=True),
        "parentFolderUid": Field(),
        "preventDestroyIfNotEmpty": Field(default=False),
    }

    def complete(self, state: dict[str, Any], url: str) -> dict[str, Any]:
        return {**state, "url": f"{url}/dashboards/f/{state['uid']}"}


class _Dashboard(_Known):
    kind = "Dashboard"
    unique = ("uid",)
    outputs = ("uid", "url", "version", "dashboardId")
    fields: ClassVar = {
        "orgId": _ORGANIZATION,
        "configJson": Field(required=True, same=same_json),
        "folder": Field(),
        "message": Field(),
        "overwrite": Field(),
    }

    def complete(self, state: dict[str, Any], url: str) -> dict[str, Any]:
        uid = json.loads(state["configJson"]).get("uid", state["uid"])
        answered = {
            "configJson": canonical_json(state["configJson"]),
            "uid": uid,
            "url": f"{url}/d/{uid}",
            "version": int(state.get("version", 0)) + 1,
            "dashboardId": int(state.get("dashboardId", 0)) or secrets.randbelow(10**6) + 1,
        }
        return {**state, **answered}


class GrafanaSimulation(BridgedSimulation):
    """The grafana provider."""

    package = "grafana"
    version = metadata.version("pulumiverse-grafana")

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.kinds = {
            "grafana:oss/dataSource:DataSource": _DataSource(cloud),
            "grafana:oss/folder:Folder": _Folder(cloud),
            "grafana:oss/dashboard:Dashboard": _Dashboard(cloud),
        }
