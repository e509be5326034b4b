"""What holds for every component, and what each hands to the next."""

import base64
import json
from typing import Any

import pytest

from ops.registrations import SECRET_MARK, Recorded, record
from ops.stack_files import STACK_FILES, placeholders, recorded, settings

COMPONENTS = {
    "namespaces": "tracing:index:Namespaces",
    "minio": "tracing:index:MinioServer",
    "store": "tracing:index:ObjectStore",
    "tempo": "tracing:index:Tempo",
    "collector": "tracing:index:Collector",
    "traefik": "tracing:index:Traefik",
    "harness": "tracing:index:Harness",
    "linkerd": "tracing:index:Linkerd",
    "demo-app": "tracing:index:DemoApp",
    "vulture": "tracing:index:Vulture",
    "alerts": "tracing:index:Alerts",
    "grafana": "tracing:index:Grafana",
    "network-policies": "tracing:index:NetworkPolicies",
    "open-hops": "tracing:index:OpenHops",
}
"""Logical name and type token of each component. Both are in every state: they are forever."""

CHILDREN = {
    "namespaces": {
        "namespace-otel",
        "namespace-tempo",
        "namespace-traefik",
        "namespace-emojivoto",
    },
    "minio": {
        "minio-root-password",
        "minio-root",
        "minio-root-version",
        "minio-service",
        "minio-headless",
        "minio-volume-0",
        "minio-volume-1",
        "minio-volume-2",
        "minio-volume-3",
        "minio-ca",
        "minio-server",
        "minio-disruption-budget",
        "minio-ingress",
        "minio-monitor",
    },
    "store": {
        "store-secret-key",
        "store-access",
        "store-access-version",
        "store-admin",
        "store-bucket",
        "store-ca",
        "store-versioning",
        "store-lifecycle",
        "store-user",
        "store-policy",
        "store-user-policy",
    },
    "tempo": {"tempo-release"},
    "collector": {"collector-release", "collector-gateway-release"},
    "traefik": {"traefik-release", "traefik-monitor"},
    "harness": {"harness-release"},
    "linkerd": set(),
    "demo-app": {
        "demo-app-web",
        "demo-app-web-service",
        "demo-app-emoji",
        "demo-app-emoji-service",
        "demo-app-voting",
        "demo-app-voting-service",
        "demo-app-vote-bot",
        "demo-app-bridge",
        "demo-app-bridge-service",
        "demo-app-ingress",
    },
    "vulture": {"vulture-schedule"},
    "alerts": {"alerts-rules"},
    "grafana": {
        "grafana-api",
        "grafana-tempo",
        "grafana-loki",
        "grafana-folder",
        "grafana-health",
        "grafana-services",
        "grafana-cost",
    },
    "network-policies": {
        "network-policies-minio",
        "network-policies-tempo",
        "network-policies-tempo-distributor",
        "network-policies-tempo-query-frontend",
        "network-policies-tempo-gateway",
        "network-policies-tempo-memcached",
        "network-policies-tempo-metrics-generator",
        "network-policies-tempo-on-store",
        "network-policies-collector",
        "network-policies-collector-gateway",
        "network-policies-traefik",
        "network-policies-demo-app-web",
        "network-policies-demo-app-emoji",
        "network-policies-demo-app-voting",
        "network-policies-demo-app-vote-bot",
        "network-policies-demo-app-bridge",
        "network-policies-vulture",
        "network-policies-default-deny-tempo",
        "network-policies-default-deny-otel",
        "network-policies-default-deny-traefik",
        "network-policies-default-deny-emojivoto",
    },
    "open-hops": set(),
}
"""Logical names of each component's resources: they are forever as well."""

EVERYTHING: dict[str, Any] = {
    "tracing:kubernetes": {"existingNamespaces": ["harness"]},
    "tracing:objectStore": {
        "replicas": 4,
        "versioning": True,
        "tls": {"secretName": "minio-tls", "caFile": "examples/private-ca/ca.pem"},
        "ingress": {"host": "s3.example.com"},
    },
    "tracing:tempo": {
        "gateway": {},
        "metricsGenerator": {"remoteWriteUrl": "http://prometheus:9090/api/v1/write"},
    },
    "tracing:collector": {"mode": "agent-gateway"},
    "tracing:traefik": {},
    "tracing:linkerd": {},
    "tracing:harness": {"install": "release", "values": {"platform": {"bootstrap": {"x": 1}}}},
    "tracing:demoApp": {"ingress": {"host": "emojivoto.example.com"}},
    "tracing:vulture": {},
    "tracing:grafana": {"url": "https://grafana.example.com"},
    "tracing:loki": {"url": "http://loki.logging"},
    "tracing:prometheus": {"operator": {}},
}
CANARIES = {
    "tracing:objectStoreRootPassword": "canary-root-pw",
    "tracing:grafanaAuth": "canary-grafana-token",
}


