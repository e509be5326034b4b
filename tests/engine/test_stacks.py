"""Whole stacks, as they are checked in, by the real engine."""

import base64
import copy
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import charts
from ops.stack_files import ROOT, STACK_FILES
from sandbox import Sandbox, SandboxError
from tests.engine.conftest import BoxOf


@pytest.fixture(scope="module")
def applied() -> Iterator[Sandbox]:
    """The prod stack with everything in it, applied once: for tests that only preview."""
    with Sandbox(ROOT, "dev") as box:
        add_everything(box)
        box.up()
        yield box


def add_everything(box: Sandbox) -> None:
    box.set_config("tracing:linkerd", {})
    box.set_config("tracing:harness", {"install": "release"})
    box.set_config("tracing:kubernetes", {"existingNamespaces": ["harness"]})
    box.cloud.add_namespace("harness")
    box.set_config("tracing:grafana", {"url": "https://grafana.example.com"})
    box.set_config("tracing:loki", {"url": "http://loki.logging"})
    box.set_config("tracing:grafanaAuth", "token", secret=True)


@pytest.mark.parametrize("stack", STACK_FILES)
def test_a_stack_goes_up_has_nothing_left_to_do_and_comes_down(box_of: BoxOf, stack: str) -> None:
    box = box_of(stack)
    preview = box.preview()
    up = box.up()
    assert preview.changes == up.changes
    assert set(up.changes) == {"create"}
    assert box.preview().changes == {}
    assert box.refresh().changes == {}
    box.set_config("tracing:deleteData", True)
    box.up()
    assert box.destroy().changes == {"delete": up.changes["create"]}
    assert [found for found in box.cloud.objects() if not found.foreign] == []
    assert box.resources() == []


ONE_SETTING: dict[str, tuple[str, Any, dict[str, str]]] = {
    "the retention reaches Tempo and the bucket's lifecycle": (
        "tracing:tempo.blockRetention",
        "24h",
        {"tempo-release": "update", "store-lifecycle": "update"},
    ),
    "the number of ingesters reaches Tempo only": (
        "tracing:tempo.ingester.replicas",
        2,
        {"tempo-release": "update"},
    ),
    "the collector's size reaches the collector only": (
        "tracing:collector.resources.memory",
        "1Gi",
        {"collector-release": "update"},
    ),
    "the sampling rate reaches Traefik only": (
        "tracing:traefik.sampleRate",
        0.5,
        {"traefik-release": "update"},
    ),
    "another receiver at the collector reaches the collector only": (
        "tracing:collector.receivers",
        ["otlpGrpc", "otlpHttp", "zipkin"],
        {"collector-release": "update"},
    ),
    "the gateway changes where Grafana asks": (
        "tracing:tempo.gateway",
        {},
        {
            "tempo-release": "update",
            "grafana-tempo": "update",
            "network-policies-tempo-gateway": "create",
            "network-policies-tempo-distributor": "update",
            "network-policies-tempo-query-frontend": "update",
        },
    ),
    "another release of Tempo is told to all who name it": (
        "tracing:tempo.releaseName",
        "tempo",
        {
            "tempo-release": "replace",
            "collector-release": "update",
            "grafana-tempo": "update",
            # Its pods have other labels.
            "network-policies-tempo": "update",
            "network-policies-tempo-on-store": "update",
            "network-policies-tempo-distributor": "update",
            "network-policies-tempo-query-frontend": "update",
            "network-policies-minio": "update",
            "network-policies-collector": "update",
        },
    ),
    "another namespace of the collector moves it, and whoever sends to it follows": (
        "tracing:collector.namespace",
        "observability",
        {
            "namespace-observability": "create",
            "namespace-otel": "delete",
            "collector-release": "replace",
            "traefik-release": "update",
            "harness-release": "update",
            "network-policies-default-deny-observability": "create",
            "network-policies-default-deny-otel": "delete",
            "network-policies-collector": "replace",
            "network-policies-tempo-distributor": "update",
            "network-policies-traefik": "update",
        },
    ),
    "another uid replaces the data source, and Loki points at the new one": (
        "tracing:grafana.tempo.uid",
        "tempo2",
        {"grafana-tempo": "replace", "grafana-loki": "update"},
    ),
    "another organization replaces both data sources": (
        "tracing:grafana.organization",
        2,
        {"grafana-tempo": "replace", "grafana-loki": "replace"},
    ),
    "another name of Tempo's user is another user": (
        "tracing:objectStore.user",
        "tempo-reader",
        {
            "store-user": "replace",
            "store-user-policy": "replace",
            "store-access": "update",
            "store-access-version": "replace",
            "tempo-release": "update",
        },
    ),
    "another image restarts the server in place": (
        "tracing:objectStore.image",
        "docker.io/pgsty/minio:other",
        {"minio-server": "update"},
    ),
    "the reason for an open hop is shown, and touches nothing that is made": (
        "tracing:allowInsecure",
        {"tempo-internal": "behind a policy"},
        {"open-hops": "update"},
    ),
    "a value that is only exported touches no resource": (
        "tracing:linkerd.traceServiceName",
        "mesh",
        {},
    ),
}


