"""The hops beyond Tempo: its store, Grafana, the log line, and from that to the trace."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from components.values.grafana import derived_fields
from components.values.traefik import LOG_FORMATS
from ops.hops.grafana import Link, links
from ops.hops.hop import HopFailed, NotApplicable, Patience, walk
from ops.hops.journey import Journey, log_line
from ops.hops.spans import SERVICES, make_trace
from ops.hops.target import STORE, Address, Part, Target
from tests.grafana_api import GrafanaApi, Handler, grafana, serving

TOKEN = "glsa_token"
TRACE = make_trace("ab12")
DERIVED: list[dict[str, Any]] = derived_fields("tempo", [LOG_FORMATS[3]])


class Behind(Handler):
    """A Tempo that has one trace, and a Loki that keeps lines in memory."""

    lines: ClassVar[list[tuple[str, str]]] = []
    missing: ClassVar[set[str]] = set()
    """Services whose spans have not come."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == f"/api/v2/traces/{TRACE.trace_id}":
            self.reply(200, json.dumps({"trace": {"resourceSpans": _batches()}}).encode())
        elif parts.path.startswith("/api/v2/traces/"):
            # As Tempo 2.10 answers for a trace that it does not know.
            self.reply(200, b'{"trace":{},"metrics":{}}')
        elif parts.path == "/loki/api/v1/query_range":
            selector, _, wanted = parse_qs(parts.query)["query"][0].partition(" |= ")
            assert selector == '{job="tracing-smoke"}'
            found = [line for line in self.lines if json.loads(wanted) in line[1]]
            result = [{"stream": {}, "values": found}] if found else []
            self.reply(200, json.dumps({"status": "success", "data": {"result": result}}).encode())
        else:
            self.reply(404, b"")

    def do_POST(self) -> None:
        assert self.path == "/loki/api/v1/push"
        pushed = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for stream in pushed["streams"]:
            assert stream["stream"] == {"job": "tracing-smoke"}
            self.lines.extend(map(tuple, stream["values"]))
        self.send_response(204)
        self.end_headers()


def _batches() -> list[dict[str, Any]]:
    key = "service.name"
    return [
        {"resource": {"attributes": [{"key": key, "value": {"stringValue": service}}]}}
        for service, _, _ in SERVICES
        if service not in Behind.missing
    ]


@pytest.fixture
def behind() -> Iterator[str]:
    Behind.lines.clear()
    with serving(Behind) as url:
        yield url


