"""A Grafana that does not take the stack's credential is one finding with its remedy."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

import config
from config.errors import Finding
from grafana_check import Api, check, require
from tests import relay

TOKEN = "glsa_for-tests-only"


RIGHTS = "/api/access-control/user/permissions"
ORGANIZATIONS = "/api/user/orgs"
DATA_SOURCES = {f"datasources:{verb}": ["*"] for verb in ("read", "create", "write", "delete")}
DASHBOARDS = {
    f"{kind}:{verb}": ["*"]
    for kind in ("folders", "dashboards")
    for verb in ("read", "create", "write", "delete")
}


class Server(ThreadingHTTPServer):
    """A server on this machine that answers every request in turn, the last answer for ever; those
    for rights and organizations as they are set."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.fixed: dict[str, tuple[int, Any]] = {
            RIGHTS: (200, DATA_SOURCES),
            ORGANIZATIONS: (200, [{"orgId": 1, "name": "Main Org."}]),
        }
        self.headers: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        answers = self.server.answers
        headers = {key.lower(): value for key, value in self.headers.items()}
        fixed = [fixed for path, fixed in self.server.fixed.items() if self.path.endswith(path)]
        if fixed:
            [(status, body)] = fixed
        else:
            self.server.headers.append({"path": self.path, **headers})
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Location", "/login")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests say what they saw."""


Started = Callable[..., tuple[Server, str]]


@pytest.fixture
def started() -> Iterator[Started]:
    with ExitStack() as servers:

        def start(*answers: tuple[int, Any], tls: trustme.CA | None = None) -> tuple[Server, str]:
            server = servers.enter_context(Server(*answers))
            if tls is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                tls.issue_cert("127.0.0.1").configure_cert(context)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            servers.callback(server.shutdown)
            return server, f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"

        yield start


def api(url: str, **more: Any) -> Api:
    return Api(**({"url": url, "ca_file": None, "organization": None, "auth": TOKEN} | more))


def found(api: Api) -> Finding:
    finding = check(api, "staging")
    assert finding is not None
    assert TOKEN not in str(finding)
    return finding


def test_a_grafana_that_lists_its_data_sources_is_taken(started: Started) -> None:
    server, url = started((200, []))
    assert check(api(url), "dev") is None
    [headers] = server.headers
    assert headers["path"] == "/api/datasources"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert "x-grafana-org-id" not in headers


def test_a_password_an_organization_and_a_path_are_used_as_they_are_given(
    started: Started,
) -> None:
    server, url = started((200, []))
    assert check(api(f"{url}/grafana/", auth="admin:pass", organization=3), "dev") is None
    [headers] = server.headers
    assert headers["path"] == "/grafana/api/datasources"
    assert headers["authorization"] == f"Basic {base64.b64encode(b'admin:pass').decode()}"
    assert headers["x-grafana-org-id"] == "3"


