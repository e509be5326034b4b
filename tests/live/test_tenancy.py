"""Two tenants in a real Tempo behind a real nginx: nobody reads what is another's."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import requests
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from ops.registrations import record
from tests.live.figures import Figures
from tests.live.needs import free_port
from tests.live.nginx import HTTP2_DIRECTIVE, Gateway, nginx, nginx_version
from tests.live.processes import answers, config, missing, running
from tests.live.traces import export_request
from tests.live.waiting import until

REASON: Final = missing("tempo", "nginx", "openssl")
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")

READS: Final = 1000
USERS: Final = {"ann": "shop", "ben": "bank"}
BASIC: Final = {"type": "basic", "secretName": "users", "users": USERS}
TRUSTED: Final = {"type": "trusted-proxy", "header": "X-Team", "networks": ["127.0.0.1/32"]}


def stack(authentication: dict[str, Any]) -> dict[str, Any]:
    tenants = {"shop": [], "bank": []}
    return {
        "tracing:tenancy": {
            "tenants": tenants,
            "default": "shop",
            "authentication": authentication,
        },
        "tracing:tempo": {"gateway": {}},
        "tracing:collector": {},
    }


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Tempo, and the two kinds of gateway before it."""

    basic: Gateway
    trusted: Gateway
    otlp_grpc: str
    query: str
    passwords: dict[str, str]
    traces: dict[str, list[str]]
    """The ids of each tenant's traces."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    directory = tmp_path_factory.mktemp("tenants")
    query, otlp, otlp_grpc = free_port(), free_port(), free_port()
    raw = stack(BASIC) | {"tracing:tempo": {"profile": "monolithic"}}
    raw["tracing:tenancy"] = raw["tracing:tenancy"] | {"authentication": None}
    tempo = yaml.safe_load(record("dev", raw, {}).helm_values()["tempo"]["config"])
    tempo["server"] |= {"http_listen_address": "127.0.0.1", "http_listen_port": query}
    tempo["server"] |= {"grpc_listen_address": "127.0.0.1", "grpc_listen_port": free_port()}
    tempo["distributor"]["receivers"] = {
        "otlp": {
            "protocols": {
                "http": {"endpoint": f"127.0.0.1:{otlp}"},
                "grpc": {"endpoint": f"127.0.0.1:{otlp_grpc}"},
            }
        }
    }
    tempo["storage"]["trace"] = {
        "backend": "local",
        "local": {"path": str(directory / "blocks")},
        "wal": {"path": str(directory / "wal")},
    }
    del tempo["overrides"]["per_tenant_override_config"]
    tempo["memberlist"] = {"bind_addr": ["127.0.0.1"], "bind_port": free_port()}
    passwords = {user: secrets.token_hex(8) for user in (*USERS, "eve")}
    (directory / "secrets").mkdir()
    (directory / "secrets/.htpasswd").write_text(
        "".join(f"{user}:{_hashed(password)}\n" for user, password in passwords.items())
    )
    file = config(directory, "tempo", tempo)
    command = ("tempo", f"-config.file={file}")
    ready = f"http://127.0.0.1:{query}/ready"

    def before(name: str, authentication: dict[str, Any]) -> nginx:
        raw = stack(authentication)
        return nginx(directory, name, raw, query=query, otlp=otlp, otlp_grpc=otlp_grpc)

    with (
        running("tempo", directory, *command, ready=lambda: answers(ready)),
        before("basic", BASIC) as basic,
        before("trusted", TRUSTED) as trusted,
    ):
        traces = {tenant: [secrets.token_hex(16) for _ in range(50)] for tenant in USERS.values()}
        for tenant, ids in traces.items():
            for trace_id in ids:
                sent = requests.post(
                    f"http://127.0.0.1:{otlp}/v1/traces",
                    data=export_request(trace_id, tenant).SerializeToString(),
                    headers={"Content-Type": "application/x-protobuf", "X-Scope-OrgID": tenant},
                    timeout=10,
                )
                assert sent.ok, sent.text
        yield Platform(
            basic=basic,
            trusted=trusted,
            otlp_grpc=f"127.0.0.1:{otlp_grpc}",
            query=f"http://127.0.0.1:{query}",
            passwords=passwords,
            traces=traces,
        )


def _hashed(password: str) -> str:
    done = subprocess.run(
        ["openssl", "passwd", "-apr1", password], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def read(platform: Platform, user: str, trace_id: str, **headers: str) -> requests.Response:
    path = f"/api/traces/{trace_id}"
    return platform.basic.as_user(path, user, platform.passwords[user], **headers)


def test_each_tenant_reads_its_own_traces(platform: Platform) -> None:
    for user, tenant in USERS.items():
        for trace_id in platform.traces[tenant]:
            until("the trace is found", 30, lambda u=user, t=trace_id: read(platform, u, t).ok)


def test_of_a_thousand_reads_none_crosses(platform: Platform, figures: Figures) -> None:
    """Whatever the client says of its tenant itself."""
    others = {"ann": "bank", "ben": "shop"}
    asked = [
        (
            user,
            platform.traces[tenant][number % 50],
            tenant if number % 2 else f"{tenant}|shop|bank",
        )
        for number in range(READS // 2)
        for user, tenant in others.items()
    ]
    with ThreadPoolExecutor(8) as pool:
        answered = list(
            pool.map(lambda one: read(platform, one[0], one[1], **{"X-Scope-OrgID": one[2]}), asked)
        )
    assert len(answered) == READS
    crossed = [answer for answer in answered if answer.ok]
    figures.add(f"reads across two tenants that were answered, of {READS}", len(crossed), "reads")
    assert crossed == []
    assert {answer.status_code for answer in answered} == {404}


def test_a_search_shows_nothing_of_another_tenant(platform: Platform) -> None:
    own = set(platform.traces["shop"])

    def found() -> set[str]:
        answer = platform.basic.as_user(
            "/api/search?q={}&limit=200", "ann", platform.passwords["ann"]
        )
        return {trace["traceID"].zfill(32) for trace in answer.json()["traces"]}

    until("the search finds something", 60, lambda: len(found()) >= 1)
    assert found() <= own


@pytest.mark.parametrize("headers", [{}, {"X-Scope-OrgID": "shop"}])
def test_nobody_reads_without_a_password(platform: Platform, headers: dict[str, str]) -> None:
    path = f"/api/traces/{platform.traces['shop'][0]}"
    assert platform.basic.get(path, **headers).status_code == 401
    assert platform.basic.as_user(path, "ann", "wrong", **headers).status_code == 401


def test_a_user_without_a_tenant_reads_nothing(platform: Platform) -> None:
    answer = read(platform, "eve", platform.traces["shop"][0], **{"X-Scope-OrgID": "shop"})
    assert answer.status_code == 401


def test_a_trusted_proxy_reads_for_whom_it_names_and_only_for_tenants(platform: Platform) -> None:
    path = f"/api/traces/{platform.traces['shop'][0]}"
    assert platform.trusted.get(path, **{"X-Team": "shop"}).ok
    assert platform.trusted.get(path, **{"X-Team": "bank"}).status_code == 404
    for headers in ({"X-Team": "nobody"}, {"X-Scope-OrgID": "shop"}, {"X-Team": "SHOP"}):
        assert platform.trusted.get(path, **headers).status_code == 401


def test_spans_that_come_through_the_gateway_are_the_users(platform: Platform) -> None:
    trace_id = secrets.token_hex(16)
    login = base64.b64encode(f"ann:{platform.passwords['ann']}".encode()).decode()
    sent = requests.post(
        f"{platform.basic.url}/v1/traces",
        data=export_request(trace_id, "gateway").SerializeToString(),
        headers={
            "Content-Type": "application/x-protobuf",
            "X-Scope-OrgID": "bank",
            "Authorization": f"Basic {login}",
        },
        timeout=10,
    )
    assert sent.ok, sent.text
    until("the owner finds it", 30, lambda: read(platform, "ann", trace_id).ok)
    assert read(platform, "ben", trace_id).status_code == 404


def test_spans_that_come_by_grpc_are_the_users_as_well(platform: Platform) -> None:
    if nginx_version() < HTTP2_DIRECTIVE:
        pytest.skip("needs an nginx of version 1.25.1 or newer")
    trace_id = secrets.token_hex(16)
    spans = export_request(trace_id, "gateway by gRPC")
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(platform.basic.grpc, options=options) as channel:
        export = TraceServiceStub(channel).Export
        with pytest.raises(grpc.RpcError, match=r"UNAUTHENTICATED|401"):
            export(spans, timeout=10, metadata=[("x-scope-orgid", "bank")])
        login = base64.b64encode(f"ann:{platform.passwords['ann']}".encode()).decode()
        who = [("authorization", f"Basic {login}"), ("x-scope-orgid", "bank")]
        export(spans, timeout=10, metadata=who)
    until("the owner finds it", 30, lambda: read(platform, "ann", trace_id).ok)
    assert read(platform, "ben", trace_id).status_code == 404


# --- Whose spans are whose ------------------------------------------------------------------------


@pytest.fixture
def collector(platform: Platform, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a collector takes OTLP over HTTP that tells tenants by an attribute."""
    if (reason := missing("otelcol-contrib")) is not None:
        pytest.skip(reason)
    raw = stack(BASIC)
    raw["tracing:tenancy"] |= {"attribute": request.param, "default": "rest"}
    made = record("dev", raw, {}).helm_values()["collector"]["alternateConfig"]
    if (
        "routing"
        not in subprocess.run(
            ["otelcol-contrib", "components"], capture_output=True, text=True, check=True
        ).stdout
    ):
        pytest.skip("needs an otelcol-contrib with the routing connector")
    http, health = free_port(), free_port()
    protocols = made["receivers"]["otlp"]["protocols"]
    protocols["grpc"]["endpoint"] = f"127.0.0.1:{free_port()}"
    protocols["http"]["endpoint"] = f"127.0.0.1:{http}"
    made["extensions"]["health_check"]["endpoint"] = f"127.0.0.1:{health}"
    storage = made["extensions"]["file_storage/queue"]
    storage["directory"] = storage["compaction"]["directory"] = str(tmp_path / "queue")
    for exporter in made["exporters"].values():
        exporter["endpoint"] = platform.otlp_grpc
    # There is no Kubernetes to ask: nobody is known, and nothing waits for it.
    made["processors"]["k8s_attributes"]["auth_type"] = "none"
    made["service"]["telemetry"]["metrics"] = {"level": "none"}
    file = config(tmp_path, "collector", made)
    away = ("KUBERNETES_SERVICE_HOST=127.0.0.1", "KUBERNETES_SERVICE_PORT=1")
    command = ("env", *away, "otelcol-contrib", f"--config={file}")
    ready = f"http://127.0.0.1:{health}/"
    with running("collector", tmp_path, *command, ready=lambda: answers(ready)):
        yield f"http://127.0.0.1:{http}"


