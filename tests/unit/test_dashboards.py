"""Dashboards and alerts: each panel says what it means, each question is PromQL, each alert leads
to its runbook; and only what a stack has is shown."""

import json
import re
import subprocess
import sys
from itertools import combinations
from typing import Any
from urllib.parse import unquote

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard
from promql_parser import parse

from components.collector import SPAN_METRICS as COLLECTORS
from components.contracts import Scraped, TraceMetrics
from components.values.dashboards.services import services
from ops.registrations import Recorded, record
from ops.stack_files import ROOT
from tests.unit.collector_settings import TAIL
from tests.unit.platforms import (
    GRAFANA,
    PLATFORMS,
    boards,
    expressions,
    metrics_of,
    panels,
    recorded,
    rules,
)

ALL = pytest.mark.parametrize("platform", PLATFORMS)
ALERTED = pytest.mark.parametrize(
    "platform", [name for name in PLATFORMS if "operator" in PLATFORMS[name]["tracing:prometheus"]]
)
TWO, THREE, ONE, GRAPH = PLATFORMS

UNITS = {"cps", "reqps", "Bps", "bytes", "s", "ms", "percentunit", "short"}


def titles(run: Recorded, board: str) -> set[str]:
    return {panel["title"] for panel in boards(run)[board]["panels"]}


def metrics(run: Recorded) -> set[str]:
    return {name for text in expressions(run) for name in metrics_of(parse(text))}


@ALL
def test_every_panel_says_what_it_means_and_in_which_unit(platform: str) -> None:
    for board in boards(recorded(platform)).values():
        assert board["description"]
        assert panels(board)
        for panel in panels(board):
            assert panel["title"]
            assert len(panel["description"]) > 10, panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
            assert panel["options"]["legend"]["showLegend"], panel["title"]
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@ALL
def test_every_panel_asks_the_prometheus_that_the_stack_names(platform: str) -> None:
    uid = PLATFORMS[platform]["tracing:prometheus"].get("datasourceUid", "prometheus")
    source = {"type": "prometheus", "uid": uid}
    for board in boards(recorded(platform)).values():
        for panel in panels(board):
            assert panel["datasource"] == source
            assert [target["datasource"] for target in panel["targets"]] == [source] * len(
                panel["targets"]
            )
        for variable in board["templating"].get("list", []):
            assert variable["datasource"] == source