@pytest.fixture
def api(behind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[GrafanaApi]:
    """A Grafana with the data sources that a stack with Traefik and Loki writes."""
    monkeypatch.setenv("GRAFANA_AUTH", TOKEN)
    datasources = {
        "tempo": {"uid": "tempo", "type": "tempo", "url": behind, "jsonData": {}},
        "loki": {
            "uid": "loki",
            "type": "loki",
            "url": behind,
            "jsonData": {"derivedFields": [dict(field) for field in DERIVED]},
        },
    }
    with grafana(f"Bearer {TOKEN}", datasources) as served:
        yield served


@pytest.fixture
def target(api: GrafanaApi, behind: str) -> Target:
    return Target(grafana=Address(api.url), loki=Address(behind), log_format=LOG_FORMATS[3])


def walked(target: Target, *names: str, seconds: float = 1, **options: Any) -> dict[str, Any]:
    """How some of the hops end."""
    with ExitStack() as held:
        journey = Journey(target, held, Patience(seconds, lambda *_: None), **options)
        journey._sent = [TRACE]
        return {found.name: found for found in walk([h for h in journey.hops() if h.name in names])}


HOPS = ("grafana-tempo", "grafana-loki", "derived-field")


def test_the_trace_is_found_and_a_line_leads_to_it(
    target: Target, api: GrafanaApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No proxy leads to this machine.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    outcomes = walked(replace(target, organization=7), *HOPS, tenant="team")
    assert {name: found.status for name, found in outcomes.items()} == dict.fromkeys(HOPS, "ok")
    assert outcomes["derived-field"].detail == "TraceID leads to the trace in data source tempo"
    assert all(found["X-Grafana-Org-Id"] == "7" for found in api.headers)
    # The data source has its own.
    assert not any("X-Scope-OrgID" in found for found in api.headers)
    [(_, line)] = Behind.lines
    assert json.loads(line)["TraceId"] == TRACE.trace_id


def test_a_name_and_password_is_sent_as_such(behind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFANA_AUTH", "admin:secret")
    basic = "Basic " + base64.b64encode(b"admin:secret").decode()
    source = {"uid": "tempo", "type": "tempo", "url": behind}
    with grafana(basic, {"tempo": source}) as api:
        outcomes = walked(Target(grafana=Address(api.url)), "grafana-tempo")
    assert outcomes["grafana-tempo"].status == "ok"


def test_a_wrong_credential_is_named_and_not_shown(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFANA_AUTH", "not-the-token")
    found = walked(target, "grafana-tempo")["grafana-tempo"]
    assert found.status == "failed"
    assert found.detail.startswith("Grafana answered 401")
    assert found.findings[0].cause.startswith("Grafana does not accept the credential")
    assert "not-the-token" not in f"{found}"


def test_a_data_source_that_is_missing_or_another_is_named(target: Target, api: GrafanaApi) -> None:
    missing = walked(replace(target, tempo_uid="traces"), "grafana-tempo")["grafana-tempo"]
    assert missing.detail == "Grafana has no data source with the uid traces"
    other = walked(replace(target, tempo_uid="loki"), "grafana-tempo")["grafana-tempo"]
    assert other.detail == "Grafana's data source loki is of type loki"


def test_a_trace_that_is_not_complete_is_a_failure_that_names_what_is_missing(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Behind, "missing", {"smoke-db", "smoke-web"})
    found = walked(target, "grafana-tempo")["grafana-tempo"]
    assert found.status == "failed"
    assert found.detail.endswith("not within 1 s; at last: without smoke-db, smoke-web")


def test_a_trace_that_grafana_does_not_find_is_a_failure(target: Target, api: GrafanaApi) -> None:
    with ExitStack() as held:
        journey = Journey(target, held, Patience(1, lambda *_: None))
        journey._sent = [make_trace("cd34")]
        with pytest.raises(HopFailed, match="with all its services: not within 1 s"):
            journey._grafana_tempo()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([], "no derived field of data source loki finds the trace's id in the line: {"),
        (
            [{**DERIVED[0], "matcherRegex": '"RequestMethod":"(\\w+)"'}],
            "finds the trace's id in the line; TraceID finds GET: {",
        ),
        # What matches a label looks at no line.
        ([{**DERIVED[0], "matcherType": "label"}], "no derived field of data source loki"),
        # A link to elsewhere leads to no trace.
        ([{**DERIVED[0], "datasourceUid": None}], "no derived field of data source loki"),
        ([{**DERIVED[0], "datasourceUid": "gone"}], "Grafana has no data source with the uid gone"),
    ],
)
def test_a_derived_field_that_does_not_lead_to_the_trace_is_a_failure(
    target: Target, api: GrafanaApi, fields: list[dict[str, Any]], said: str
) -> None:
    api.datasources["loki"]["jsonData"] = {"derivedFields": fields}
    found = walked(target, *HOPS)["derived-field"]
    assert found.status == "failed"
    assert said in found.detail


def test_the_link_is_what_the_field_says_and_not_what_this_program_would() -> None:
    line = log_line(("TraceId",), "00f067aa0ba902b7")
    field = {"name": "x", "matcherRegex": '"TraceId":"(\\w+)"', "datasourceUid": "other"}
    datasource = {"jsonData": {"derivedFields": [{**field, "url": "id:${__value.raw}!"}]}}
    assert links(datasource, line) == [Link("x", "other", "id:00f067aa0ba902b7!")]
    assert links({"jsonData": {"derivedFields": [field]}}, line) == [
        Link("x", "other", "00f067aa0ba902b7")
    ]
    assert links({}, line) == []


@pytest.mark.parametrize(
    ("change", "hop", "reason"),
    [
        ({"grafana": None}, "grafana-tempo", "the stack has no Grafana"),
        ({"loki": None}, "grafana-loki", "the stack has no Loki"),
        ({"log_format": None}, "grafana-loki", "the stack has no Traefik"),
        ({"loki": None}, "derived-field", "there is no line to follow"),
    ],
)
def test_what_the_stack_does_not_have_is_skipped_with_the_reason(
    target: Target, change: dict[str, None], hop: str, reason: str
) -> None:
    found = walked(replace(target, **change), hop)[hop]
    assert found.status == "skipped"
    assert found.detail.startswith(reason)


def test_a_loki_that_keeps_nothing_is_a_failure(target: Target) -> None:
    # What is pushed goes to another one than the data source leads to.
    with serving(Nowhere) as elsewhere:
        found = walked(replace(target, loki=Address(elsewhere)), "grafana-loki")["grafana-loki"]
    assert found.status == "failed"
    assert "not within 1 s" in found.detail


class Nowhere(Handler):
    """Takes everything and keeps nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()


# The store, by what an ingester counts


class Ingester(Handler):
    """Counts a block as written, or as failed, when it is told to flush."""

    flushed, failed, fails = 3, 5, False

    def do_GET(self) -> None:
        text = (
            f"tempo_ingester_blocks_flushed_total {self.flushed}\n"
            f"tempo_ingester_failed_flushes_total {self.failed}\n"
        )
        self.reply(200, text.encode())

    def do_POST(self) -> None:
        assert self.path == "/flush"
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.fails:
            Ingester.failed += 1
        else:
            Ingester.flushed += 1
        self.send_response(204)
        self.end_headers()


@pytest.mark.parametrize(
    ("fails", "status", "said"),
    [
        (False, "ok", "wrote a block"),
        (
            True,
            "failed",
            "failed to write a block to the store (tempo_ingester_failed_flushes_total",
        ),
    ],
)
def test_the_ingester_is_flushed_and_says_itself_whether_it_wrote(
    monkeypatch: pytest.MonkeyPatch, fails: bool, status: str, said: str
) -> None:
    monkeypatch.setattr(Ingester, "fails", fails)
    with serving(Ingester) as url:
        found = walked(Target(ingesters=(Address(url),)), "store", seconds=30)["store"]
    assert (found.status, said in found.detail) == (status, True)
    # A block that failed is known at once, not at the deadline.
    assert "not within" not in found.detail


class BlockBuilder(Handler):
    """Counts one block more each time it is asked."""

    blocks = 0

    def do_GET(self) -> None:
        BlockBuilder.blocks += 1
        series = f'tempo_block_builder_flushed_blocks{{tenant="single-tenant"}} {self.blocks}\n'
        self.reply(200, series.encode())


KUBECTL = """#!/bin/sh
case "$*" in *minio*) cat "{directory}/store.json" ;; *) exit 1 ;; esac
"""


@pytest.mark.parametrize(
    ("replicas", "status", "said"),
    [(1, "ok", "wrote a block"), (0, "failed", "the object store is not well")],
)
def test_a_block_builder_is_waited_for_but_not_while_the_store_is_known_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replicas: int, status: str, said: str
) -> None:
    minio = {
        "kind": "StatefulSet",
        "metadata": {"name": "minio"},
        "spec": {"replicas": replicas},
        "status": {"readyReplicas": replicas},
    }
    (tmp_path / "store.json").write_text(json.dumps({"items": [minio]}), "utf-8")
    (tmp_path / "kubectl").write_text(KUBECTL.format(directory=tmp_path), "utf-8")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    store = Part(role=STORE, namespace="tempo", selector="app.kubernetes.io/instance=minio")
    with serving(BlockBuilder) as url:
        aim = Target(profile="distributed-3", ingesters=(Address(url),), parts=(store,))
        found = walked(aim, "store", seconds=5)["store"]
    assert (found.status, said in found.detail) == (status, True)
    assert [finding.cause for finding in found.findings] == (
        [] if replicas else ["StatefulSet tempo/minio is scaled to 0"]
    )


def test_the_store_is_left_alone_if_told_so_or_if_nothing_says_where_ingesters_are() -> None:
    outcome = walked(Target(), "store", store=False)["store"]
    assert (outcome.status, outcome.detail) == ("skipped", "not asked for (--no-store)")
    outcome = walked(Target(), "store")["store"]
    assert outcome.detail == "without a stack nothing says where the ingesters are (--ingester)"
    with ExitStack() as held, pytest.raises(NotApplicable):
        Journey(Target(), held, Patience(1, lambda *_: None))._tempo()