def send(collector: str, attribute: str, value: str) -> str:
    """The id of a trace of a resource with an attribute, sent by somebody who claims a tenant."""
    trace_id = secrets.token_hex(16)
    spans = export_request(trace_id, value)
    said = spans.resource_spans[0].resource.attributes.add()
    said.key, said.value.string_value = attribute, value
    sent = requests.post(
        f"{collector}/v1/traces",
        data=spans.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf", "X-Scope-OrgID": "bank"},
        timeout=10,
    )
    assert sent.ok, sent.text
    return trace_id


def owners(platform: Platform, trace_id: str) -> list[str]:
    """The tenants that have a trace."""
    return [
        tenant
        for tenant in ("shop", "bank", "rest")
        if requests.get(
            f"{platform.query}/api/traces/{trace_id}",
            headers={"X-Scope-OrgID": tenant},
            timeout=10,
        ).ok
    ]


@pytest.mark.parametrize("collector", ["tenant"], indirect=True)
def test_the_collector_files_each_resource_under_its_tenant(
    platform: Platform, collector: str
) -> None:
    for value, owner in (("shop", "shop"), ("bank", "bank"), ("nobody", "rest")):
        trace_id = send(collector, "tenant", value)
        until(f"a trace of {value} is there", 60, lambda t=trace_id: owners(platform, t))
        assert owners(platform, trace_id) == [owner]


@pytest.mark.parametrize("collector", ["k8s.namespace.name"], indirect=True)
def test_a_sender_can_not_claim_a_namespace(platform: Platform, collector: str) -> None:
    trace_id = send(collector, "k8s.namespace.name", "shop")
    until("the trace is there", 60, lambda: owners(platform, trace_id))
    assert owners(platform, trace_id) == ["rest"]
