"""Asks Grafana's API whether it takes the stack's credential, before anything is changed.

Otherwise a wrong token or address shows up at the end of an update, as a provider's error.
"""

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from components.grafana import grafana_forward
from config.errors import ConfigError, Finding, shown
from config.grafana import GrafanaApiConfig
from config.masking import masked
from config.stack import StackConfig, shows_dashboards
from port_forward import ADDRESS, PortForwardError

if TYPE_CHECKING:
    import urllib3

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 10

_AUTH: Final = "tracing:grafanaAuth"
_CA_FILE: Final = "tracing:grafana.caFile"
_ORGANIZATION: Final = "tracing:grafana.organization"
_URL: Final = "tracing:grafana.url"
_PORT_FORWARD: Final = "tracing:grafana.portForward"

_DATA_SOURCES: Final = (
    "datasources:read",
    "datasources:create",
    "datasources:write",
    "datasources:delete",
)
_DASHBOARDS: Final = tuple(
    f"{kind}:{verb}"
    for kind in ("folders", "dashboards")
    for verb in ("read", "create", "write", "delete")
)
"""Actions of Grafana's access control, as its documentation of permissions names them."""

_RIGHTS: Final = (
    "needs to read, create, write and delete data sources (and folders and dashboards, where they "
    'are made): the basic role Admin, or the roles "Data source writer", "Folder writer" and '
    '"Dashboard writer"'
)


@dataclass(frozen=True, kw_only=True)
class Api:
    """Grafana's HTTP API as the provider is to use it."""

    url: str
    ca_file: str | None
    organization: int | None
    auth: str = field(repr=False)
    """Service-account token, or user:password."""
    dashboards: bool = False
    """Whether it is to make a folder and dashboards as well."""
    forwarded: str | None = None
    """What the address leads to, where it is a local port of a forward."""

    @property
    def called(self) -> str:
        """What a reader knows it by."""
        return self.url if self.forwarded is None else self.forwarded

    @property
    def key(self) -> str:
        """Where it is set."""
        return _URL if self.forwarded is None else _PORT_FORWARD

    def remedy(self, of_address: str) -> str:
        """What to write there."""
        return of_address if self.forwarded is None else "the resource and remotePort of Grafana"

    @property
    def headers(self) -> dict[str, str]:
        """What goes with each request."""
        import urllib3

        basic = ":" in self.auth
        headers = {"Accept": "application/json"}
        if basic:
            headers |= urllib3.make_headers(basic_auth=self.auth)
        else:
            headers["Authorization"] = f"Bearer {self.auth}"
        if self.organization is not None:
            headers["X-Grafana-Org-Id"] = str(self.organization)
        return headers


def require(stack: StackConfig, name: str, secrets: Mapping[str, str]) -> None:
    """Checks the Grafana of the stack called `name`, if it is written through the API.

    `secrets` holds the stack's secrets in clear, by key without the prefix. Raises ConfigError.
    """
    grafana = stack.grafana
    if not isinstance(grafana, GrafanaApiConfig):
        return
    api = Api(
        url=grafana.url or "",
        ca_file=grafana.ca_file,
        organization=grafana.organization,
        auth=secrets["grafanaAuth"],
        dashboards=shows_dashboards(stack),
    )
    way = grafana.port_forward
    if way is None:
        finding = check(api, name)
    else:
        # A forward of its own, on a port that is free: that of the update is opened by the program.
        forward = replace(grafana_forward(way, stack.kubernetes), local_port=None)
        try:
            with forward.held(way.namespace, way.resource) as port:
                url, forwarded = f"http://{ADDRESS}:{port}", f"{way.resource} in {way.namespace}"
                finding = check(replace(api, url=url, forwarded=forwarded), name)
        except PortForwardError as error:
            finding = Finding(_PORT_FORWARD, f"leads to no Grafana: {error}")
    if finding is not None:
        raise ConfigError(name, [finding])


def check(api: Api, stack: str) -> Finding | None:
    """What keeps this credential from writing data sources and dashboards there.

    Sends a few requests, which change nothing, and waits for their answers.
    """
    from urllib3.exceptions import HTTPError

    if not (api.auth.isascii() and api.auth.isprintable()):
        return Finding(_AUTH, f"holds a line break, or another odd character; {_set_again(stack)}")
    try:
        response = ask(api, "/api/datasources")
        if response.status == 403 and _is_elsewhere(api):
            return _not_open(api, f"403: {_quoted(api, response)}")
        return _refusal(api, response, stack) or _lack_of_rights(api)
    except HTTPError as error:
        return _unreachable(api, getattr(error, "reason", None) or error)


