"""The data sources and dashboards in a real Grafana, by its API and by provisioning files.

Grafana, Tempo, Loki and Prometheus run as processes of this machine; the engine and the Grafana
provider are the real ones. The program is `programs/grafana`: the real check and component. What a
browser makes of a dashboard is not seen here, only that each question of it is answered.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
import yaml

from ops.engine import EngineUnavailable, find
from ops.stack_files import ROOT
from sandbox import Sandbox, SandboxError
from tests import relay
from tests.live import processes
from tests.live.cluster import request
from tests.live.needs import free_port
from tests.live.processes import Tempo
from tests.live.traces import export_request, send_grpc
from tests.live.waiting import until

PROGRAM: Final = Path(__file__).parent / "programs/grafana"
PLUGIN: Final = "pulumi-resource-grafana"
ADMIN: Final = "admin"


def _missing() -> str | None:
    if why := processes.missing("grafana", "tempo", "loki", "prometheus"):
        return why
    if processes.grafana_home() is None:
        return "needs conf/defaults.ini of Grafana beside its program, or in /usr/share/grafana"
    try:
        find(obtain=False)
    except EngineUnavailable as error:
        return str(error)
    return processes.missing(PLUGIN)


pytestmark = pytest.mark.skipif((why := _missing()) is not None, reason=f"a real Grafana: {why}")


@dataclass(frozen=True, kw_only=True)
class Server:
    """A Grafana, and who may ask it."""

    url: str
    authorization: str = field(repr=False)
    organization: int | None = None

    def ask(self, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
        """Status and answer."""
        headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
        if self.organization is not None:
            headers["X-Grafana-Org-Id"] = str(self.organization)
        content = None if body is None else json.dumps(body).encode()
        status, answer = request(f"{self.url}{path}", method=method, headers=headers, body=content)
        return status, json.loads(answer or b"null")

    def told(self, path: str, body: Any) -> Any:
        """The answer to something that is to be made."""
        status, answer = self.ask(path, "POST", body)
        assert status in (200, 201), (path, status, answer)
        return answer

    def token(self, role: str) -> str:
        """That of a new service account."""
        name = f"{role}-{secrets.token_hex(4)}"
        account = self.told("/api/serviceaccounts", {"name": name, "role": role})
        return self.told(f"/api/serviceaccounts/{account['id']}/tokens", {"name": name})["key"]


def basic(password: str) -> str:
    """The header that goes with the administrator's password."""
    return "Basic " + base64.b64encode(f"{ADMIN}:{password}".encode()).decode()


class Stack(Sandbox):
    """A stack of the program, with the real Grafana provider; the cluster is simulated."""

    def __init__(self) -> None:
        super().__init__(PROGRAM)
        plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
        if plugins.is_dir():
            (self.directory / "home/plugins").symlink_to(plugins)

    @property
    def environment(self) -> Mapping[str, str]:
        """Without the simulated provider."""
        simulated = super().environment
        providers = simulated["PULUMI_DEBUG_PROVIDERS"].split(",")
        others = [provider for provider in providers if not provider.startswith("grafana:")]
        return {**simulated, "PULUMI_DEBUG_PROVIDERS": ",".join(others)}


@dataclass(frozen=True, kw_only=True)
class World:
    """The programs, and a Grafana that knows the Prometheus only."""

    tempo: Tempo
    loki: str
    prometheus: str
    grafana: Server
    password: str = field(repr=False)
    token: str = field(repr=False)

    def stack(self, held: ExitStack, **grafana: Any) -> Stack:
        """A stack that is not yet applied."""
        stack = held.enter_context(Stack())
        stack.set_config("live:tempo", self.tempo.url)
        stack.set_config("tracing:prometheus", {})
        logs = [{"name": "Orders", "regex": r"trace=(\w+)$", "urlDisplayLabel": "Its trace"}]
        labels = {"service.name": "app"}
        stack.set_config("tracing:loki", {"url": self.loki, "logFormats": logs, "labels": labels})
        stack.set_config("tracing:grafana", {"url": self.grafana.url} | grafana)
        if grafana.get("mode") != "sidecar":
            stack.set_config("tracing:grafanaAuth", self.token, secret=True)
        return stack


