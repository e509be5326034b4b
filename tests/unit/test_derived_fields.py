"""From a log line to its trace: what the stack gives Grafana, evaluated as Grafana does."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.commands import main
from ops.derived_fields import LogLine, find, of_stack
from ops.registrations import Recorded, record
from tests.unit.test_config import refusal

SAMPLES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "samples/log-lines.yaml").read_text(encoding="utf-8")
)
TRACE = "0af7651916cd43dd8448eb211c80319c"
API = {"url": "https://grafana.example.com"}
SIDECAR = {"mode": "sidecar"}
LOKI: dict[str, Any] = {
    "url": "http://loki.logging",
    "logFormats": [
        {"name": "Shop", "jsonFields": ["traceId"]},
        {"name": "Orders", "regex": r"\btraceID=(\w+)", "urlDisplayLabel": "Trace of the order"},
        {"name": "Checkout", "label": "trace_id"},
    ],
}


def stack(grafana: dict[str, Any], **loki: Any) -> dict[str, Any]:
    return {"tracing:grafana": grafana, "tracing:loki": LOKI | loki, "tracing:traefik": {}}


def recorded(grafana: dict[str, Any], **loki: Any) -> Recorded:
    secrets = {} if "mode" in grafana else {"tracing:grafanaAuth": "x"}
    return record("dev", stack(grafana, **loki), secrets)


def config_map(run: Recorded) -> dict[str, Any]:
    return run.one("grafana-data-sources").inputs


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["source"])
def test_each_source_is_found_by_its_own_field_and_by_no_other(sample: dict[str, Any]) -> None:
    line = LogLine(text=sample["line"], labels=sample.get("labels", {}))
    [found] = find(of_stack(recorded(API)), [line])
    assert {field.field: field.value for field in found} == sample["found"]
    assert {field.datasource_uid for field in found} <= {"tempo"}


def test_every_way_into_grafana_gives_the_same_derived_fields() -> None:
    by_api = of_stack(recorded(API))
    assert len(by_api) == 4
    assert of_stack(recorded(SIDECAR)) == by_api
    assert of_stack(recorded(API | {"loki": {"managed": False}})) == by_api
    assert of_stack(recorded(SIDECAR | {"loki": {"managed": False}})) == by_api


def test_the_dollar_is_single_for_the_api_and_doubled_in_a_provisioning_file() -> None:
    assert {field["url"] for field in of_stack(recorded(API))} == {"${__value.raw}"}
    text = config_map(recorded(SIDECAR))["data"]["tracing.yaml"]
    [_, loki] = yaml.safe_load(text)["datasources"]
    urls = {field["url"] for field in loki["jsonData"]["derivedFields"]}
    assert urls == {"$${__value.raw}"}
    ends = {"logFormats": [{"name": "End", "regex": "id=(.+)$"}]}
    text = config_map(recorded(SIDECAR, **ends))["data"]["tracing.yaml"]
    assert "id=(.+)$$" in text


def test_a_sidecar_gets_what_the_api_would_and_no_secret() -> None:
    run = recorded(SIDECAR | {"namespace": "monitoring", "organization": 3})
    manifest = config_map(run)
    assert manifest["metadata"]["namespace"] == "monitoring"
    assert manifest["metadata"]["labels"] == {"grafana_datasource": "1"}
    file = yaml.safe_load(manifest["data"]["tracing.yaml"])
    assert file["apiVersion"] == 1
    assert [source["uid"] for source in file["datasources"]] == ["tempo", "loki"]
    assert {source["orgId"] for source in file["datasources"]} == {3}
    assert not any(source.get("isDefault") for source in file["datasources"])
    by_api = recorded(API)
    for source in file["datasources"]:
        inputs = by_api.one(f"grafana-{source['type']}").inputs
        assert (source["url"], source["name"]) == (inputs["url"], inputs["name"])
    assert not [resource for resource in run.resources if resource.type.startswith("grafana:")]
    assert "namespace-monitoring" not in {resource.name for resource in run.resources}


def test_a_loki_of_others_is_left_alone_and_its_owner_is_told_the_fields() -> None:
    run = recorded(API | {"loki": {"managed": False, "uid": "logs"}})
    assert "grafana-loki" not in {resource.name for resource in run.resources}
    tempo = json.loads(run.one("grafana-tempo").inputs["jsonDataEncoded"])
    assert tempo["tracesToLogsV2"]["datasourceUid"] == "logs"
    assert "Trace of the order" in run.outputs["lokiDerivedFields"]
    assert recorded(API).outputs.get("lokiDerivedFields") is None


def test_the_way_from_a_span_to_its_logs_uses_the_labels_that_loki_has() -> None:
    run = recorded(API, labels={"service.name": "app", "k8s.namespace.name": "namespace"})
    tempo = json.loads(run.one("grafana-tempo").inputs["jsonDataEncoded"])
    assert tempo["tracesToLogsV2"]["tags"] == [
        {"key": "service.name", "value": "app"},
        {"key": "k8s.namespace.name", "value": "namespace"},
    ]
    assert (
        "tags"
        not in json.loads(recorded(API).one("grafana-tempo").inputs["jsonDataEncoded"])[
            "tracesToLogsV2"
        ]
    )


@pytest.mark.parametrize(
    "tempo", [{}, {"profile": "monolithic"}], ids=["microservices", "one process"]
)
def test_streaming_is_one_setting_for_tempo_and_for_grafana(tempo: dict[str, Any]) -> None:
    raw = {"tracing:grafana": API, "tracing:tempo": tempo | {"streaming": True}}
    run = record("dev", raw, {"tracing:grafanaAuth": "x"})
    data = json.loads(run.one("grafana-tempo").inputs["jsonDataEncoded"])
    assert data["streamingEnabled"] == {"metrics": True, "search": True}
    values = run.helm_values()["tempo"]
    if tempo:
        assert yaml.safe_load(values["config"])["stream_over_http_enabled"] is True
    else:
        assert values["streamOverHTTPEnabled"] is True
    assert "treaming" not in json.dumps(recorded(API).one("grafana-tempo").inputs)


FORMAT = {"name": "App", "regex": "id=(.*)"}
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a format without a way": (
        stack(API, logFormats=[{"name": "App"}]),
        "loki.logFormats[0]",
        "write exactly one",
    ),
    "a format with two ways": (
        stack(API, logFormats=[FORMAT | {"label": "id"}]),
        "loki.logFormats[0]",
        "write exactly one",
    ),
    "an expression without a group": (
        stack(API, logFormats=[FORMAT | {"regex": "id=.*"}]),
        "loki.logFormats[0].regex",
        "in parentheses",
    ),
    "an expression that is none": (
        stack(API, logFormats=[FORMAT | {"regex": "id=(["}]),
        "loki.logFormats[0].regex",
        "not a regular expression",
    ),
    "an expression that only Python knows": (
        stack(API, logFormats=[FORMAT | {"regex": "(?P<id>.*)"}]),
        "loki.logFormats[0].regex",
        "JavaScript",
    ),
    "two formats of one name": (
        stack(API, logFormats=[FORMAT, FORMAT]),
        "loki.logFormats[0].name",
        "write another",
    ),
    "a format of Traefik's name": (
        stack(API, logFormats=[FORMAT | {"name": "TraceID"}]),
        "loki.logFormats[0].name",
        "write another",
    ),
    "a mode that is not there": (
        {"tracing:grafana": {"mode": "operator"}},
        "grafana.mode",
        "write one of",
    ),
    "a sidecar with an address": (
        {"tracing:grafana": SIDECAR | {"url": "https://grafana.example.com"}},
        "grafana.url",
        "not a known key",
    ),
    "a sidecar in a namespace that is not there yet": (
        {"tracing:grafana": SIDECAR | {"namespace": "tempo"}},
        "grafana.namespace",
        "existingNamespaces",
    ),
    "settings of a Loki that is not there": (
        {"tracing:grafana": SIDECAR | {"loki": {"managed": False}}},
        "grafana.loki.managed",
        "add tracing:loki",
    ),
    "streaming through nginx": (
        {"tracing:tempo": {"streaming": True, "gateway": {}}},
        "tempo.streaming",
        "remove one of them",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_names_the_key_and_the_remedy(case: str) -> None:
    raw, key, remedy = REFUSED[case]
    secrets = ("tracing:grafanaAuth",) if raw.get("tracing:grafana") == API else ()
    messages = refusal(raw, secrets=secrets)
    assert f"tracing:{key}" in messages
    assert remedy in messages[f"tracing:{key}"]


def test_a_certificate_authority_that_is_not_there_is_refused() -> None:
    raw = {"tracing:grafana": API | {"caFile": "no/such.pem"}}
    messages = refusal(raw, secrets=("tracing:grafanaAuth",))
    assert "no/such.pem" in messages["tracing:grafana.caFile"]
    run = record(
        "dev",
        {"tracing:grafana": API | {"caFile": "examples/private-ca/ca.pem"}},
        {"tracing:grafanaAuth": "x"},
    )
    assert "BEGIN CERTIFICATE" in str(run.one("grafana-api").inputs["caCert"])


def test_a_credential_without_an_api_to_use_it_is_refused() -> None:
    messages = refusal({"tracing:grafana": SIDECAR}, secrets=("tracing:grafanaAuth",))
    assert "not used" in messages["tracing:grafanaAuth"]


def correlate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, raw: dict[str, Any]
) -> int:
    file = tmp_path / "Pulumi.mine.yaml"
    file.write_text(yaml.safe_dump({"config": raw}), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return main(["correlate", "--stack", "dev", "--stack-file", str(file)])


def test_a_users_own_lines_are_answered_with_the_field_and_the_link(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = json.dumps({"labels": {"trace_id": TRACE}, "line": "paid", "timestamp": "x"})
    text = f'{{"TraceId":"{TRACE}"}}\n\nnothing here\n{labelled}\n'
    raw = stack(API) | {"tracing:grafanaAuth": {"secure": "v1:unreadable"}}
    assert correlate(monkeypatch, tmp_path, text, raw) == 0
    out = capsys.readouterr().out
    assert f"1: TraceID = {TRACE}\n   https://grafana.example.com/explore?" in out
    assert "2: no derived field matches: nothing here" in out
    assert f"3: Checkout = {TRACE}" in out
    assert "2 of 3 lines lead to a trace" in out
    assert correlate(monkeypatch, tmp_path, "nothing\n", raw) == 1


@pytest.mark.parametrize(
    ("text", "raw", "said"),
    [
        ("line\n", {"tracing:tempo": {}}, "add tracing:grafana"),
        ("", stack(SIDECAR), "no line on standard input"),
        ("line\n", {"tracing:loki": {"uri": "x"}}, "tracing:loki.uri"),
    ],
    ids=["no derived fields", "no lines", "a wrong stack file"],
)
def test_correlate_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    raw: dict[str, Any],
    said: str,
) -> None:
    assert correlate(monkeypatch, tmp_path, text, raw) == 1
    assert said in capsys.readouterr().err


def test_a_stack_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["correlate", "--stack-file", "no-such.yaml"]) == 1
    assert "no-such.yaml is not there" in capsys.readouterr().err
