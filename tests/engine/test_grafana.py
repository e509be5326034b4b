"""The two ways into Grafana: what a preview shows of a change, and that nothing is left to do."""

from typing import Any

import pytest

from sandbox import Sandbox
from tests.engine.conftest import BoxOf

LOKI = {"url": "http://loki.logging", "logFormats": [{"name": "App", "jsonFields": ["traceId"]}]}
API = {"url": "https://grafana.example.com"}
SIDECAR = {"mode": "sidecar", "namespace": "monitoring"}


def opened(box_of: BoxOf, grafana: dict[str, Any]) -> Sandbox:
    box = box_of("dev")
    box.set_config("tracing:loki", LOKI)
    use(box, grafana)
    return box


def use(box: Sandbox, grafana: dict[str, Any]) -> None:
    if "mode" not in grafana:
        box.set_config("tracing:grafanaAuth", "token", secret=True)
    else:
        box.remove_config("tracing:grafanaAuth")
        box.cloud.add_namespace(grafana["namespace"])
    box.set_config("tracing:grafana", grafana)


def changed(box: Sandbox) -> dict[str, str]:
    return {s.name: s.op for s in box.preview().changed() if s.name != "grafana"}


CHANGES: dict[str, tuple[dict[str, Any], str, Any, dict[str, str]]] = {
    "by the API, another source of logs": (
        API,
        "tracing:loki.logFormats",
        [],
        {"grafana-loki": "update"},
    ),
    "by the API, other labels": (
        API,
        "tracing:loki.labels",
        {"service.name": "app"},
        {"grafana-tempo": "update"},
    ),
    "by the sidecar, another source of logs": (
        SIDECAR,
        "tracing:loki.logFormats",
        [],
        {"grafana-data-sources": "update"},
    ),
    "by the sidecar, another namespace": (
        SIDECAR,
        "tracing:grafana.namespace",
        "grafana",
        {"grafana-data-sources": "replace", "network-policies-tempo-query-frontend": "update"},
    ),
    "streaming reaches Tempo and the data source": (
        API,
        "tracing:tempo.streaming",
        True,
        {"tempo-release": "update", "grafana-tempo": "update"},
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_one_setting_changes_what_it_names_and_nothing_else(box_of: BoxOf, case: str) -> None:
    grafana, key, value, expected = CHANGES[case]
    box = opened(box_of, grafana)
    box.cloud.add_namespace("grafana")
    box.up()
    assert box.preview().changes == {}
    box.set_config(key, value)
    assert changed(box) == expected
    box.up()
    assert box.preview().changes == {}
    assert box.refresh().changes == {}


@pytest.mark.parametrize("grafana", [API, SIDECAR], ids=["by the API", "by the sidecar"])
def test_another_tenant_is_another_data_source(box_of: BoxOf, grafana: dict[str, Any]) -> None:
    box = opened(box_of, grafana)
    box.set_config("tracing:tenancy", {"default": "platform", "tenants": {"shop": []}})
    box.up()
    assert box.preview().changes == {}
    assert box.refresh().changes == {}
    box.set_config("tracing:tenancy", {"default": "platform", "tenants": {"shop": [], "bank": []}})
    expected = {"grafana-data-sources": "update"}
    if grafana is API:
        expected = {"grafana-tempo-bank": "create"}
    assert {name: op for name, op in changed(box).items() if "grafana" in name} == expected
    box.up()
    assert box.preview().changes == {}


def test_what_grafana_adds_to_a_data_source_of_its_own_is_no_change(box_of: BoxOf) -> None:
    box = opened(box_of, API)
    box.up()
    box.cloud.drift("grafana", "DataSource", "1:tempo", "readOnly", False)
    assert box.refresh().changes == {}
    assert box.preview().changes == {}


def test_a_sidecars_data_sources_go_with_the_stack(box_of: BoxOf) -> None:
    box = opened(box_of, SIDECAR)
    box.up()
    assert box.cloud.get("kubernetes", "ConfigMap", "monitoring/tracing-data-sources") is not None
    box.set_config("tracing:deleteData", True)
    box.up()
    box.destroy()
    assert box.cloud.get("kubernetes", "ConfigMap", "monitoring/tracing-data-sources") is None
    assert box.cloud.get("kubernetes", "Namespace", "monitoring") is not None