def prometheus_source(world: str) -> dict[str, Any]:
    """That of whoever owns the Prometheus, as the API and a provisioning file take it."""
    return {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "url": world,
        "access": "proxy",
        "isDefault": True,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All programs, once they answer."""
    directory = tmp_path_factory.mktemp("grafana")
    tempo = Tempo.on_free_ports(directory)
    password = secrets.token_hex(16)
    with ExitStack() as held:
        storage = {"backend": "local", "local": {"path": str(directory / "blocks")}}
        held.enter_context(tempo.running(storage))
        loki = held.enter_context(processes.loki(directory))
        prometheus = held.enter_context(processes.prometheus(directory, tempo.port))
        url = held.enter_context(processes.grafana(directory, free_port(), password))
        grafana = Server(url=url, authorization=basic(password))
        grafana.told("/api/datasources", prometheus_source(prometheus))
        yield World(
            tempo=tempo,
            loki=loki,
            prometheus=prometheus,
            grafana=grafana,
            password=password,
            token=grafana.token("Admin"),
        )


@pytest.fixture(scope="module")
def applied(world: World) -> Iterator[Stack]:
    """A stack in the Grafana, by its API."""
    with ExitStack() as held:
        stack = world.stack(held)
        stack.up()
        yield stack


def source(server: Server, uid: str) -> dict[str, Any]:
    """A data source, without what Grafana numbers itself."""
    status, answer = server.ask(f"/api/datasources/uid/{uid}")
    assert status == 200, answer
    known = ("name", "uid", "type", "url", "access", "isDefault", "jsonData")
    return {key: answer[key] for key in known}


def board(server: Server, uid: str) -> tuple[str, dict[str, Any]]:
    """A dashboard's folder, and what it is."""
    status, answer = server.ask(f"/api/dashboards/uid/{uid}")
    assert status == 200, answer
    document = answer["dashboard"]
    for key in ("id", "version"):
        document.pop(key, None)
    return answer["meta"]["folderTitle"], document


def is_well(server: Server, uid: str) -> bool:
    """Whether a data source says that what is behind it answers."""
    status, answer = server.ask(f"/api/datasources/uid/{uid}/health")
    assert (status, answer.get("status")) == (200, "OK"), (uid, status, answer)
    return True


def answered(server: Server, panel: dict[str, Any]) -> list[list[Any]]:
    """The values of each line of a panel, asked for as a browser does."""
    queries = [
        # The browser puts in what is chosen at the top; the rest is up to Grafana.
        {**target, "expr": target["expr"].replace("$service", ".*")}
        | {"intervalMs": 15_000, "maxDataPoints": 500}
        for target in panel["targets"]
    ]
    body = {"from": "now-15m", "to": "now", "queries": queries}
    status, answer = server.ask("/api/ds/query", "POST", body)
    assert status == 200, (panel["title"], status, answer)
    lines = []
    for target in panel["targets"]:
        result = answer["results"][target["refId"]]
        assert (result.get("status"), result.get("error")) == (200, None), (panel["title"], result)
        lines += [frame["data"]["values"] for frame in result["frames"]]
    return lines


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


BOARDS: Final = ("tempo-health", "tempo-services", "tempo-cost")


def test_nothing_is_left_to_do_once_it_is_applied(applied: Stack) -> None:
    assert applied.preview().changes == {}
    assert applied.refresh().changes == {}
    assert applied.preview().changes == {}


def test_every_data_source_answers_its_health_check(applied: Stack, world: World) -> None:
    for uid in ("tempo", "loki", "prometheus"):
        assert is_well(world.grafana, uid)


def test_a_data_source_is_kept_as_it_was_told(applied: Stack, world: World) -> None:
    [told] = [r for r in applied.resources() if r["urn"].endswith("::grafana-tempo")]
    tempo = source(world.grafana, "tempo")
    assert tempo["url"] == world.tempo.url
    assert tempo["jsonData"] == json.loads(told["inputs"]["jsonDataEncoded"])
    assert not tempo["isDefault"]
    loki = source(world.grafana, "loki")
    assert loki["url"] == world.loki
    expressions = {
        derived["name"]: derived["matcherRegex"] for derived in loki["jsonData"]["derivedFields"]
    }
    assert expressions["Orders"] == r"trace=(\w+)$"
    assert source(world.grafana, "prometheus")["isDefault"]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_question_of_a_dashboard_is_answered(applied: Stack, world: World, uid: str) -> None:
    folder, document = board(world.grafana, uid)
    assert folder == "Tracing"
    assert panels(document)
    for panel in panels(document):
        answered(world.grafana, panel)


def test_a_question_that_is_no_promql_is_told_from_one_without_an_answer(
    applied: Stack, world: World
) -> None:
    [panel, *_] = panels(board(world.grafana, "tempo-health")[1])
    panel["targets"][0]["expr"] += " by"
    with pytest.raises(AssertionError, match="parse error"):
        answered(world.grafana, panel)


def test_the_smoke_test_goes_through_grafana_and_the_panels_show_it(
    applied: Stack, world: World, tmp_path: Path
) -> None:
    if why := processes.missing("otelcol-contrib"):
        pytest.skip(f"smoke through Grafana: {why}")
    grpc, http = free_port(), free_port()
    with processes.collector(tmp_path, grpc=grpc, http=http, to=world.tempo.grpc):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ops", "smoke", "--json"),
                f"--otlp-grpc=127.0.0.1:{grpc}",
                f"--otlp-http=http://127.0.0.1:{http}",
                f"--tempo={world.tempo.url}",
                f"--ingester={world.tempo.url}",
                f"--grafana={world.grafana.url}",
                f"--loki={world.loki}",
            ],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "GRAFANA_AUTH": world.token},
            capture_output=True,
            text=True,
            timeout=300,
        )
        report = json.loads(done.stdout)
        assert {hop["name"]: hop["status"] for hop in report["hops"]} == dict.fromkeys(
            [hop["name"] for hop in report["hops"]], "ok"
        ), report
        assert {"grafana-tempo", "grafana-loki", "derived-field"} <= {
            hop["name"] for hop in report["hops"]
        }
        document = board(world.grafana, "tempo-health")[1]
        [spans] = [panel for panel in panels(document) if panel["title"] == "Spans into Tempo"]

        def shown() -> bool:
            # A rate is of what comes between two scrapes: a counter that is new has none.
            send_grpc(f"127.0.0.1:{grpc}", export_request(secrets.token_hex(16), "for the panel"))
            lines = answered(world.grafana, spans)
            return any(value for _, values in filter(None, lines) for value in values)

        until("the spans are on the panel", 120, shown)