@pytest.mark.parametrize("case", ONE_SETTING)
def test_one_setting_touches_exactly_what_depends_on_it(applied: Sandbox, case: str) -> None:
    key, value, expected = ONE_SETTING[case]
    section = key.partition(".")[0]
    before = copy.deepcopy(applied.config.get(section))
    applied.set_config(key, value)
    try:
        changed = {step.name: step.op for step in applied.preview().changed()}
    finally:
        if before is None:
            applied.remove_config(section)
        else:
            applied.set_config(section, before)
    components = {"namespaces", "store", "grafana", "tempo", "network-policies"}
    assert {name: op for name, op in changed.items() if name not in components} == expected


ROOT_PASSWORD = "tracing:objectStoreRootPassword"


def test_generated_passwords_are_nowhere_in_clear(box_of: BoxOf) -> None:
    box = box_of("dev")
    shown = [box.up().text]
    [root] = box.cloud.objects("kubernetes", "Secret")[:1]
    assert root.properties["data"]
    passwords = [
        base64.b64decode(value).decode()
        for secret in box.cloud.objects("kubernetes", "Secret")
        for key, value in secret.properties["data"].items()
        if "PASSWORD" in key or "SECRET" in key
    ]
    assert len(passwords) == 2
    shown += [path.read_text("utf-8", errors="replace") for path in box.state_files]
    for password in passwords:
        assert not any(password in text for text in shown)


def test_the_generated_keys_are_the_same_in_the_next_update(applied_box_of: BoxOf) -> None:
    box = applied_box_of("dev")
    before = box.outputs()["objectStoreRootPassword"].value
    box.set_config("tracing:tempo.blockRetention", "24h")
    box.up()
    assert box.outputs()["objectStoreRootPassword"].value == before


def test_a_new_root_password_changes_in_place_and_restarts_what_reads_it(box_of: BoxOf) -> None:
    box = box_of("dev")
    box.set_config(ROOT_PASSWORD, "first-secret", secret=True)
    box.up()
    box.set_config(ROOT_PASSWORD, "second-secret", secret=True)
    assert {step.name: step.op for step in box.up().changed()} == {
        "minio-root": "update",
        "minio-root-version": "replace",
        "minio-server": "update",
        "store-admin": "update",
    }
    assert box.preview().changes == {}


def test_a_generated_password_can_be_given_from_then_on_and_nothing_restarts(
    applied_box_of: BoxOf,
) -> None:
    box = applied_box_of("dev")
    generated = box.outputs()["objectStoreRootPassword"].value
    box.set_config("tracing:objectStoreRootPassword", generated, secret=True)
    changed = {step.name: step.op for step in box.preview().changed()}
    assert changed == {"minio-root-password": "delete"}


def test_a_wrong_configuration_changes_nothing_and_all_of_it_is_said(box_of: BoxOf) -> None:
    box = box_of("dev")
    box.set_config("tracing:tempo.blockRetention", "48")
    box.set_config("tracing:collector.modee", "deployment")
    with pytest.raises(SandboxError) as refused:
        box.up()
    text = str(refused.value)
    assert "has 2 errors; nothing was changed" in text
    assert "tracing:tempo.blockRetention" in text
    assert "did you mean mode?" in text
    assert "Traceback" not in text
    assert box.cloud.objects() == []
    assert [r for r in box.resources() if r["type"] != "pulumi:pulumi:Stack"] == []


def test_a_chart_archive_that_is_not_the_pinned_one_changes_nothing(
    box_of: BoxOf, tmp_path: Path
) -> None:
    box = box_of("dev")
    box.set_config("tracing:charts", {"directory": str(tmp_path)})
    with pytest.raises(SandboxError, match=r"make charts") as refused:
        box.up()
    assert "Traceback" not in str(refused.value)
    assert box.cloud.objects() == []


def pack(chart: charts.Chart, directory: Path) -> str:
    """The smallest archive that Helm takes for a chart; its digest."""
    content = f"apiVersion: v2\nname: {chart.name}\nversion: {chart.version}\n".encode()
    archive = directory / chart.archive_name
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo(f"{chart.name}/Chart.yaml")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def test_moving_to_local_archives_upgrades_releases_in_place(
    applied_box_of: BoxOf, tmp_path: Path
) -> None:
    box = applied_box_of("dev")
    digests = {}
    for chart in (charts.TEMPO_DISTRIBUTED, charts.OPENTELEMETRY_COLLECTOR, charts.TRAEFIK):
        digests[chart.archive_name] = pack(chart, tmp_path)
    box.set_config("tracing:charts", {"directory": str(tmp_path), "digests": digests})
    changed = {step.name: step.op for step in box.preview().changed()}
    assert changed == dict.fromkeys(
        ("tempo-release", "collector-release", "traefik-release"), "update"
    )


def test_existing_namespaces_are_neither_created_nor_deleted(box_of: BoxOf) -> None:
    box = box_of("dev")
    box.set_config("tracing:kubernetes", {"existingNamespaces": ["tempo"]})
    box.up()
    box.destroy()
    assert [found.id for found in box.cloud.objects("kubernetes", "Namespace")] == ["tempo"]


def test_removing_a_component_removes_what_it_owned_and_nothing_else(applied: Sandbox) -> None:
    taken = {key: applied.config[key] for key in ("tracing:harness", "tracing:kubernetes")}
    for key in taken:
        applied.remove_config(key)
    try:
        changed = {step.name: step.op for step in applied.preview().changed()}
    finally:
        for key, value in taken.items():
            applied.set_config(key, value)
    assert changed == {
        "harness": "delete",
        "harness-release": "delete",
        # Whose pods may no longer send.
        "network-policies-collector": "update",
    }