REFUSALS: dict[str, tuple[int, Any, str, str]] = {
    "a wrong token": (
        401,
        {"message": "Invalid API key"},
        "tracing:grafanaAuth",
        "pulumi config set --stack staging --secret tracing:grafanaAuth",
    ),
    "a token without rights": (
        403,
        {"message": "You'll need additional permissions: datasources:read"},
        "tracing:grafanaAuth",
        "basic role Admin",
    ),
    "a login page": (302, "", "tracing:grafana.url", "not as Grafana's API (302)"),
    "another server": (200, "<html>", "tracing:grafana.url", "not as Grafana's API (200)"),
    "a wrong path": (404, "not found", "tracing:grafana.url", "with its path"),
    "a Grafana that is broken": (500, {"message": "oops"}, "tracing:grafana.url", "500 (oops)"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_each_refusal_names_the_key_and_the_remedy(started: Started, case: str) -> None:
    status, body, key, said = REFUSALS[case]
    _, url = started((status, body))
    finding = found(api(url))
    assert finding.path == key
    assert said in finding.message


def test_an_organization_that_the_credential_is_not_in_is_named(started: Started) -> None:
    _, url = started((401, {"message": "User not a member of Org"}))
    assert found(api(url, organization=7)).path == "tracing:grafana.organization"


def test_an_organization_that_a_user_is_not_in_is_named_though_grafana_only_misses_rights(
    started: Started,
) -> None:
    # As Grafana 12.4 answers a user; a token it tells what is wrong.
    server, url = started((403, {"message": "Permissions needed: datasources:read"}))
    user = {"auth": "admin:" + TOKEN}
    named = found(api(url, organization=7, **user))
    assert named.path == "tracing:grafana.organization"
    assert "7 is not open" in named.message
    server.fixed[ORGANIZATIONS] = (200, [{"orgId": 7}])
    assert found(api(url, organization=7, **user)).path == "tracing:grafanaAuth"
    server.fixed[ORGANIZATIONS] = (404, "no such page")
    assert found(api(url, organization=7, **user)).path == "tracing:grafanaAuth"


def test_a_token_that_may_only_read_is_refused_with_what_it_lacks(started: Started) -> None:
    server, url = started((200, []))
    server.fixed[RIGHTS] = (200, {"datasources:read": ["*"], "datasources:query": ["*"]})
    finding = found(api(url))
    assert finding.path == "tracing:grafanaAuth"
    assert "(datasources:create, datasources:write, datasources:delete)" in finding.message
    assert "basic role Admin" in finding.message


def test_the_rights_on_dashboards_are_asked_for_only_where_they_are_made(started: Started) -> None:
    server, url = started((200, []))
    assert check(api(url), "dev") is None
    assert "(folders:read, " in found(api(url, dashboards=True)).message
    server.fixed[RIGHTS] = (200, DATA_SOURCES | DASHBOARDS)
    assert check(api(url, dashboards=True), "dev") is None


@pytest.mark.parametrize("answer", [(404, {"message": "Not found"}), (200, "<html>"), (200, {})])
def test_a_grafana_that_lists_no_rights_is_taken(started: Started, answer: tuple[int, Any]) -> None:
    server, url = started((200, []))
    server.fixed[RIGHTS] = answer
    assert check(api(url, dashboards=True), "dev") is None


def test_a_grafana_that_is_busy_is_asked_again(started: Started) -> None:
    server, url = started((429, {}), (503, {}), (200, []))
    assert check(api(url), "dev") is None
    assert len(server.headers) == 3


def test_a_closed_port_is_an_address_that_is_wrong() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    finding = found(api(f"http://127.0.0.1:{port}"))
    assert finding.path == "tracing:grafana.url"
    assert "Connection refused" in finding.message
    assert "HTTPConnection" not in finding.message


def test_a_certificate_of_an_unknown_authority_is_a_ca_file_that_lacks(
    started: Started, tmp_path: Path
) -> None:
    right, wrong = trustme.CA(), trustme.CA()
    _, url = started((200, []), tls=right)
    for name, ca in (("right", right), ("wrong", wrong)):
        ca.cert_pem.write_to_path(str(tmp_path / name))
    assert found(api(url)).path == "tracing:grafana.caFile"
    assert found(api(url, ca_file=str(tmp_path / "wrong"))).path == "tracing:grafana.caFile"
    assert check(api(url, ca_file=str(tmp_path / "right")), "dev") is None


def test_a_credential_with_a_line_break_is_never_sent_and_never_shown(started: Started) -> None:
    server, url = started((200, []))
    finding = check(api(url, auth="top-secret\n"), "dev")
    assert finding is not None
    assert "top-secret" not in str(finding)
    assert server.headers == []


def test_an_update_is_refused_with_it_and_a_sidecar_is_asked_nothing(started: Started) -> None:
    server, url = started((401, {"message": "Invalid API key"}))
    raw = {"tracing:grafana": {"url": url}, "tracing:grafanaAuth": "x"}
    stack = config.parse(raw, stack="dev", secret_keys={"tracing:grafanaAuth"})
    with pytest.raises(config.ConfigError, match="grafanaAuth"):
        require(stack, "dev", {"grafanaAuth": TOKEN})
    asked = len(server.headers)
    sidecar = config.parse({"tracing:grafana": {"mode": "sidecar"}}, stack="dev", secret_keys=set())
    require(sidecar, "dev", {})
    require(config.parse({"tracing:tempo": {}}, stack="dev", secret_keys=set()), "dev", {})
    assert len(server.headers) == asked


FORWARDED = {
    "tracing:grafana": {
        "portForward": {"namespace": "monitoring", "resource": "deployment/grafana"}
    },
    "tracing:grafanaAuth": "x",
}
Required = Callable[[int], None]


@pytest.fixture
def required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Required:
    """Checks a stack whose Grafana is forwarded, and is what listens on a port here."""
    relay.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("RELAY_CALLS", str(tmp_path / "called"))

    def check_stack(port: int) -> None:
        monkeypatch.setenv("RELAY_TO", str(port))
        stack = config.parse(FORWARDED, stack="dev", secret_keys={"tracing:grafanaAuth"})
        require(stack, "dev", {"grafanaAuth": TOKEN})

    return check_stack


def test_a_grafana_in_the_cluster_is_asked_through_a_forward_that_ends_with_it(
    started: Started, required: Required, tmp_path: Path
) -> None:
    server, _ = started((200, []))
    required(server.server_port)
    [headers] = server.headers
    assert (headers["path"], headers["authorization"]) == ("/api/datasources", f"Bearer {TOKEN}")
    # On a port that is free: that of the update's own forward may be taken, by another update.
    called = (tmp_path / "called").read_text("utf-8").splitlines()
    expected = "port-forward --namespace=monitoring --address=127.0.0.1 deployment/grafana :80"
    assert called == [expected]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(headers["host"].rpartition(":")[2]))) != 0


