"""What Traefik, Linkerd and Harness are told, in each of their forms; and what is refused."""

import json
import re
from typing import Any, get_args

import pytest
import yaml

import charts
import config
from components.contracts import Endpoint, MeshIdentity, TraceIngest
from components.values.grafana import derived_fields
from components.values.harness import harness_values
from components.values.linkerd import linkerd_values
from components.values.traefik import LOG_FORMATS, argument_values, arguments, traefik_values
from config import ConfigError
from config.harness import CHART_VERSION, HarnessConfig
from config.harness_services import (
    FIRST_MINOR,
    LAST_MINOR,
    SERVICES,
    Proof,
    ServiceName,
    minor_version,
    service,
)
from config.linkerd import LinkerdConfig
from config.traefik import TraefikConfig
from ops.commands import main
from ops.registrations import Recorded, record

ZIPKIN = {"receivers": ["otlpGrpc", "otlpHttp", "zipkin"]}
TRAEFIK_2 = {"version": 2, "install": "values"}
CA = "examples/private-ca/ca.pem"
TLS = {"secretName": "collector-tls"}

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a Traefik of no such version": (
        {"tracing:traefik": {"version": 1}},
        "tracing:traefik.version",
        "1 is not known; write one of 3, 2",
    ),
    "a sampling rate above 1": (
        {"tracing:traefik": {"sampleRate": 1.01}},
        "tracing:traefik.sampleRate",
        "1.01 is out of range; write at most 1",
    ),
    "a sampling rate below 0": (
        {"tracing:traefik": {"sampleRate": -0.5}},
        "tracing:traefik.sampleRate",
        "-0.5 is out of range; write at least 0",
    ),
    "Traefik 2 as a release": (
        {"tracing:traefik": {"version": 2}, "tracing:collector": ZIPKIN},
        "tracing:traefik.install",
        "write values or helm-chart-config, or version: 3",
    ),
    "Traefik 2 with OTLP, even with what version 3 does by default": (
        {"tracing:traefik": TRAEFIK_2 | {"protocol": "grpc"}, "tracing:collector": ZIPKIN},
        "tracing:traefik.protocol",
        '"grpc" is OTLP, which Traefik 2 does not send; remove it',
    ),
    "Traefik 2 with W3C's header": (
        {
            "tracing:traefik": TRAEFIK_2 | {"propagators": ["b3multi", "tracecontext"]},
            "tracing:collector": ZIPKIN,
        },
        "tracing:traefik.propagators",
        "Traefik 2 propagates b3multi, nothing else",
    ),
    "Traefik 2 with resource attributes": (
        {
            "tracing:traefik": TRAEFIK_2 | {"resourceAttributes": {"a": "b"}},
            "tracing:collector": ZIPKIN,
        },
        "tracing:traefik.resourceAttributes",
        "as Zipkin has none",
    ),
    "Traefik 2 with an authority": (
        {
            "tracing:traefik": TRAEFIK_2 | {"caFile": CA},
            "tracing:collector": ZIPKIN,
        },
        "tracing:traefik.caFile",
        "can't be told to Traefik 2",
    ),
    "an authority that is not there": (
        {"tracing:traefik": {"caFile": "no/such.pem"}, "tracing:collector": {"tls": TLS}},
        "tracing:traefik.caFile",
        '"no/such.pem" can\'t be read',
    ),
    "an authority where Tempo takes spans in clear": (
        {"tracing:traefik": {"caFile": CA}},
        "tracing:traefik.caFile",
        "has no effect: Tempo takes spans in clear; remove it, or write tracing:collector.tls",
    ),
    "an authority where the collector takes spans in clear": (
        {"tracing:traefik": {"caFile": CA}, "tracing:collector": {}},
        "tracing:traefik.caFile",
        "has no effect: the collector takes spans in clear; remove it, or write",
    ),
    "Traefik 2 where the collector does not listen to Zipkin": (
        {"tracing:traefik": TRAEFIK_2, "tracing:collector": {}},
        "tracing:traefik.version",
        "add zipkin to tracing:collector.receivers",
    ),
    "Traefik 2 where Tempo does not listen to Zipkin": (
        {"tracing:traefik": TRAEFIK_2},
        "tracing:traefik.version",
        "add zipkin to tracing:tempo.receivers",
    ),
    "baggage without a trace": (
        {"tracing:traefik": {"propagators": ["baggage"]}},
        "tracing:traefik.propagators",
        "add one of tracecontext, b3, b3multi",
    ),
    "a header that Linkerd does not read": (
        {"tracing:traefik": {"propagators": ["b3"]}, "tracing:linkerd": {}},
        "tracing:traefik.propagators",
        "is not read by Linkerd's proxies (tracing:linkerd), so that they make no spans; add "
        "tracecontext or b3multi",
    ),
    "Linkerd's controllers, which speak OpenCensus": (
        {"tracing:linkerd": {"controller": True}},
        "tracing:linkerd.controller",
        "write controllerEndpoint, the host:port of an OpenCensus receiver",
    ),
    "a Harness without the key": (
        {"tracing:harness": {"chartVersion": "0.26.10"}},
        "tracing:harness.chartVersion",
        '"0.26.10" has no key that turns tracing on',
    ),
    "a Harness that came after the table": (
        {"tracing:harness": {"chartVersion": "0.45.0"}},
        "tracing:harness.chartVersion",
        "add the version to config/harness_services.py",
    ),
    "no version of Harness' umbrella at all": (
        {"tracing:harness": {"chartVersion": "latest"}},
        "tracing:harness.chartVersion",
        "write one such as 0.44.1",
    ),
    "a service that Harness does not document": (
        {"tracing:harness": {"services": ["sto-core"]}},
        "tracing:harness.services[0]",
        "write one of access-control, harness-manager",
    ),
    "a service that left the umbrella": (
        {"tracing:harness": {"services": ["ng-manager", "idp-service"]}},
        "tracing:harness.services[1]",
        '"idp-service" is not in the umbrella chart 0.44.1: it left after 0.39; remove it',
    ),
    "a service that had not come yet": (
        {"tracing:harness": {"services": ["idp-service"], "chartVersion": "0.31.3"}},
        "tracing:harness.services[0]",
        "it came with 0.32.0",
    ),
    "no service": (
        {"tracing:harness": {"services": []}},
        "tracing:harness.services",
        "is empty",
    ),
    "single services beside what reaches all": (
        {
            "tracing:harness": {
                "install": "release",
                "services": ["ng-manager"],
                "values": {"global": {"monitoring": {"otel": {"collectorEndpoint": "http://x"}}}},
            },
            "tracing:kubernetes": {"existingNamespaces": ["harness"]},
        },
        "tracing:harness.services",
        "reaches every service; remove one of the two",
    ),
    "values for a chart that is not installed": (
        {"tracing:harness": {"values": {"a": 1}}},
        "tracing:harness.values",
        "is only used with install: release",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_its_key_and_the_remedy(case: str) -> None:
    raw, key, remedy = REFUSED[case]
    with pytest.raises(ConfigError) as refused:
        config.parse(raw, stack="dev", secret_keys=set())
    found = {finding.path: finding.message for finding in refused.value.findings}
    assert list(found) == [key]
    assert remedy in found[key]


ACCEPTED: dict[str, dict[str, Any]] = {
    "Traefik 2 and the propagator that it has": {
        "tracing:traefik": TRAEFIK_2 | {"propagators": ["b3multi"], "sampleRate": 0.0},
        "tracing:collector": ZIPKIN,
        "tracing:linkerd": {},
    },
    "Traefik 2 of k3s without a collector": {
        "tracing:traefik": {"version": 2, "install": "helm-chart-config"},
        "tracing:tempo": {"receivers": ["zipkin"]},
    },
    "the single b3 header where nobody else reads it": {"tracing:traefik": {"propagators": ["b3"]}},
    "both headers with Linkerd": {
        "tracing:traefik": {"propagators": ["baggage", "b3multi"]},
        "tracing:linkerd": {"controllerEndpoint": "opencensus.demo:55678"},
    },
    "an older Harness with what it had": {
        "tracing:harness": {"chartVersion": "0.34.2", "services": ["idp-service", "sto-manager"]}
    },
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_it_is_accepted(case: str) -> None:
    config.parse(ACCEPTED[case], stack="dev", secret_keys=set())


def ingest(*, tls: bool = False) -> TraceIngest:
    return TraceIngest(
        otlp_grpc=Endpoint(host="collector.otel", port=4317, tls=tls),
        otlp_http=Endpoint(host="collector.otel", port=4318, tls=tls),
        zipkin=Endpoint(host="collector.otel", port=9411, tls=tls),
        identity=MeshIdentity(service_account="collector", namespace="otel"),
    )


def traefik(**settings: Any) -> TraefikConfig:
    return TraefikConfig.model_validate_json(json.dumps(settings))


# Traefik


def test_traefik_2_is_told_what_the_document_says() -> None:
    assert arguments(traefik(version=2), ingest()) == [
        "--accesslog=true",
        "--accesslog.format=json",
        "--accesslog.fields.defaultmode=keep",
        "--accesslog.fields.headers.defaultmode=drop",
        "--accesslog.fields.headers.names.X-B3-Traceid=keep",
        "--tracing=true",
        "--tracing.servicename=traefik",
        "--tracing.zipkin=true",
        "--tracing.zipkin.httpEndpoint=http://collector.otel:9411/api/v2/spans",
        "--tracing.zipkin.sameSpan=true",
        "--tracing.zipkin.id128Bit=true",
        "--tracing.zipkin.sampleRate=1",
    ]


def test_a_header_that_is_kept_twice_is_named_once() -> None:
    told = arguments(traefik(version=2, keepHeaders=["User-Agent", "X-B3-Traceid"]), ingest())
    kept = [argument for argument in told if "headers.names" in str(argument)]
    assert kept == [
        "--accesslog.fields.headers.names.User-Agent=keep",
        "--accesslog.fields.headers.names.X-B3-Traceid=keep",
    ]


@pytest.mark.parametrize("version", [2, 3])
def test_a_sampling_rate_of_0_is_said_and_not_left_out(version: int) -> None:
    told = arguments(traefik(version=version, sampleRate=0), ingest())
    [rate] = [argument for argument in told if "samplerate" in str(argument).lower()]
    assert str(rate).endswith("=0")
    assert traefik_values(traefik(sampleRate=0), ingest())["tracing"]["sampleRate"] == 0


def test_traefik_2_is_told_no_propagators_by_the_environment() -> None:
    assert "env" not in argument_values(traefik(version=2, propagators=["b3multi"]), ingest())
    assert argument_values(traefik(propagators=["b3multi"]), ingest())["env"] == [
        {"name": "OTEL_PROPAGATORS", "value": "b3multi"}
    ]


def test_a_receiver_with_tls_is_sent_to_with_tls() -> None:
    secure = ingest(tls=True)
    assert traefik_values(traefik(), secure)["tracing"]["otlp"]["grpc"]["insecure"] is False
    http = traefik_values(traefik(protocol="http"), secure)["tracing"]["otlp"]["http"]
    assert http["endpoint"] == "https://collector.otel:4318/v1/traces"
    assert "--tracing.otlp.grpc.insecure=false" in arguments(traefik(), secure)
    [url] = [a for a in arguments(traefik(version=2), secure) if "httpEndpoint" in str(a)]
    assert str(url).endswith("=https://collector.otel:9411/api/v2/spans")


def test_an_authority_is_told_only_where_there_is_tls() -> None:
    assert "--tracing.otlp.grpc.tls.ca=PEM" in arguments(traefik(), ingest(tls=True), "PEM")
    assert traefik_values(traefik(protocol="http"), ingest(tls=True), "PEM")[
        "additionalArguments"
    ] == ["--tracing.otlp.http.tls.ca=PEM"]
    assert not any("tls.ca" in str(each) for each in arguments(traefik(), ingest(), "PEM"))
    assert "additionalArguments" not in traefik_values(traefik(), ingest(), "PEM")


def served(**sections: Any) -> dict[str, Any]:
    """The values of a Traefik that serves the namespace shop, in a stack with more beside it."""
    raw = {f"tracing:{key}": value for key, value in sections.items()}
    own = {"routeNamespaces": ["shop"], **raw.pop("tracing:traefik", {})}
    return record("dev", {"tracing:traefik": own, **raw}, {}).helm_values()["traefik"]


def test_a_traefik_of_some_namespaces_has_no_role_in_others() -> None:
    values = served()
    assert values["rbac"] == {"namespaced": True}
    assert values["providers"] == {
        "kubernetesCRD": {"namespaces": ["shop", "traefik"]},
        "kubernetesIngress": {"namespaces": ["shop", "traefik"]},
    }
    [role] = [each for each in values["extraObjects"] if each["kind"] == "ClusterRole"]
    assert {name for rule in role["rules"] for name in rule["resources"]} == {
        "ingressclasses",
        "nodes",
    }
    everywhere = traefik_values(traefik(), ingest())
    assert not {"rbac", "providers", "extraObjects"} & everywhere.keys()


@pytest.mark.parametrize(
    ("sections", "namespaces"),
    {
        "the cluster's default class, which is this Traefik's": (
            {"demoApp": {"ingress": {"host": "demo.example.com"}}},
            ["emojivoto", "shop", "traefik"],
        ),
        "this Traefik's class": (
            {
                "traefik": {"releaseName": "edge"},
                "objectStore": {"ingress": {"host": "s3.example.com", "className": "edge"}},
            },
            ["shop", "tempo", "traefik"],
        ),
        "another's class, as it was said of old": (
            {
                "demoApp": {
                    "ingress": {
                        "host": "demo.example.com",
                        "annotations": {"kubernetes.io/ingress.class": "nginx"},
                    }
                }
            },
            ["shop", "traefik"],
        ),
        "another's class": (
            {"demoApp": {"ingress": {"host": "demo.example.com", "className": "nginx"}}},
            ["shop", "traefik"],
        ),
        "no Ingress": ({"demoApp": {}}, ["shop", "traefik"]),
    }.values(),
)
def test_a_traefik_of_some_namespaces_serves_this_stacks_ingresses(
    sections: dict[str, Any], namespaces: list[str]
) -> None:
    values = served(**sections)
    assert values["providers"]["kubernetesIngress"]["namespaces"] == namespaces


LINES = {
    "Traefik 3.6": (3, '{"SpanId":"b7ad6b7169203331","TraceId":"ID","entryPointName":"web"}'),
    "Traefik 3.7": (3, '{"TraceId":"ID","trace_id":"ID","trace_flags":"01"}'),
    "Traefik 2": (2, '{"request_X-B3-Traceid":"ID","time":"2026-11-21T14:58:20Z"}'),
}
IDS = ["0af7651916cd43dd8448eb211c80319c", "8448EB211C80319C"]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("trace", IDS)
def test_the_derived_field_finds_the_id_in_a_line(line: str, trace: str) -> None:
    version, text = LINES[line]
    [field] = derived_fields("tempo", [LOG_FORMATS[version]])
    found = re.search(field["matcherRegex"], text.replace("ID", trace))
    assert found is not None
    assert found[1] == trace
    [other] = derived_fields("tempo", [LOG_FORMATS[5 - version]])
    assert re.search(other["matcherRegex"], text.replace("ID", trace)) is None


def test_a_client_can_not_put_an_id_of_its_own_into_the_path() -> None:
    line = json.dumps({"RequestPath": f'/?"TraceId":"{IDS[0]}"'})
    assert re.search(LOG_FORMATS[3].matcher_regex, line) is None


def with_traefik(**settings: Any) -> Recorded:
    raw = {
        "tracing:collector": ZIPKIN,
        "tracing:traefik": settings,
        "tracing:grafana": {"url": "https://grafana.example.com"},
        "tracing:loki": {"url": "http://loki.logging"},
    }
    return record("dev", raw, {"tracing:grafanaAuth": "token"})


@pytest.mark.parametrize("install", ["values", "helm-chart-config"])
@pytest.mark.parametrize(("version", "field"), [(2, "request_X-B3-Traceid"), (3, "TraceId")])
def test_loki_reads_the_field_that_the_form_writes(install: str, version: int, field: str) -> None:
    run = with_traefik(install=install, version=version)
    [derived] = json.loads(run.one("grafana-loki").inputs["jsonDataEncoded"])["derivedFields"]
    assert field in derived["matcherRegex"]
    if install == "values":
        text = run.outputs["traefikValues"]
    else:
        text = run.one("traefik-chart-config").inputs["spec"]["valuesContent"]
        assert "traefikValues" not in run.outputs
    told = yaml.safe_load(text)["additionalArguments"]
    host = "opentelemetry-collector.otel.svc.cluster.local"
    address = f"http://{host}:9411/api/v2/spans" if version == 2 else f"{host}:4317"
    assert any(argument.endswith(f"={address}") for argument in told)


def test_values_for_another_traefik_say_what_helm_does_with_lists_and_register_nothing() -> None:
    run = with_traefik(install="values")
    assert run.outputs["traefikValues"].startswith("# ")
    assert "Helm merges mappings" in run.outputs["traefikValues"]
    assert {r.name for r in run.resources if r.parent == "traefik"} == set()
    assert "namespace-traefik" not in {r.name for r in run.resources}


# Linkerd


def test_the_controllers_are_not_sent_where_nobody_understands_them() -> None:
    values = linkerd_values(LinkerdConfig(), ingest())
    assert values["controller"]["tracing"] == {"enabled": False}
    told = linkerd_values(
        LinkerdConfig.model_validate({"controllerEndpoint": "oc.demo:55678"}), ingest()
    )
    assert told["controller"]["tracing"] == {
        "enabled": True,
        "collector": {"endpoint": "oc.demo:55678"},
    }
    assert told["proxy"]["tracing"]["collector"] == {
        "endpoint": "collector.otel:4317",
        "meshIdentity": {"serviceAccountName": "collector", "namespace": "otel"},
    }


def test_a_mesh_is_not_sent_to_a_receiver_with_tls_of_its_own() -> None:
    with pytest.raises(ValueError, match="bring their own TLS"):
        linkerd_values(LinkerdConfig(), ingest(tls=True))


# Harness


def harness(**settings: Any) -> dict[str, Any]:
    return harness_values(HarnessConfig.model_validate_json(json.dumps(settings)), ingest())


def test_every_service_is_traced_by_the_documented_key() -> None:
    assert harness() == {
        "global": {
            "monitoring": {
                "otel": {"enabled": True, "collectorEndpoint": "http://collector.otel:4317/"}
            }
        }
    }


def test_single_services_get_sections_of_their_own_and_nothing_is_global() -> None:
    otel = {"otel": {"enabled": True, "collectorEndpoint": "http://collector.otel:4317/"}}
    assert harness(services=["ng-manager", "ci-manager", "access-control"]) == {
        "platform": {
            "ng-manager": {"monitoring": otel},
            "access-control": {"monitoring": otel},
        },
        "ci": {"ci-manager": {"monitoring": otel}},
    }


def test_the_table_has_each_service_of_the_document_once() -> None:
    assert tuple(each.name for each in SERVICES) == get_args(ServiceName)
    assert len(SERVICES) == 14


@pytest.mark.parametrize(
    ("name", "minor", "proof"),
    [
        ("ng-manager", FIRST_MINOR, Proof.VALUES),
        ("ng-manager", LAST_MINOR, Proof.VALUES),
        ("ssca-manager", LAST_MINOR, Proof.DEPENDENCY),
        ("idp-service", 31, Proof.ABSENT),
        ("idp-service", 32, Proof.DEPENDENCY),
        ("idp-service", 39, Proof.DEPENDENCY),
        ("idp-service", 40, Proof.ABSENT),
        ("sto-manager", 34, Proof.VALUES),
        ("sto-manager", 35, Proof.ABSENT),
    ],
)
def test_what_the_umbrella_shows_of_a_service_depends_on_its_version(
    name: ServiceName, minor: int, proof: Proof
) -> None:
    assert service(name).proof(minor) is proof


def test_the_pinned_umbrella_is_one_that_the_table_knows() -> None:
    assert charts.HARNESS.version == CHART_VERSION
    assert minor_version(CHART_VERSION) == LAST_MINOR


def test_the_table_is_printed_within_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["harness", "--chart-version", "0.39.1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    rows = {line.split()[0]: line.split()[1:] for line in lines if line[:1].islower()}
    assert set(get_args(ServiceName)) <= set(rows)
    assert rows["cv-nextgen"] == ["srm", "values", "cd,", "ng"]
    assert rows["idp-service"] == ["idp", "dependency", "idp"]
    assert " ".join(rows["sto-manager"]) == "- no, left after 0.34 -"


def test_the_table_refuses_a_version_that_it_does_not_know(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["harness", "--chart-version", "0.12.0"]) == 1
    assert "--chart-version: 0.12.0 has no key" in capsys.readouterr().err