def ask(api: Api, path: str) -> "urllib3.BaseHTTPResponse":
    """Grafana's answer to a GET of this path. The sandbox, which has no network, answers itself."""
    import urllib3

    pool = urllib3.PoolManager(ca_certs=api.ca_file)
    return pool.request(
        "GET",
        f"{api.url.rstrip('/')}{path}",
        headers=api.headers,
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        # Grafana behind a login page answers with a redirect, which is not Grafana's API.
        redirect=False,
        retries=urllib3.Retry(connect=0, read=0, status=2, status_forcelist=(429, 502, 503, 504)),
    )


def _lack_of_rights(api: Api) -> Finding | None:
    """What a credential that may read data sources can't do, as Grafana's access control lists it.

    Every role may read them, so that a Viewer's token would fail in the middle of an update.
    """
    has = _parsed(ask(api, "/api/access-control/user/permissions").data)
    if not isinstance(has, dict) or _DATA_SOURCES[0] not in has:
        # A Grafana that does not list them: one without access control, of before version 9.
        return None
    needed = [*_DATA_SOURCES, *(_DASHBOARDS if api.dashboards else ())]
    if not (lacking := [action for action in needed if action not in has]):
        return None
    return Finding(
        _AUTH,
        f"lacks rights at {api.called} ({', '.join(lacking)}); the service account {_RIGHTS}",
    )


def _is_elsewhere(api: Api) -> bool:
    """Whether a user, whom Grafana only tells that the rights are lacking, is not in the
    organization at all."""
    if api.organization is None or ":" not in api.auth:
        return False
    listed = _parsed(ask(replace(api, organization=None), "/api/user/orgs").data)
    if not isinstance(listed, list):
        return False
    return api.organization not in [one.get("orgId") for one in listed if isinstance(one, dict)]


def _not_open(api: Api, said: str) -> Finding:
    return Finding(
        _ORGANIZATION,
        f"{api.organization} is not open to this credential ({said}); write the id of its "
        "organization, or use a credential of that one",
    )


def _unreachable(api: Api, error: BaseException) -> Finding:
    cause = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(cause, ssl.SSLCertVerificationError) or "certificate" in str(error):
        return Finding(
            _CA_FILE,
            f"does not verify the certificate of {api.url} ({_said(error)}); write a PEM file with "
            "the authority that signed it",
        )
    return Finding(
        api.key,
        f"{shown(api.called)} does not answer ({_said(error)}); write "
        + api.remedy(
            "an address that is reachable from here, or portForward for a Grafana in the cluster"
        ),
    )


def _refusal(api: Api, response: "urllib3.BaseHTTPResponse", stack: str) -> Finding | None:
    said = _quoted(api, response)
    match response.status:
        case 200 if isinstance(_parsed(response.data), list):
            return None
        case 401 if api.organization is not None and "org" in said.lower():
            return _not_open(api, f"401: {said}")
        case 401:
            return Finding(
                _AUTH, f"is refused by {api.called} (401: {said}); make a new one and {_run(stack)}"
            )
        case 403:
            return Finding(
                _AUTH, f"lacks rights at {api.called} (403: {said}); the service account {_RIGHTS}"
            )
        case 200 | 301 | 302 | 303 | 307 | 308 | 404:
            return Finding(
                api.key,
                f"{shown(api.called)} answers, but not as Grafana's API ({response.status}); write "
                + api.remedy(f"the address that people open Grafana with{_path_hint(api.url)}"),
            )
        case status:
            return Finding(
                api.key,
                f"{shown(api.called)} answers {status} ({said}); see Grafana's log, then again",
            )


def _set_again(stack: str) -> str:
    return f"set it again: pulumi config set --stack {stack} --secret {_AUTH}"


def _run(stack: str) -> str:
    return f"run: pulumi config set --stack {stack} --secret {_AUTH}"


def _path_hint(url: str) -> str:
    return "" if urlsplit(url).path.strip("/") else ", with its path if it has one"


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _message(data: bytes) -> str:
    parsed = _parsed(data)
    return str(parsed.get("message", "")) if isinstance(parsed, dict) else ""


def _quoted(api: Api, response: "urllib3.BaseHTTPResponse") -> str:
    return masked(_message(response.data), api.auth)


def _said(error: BaseException) -> str:
    # urllib3 puts the connection's own description before what happened.
    return re.sub(r"^(<.*?>|HTTPS?Connection\w*\(.*?\)): ", "", str(error))
