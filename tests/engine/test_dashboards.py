"""Dashboards and alerts by the real engine: a second preview is empty, a setting changes what it
names, and turning them off takes them away and nothing else."""

import json
from typing import Any

import pytest

from sandbox import Sandbox
from tests.engine.conftest import BoxOf

API = {"url": "https://grafana.example.com"}
SIDECAR = {"mode": "sidecar", "namespace": "monitoring"}
MODES = {"api": API, "sidecar": SIDECAR}
BOTH = pytest.mark.parametrize("mode", MODES)

DASHBOARDS = {"grafana-health", "grafana-services", "grafana-cost"}
OPERATOR = {"labels": {"release": "monitoring"}}


def opened(box_of: BoxOf, mode: str) -> Sandbox:
    box = box_of("dev")
    if mode == "api":
        box.set_config("tracing:grafanaAuth", "token", secret=True)
    else:
        box.cloud.add_namespace("monitoring")
    box.set_config("tracing:grafana", MODES[mode])
    box.set_config(
        "tracing:tempo.metricsGenerator", {"remoteWriteUrl": "http://prometheus/api/v1/write"}
    )
    box.set_config("tracing:prometheus", {"datasourceUid": "metrics"})
    return box


def changed(box: Sandbox) -> dict[str, str]:
    """What a preview shows of each resource but the components."""
    return {step.name: step.op for step in box.preview().changed() if step.name != "grafana"}


def kept(box: Sandbox, mode: str) -> dict[str, dict[str, Any]]:
    """The dashboards that Grafana, or its sidecar, has; by uid."""
    if mode == "api":
        texts = [
            found.properties["configJson"] for found in box.cloud.objects("grafana", "Dashboard")
        ]
    else:
        texts = [
            text
            for found in box.cloud.objects("kubernetes", "ConfigMap")
            for name, text in found.properties.get("data", {}).items()
            if name.endswith(".json")
        ]
    return {board["uid"]: board for board in map(json.loads, texts)}


@BOTH
def test_dashboards_come_stay_and_follow_the_prometheus(box_of: BoxOf, mode: str) -> None:
    box = opened(box_of, mode)
    box.up()
    assert set(kept(box, mode)) == {"tempo-health", "tempo-services", "tempo-cost"}
    assert box.preview().changes == {}
    assert box.refresh().changes == {}

    box.set_config("tracing:prometheus.datasourceUid", "other")
    asking = {"grafana-tempo"} if mode == "api" else {"grafana-data-sources"}
    assert changed(box) == dict.fromkeys(DASHBOARDS | asking, "update")
    box.up()
    assert box.preview().changes == {}
    sources = {
        panel["datasource"]["uid"]
        for board in kept(box, mode).values()
        for panel in board["panels"]
        if panel["type"] != "row"
    }
    assert sources == {"other"}

    box.set_config("tracing:grafana.dashboards", False)
    folder = {"grafana-folder"} if mode == "api" else set()
    assert changed(box) == dict.fromkeys(DASHBOARDS | folder, "delete")
    box.up()
    assert kept(box, mode) == {}
    assert box.preview().changes == {}


def test_another_organization_gets_folder_and_dashboards_of_its_own(box_of: BoxOf) -> None:
    box = opened(box_of, "api")
    box.up()
    box.set_config("tracing:grafana.organization", 2)
    assert changed(box) == dict.fromkeys(
        {"grafana-tempo", "grafana-folder", *DASHBOARDS}, "replace"
    )
    box.up()
    assert {found.properties["orgId"] for found in box.cloud.objects("grafana", "Dashboard")} == {
        "2"
    }
    assert {found.properties["orgId"] for found in box.cloud.objects("grafana", "Folder")} == {"2"}
    assert box.preview().changes == {}


def test_what_people_do_to_a_dashboard_is_taken_back(box_of: BoxOf) -> None:
    box = opened(box_of, "api")
    box.up()
    board = kept(box, "api")["tempo-cost"] | {"title": "Mine"}
    box.cloud.drift("grafana", "Dashboard", "1:tempo-cost", "configJson", json.dumps(board))
    box.refresh()
    assert changed(box) == {"grafana-cost": "update"}


def test_an_operator_reaches_what_it_is_to_find_and_nothing_else(box_of: BoxOf) -> None:
    box = opened(box_of, "api")
    box.up()
    box.set_config("tracing:prometheus.operator", OPERATOR)
    steps = changed(box)
    assert steps.pop("alerts") == "create"
    assert steps == {
        "alerts-rules": "create",
        "minio-monitor": "create",
        "traefik-monitor": "create",
        # Who asks is one more way, and nothing here is encrypted.
        "open-hops": "update",
        # It opens its metrics, and restarts for it.
        "minio-server": "update",
        "tempo-release": "update",
        "collector-release": "update",
        **dict.fromkeys(DASHBOARDS - {"grafana-services"}, "update"),
    }
    box.up()
    assert box.preview().changes == {}
    rules = box.cloud.get("kubernetes", "PrometheusRule.monitoring.coreos.com", "tempo/tracing")
    assert rules is not None
    assert rules["metadata"]["labels"] == {"release": "monitoring"}

    box.set_config("tracing:prometheus.operator.runbooks", "https://git.example.com/runbooks.md")
    assert changed(box) == {"alerts-rules": "update"}
    box.remove_config("tracing:prometheus.operator")
    assert {name for name, op in changed(box).items() if op == "delete"} == {
        "alerts",
        "alerts-rules",
        "minio-monitor",
        "traefik-monitor",
    }
    box.up()
    assert (
        box.cloud.get("kubernetes", "PrometheusRule.monitoring.coreos.com", "tempo/tracing") is None
    )