@pytest.fixture(scope="module")
def everything() -> Recorded:
    """A stack in which every component is present."""
    return record("dev", EVERYTHING, CANARIES)


@pytest.fixture(scope="module", params=STACK_FILES)
def stack(request: pytest.FixtureRequest) -> tuple[str, Recorded]:
    return request.param, recorded(request.param)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_keeps_its_name_and_token(everything: Recorded, component: str) -> None:
    [registered] = [
        resource for resource in everything.resources if resource.type == COMPONENTS[component]
    ]
    assert (registered.name, registered.parent) == (component, "")


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_components_resources_are_its_children_and_keep_their_names(component: str) -> None:
    generated = {key: value for key, value in CANARIES.items() if "grafana" in key}
    run = record("dev", EVERYTHING, generated)
    children = {
        resource.name
        for resource in run.resources
        if resource.parent == component and resource.type != COMPONENTS[component]
    }
    assert children == CHILDREN[component]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_says_what_it_made(everything: Recorded, component: str) -> None:
    outputs = everything.component_outputs[component]
    assert outputs
    assert all(value not in (None, "", [], {}) for value in outputs.values())


def test_only_components_and_the_cluster_are_children_of_the_stack(everything: Recorded) -> None:
    tops = {resource.name for resource in everything.resources if resource.parent == ""}
    assert tops == {*COMPONENTS, "kubernetes"}


def test_no_secret_leaves_the_program_in_clear(everything: Recorded) -> None:
    text = json.dumps([unsealed(resource.inputs) for resource in everything.resources])
    text += json.dumps(unsealed(everything.outputs))
    for canary in CANARIES.values():
        assert canary not in text
        assert base64.b64encode(canary.encode()).decode() not in text


def test_each_given_secret_reaches_what_needs_it(everything: Recorded) -> None:
    def sealed(name: str, key: str) -> Any:
        return everything.one(name).inputs[key]

    assert sealed("grafana-api", "auth")["value"] == "canary-grafana-token"
    assert sealed("store-admin", "minioPassword")["value"] == "canary-root-pw"
    assert sealed("minio-root", "stringData")["value"]["MINIO_ROOT_PASSWORD"] == "canary-root-pw"


def unsealed(value: Any) -> Any:
    """A value without what is marked secret in it."""
    match value:
        case {**items} if SECRET_MARK in items:
            return "[secret]"
        case {**items}:
            return {key: unsealed(item) for key, item in items.items()}
        case [*items]:
            return [unsealed(item) for item in items]
        case _:
            return value


def test_no_chart_is_told_a_secret(stack: tuple[str, Recorded]) -> None:
    name, run = stack
    assert all(SECRET_MARK not in json.dumps(values) for values in run.helm_values().values())
    for secret in placeholders(settings(name)).values():
        assert secret not in json.dumps(run.helm_values())


def test_the_stores_keys_reach_what_asks_the_store_and_no_others(everything: Recorded) -> None:
    values = everything.helm_values()["tempo"]
    holders = {key for key, part in values.items() if "secretRef" in json.dumps(part)}
    assert holders == {
        "ingester",
        "querier",
        "queryFrontend",
        "compactor",
        "metricsGenerator",
    }


def test_the_root_password_reaches_no_workload_but_the_server(everything: Recorded) -> None:
    users = {
        resource.name for resource in everything.resources if "canary-root-pw" in str(resource)
    }
    assert users == {"minio-root", "minio-root-version", "store-admin"}
    mounts = {
        resource.name
        for resource in everything.resources
        if '"minio-root"' in json.dumps(resource.inputs) and resource.name != "minio-root"
    }
    assert mounts == {"minio-server"}


def test_every_namespaced_resource_says_its_namespace(stack: tuple[str, Recorded]) -> None:
    _, run = stack
    for resource in run.resources:
        if resource.type.startswith("kubernetes:") and not resource.type.endswith(":Namespace"):
            place = resource.inputs.get("metadata", resource.inputs)
            assert place.get("namespace"), resource.name


def test_namespaces_are_created_once_each_and_existing_ones_never() -> None:
    run = record(
        "dev",
        {"tracing:collector": {}, "tracing:kubernetes": {"existingNamespaces": ["tempo"]}},
        {},
    )
    created = [r.name for r in run.resources if r.type == "kubernetes:core/v1:Namespace"]
    assert created == ["namespace-otel"]
    assert run.one("tempo-release").inputs["namespace"] == "tempo"