def test_a_program_which_runs_in_an_event_loop_can_ask_through_a_forward(
    started: Started, required: Required
) -> None:
    server, _ = started((200, []))

    async def program() -> None:
        required(server.server_port)

    asyncio.run(program())
    assert len(server.headers) == 1


REFUSED_THROUGH_A_FORWARD: dict[str, tuple[int, Any, str, str]] = {
    "a wrong token": (
        401,
        {"message": "Invalid API key"},
        "tracing:grafanaAuth",
        "is refused by deployment/grafana in monitoring (401",
    ),
    "another server": (
        200,
        "<html>",
        "tracing:grafana.portForward",
        "as Grafana's API (200); write the resource and remotePort of Grafana",
    ),
    "a Grafana that is broken": (500, {}, "tracing:grafana.portForward", "answers 500"),
}


@pytest.mark.parametrize("case", REFUSED_THROUGH_A_FORWARD)
def test_what_is_refused_through_a_forward_names_what_it_leads_to(
    started: Started, required: Required, case: str
) -> None:
    status, body, key, said = REFUSED_THROUGH_A_FORWARD[case]
    server, _ = started((status, body))
    with pytest.raises(config.ConfigError) as refused:
        required(server.server_port)
    [finding] = refused.value.findings
    assert finding.path == key
    assert said in finding.message
    # A port of this machine says nothing to whoever reads it.
    assert "127.0.0.1" not in finding.message


def test_a_pod_in_which_nothing_listens_is_a_forward_that_leads_elsewhere(
    required: Required,
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with pytest.raises(config.ConfigError) as refused:
        required(port)
    [finding] = refused.value.findings
    assert finding.path == "tracing:grafana.portForward"
    assert "write the resource and remotePort of Grafana" in finding.message


def test_what_kubectl_says_of_a_forward_is_what_the_user_reads(
    required: Required, tmp_path: Path
) -> None:
    script = "#!/bin/sh\necho 'Error: services \"grafana\" not found' >&2; exit 1\n"
    (tmp_path / "bin/kubectl").write_text(script, "utf-8")
    with pytest.raises(config.ConfigError) as refused:
        required(1)
    [finding] = refused.value.findings
    assert finding.path == "tracing:grafana.portForward"
    assert 'services "grafana" not found' in finding.message