REFUSALS: Final[dict[str, tuple[str, str]]] = {
    "a wrong token": ("tracing:grafanaAuth", "(401: "),
    "a token without rights": ("tracing:grafanaAuth", "(403: "),
    "a token that may only read": ("tracing:grafanaAuth", "(datasources:create, "),
    "a token that may not make data sources": ("tracing:grafanaAuth", "(datasources:create, "),
    "a closed port": ("tracing:grafana.url", "Connection refused"),
    "another organization": ("tracing:grafana.organization", "99 is not open"),
    "another server": ("tracing:grafana.url", "not as Grafana's API (404)"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_grafana_refuses_is_one_message_before_anything_is_changed(
    world: World, case: str
) -> None:
    key, said = REFUSALS[case]
    with ExitStack() as held:
        stack = world.stack(held, tempo={"uid": "refused"})
        token = world.token
        match case:
            case "a wrong token":
                token = "glsa_" + "x" * 32
            case "a token without rights":
                token = world.grafana.token("None")
            case "a token that may only read":
                token = world.grafana.token("Viewer")
            case "a token that may not make data sources":
                token = world.grafana.token("Editor")
            case "a closed port":
                stack.set_config("tracing:grafana.url", f"http://127.0.0.1:{free_port()}")
            case "another organization":
                token = f"{ADMIN}:{world.password}"
                stack.set_config("tracing:grafana.organization", 99)
            case "another server":
                stack.set_config("tracing:grafana.url", world.loki)
        stack.set_config("tracing:grafanaAuth", token, secret=True)
        with pytest.raises(SandboxError) as refused:
            stack.up()
        text = str(refused.value)
        assert "has 1 error; nothing was changed" in text
        assert re.search(rf"^ *{re.escape(key)}:? ", text, re.MULTILINE), text
        assert said in text
        assert token not in text
        assert stack.resources() == [] or not [
            r for r in stack.resources() if r["urn"].endswith("::grafana-tempo")
        ]
    assert world.grafana.ask("/api/datasources/uid/refused")[0] == 404


def test_another_organization_is_a_place_of_its_own_and_nothing_stays_in_it(world: World) -> None:
    organization = world.grafana.told("/api/orgs", {"name": "Second"})["orgId"]
    with ExitStack() as held:
        stack = world.stack(held, organization=organization, dashboards=False)
        stack.set_config("tracing:grafanaAuth", f"{ADMIN}:{world.password}", secret=True)
        stack.up()
        assert stack.preview().changes == {}
        assert stack.refresh().changes == {}
        there = Server(
            url=world.grafana.url,
            authorization=world.grafana.authorization,
            organization=organization,
        )
        assert is_well(there, "tempo")
        # Renamed, it stays; another uid is another data source.
        stack.set_config("tracing:grafana.tempo", {"name": "Traces"})
        assert {s.name: s.op for s in stack.preview().changed()} == {"grafana-tempo": "update"}
        stack.set_config("tracing:grafana.tempo", {"uid": "blue"})
        assert {s.name: s.op for s in stack.preview().changed()} == {
            "grafana-tempo": "replace",
            "grafana-loki": "update",
        }
        stack.up()
        assert stack.preview().changes == {}
        assert is_well(there, "blue")
        stack.destroy()
        assert there.ask("/api/datasources")[1] == []


def write_certificate(directory: Path) -> tuple[Path, str]:
    """A directory with a certificate for this machine, and its authority as PEM."""
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    directory.mkdir()
    authority.cert_pem.write_to_path(directory / "ca.crt")
    made.private_key_pem.write_to_path(directory / "tls.key")
    for part in made.cert_chain_pems:
        part.write_to_path(directory / "tls.crt", append=True)
    return directory, authority.cert_pem.bytes().decode()


def test_each_tenant_has_a_data_source_that_shows_its_own_traces_over_tls(
    world: World, tmp_path: Path
) -> None:
    certificate, authority = write_certificate(tmp_path / "certificate")
    tempo = Tempo.on_free_ports(tmp_path, certificate)
    tenants = {"shop": "secured", "bank": "secured-bank"}
    with ExitStack() as held:
        storage = {"backend": "local", "local": {"path": str(tmp_path / "blocks")}}
        held.enter_context(tempo.running(storage, multitenancy=True))
        stack = world.stack(held, dashboards=False, tempo={"uid": "secured", "name": "Secured"})
        stack.set_config("tracing:grafana.loki", {"uid": "secured-logs", "name": "Secured logs"})
        stack.set_config("live:tempo", tempo.url)
        stack.set_config("live:ca", authority)
        stack.set_config("live:tenants", list(tenants))
        stack.up()
        assert stack.preview().changes == {}
        assert stack.refresh().changes == {}
        traces = {tenant: secrets.token_hex(16) for tenant in tenants}
        for tenant, trace_id in traces.items():
            status, body = request(
                f"http://127.0.0.1:{tempo.http}/v1/traces",
                method="POST",
                body=export_request(trace_id, tenant).SerializeToString(),
                headers={"Content-Type": "application/x-protobuf", "X-Scope-OrgID": tenant},
            )
            assert status == 200, body
        for tenant, uid in tenants.items():
            assert is_well(world.grafana, uid)
            for owner, trace_id in traces.items():
                path = f"/api/datasources/proxy/uid/{uid}/api/traces/{trace_id}"
                for claimed in ({}, {"X-Scope-OrgID": owner}):
                    headers = {"Authorization": world.grafana.authorization, **claimed}
                    status, _ = request(world.grafana.url + path, headers=headers)
                    assert status == (200 if owner == tenant else 404), (tenant, owner, claimed)
            # Neither of them is given away again.
            shown = json.dumps(world.grafana.ask(f"/api/datasources/uid/{uid}"))
            assert "httpHeaderValue1" in shown
            assert f'"{tenant}"' not in shown
            assert "BEGIN CERTIFICATE" not in shown


def test_a_grafana_that_is_forwarded_is_one_while_an_update_runs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELAY_TO", world.grafana.url.rpartition(":")[2])
    monkeypatch.setenv("RELAY_CALLS", str(tmp_path / "calls"))
    local = free_port()
    way = {"namespace": "monitoring", "localPort": local}
    with ExitStack() as held:
        stack = world.stack(held, dashboards=False, tempo={"uid": "far", "name": "Far"})
        stack.set_config("tracing:grafana.loki", {"uid": "far-logs", "name": "Far logs"})
        stack.remove_config("tracing:grafana.url")
        stack.set_config("tracing:grafana.portForward", way)
        relay.install(stack.directory / "bin")
        stack.up()
        assert stack.preview().changes == {}
        assert is_well(world.grafana, "far")
        calls = (tmp_path / "calls").read_text("utf-8").splitlines()
        assert [call.rpartition(" ")[2] for call in calls] == [":80", f"{local}:80"]
        until("the forward has ended", 30, lambda: closed(local))


def test_provisioning_files_give_the_same_as_the_api(
    applied: Stack, world: World, tmp_path: Path
) -> None:
    with ExitStack() as held:
        stack = world.stack(held)
        stack.set_config("tracing:grafana", {"mode": "sidecar", "namespace": "monitoring"})
        stack.remove_config("tracing:grafanaAuth")
        stack.cloud.add_namespace("monitoring")
        stack.up()
        provisioning = tmp_path / "provisioning"
        boards = tmp_path / "dashboards"
        for part in (provisioning / "datasources", provisioning / "dashboards", boards):
            part.mkdir(parents=True)
        # What the sidecars do: each key of a labelled ConfigMap is a file.
        for found in stack.cloud.objects("kubernetes", "ConfigMap"):
            metadata = found.properties["metadata"]
            place = boards / metadata.get("annotations", {}).get("grafana_folder", "")
            if "grafana_datasource" in metadata["labels"]:
                place = provisioning / "datasources"
            place.mkdir(exist_ok=True)
            for name, text in found.properties["data"].items():
                (place / name).write_text(text, "utf-8")
        theirs = {"apiVersion": 1, "datasources": [prometheus_source(world.prometheus)]}
        provider = {"name": "sidecar", "type": "file", "options": {"path": str(boards)}}
        provider["options"] |= {"foldersFromFilesStructure": True}
        for part, content in {
            "datasources/prometheus.yaml": theirs,
            "dashboards/sidecar.yaml": {"apiVersion": 1, "providers": [provider]},
        }.items():
            (provisioning / part).write_text(yaml.safe_dump(content), "utf-8")
        url = held.enter_context(
            processes.grafana(tmp_path, free_port(), world.password, provisioning)
        )
        provisioned = Server(url=url, authorization=basic(world.password))
        for uid in ("tempo", "loki", "prometheus"):
            assert is_well(provisioned, uid)
            assert source(provisioned, uid) == source(world.grafana, uid)

        def same() -> bool:
            for uid in BOARDS:
                assert board(provisioned, uid) == board(world.grafana, uid)
            return True

        # Grafana reads dashboards in the background.
        until("the dashboards are there", 60, same)


def closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
