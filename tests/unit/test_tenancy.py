"""Several tenants: whose spans are whose, and who may read which."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml

import config
from config.kinds import quantity
from ops.registrations import SECRET_MARK, Recorded, record

TENANCY: dict[str, Any] = {
    "tenants": {"shop": ["shop", "checkout"], "bank": []},
    "default": "platform",
    "authentication": {"type": "basic", "secretName": "users", "users": {"ann": "shop"}},
}
STACK: dict[str, Any] = {
    "tracing:tenancy": TENANCY,
    "tracing:tempo": {
        "gateway": {},
        "tenants": {"shop": {"rateMbPerSecond": 5, "blockRetention": "30d"}},
    },
    "tracing:collector": {},
    "tracing:grafana": {"url": "https://grafana.example.com"},
    "tracing:vulture": {},
}


def run_of(**more: Any) -> Recorded:
    settings = {f"tracing:{key}": value for key, value in more.items()}
    return record("dev", STACK | settings, {"tracing:grafanaAuth": "token"})


def refusal(**more: Any) -> dict[str, str]:
    settings = {f"tracing:{key}": value for key, value in more.items()}
    raw = STACK | {"tracing:grafana": {"mode": "sidecar"}} | settings
    with pytest.raises(config.ConfigError) as error:
        config.parse(raw, stack="dev", secret_keys=set())
    return {finding.path: finding.message for finding in error.value.findings}


def collector(run: Recorded) -> dict[str, Any]:
    return run.helm_values()["collector"]["alternateConfig"]


def test_tempo_keeps_tenants_apart() -> None:
    assert run_of().helm_values()["tempo"]["multitenancyEnabled"] is True
    values = run_of(tempo={"profile": "monolithic"}, tenancy=TENANCY | {"authentication": None})
    assert "multitenancy_enabled: true" in values.helm_values()["tempo"]["config"]
    single = record("dev", {"tracing:tempo": {}}, {}).helm_values()["tempo"]
    assert "multitenancyEnabled" not in single


def test_each_resource_goes_to_its_tenants_exporter_and_the_rest_to_the_default_ones() -> None:
    rendered = collector(run_of())
    routing = rendered["connectors"]["routing"]
    assert routing["default_pipelines"] == ["traces/tenant-platform"]
    assert [(row["condition"], row["pipelines"]) for row in routing["table"]] == [
        (
            'attributes["k8s.namespace.name"] == "shop" or '
            'attributes["k8s.namespace.name"] == "checkout"',
            ["traces/tenant-shop"],
        ),
        ('attributes["k8s.namespace.name"] == "bank"', ["traces/tenant-bank"]),
    ]
    pipelines = rendered["service"]["pipelines"]
    assert pipelines["traces"]["exporters"] == ["routing"]
    for tenant in ("platform", "shop", "bank"):
        [exporter] = pipelines[f"traces/tenant-{tenant}"]["exporters"]
        assert rendered["exporters"][exporter]["headers"] == {"X-Scope-OrgID": tenant}
        assert rendered["exporters"][exporter]["sending_queue"]["storage"]
    assert set(rendered["exporters"]) == {f"otlp_grpc/{t}" for t in ("platform", "shop", "bank")}


def test_what_a_sender_says_of_its_own_namespace_is_taken_away_first() -> None:
    rendered = collector(run_of())
    processors = rendered["service"]["pipelines"]["traces"]["processors"]
    assert processors.index("resource") < processors.index("k8s_attributes")
    assert rendered["processors"]["resource"]["attributes"] == [
        {"key": name, "action": "delete"}
        for name in ("k8s.namespace.name", "k8s.pod.ip", "k8s.pod.uid")
    ]


@pytest.mark.parametrize("attribute", ["k8s.namespace.name", "k8s.deployment.name"])
def test_a_pod_does_not_name_its_tenant_by_an_annotation(attribute: str) -> None:
    run = run_of(tenancy=TENANCY | {"attribute": attribute}, collector={"mode": "agent-gateway"})
    extract = collector(run)["processors"]["k8s_attributes"]["extract"]
    assert extract["otel_annotations"] is False


def test_an_attribute_that_only_senders_know_is_left_to_them() -> None:
    rendered = collector(run_of(tenancy=TENANCY | {"attribute": "tenant"}))
    assert "resource" not in rendered["processors"]
    assert rendered["processors"]["k8s_attributes"]["extract"]["otel_annotations"] is True


def test_sampled_traces_go_to_their_tenants_as_well() -> None:
    sampling = {"type": "tail", "tracesPerSecond": 10, "policies": [{"type": "errors"}]}
    metrics = {"remoteWriteUrl": "http://prometheus/api/v1/write"}
    run = run_of(collector={"sampling": sampling, "metrics": metrics, "mode": "agent-gateway"})
    values = run.helm_values()
    first, last = (values[k]["alternateConfig"] for k in ("collector", "collector-gateway"))
    assert "routing" not in first.get("connectors", {})
    assert last["service"]["pipelines"]["traces/sampled"]["exporters"] == ["routing"]


def test_a_volume_has_room_for_the_queue_of_every_tenant() -> None:
    def volume(run: Recorded) -> Decimal:
        [claim] = run.helm_values()["collector"]["statefulset"]["volumeClaimTemplates"]
        return quantity(claim["spec"]["resources"]["requests"]["storage"])

    def file(run: Recorded) -> float:
        return collector(run)["extensions"]["file_storage/queue"]["max_size"]

    one = record("dev", {"tracing:collector": {}}, {})
    assert float(volume(run_of())) >= 3 * file(one) * 0.9
    assert 3 * file(run_of()) <= float(volume(run_of()))


def test_a_tenant_has_limits_and_a_retention_of_its_own_and_the_bucket_outlives_it() -> None:
    run = run_of()
    own = run.helm_values()["tempo"]["per_tenant_overrides"]["shop"]
    assert own["compaction"]["block_retention"] == "720h"
    assert own["ingestion"]["rate_limit_bytes"] == 5_000_000
    assert run.one("store-lifecycle").inputs["rules"][0]["expiration"] == "35d"


def test_grafana_has_a_data_source_for_each_tenant_with_its_header_as_a_secret() -> None:
    run = run_of()
    named = {
        "grafana-tempo": ("Tempo", "tempo", "platform"),
        "grafana-tempo-shop": ("Tempo (shop)", "tempo-shop", "shop"),
        "grafana-tempo-bank": ("Tempo (bank)", "tempo-bank", "bank"),
    }
    for resource, (name, uid, tenant) in named.items():
        inputs = run.one(resource).inputs
        assert (inputs["name"], inputs["uid"]) == (name, uid)
        assert inputs["httpHeaders"][SECRET_MARK]
        assert inputs["httpHeaders"]["value"] == {"X-Scope-OrgID": tenant}
        # Not through the gateway, which would want a password.
        assert inputs["url"].endswith("query-frontend.tempo.svc.cluster.local:3200")


def test_the_sidecars_file_is_a_secret_where_it_names_tenants() -> None:
    run = record("dev", STACK | {"tracing:grafana": {"mode": "sidecar"}}, {})
    secret = run.one("grafana-data-sources").inputs
    assert secret["kind"] == "Secret"
    assert secret["stringData"][SECRET_MARK]
    file = yaml.safe_load(secret["stringData"]["value"]["tracing.yaml"])
    shop = file["datasources"][1]
    assert shop["jsonData"]["httpHeaderName1"] == "X-Scope-OrgID"
    assert shop["secureJsonData"] == {"httpHeaderValue1": "shop"}
    plain = record("dev", {"tracing:grafana": {"mode": "sidecar"}}, {})
    assert plain.one("grafana-data-sources").inputs["kind"] == "ConfigMap"


def test_the_gateway_says_itself_whose_a_request_is() -> None:
    gateway = run_of().helm_values()["tempo"]["gateway"]
    assert gateway["basicAuth"] == {"enabled": True, "existingSecret": "users"}
    file = gateway["nginxConfig"]["file"]
    assert '"~^ann$" "shop";' in file
    passes = file.count("_pass http") + file.count("_pass grpc")
    assert file.count("_set_header X-Scope-OrgID $tenant;") == passes > 0
    assert file.count("auth_basic_user_file") == passes


def test_a_trusted_proxy_is_told_by_its_address_and_only_names_tenants_that_there_are() -> None:
    trusted = {"type": "trusted-proxy", "header": "X-Team", "networks": ["10.1.0.0/16"]}
    gateway = run_of(tenancy=TENANCY | {"authentication": trusted}).helm_values()["tempo"]
    file = gateway["gateway"]["nginxConfig"]["file"]
    assert "map $http_x_team $tenant" in file
    for tenant in ("platform", "shop", "bank"):
        assert f'"~^{tenant}$" "{tenant}";' in file
    passes = file.count("_pass http") + file.count("_pass grpc")
    assert file.count("allow 10.1.0.0/16;") == file.count("deny all;") == passes


def test_the_check_and_the_collectors_own_spans_are_of_the_default_tenant() -> None:
    run = run_of(collector={"telemetry": {"traceSampleRate": 0.1}})
    job = run.one("vulture-schedule").inputs
    assert "-tempo-org-id=platform" in str(job)
    [processor] = collector(run)["service"]["telemetry"]["traces"]["processors"]
    otlp = processor["batch"]["exporter"]["otlp"]
    assert otlp["headers"] == [{"name": "X-Scope-OrgID", "value": "platform"}]


BASIC = TENANCY["authentication"]
TRUSTED = {"type": "trusted-proxy", "networks": ["10.1.0.0/16"]}


@pytest.mark.parametrize(
    ("more", "key", "remedy"),
    [
        (
            {"tenancy": TENANCY | {"tenants": {"a": ["x"], "b": ["x"]}}},
            "tenancy.tenants.a[0]",
            "a span is of one tenant",
        ),
        ({"tenancy": TENANCY | {"tenants": {"..": []}}}, "tenancy.tenants...", "another directory"),
        ({"tenancy": TENANCY | {"tenants": {"a/b": []}}}, "tenancy.tenants.a/b", "does not match"),
        ({"tenancy": TENANCY | {"tenants": {}}}, "tenancy.tenants", "empty"),
        ({"tenancy": TENANCY | {"authentication": None}}, "tenancy.authentication", "missing"),
        ({"tempo": {}}, "tenancy.authentication", "tracing:tempo.gateway: {}"),
        (
            {
                "tempo": {},
                "tenancy": TENANCY | {"authentication": None},
                "networkPolicies": {"readers": {"namespaces": ["grafana"]}},
            },
            "networkPolicies.readers",
            "write tracing:networkPolicies.grafana",
        ),
        (
            {"tenancy": TENANCY | {"authentication": BASIC | {"users": {"bob": "nobody"}}}},
            "tenancy.authentication.users.bob",
            "write one of platform, shop, bank",
        ),
        (
            {"tempo": {"gateway": {}, "tenants": {"nobody": {}}}},
            "tempo.tenants.nobody",
            "add it to tracing:tenancy.tenants",
        ),
        (
            {"objectStore": {"lifecycle": {"expireDays": 10}}},
            "objectStore.lifecycle.expireDays",
            "tenants.shop.blockRetention is 30d",
        ),
        (
            {"tenancy": TENANCY | {"tenants": {"a.b": []}}, "tempo": {"gateway": {}}},
            "tenancy.tenants.a.b",
            "which Grafana does not take",
        ),
        ({"vulture": {"tenant": "nobody"}}, "vulture.tenant", "write one of platform"),
        *(
            (
                {"tenancy": TENANCY | {"authentication": TRUSTED | {"networks": networks}}},
                "tenancy.authentication.networks",
                "anybody could say",
            )
            for networks in (["0.0.0.0/0"], ["::/0"], ["0.0.0.0/1", "128.0.0.0/1"])
        ),
        ({"linkerd": {}}, "tenancy.attribute", "write another attribute"),
    ],
)
def test_what_would_mix_tenants_is_refused(more: dict[str, Any], key: str, remedy: str) -> None:
    messages = refusal(**more)
    assert f"tracing:{key}" in messages, messages
    assert remedy in messages[f"tracing:{key}"]


def test_meshed_senders_may_name_their_tenant_themselves() -> None:
    run = run_of(tenancy=TENANCY | {"attribute": "tenant"}, linkerd={})
    assert 'attributes["tenant"] == "bank"' in str(collector(run)["connectors"]["routing"])


def test_without_a_collector_there_are_no_tenants() -> None:
    raw = {key: value for key, value in STACK.items() if key != "tracing:collector"}
    with pytest.raises(config.ConfigError, match="it is what says whose a span is"):
        config.parse(raw | {"tracing:grafana": {"mode": "sidecar"}}, stack="dev", secret_keys=set())


def test_tenants_that_nothing_keeps_apart_are_warned_of() -> None:
    def warnings(**policies: bool) -> list[str]:
        raw = {
            "tracing:tenancy": {"tenants": {"shop": []}, "default": "rest"},
            "tracing:collector": {},
            "tracing:traefik": {},
            "tracing:networkPolicies": policies,
        }
        return config.kept_out(config.parse(raw, stack="dev", secret_keys=set()))

    [warned] = warnings(enabled=False)
    assert warned.startswith("tracing:tenancy: keeps nobody from another tenant's traces")
    assert warnings() == []