@ALL
def test_panels_do_not_overlap_and_fill_their_line(platform: str) -> None:
    for board in boards(recorded(platform)).values():
        widths: dict[int, int] = {}
        for panel in board["panels"]:
            place = panel["gridPos"]
            widths[place["y"]] = widths.get(place["y"], 0) + place["w"]
        assert set(widths.values()) == {24}
        places = [panel["gridPos"] for panel in board["panels"]]
        assert all(place["x"] + place["w"] <= 24 for place in places)
        for one, other in combinations(places, 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert beside or above, (one, other)


@ALL
def test_a_dashboard_is_what_the_sdk_reads_and_writes(platform: str) -> None:
    for board in boards(recorded(platform)).values():
        # `from_json` refuses what is not of the schema's shape; nothing may be lost on the way.
        again = json.loads(json.dumps(Dashboard.from_json(board), default=_json))
        for panel in again["panels"]:
            panel.pop("id", None)
        assert again == board


def _json(value: Any) -> Any:
    return value.to_json()


@ALL
@pytest.mark.parametrize("mode", GRAFANA)
def test_nothing_in_a_dashboard_is_numbered_by_grafana(platform: str, mode: str) -> None:
    run = recorded(platform, mode)
    for name, board in boards(run).items():
        assert {"id", "version", "iteration", "gnetId"} & set(board) == set()
        # The provider takes the numbers of panels out as well before it compares.
        assert not [panel for panel in board["panels"] if "id" in panel]
        assert board["uid"] == f"tempo-{name.removeprefix('grafana-')}"
        assert board["editable"] is False


@ALL
def test_every_expression_is_promql(platform: str) -> None:
    asked = expressions(recorded(platform))
    assert asked
    for text in asked:
        try:
            parse(text)
        except ValueError as error:
            pytest.fail(f"{text}: {error}")


@ALL
def test_both_ways_into_grafana_have_the_same_dashboards(platform: str) -> None:
    by_api, by_sidecar = recorded(platform, "api"), recorded(platform, "sidecar")
    assert boards(by_api) == boards(by_sidecar)
    assert (
        by_api.one("grafana-health").inputs["folder"] == by_api.one("grafana-folder").inputs["uid"]
    )
    config_map = by_sidecar.one("grafana-health").inputs["metadata"]
    assert config_map["labels"] == {"grafana_dashboard": "1"}
    assert config_map["annotations"] == {"grafana_folder": "Tracing"}
    assert config_map["namespace"] == "monitoring"


def test_grafanas_variables_are_not_doubled_in_the_sidecars_dashboards() -> None:
    run = recorded(TWO, "sidecar")
    [text] = run.one("grafana-health").inputs["data"].values()
    assert "[$__rate_interval]" in text
    assert "$$" not in text
    # As they are in the file of data sources, which Grafana expands.
    assert (
        "$${__value.raw}"
        in record(
            "dev",
            {"tracing:grafana": GRAFANA["sidecar"], "tracing:loki": {"url": "http://loki"}}
            | {"tracing:traefik": {}},
            {},
        )
        .one("grafana-data-sources")
        .inputs["data"]["tracing.yaml"]
    )


def test_only_what_a_stack_has_is_shown() -> None:
    two, three, one = recorded(TWO), recorded(THREE), recorded(ONE)
    assert {"MinIO", "Collector", "On the way to the store", "Metrics of spans"} <= titles(
        two, "grafana-health"
    )
    assert "From Kafka to the store" in titles(three, "grafana-health")
    assert not {"Collector", "On the way to the store"} & titles(three, "grafana-health")
    assert not {"MinIO", "Metrics of spans", "From Kafka to the store"} & titles(
        one, "grafana-health"
    )
    assert not [name for name in metrics(three) if name.startswith(("otelcol_", "tempo_ingester"))]
    assert not [name for name in metrics(two) if name.startswith(("tempo_live_", "tempo_ingest_"))]
    assert not [name for name in metrics(one) if name.startswith(("minio_", "traces_"))]
    assert set(boards(one)) == {"grafana-health", "grafana-cost"}
    assert set(boards(two)) == {"grafana-health", "grafana-services", "grafana-cost"}
    assert titles(recorded(GRAPH), "grafana-services") == {
        "Between services",
        "Requests between services",
        "Failed between services",
        "Duration between services",
    }


def test_without_an_operator_nothing_is_said_of_labels_that_nobody_knows() -> None:
    assert all("namespace=" not in text for text in expressions(recorded(ONE)))
    of_the_stack = [
        text
        for text in expressions(recorded(TWO))
        if re.search("(tempo|tempodb|otelcol|minio)_", text)
    ]
    assert of_the_stack
    assert all('namespace="' in text for text in of_the_stack)


def in_two_tiers(prometheus: dict[str, Any], **tiers: Any) -> Recorded:
    settings: dict[str, Any] = {
        "tracing:collector": {"releaseName": "otel", **(tiers or {"mode": "agent-gateway"})},
        "tracing:prometheus": prometheus,
        "tracing:grafana": GRAFANA["api"],
    }
    return record("dev", settings, {"tracing:grafanaAuth": "token"})


def asked_by(run: Recorded, title: str) -> list[str]:
    [panel] = [p for p in panels(boards(run)["grafana-health"]) if p["title"] == title]
    return [target["expr"] for target in panel["targets"]]


@pytest.mark.parametrize("title", ["Spans into the collector", "Refused by the collector"])
def test_what_applications_see_of_two_tiers_is_the_first_one(title: str) -> None:
    [two] = asked_by(in_two_tiers(PLATFORMS[TWO]["tracing:prometheus"]), title)
    assert '{namespace="otel",job="otel"}' in two
    [one] = asked_by(recorded(TWO), title)
    assert '{namespace="otel"}' in one


def test_what_two_tiers_send_is_not_added_up() -> None:
    run = in_two_tiers(PLATFORMS[TWO]["tracing:prometheus"])
    [sent] = asked_by(run, "Spans sent")
    assert sent.startswith("sum by (job, exporter)")
    not_queued, not_sent = asked_by(run, "Lost by the collector")
    # What an agent without a queue could not send, the application was told.
    assert 'job="otel-gateway"' in not_queued
    assert 'job="otel-gateway"' in not_sent
    both = in_two_tiers(PLATFORMS[TWO]["tracing:prometheus"], replicas=2, sampling=TAIL)
    not_queued, not_sent = asked_by(both, "Lost by the collector")
    # The first tier keeps what the gateway has no room for; either may be refused for good.
    assert 'job="otel"' in not_queued
    assert "job=" not in not_sent


def test_two_tiers_that_nobody_can_tell_apart_are_said_to_count_twice() -> None:
    def descriptions(run: Recorded) -> str:
        return " ".join(p["description"] for p in panels(boards(run)["grafana-health"]))

    unknown = in_two_tiers({})
    assert not [text for text in expressions(unknown) if "job=" in text]
    assert descriptions(unknown).count("counts again") == 2
    for run in (in_two_tiers(PLATFORMS[TWO]["tracing:prometheus"]), recorded(ONE), recorded(TWO)):
        assert "counts again" not in descriptions(run)


def test_alerts_of_two_tiers_miss_neither_and_count_no_span_twice() -> None:
    run = in_two_tiers(PLATFORMS[TWO]["tracing:prometheus"])
    alerts = {rule["alert"]: rule["expr"] for rule in rules(run)}
    # By equality: `absent` takes the labels of its answer from there.
    assert alerts["CollectorDown"] == (
        'absent(up{namespace="otel",job="otel"} == 1) or '
        'absent(up{namespace="otel",job="otel-gateway"} == 1)'
    )
    assert 'job="otel"' in alerts["CollectorRefusesSpans"]
    not_queued, _, not_sent = alerts["CollectorLosesSpans"].partition(" or ")
    assert 'job="otel-gateway"' in not_queued
    assert 'job="otel-gateway"' in not_sent
    assert "job=" not in alerts["CollectorQueueFills"]
    for text in expressions(run):
        parse(text)
    [down] = [rule["expr"] for rule in rules(recorded(TWO)) if rule["alert"] == "CollectorDown"]
    assert down.count("absent(") == 1


def test_the_collectors_names_of_span_metrics_are_asked_for_where_it_makes_them() -> None:
    board = services(TraceMetrics(spans=COLLECTORS, service_graph=False), "tempo")
    text = str(board)
    assert "traces_spanmetrics" not in text
    assert 'service_name=~"$service"' in text
    assert {panel.unit for panel in board.panels()} == {"reqps", "percentunit", "ms"}


def test_a_line_of_a_service_leads_to_its_traces() -> None:
    [duration] = [
        p for p in panels(boards(recorded(TWO))["grafana-services"]) if p["title"] == "Duration"
    ]
    assert [target["exemplar"] for target in duration["targets"]] == [True]
    [link] = duration["fieldConfig"]["defaults"]["links"]
    address, _, encoded = link["url"].partition("&panes=")
    assert address == "/explore?schemaVersion=1"
    pane = json.loads(unquote(encoded))["traces"]
    assert pane["datasource"] == "tempo"
    [query] = pane["queries"]
    found = "${__field.labels.service:percentencode}"
    assert query["query"] == f'{{resource.service.name="{found}"}}'
    assert pane["range"] == {"from": "${__from}", "to": "${__to}"}
    # Grafana looks for its variables in clear.
    assert found in encoded


def test_the_uids_follow_tempos_so_that_two_stacks_fit_in_one_grafana() -> None:
    run = record(
        "dev",
        {"tracing:grafana": GRAFANA["api"] | {"tempo": {"uid": "blue"}, "folder": "Blue"}}
        | {"tracing:prometheus": {}},
        {"tracing:grafanaAuth": "token"},
    )
    folder = run.one("grafana-folder").inputs
    assert (folder["uid"], folder["title"]) == ("blue", "Blue")
    # Dashboards that people put there stay.
    assert folder["preventDestroyIfNotEmpty"] is True
    assert {board["uid"] for board in boards(run).values()} == {"blue-health", "blue-cost"}


@pytest.mark.parametrize("grafana", [{}, {"dashboards": False}])
def test_a_stack_without_dashboards_does_not_load_what_makes_them(grafana: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"tracing:grafana": GRAFANA["sidecar"] | grafana}
    if grafana:
        settings["tracing:prometheus"] = {}
    code = (
        "import sys; from ops.registrations import record\n"
        f"run = record('dev', {settings!r}, {{}})\n"
        "assert run.one('grafana-data-sources')\n"
        "assert [r.name for r in run.resources if r.parent == 'grafana'] == "
        "['grafana-data-sources']\n"
        "assert not [name for name in sys.modules if name.startswith('grafana_foundation_sdk')]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@ALERTED
def test_every_alert_says_how_bad_it_is_and_what_to_do(platform: str) -> None:
    found = rules(recorded(platform))
    names = [rule["alert"] for rule in found]
    assert len(set(names)) == len(names)
    for rule in found:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert re.fullmatch(r"\d+m", rule["for"])
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert all(rule["annotations"].values())
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"


def sections() -> dict[str, str]:
    text = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    alerts = {rule["alert"] for name in (TWO, THREE) for rule in rules(recorded(name))}
    assert set(sections()) == alerts
    for name, text in sections().items():
        assert ["**Means.**" in text, "**Look.**" in text, "**Mend.**" in text] == [True] * 3, name


def test_a_runbooks_links_lead_to_sections() -> None:
    text = "".join(sections().values())
    anchors = set(re.findall(r"\]\(#([a-z]+)\)", text))
    assert anchors
    assert anchors <= {name.lower() for name in sections()}


def test_what_the_operator_selects_by_is_on_everything_it_is_to_find() -> None:
    two, three, one = (
        recorded(TWO),
        recorded(THREE),
        record(
            "dev", PLATFORMS[ONE] | {"tracing:prometheus": PLATFORMS[TWO]["tracing:prometheus"]}, {}
        ),
    )
    labels = {"release": "monitoring"}
    for run in (two, three):
        tempo = run.helm_values()["tempo"]["metaMonitoring"]["serviceMonitor"]
        assert tempo == {"enabled": True, "labels": labels}
    assert one.helm_values()["tempo"]["serviceMonitor"] == {
        "enabled": True,
        "additionalLabels": labels,
    }
    assert two.helm_values()["collector"]["serviceMonitor"] == {
        "enabled": True,
        "extraLabels": labels,
    }
    for name in ("alerts-rules", "minio-monitor"):
        found = two.one(name).inputs["metadata"]["labels"]
        assert labels.items() <= found.items()
    [endpoint] = two.one("minio-monitor").inputs["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "s3", "path": "/minio/v2/metrics/cluster"}


def test_minios_metrics_are_open_only_where_somebody_is_to_ask_for_them() -> None:
    def variables(platform: str) -> set[str]:
        spec = recorded(platform).one("minio-server").inputs["spec"]["template"]["spec"]
        return {variable["name"] for variable in spec["containers"][0]["env"]}

    assert "MINIO_PROMETHEUS_AUTH_TYPE" in variables(TWO)
    assert "MINIO_PROMETHEUS_AUTH_TYPE" not in variables(ONE)


def test_a_server_with_a_private_certificate_is_asked_by_the_name_in_it() -> None:
    tls = {"secretName": "minio-tls", "caFile": "examples/private-ca/ca.pem"}
    run = record(
        "dev",
        {"tracing:objectStore": {"tls": tls}, "tracing:prometheus": {"operator": {}}},
        {},
    )
    [endpoint] = run.one("minio-monitor").inputs["spec"]["podMetricsEndpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"] == {
        "serverName": "minio.tempo.svc.cluster.local",
        "ca": {"configMap": {"name": "minio-ca", "key": "ca.crt"}},
    }


def test_a_series_is_told_apart_by_what_is_known_of_it() -> None:
    known = Scraped(namespace="tempo", jobs="tempo/.+")
    assert known.series("x", 'a="b"') == 'x{namespace="tempo",a="b"}'
    assert known.up() == 'up{namespace="tempo",job=~"tempo/.+"}'
    unknown = Scraped(namespace=None, jobs=None)
    assert (unknown.series("x"), unknown.series("x", 'a="b"')) == ("x", 'x{a="b"}')
