"""The forms of Traefik, and what is exported for Linkerd and Harness, by the real engine."""

import json
from typing import Any

import pytest
import yaml

from sandbox import Sandbox, SandboxError
from tests.engine.conftest import BoxOf

HOST = "opentelemetry-collector.otel.svc.cluster.local"
ZIPKIN = {"receivers": ["otlpGrpc", "otlpHttp", "zipkin"]}


def with_loki(box: Sandbox, traefik: dict[str, Any]) -> None:
    box.set_config("tracing:collector", ZIPKIN)
    box.set_config("tracing:traefik", traefik)
    box.set_config("tracing:grafana", {"url": "https://grafana.example.com"})
    box.set_config("tracing:loki", {"url": "http://loki.logging"})
    box.set_config("tracing:grafanaAuth", "token", secret=True)


def derived_field(box: Sandbox) -> str:
    [loki] = [r for r in box.resources() if r["urn"].endswith("::grafana-loki")]
    [field] = json.loads(loki["outputs"]["jsonDataEncoded"])["derivedFields"]
    return field["matcherRegex"]


def test_the_form_of_traefik_and_lokis_derived_field_change_together(box_of: BoxOf) -> None:
    box = box_of("dev")
    with_loki(box, {"install": "helm-chart-config"})
    box.up()
    assert "TraceId" in derived_field(box)
    box.set_config("tracing:traefik", {"install": "helm-chart-config", "version": 2})
    assert {step.name: step.op for step in box.up().changed()} == {
        "traefik-chart-config": "update",
        "grafana-loki": "update",
        # Zipkin, on a port of its own.
        "network-policies-collector": "update",
    }
    assert '"(?:request_X-B3-Traceid)":' in derived_field(box)
    [told] = box.cloud.objects("kubernetes", "HelmChartConfig.helm.cattle.io")
    values = yaml.safe_load(told.properties["spec"]["valuesContent"])
    url = f"http://{HOST}:9411/api/v2/spans"
    assert f"--tracing.zipkin.httpEndpoint={url}" in values["additionalArguments"]
    # To a Traefik that somebody else installs: the same arguments, now for people to hand on.
    box.set_config("tracing:traefik", {"install": "values", "version": 2})
    assert {step.name: step.op for step in box.up().changed()} == {
        "traefik-chart-config": "delete",
        # It is in another namespace.
        "network-policies-collector": "update",
    }
    exported = yaml.safe_load(box.outputs()["traefikValues"].value)
    assert exported == values
    assert box.preview().changes == {}


def test_a_traefik_that_is_told_whom_it_serves_is_updated_and_nothing_else_is(
    box_of: BoxOf,
) -> None:
    box = box_of("dev")
    box.up()
    box.set_config("tracing:traefik.routeNamespaces", ["shop"])
    assert {step.name: step.op for step in box.up().changed()} == {
        "traefik-release": "update",
        # Its backends are in those namespaces now.
        "network-policies-traefik": "update",
    }
    assert box.preview().changes == {}


def test_what_is_exported_holds_the_collectors_address(box_of: BoxOf) -> None:
    box = box_of("dev")
    box.set_config("tracing:traefik", {"install": "values"})
    box.set_config("tracing:linkerd", {"controllerEndpoint": "opencensus.demo:55678"})
    box.set_config("tracing:harness", {"services": ["ng-manager"], "chartVersion": "0.39.1"})
    box.up()
    outputs = {name: output.value for name, output in box.outputs().items()}
    arguments = yaml.safe_load(outputs["traefikValues"])["additionalArguments"]
    assert f"--tracing.otlp.grpc.endpoint={HOST}:4317" in arguments
    linkerd = yaml.safe_load(outputs["linkerdValues"])
    assert linkerd["proxy"]["tracing"]["collector"]["endpoint"] == f"{HOST}:4317"
    assert linkerd["controller"]["tracing"]["collector"]["endpoint"] == "opencensus.demo:55678"
    otel = {"enabled": True, "collectorEndpoint": f"http://{HOST}:4317/"}
    assert yaml.safe_load(outputs["harnessValues"]) == {
        "platform": {"ng-manager": {"monitoring": {"otel": otel}}}
    }


def test_a_form_that_does_not_exist_changes_nothing_and_all_of_it_is_said(box_of: BoxOf) -> None:
    box = box_of("dev")
    box.set_config("tracing:traefik", {"version": 2, "protocol": "grpc", "sampleRate": 0.5})
    box.set_config("tracing:harness", {"chartVersion": "0.12.0"})
    with pytest.raises(SandboxError) as refused:
        box.up()
    text = str(refused.value)
    assert "has 4 errors; nothing was changed" in text
    for key in ("traefik.install", "traefik.protocol", "traefik.version", "harness.chartVersion"):
        assert f"tracing:{key}: " in text
    assert box.cloud.objects() == []
