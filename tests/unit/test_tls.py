"""TLS within the cluster: who has a certificate, who verifies it, and what may go without."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

import config
from components.values.tempo_gateway import nginx_configuration
from config.hops import hops_of, insecure_hops
from config.tempo import Distributed2Config
from config.tls import Hop
from ops.registrations import Recorded, record

CA_FILE = "examples/private-ca/ca.pem"
ISSUER = {"name": "tracing", "kind": "ClusterIssuer"}
TLS = {"caFile": CA_FILE, "issuer": ISSUER}
EVERYTHING: dict[str, Any] = {
    "tracing:tls": TLS,
    "tracing:tempo": {"tls": {"clientCertificates": True}, "gateway": {}, "memcached": False},
    "tracing:collector": {
        "tls": {},
        "mode": "agent-gateway",
        "sampling": {"type": "tail", "tracesPerSecond": 100, "policies": [{"type": "errors"}]},
    },
    "tracing:objectStore": {"tls": {}, "replicas": 4},
    "tracing:traefik": {"metricsTls": {}},
    "tracing:grafana": {"url": "https://grafana.example.com"},
    "tracing:prometheus": {"operator": {}},
}
PROD = {
    "tracing:environment": "prod",
    "tracing:kubernetes": {"context": "c"},
    "tracing:allowTags": {"all": "a test"},
}


def everything(**more: Any) -> Recorded:
    return record("dev", EVERYTHING | more, {"tracing:grafanaAuth": "token"})


def certificates(run: Recorded) -> dict[str, dict[str, Any]]:
    return {r.name: r.inputs for r in run.resources if r.inputs.get("kind") == "Certificate"}


def host(url: str) -> str:
    return url.split("://")[1].split(":")[0]


def refusal(raw: dict[str, Any], stack: str = "dev") -> dict[str, str]:
    with pytest.raises(config.ConfigError) as error:
        config.parse(raw, stack=stack, secret_keys=set())
    return {finding.path: finding.message for finding in error.value.findings}


def test_every_address_that_is_handed_out_is_a_name_in_its_servers_certificate() -> None:
    run = everything()
    names = {name: made["spec"]["dnsNames"] for name, made in certificates(run).items()}
    assert host(run.outputs["tempoUrl"]) in names["tempo-certificate"]
    assert host(run.outputs["otlpGrpcEndpoint"]) in names["collector-certificate"]
    first, second = (
        run.helm_values()[key]["alternateConfig"] for key in ("collector", "collector-gateway")
    )
    tier = first["exporters"]["load_balancing"]
    assert tier["resolver"]["dns"]["hostname"] in names["collector-certificate"]
    assert tier["protocol"]["otlp"]["tls"]["server_name_override"] in names["collector-certificate"]
    tempo = second["exporters"]["otlp_grpc"]["endpoint"]
    assert tempo.split(":")[0] in names["tempo-certificate"]
    inside = run.helm_values()["tempo"]["tempo"]["structuredConfig"]["memberlist"]
    assert inside["tls_server_name"] in names["tempo-certificate"]
    store = run.helm_values()["tempo"]["storage"]["trace"]["s3"]["endpoint"]
    assert store.split(":")[0] in names["minio-certificate"]
    assert "*.minio-headless.tempo.svc.cluster.local" in names["minio-certificate"]


def test_prometheus_verifies_each_tier_of_the_collector_by_a_name_in_its_certificate() -> None:
    run = everything()
    names = certificates(run)["collector-certificate"]["spec"]["dnsNames"]
    asked = []
    for tier in ("collector", "collector-gateway"):
        values = run.helm_values()[tier]
        [endpoint] = values["serviceMonitor"]["metricsEndpoints"]
        assert (endpoint["port"], endpoint["scheme"]) == ("metrics", "https")
        assert endpoint["tlsConfig"]["ca"] == {
            "configMap": {"name": "opentelemetry-collector-ca", "key": "ca.crt"}
        }
        asked.append(endpoint["tlsConfig"]["serverName"])
        offered = values["alternateConfig"]["exporters"]["prometheus/own_metrics"]
        assert offered["endpoint"].endswith(":8888")
        # Prometheus has no certificate to show.
        assert "client_ca_file" not in offered["tls"]
    assert sorted(asked) == sorted(names)


def test_the_authority_is_there_for_prometheus_where_the_collector_itself_has_no_use_for_it() -> (
    None
):
    settings = {"tracing:tls": TLS, "tracing:collector": {"tls": {}}}
    assert "collector-ca" not in {r.name for r in record("dev", settings, {}).resources}
    run = record("dev", settings | {"tracing:prometheus": {"operator": {}}}, {})
    authority = run.one("collector-ca").inputs["metadata"]
    assert authority["name"] == "opentelemetry-collector-ca"
    assert authority["namespace"] == "otel"


def test_without_tls_the_collector_offers_its_own_metrics_by_itself() -> None:
    settings = {"tracing:collector": {}, "tracing:prometheus": {"operator": {}}}
    values = record("dev", settings, {}).helm_values()["collector"]
    [reader] = values["alternateConfig"]["service"]["telemetry"]["metrics"]["readers"]
    assert reader["pull"]["exporter"]["prometheus"]["port"] == 8888
    assert "metricsEndpoints" not in values["serviceMonitor"]


def test_prometheus_verifies_traefik_whose_metrics_have_no_plain_route() -> None:
    run = everything()
    values = run.helm_values()["traefik"]
    assert values["metrics"]["prometheus"]["manualRouting"] is True
    [route] = (made["spec"] for made in values["extraObjects"])
    certificate = certificates(run)["traefik-certificate"]
    assert route["entryPoints"] == ["metrics"]
    assert route["tls"] == {"secretName": certificate["spec"]["secretName"]}
    monitor = run.one("traefik-monitor").inputs
    assert monitor["metadata"]["namespace"] == certificate["metadata"]["namespace"] == "traefik"
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    assert endpoint["scheme"] == "https"
    assert [endpoint["tlsConfig"]["serverName"]] == certificate["spec"]["dnsNames"]
    authority = run.one("traefik-ca").inputs
    assert endpoint["tlsConfig"]["ca"]["configMap"]["name"] == authority["metadata"]["name"]
    assert authority["metadata"]["namespace"] == "traefik"


def test_without_tls_traefik_offers_its_metrics_as_its_chart_does() -> None:
    settings = {"tracing:traefik": {}, "tracing:prometheus": {"operator": {"labels": {"a": "b"}}}}
    run = record("dev", settings, {})
    assert not {"metrics", "extraObjects"} & set(run.helm_values()["traefik"])
    monitor = run.one("traefik-monitor").inputs
    assert monitor["spec"]["podMetricsEndpoints"] == [{"port": "metrics", "path": "/metrics"}]
    assert monitor["metadata"]["labels"].items() >= {"a": "b"}.items()
    selected = monitor["spec"]["selector"]["matchLabels"]
    assert selected["app.kubernetes.io/instance"] == "traefik-traefik"


def test_nobody_is_told_to_ask_a_traefik_of_others() -> None:
    for install in ("values", "helm-chart-config"):
        settings = {"tracing:traefik": {"install": install}, "tracing:prometheus": {"operator": {}}}
        run = record("dev", settings, {})
        assert "traefik-monitor" not in {r.name for r in run.resources}
        stack = config.parse(settings, stack="dev", secret_keys=set())
        assert "prometheus-to-traefik" not in hops_of(stack)


def test_a_certificate_is_asked_of_the_issuer_and_waited_for() -> None:
    made = certificates(everything())
    assert set(made) == {
        "tempo-certificate",
        "collector-certificate",
        "collector-client-certificate",
        "minio-certificate",
        "traefik-certificate",
    }
    for certificate in made.values():
        assert certificate["spec"]["issuerRef"] == ISSUER | {"group": "cert-manager.io"}
        assert certificate["spec"]["secretName"] == certificate["metadata"]["name"]
        assert certificate["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"}


def test_only_who_is_a_client_has_a_certificate_that_tempo_takes_for_one() -> None:
    usages = {name: made["spec"]["usages"] for name, made in certificates(everything()).items()}
    clients = {name for name, of in usages.items() if "client auth" in of}
    assert clients == {"tempo-certificate", "collector-client-certificate"}
    assert all("server auth" in of for of in usages.values())


def test_an_authority_of_senders_that_was_withdrawn_is_not_trusted_until_a_restart() -> None:
    collector = EVERYTHING["tracing:collector"] | {"tls": {"clientCaSecretName": "senders"}}
    values = record("dev", {"tracing:tls": TLS, "tracing:collector": collector}, {}).helm_values()
    first, second = (
        values[tier]["alternateConfig"]["receivers"]["otlp"]["protocols"]["grpc"]["tls"]
        for tier in ("collector", "collector-gateway")
    )
    assert first["client_ca_file_reload"] is True
    # The first tier has no certificate to show to the second.
    assert not {"client_ca_file", "client_ca_file_reload"} & second.keys()


def test_a_secret_that_is_there_already_is_used_and_no_certificate_is_made() -> None:
    given = {
        "tracing:tls": {"caFile": CA_FILE},
        "tracing:tempo": {"tls": {"secretName": "mine", "clientCertificates": True}},
        "tracing:collector": {"clientCertificate": {"secretName": "shown"}},
        "tracing:objectStore": {"tls": {"secretName": "stored"}},
    }
    run = record("dev", given, {})
    assert certificates(run) == {}
    assert "mine" in str(run.helm_values()["tempo"]["distributor"]["extraVolumes"])
    assert "shown" in str(run.helm_values()["collector"]["extraVolumes"])
    assert "stored" in str(run.one("minio-server").inputs)


def test_all_of_tempo_listens_with_tls_1_2_or_newer_and_verifies_itself() -> None:
    values = everything().helm_values()["tempo"]
    inside = values["tempo"]["structuredConfig"]
    assert inside["server"]["tls_min_version"] == "VersionTLS12"
    for protocol in ("http_tls_config", "grpc_tls_config"):
        assert inside["server"][protocol]["cert_file"] == "/etc/tempo-tls/tls.crt"
    for client in (
        inside["ingester_client"]["grpc_client_config"],
        inside["metrics_generator_client"]["grpc_client_config"],
        inside["querier"]["frontend_worker"]["grpc_client_config"],
        inside["memberlist"],
    ):
        assert client["tls_enabled"] is True
        assert client["tls_ca_path"] == "/etc/tempo-ca/ca.crt"
    for probe in ("livenessProbe", "readinessProbe"):
        assert values["tempo"][probe]["httpGet"]["scheme"] == "HTTPS"
    for workload in ("distributor", "ingester", "querier", "queryFrontend", "compactor"):
        mounted = {mount["name"]: mount for mount in values[workload]["extraVolumeMounts"]}
        assert {"tempo-tls", "tempo-ca"} <= mounted.keys(), workload
    monitor = values["metaMonitoring"]["serviceMonitor"]
    assert monitor["scheme"] == "https"
    assert monitor["tlsConfig"]["serverName"] == inside["memberlist"]["tls_server_name"]


def test_tempo_takes_spans_from_who_shows_a_certificate_and_the_collector_shows_one() -> None:
    values = everything().helm_values()
    for protocol in ("grpc", "http"):
        tls = values["tempo"]["traces"]["otlp"][protocol]["receiverConfig"]["tls"]
        assert tls["client_ca_file"] == "/etc/tempo-ca/ca.crt"
    tls = values["collector-gateway"]["alternateConfig"]["exporters"]["otlp_grpc"]["tls"]
    assert (tls["insecure"], tls["min_version"]) == (False, "1.2")
    assert tls["ca_file"] == "/etc/otelcol/ca/ca.crt"
    assert tls["cert_file"] == "/etc/otelcol/client-tls/tls.crt"
    secrets = {
        v["secret"]["secretName"]
        for v in values["collector-gateway"]["extraVolumes"]
        if "secret" in v
    }
    assert secrets == {"opentelemetry-collector-tls", "opentelemetry-collector-client-tls"}


def test_the_first_tier_is_not_given_the_certificate_for_tempo() -> None:
    volumes = everything().helm_values()["collector"]["extraVolumes"]
    secrets = {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
    assert secrets == {"opentelemetry-collector-tls"}


def test_traefik_and_grafana_are_told_the_authority() -> None:
    run = everything()
    authority = Path(CA_FILE).read_text(encoding="ascii")
    [argument] = run.helm_values()["traefik"]["additionalArguments"]
    assert argument == f"--tracing.otlp.grpc.tls.ca={authority}"
    source = run.one("grafana-tempo").inputs
    assert '"tlsAuthWithCACert":true' in source["jsonDataEncoded"]
    assert "BEGIN CERTIFICATE" in str(source["secureJsonDataEncoded"])


def test_reloader_is_told_whose_certificate_is_read_once() -> None:
    tempo = everything().helm_values()["tempo"]
    told = "secret.reloader.stakater.com/reload"
    for name in ("distributor", "ingester", "querier", "queryFrontend", "compactor"):
        assert tempo[name]["podAnnotations"][told] == "tempo-distributed-tls"
    assert told not in tempo["gateway"]["podAnnotations"]


def test_another_authority_restarts_whoever_reads_it_once() -> None:
    values = everything().helm_values()
    tempo = values["tempo"]
    collectors = (values["collector"], values["collector-gateway"])
    for pod in (tempo["distributor"], tempo["gateway"], *collectors):
        assert pod["podAnnotations"]["tracing/authority-version"]


def test_the_gateway_passes_on_queries_over_tls_and_nothing_that_is_an_operators() -> None:
    gateway = everything().helm_values()["tempo"]["gateway"]
    for probe in ("livenessProbe", "readinessProbe"):
        assert gateway[probe]["httpGet"]["scheme"] == "HTTPS"
    file = gateway["nginxConfig"]["file"]
    assert "listen 8080 ssl;" in file
    assert "proxy_ssl_verify on;" in file
    # By a variable, or nginx would read it once.
    assert "ssl_certificate $certificates/tls.crt;" in file
    assert "proxy_pass https://$upstream:3200$request_uri;" in file
    # Tempo's receivers want a certificate, which the gateway has none of to show.
    assert "4317" not in file
    for path in ("/flush", "/shutdown", "ring"):
        assert path not in file


def test_the_gateway_passes_spans_on_where_no_certificate_is_asked_for() -> None:
    file = nginx_configuration(Distributed2Config(), None)
    assert "grpc_pass grpc://$upstream:4317;" in file
    assert "location = /v1/traces" in file
    assert "ssl" not in file


def test_outside_dev_every_open_hop_is_refused_with_what_closes_it() -> None:
    messages = refusal({**PROD, "tracing:collector": {}})
    assert set(messages) == {
        f"tracing:allowInsecure.{hop}"
        for hop in (
            "senders-to-collector",
            "collector-to-tempo",
            "tempo-internal",
            "tempo-to-cache",
            "tempo-to-store",
        )
    }
    assert "write tracing:collector.tls" in messages["tracing:allowInsecure.senders-to-collector"]


def test_who_the_policies_let_in_to_scrape_is_a_hop_without_an_operator_too() -> None:
    scrapers = {"tracing:networkPolicies": {"scrapers": {"namespaces": ["monitoring"]}}}
    settings = {**PROD, "tracing:collector": {}, "tracing:traefik": {}}
    asked = {
        f"tracing:allowInsecure.prometheus-to-{server}"
        for server in ("tempo", "collector", "traefik")
    }
    assert not asked & set(refusal(settings))
    messages = refusal(settings | scrapers)
    assert asked <= set(messages)
    traefik = messages["tracing:allowInsecure.prometheus-to-traefik"]
    assert "write tracing:traefik.metricsTls" in traefik


def test_without_policies_whoever_asks_for_metrics_is_a_hop_and_the_store_answers_nobody() -> None:
    off = {"tracing:networkPolicies": {"enabled": False}}
    messages = refusal({**PROD, "tracing:collector": {}, "tracing:traefik": {}} | off)
    assert {key for key in messages if ".prometheus-to-" in key} == {
        f"tracing:allowInsecure.prometheus-to-{server}"
        for server in ("tempo", "collector", "traefik")
    }


@pytest.mark.parametrize(
    "allowed",
    [
        {"all": "a test"},
        {
            "senders-to-tempo": "a test",
            "tempo-internal": "a test",
            "tempo-to-cache": "a test",
            "tempo-to-store": "a test",
        },
    ],
)
def test_an_open_hop_is_accepted_with_a_reason(allowed: dict[str, str]) -> None:
    stack = config.parse(
        {**PROD, "tracing:allowInsecure": allowed}, stack="prod", secret_keys=set()
    )
    assert set(insecure_hops(stack)) == set(hops_of(stack))
    # The hop's own reason, before the one for all.
    assert dict(insecure_hops(stack)) == {
        hop: allowed.get(hop, allowed.get("all")) for hop in hops_of(stack)
    }


def test_in_dev_everything_may_be_open_for_no_reason() -> None:
    hops = insecure_hops(config.parse({"tracing:tempo": {}}, stack="dev", secret_keys=set()))
    assert set(hops.values()) == {""}


@pytest.mark.parametrize(
    ("more", "key", "remedy"),
    [
        (
            {"tracing:allowInsecure": {"tempo-internal": "why not"}},
            "allowInsecure.tempo-internal",
            "this hop is encrypted; remove it",
        ),
        (
            {"tracing:allowInsecure": {"tempo-to-kafka": "x"}},
            "allowInsecure.tempo-to-kafka",
            "no such hop",
        ),
        (
            {"tracing:allowInsecure": {"tempo-to-moon": "x"}},
            "allowInsecure.tempo-to-moon",
            "one of",
        ),
        ({"tracing:allowInsecure": {"all": ""}}, "allowInsecure.all", "empty"),
        (
            {"tracing:tls": {"caFile": CA_FILE, "issuer": {"name": "x"}}},
            "tls.issuer.kind",
            "missing",
        ),
        (
            {"tracing:tls": {"caFile": "nowhere.pem", "issuer": ISSUER}},
            "tls.caFile",
            "can't be read",
        ),
        ({"tracing:tls": {"caFile": CA_FILE}}, "tempo.tls.secretName", "tracing:tls.issuer"),
        (
            {"tracing:tls": {"caFile": CA_FILE}},
            "collector.clientCertificate.secretName",
            "tracing:tls.issuer",
        ),
        ({"tracing:vulture": {}}, "tempo.tls.clientCertificates", "tracing:vulture"),
        ({"tracing:linkerd": {}}, "collector.tls", "Linkerd"),
        ({"tracing:demoApp": {"app": "hotrod"}}, "collector.tls", "tracing:demoApp"),
    ],
)
def test_what_contradicts_itself_is_refused(more: dict[str, Any], key: str, remedy: str) -> None:
    raw = EVERYTHING | {"tracing:grafana": {"mode": "sidecar"}} | more
    assert remedy in refusal(raw)[f"tracing:{key}"]


@pytest.mark.parametrize(
    ("raw", "key", "remedy"),
    [
        ({"tracing:tls": {"caFile": CA_FILE}}, "tls", "no server has TLS"),
        ({"tracing:tempo": {"tls": {"secretName": "x"}}}, "tls.caFile", "is missing"),
        (
            {
                "tracing:tls": TLS,
                "tracing:tempo": {"tls": {}, "receivers": ["otlpGrpc", "jaegerThriftCompact"]},
            },
            "tempo.receivers[1]",
            "UDP",
        ),
        (
            {"tracing:tls": TLS, "tracing:tempo": {"tls": {"clientCertificates": True}}},
            "tempo.tls.clientCertificates",
            "add tracing:collector",
        ),
        (
            {
                "tracing:tls": TLS,
                "tracing:tempo": {"tls": {}},
                "tracing:collector": {"clientCertificate": {"secretName": "x"}},
            },
            "collector.clientCertificate",
            "asked for by nobody",
        ),
        (
            {
                "tracing:tls": TLS,
                "tracing:tempo": {"tls": {}, "profile": "monolithic"},
                "tracing:prometheus": {"operator": {}},
            },
            "tempo.tls",
            "ServiceMonitor",
        ),
        (
            {"tracing:tls": TLS, "tracing:tempo": {"tls": {}}, "tracing:linkerd": {}},
            "tempo.tls",
            "Linkerd",
        ),
    ],
)
def test_tls_that_can_not_work_is_refused(raw: dict[str, Any], key: str, remedy: str) -> None:
    assert remedy in refusal(raw)[f"tracing:{key}"]


@pytest.mark.parametrize(
    "raw",
    [
        {"tracing:networkPolicies": {"readers": {"cidrs": ["192.0.2.0/24"]}}},
        {
            "tracing:collector": {},
            "tracing:tempo": {"gateway": {}},
            "tracing:tenancy": {
                "tenants": {"shop": []},
                "default": "shop",
                "authentication": {"type": "basic", "secretName": "u", "users": {"ann": "shop"}},
            },
        },
    ],
    ids=["let in by policy", "by a password"],
)
def test_readers_are_a_hop_where_there_are_any(raw: dict[str, Any]) -> None:
    hops = hops_of(config.parse(raw, stack="dev", secret_keys=set()))
    assert not hops["readers-to-tempo"].encrypted
    assert "readers-to-tempo" not in hops_of(
        config.parse({"tracing:tempo": {}}, stack="dev", secret_keys=set())
    )


def test_every_hop_is_one_that_some_stack_has() -> None:
    stacks = [
        config.parse(raw, stack="dev", secret_keys=set())
        for raw in (
            EVERYTHING | {"tracing:grafana": {"mode": "sidecar"}},
            {
                "tracing:tempo": {
                    "profile": "distributed-3",
                    "acknowledgeNoDowngrade": True,
                    "kafka": {"address": "kafka:9092"},
                    "metricsGenerator": {"remoteWriteUrl": "http://prometheus/api/v1/write"},
                },
                "tracing:objectStore": {"admin": {"endpoint": "s3.example.com"}},
                "tracing:loki": {"url": "http://loki"},
                "tracing:grafana": {"mode": "sidecar"},
                "tracing:networkPolicies": {"readers": {"namespaces": ["shop"]}},
            },
        )
    ]
    seen = {hop for stack in stacks for hop in hops_of(stack)}
    assert seen | {"pulumi-to-grafana"} == set(get_args(Hop))