def test_every_release_has_a_fixed_name_and_a_pinned_version(stack: tuple[str, Recorded]) -> None:
    _, run = stack
    for name in run.helm_values():
        inputs = run.one(f"{name}-release").inputs
        assert inputs["name"]
        assert inputs["version"]
        assert inputs["repositoryOpts"]["repo"].startswith("https://")


def test_outside_dev_the_provider_is_bound_to_the_stacks_context() -> None:
    assert recorded("prod").one("kubernetes").inputs["context"] == "prod"


def test_tempo_waits_for_its_bucket_and_its_keys(everything: Recorded) -> None:
    assert {"store-bucket", "store-user-policy", "store-access"} <= everything.one(
        "tempo-release"
    ).depends_on


def test_the_collector_exports_to_tempo_and_sources_send_to_the_collector(
    everything: Recorded,
) -> None:
    values = everything.helm_values()
    between, last = (
        values[tier]["alternateConfig"]["exporters"]["otlp_grpc"]["endpoint"]
        for tier in ("collector", "collector-gateway")
    )
    assert between == "opentelemetry-collector-gateway.otel.svc.cluster.local:4317"
    assert last == "tempo-distributed-distributor.tempo.svc.cluster.local:4317"
    grpc = values["traefik"]["tracing"]["otlp"]["grpc"]
    assert grpc["endpoint"] == "opentelemetry-collector.otel.svc.cluster.local:4317"
    assert grpc["endpoint"] in everything.outputs["linkerdValues"]
    assert (
        values["harness"]["global"]["monitoring"]["otel"]["collectorEndpoint"]
        == f"http://{grpc['endpoint']}/"
    )


def test_without_a_collector_sources_send_to_tempo_itself() -> None:
    run = record("dev", {"tracing:traefik": {"protocol": "http"}}, {})
    assert (
        run.helm_values()["traefik"]["tracing"]["otlp"]["http"]["endpoint"]
        == "http://tempo-distributed-distributor.tempo.svc.cluster.local:4318/v1/traces"
    )


def test_harness_values_of_ones_own_stay_beneath_the_tracing_overrides(
    everything: Recorded,
) -> None:
    values = everything.helm_values()["harness"]
    assert values["platform"] == {"bootstrap": {"x": 1}}
    assert values["global"]["monitoring"]["otel"]["enabled"] is True


@pytest.mark.parametrize(
    ("gateway", "url"),
    [
        (True, "http://tempo-distributed-gateway.tempo.svc.cluster.local:80"),
        (False, "http://tempo-distributed-query-frontend.tempo.svc.cluster.local:3200"),
    ],
)
def test_grafana_asks_the_gateway_where_there_is_one(gateway: bool, url: str) -> None:
    raw = EXAMPLE_GRAFANA | {"tracing:tempo": {"gateway": {}} if gateway else {}}
    run = record("dev", raw, {"tracing:grafanaAuth": "x"})
    assert run.one("grafana-tempo").inputs["url"] == url
    assert run.outputs["tempoUrl"] == url


EXAMPLE_GRAFANA = {"tracing:grafana": {"url": "https://grafana.example.com"}}


def test_the_data_sources_point_at_each_other_and_none_is_the_default(
    everything: Recorded,
) -> None:
    tempo = everything.one("grafana-tempo").inputs
    loki = everything.one("grafana-loki").inputs
    assert json.loads(tempo["jsonDataEncoded"])["tracesToLogsV2"]["datasourceUid"] == loki["uid"]
    [field] = json.loads(loki["jsonDataEncoded"])["derivedFields"]
    assert field["datasourceUid"] == tempo["uid"]
    assert field["url"] == "${__value.raw}"
    assert "isDefault" not in tempo
    assert "isDefault" not in loki


def test_a_plain_s3_gets_no_admin_and_uses_the_given_keys() -> None:
    raw = {"tracing:objectStore": {"type": "s3", "endpoint": "s3.eu-west-1.amazonaws.com"}}
    keys = {"tracing:objectStoreAccessKey": "given-id", "tracing:objectStoreSecretKey": "given-key"}
    run = record("dev", raw, keys)
    assert [r.name for r in run.resources if r.type.startswith("minio:")] == []
    sealed = run.one("store-access").inputs["stringData"]["value"]
    assert sealed == {"MINIO_ACCESS_KEY_ID": "given-id", "MINIO_SECRET_ACCESS_KEY": "given-key"}
