"""What the real charts make of the values: available manifests, at the addresses handed out.

Needs the `helm` command and a directory of chart archives (TRACING_CHARTS); the last test also a
cluster (TRACING_LIVE_CONTEXT), which it asks and does not change.
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from ops.registrations import Recorded, record
from tests.live.judge import Judge

KUBERNETES = "1.36.2"

SIZE = {"replicas": 2, "resources": {"cpu": "500m", "memory": "1Gi"}}
SCALED = {"resources": SIZE["resources"], "autoscaling": {"maxReplicas": 4}}
SEVERAL = {"distributor": SIZE, "querier": SIZE, "queryFrontend": SCALED, "gateway": SIZE}
RECEIVERS = {
    "otlpGrpc": ("TCP", 4317),
    "otlpHttp": ("TCP", 4318),
    "zipkin": ("TCP", 9411),
    "jaegerGrpc": ("TCP", 14250),
    "jaegerThriftHttp": ("TCP", 14268),
    "jaegerThriftCompact": ("UDP", 6831),
    "jaegerThriftBinary": ("UDP", 6832),
}
EVERYWHERE: dict[str, Any] = {
    "receivers": list(RECEIVERS),
    "limits": {},
    "tenants": {"single-tenant": {"maxTraceMb": 20}},
    "metricsGenerator": {"remoteWriteUrl": "http://prometheus:9090/api/v1/write"} | SIZE,
}
ONE_SIZE = {"resources": SIZE["resources"]}
KAFKA = {"address": "kafka.kafka:9092", "partitions": 2}
TEMPO_3 = {"profile": "distributed-3", "acknowledgeNoDowngrade": True, "kafka": KAFKA}

PROFILES: dict[str, dict[str, Any]] = {
    "distributed-2 dev": {"ingester": {"replicas": 1, "replicationFactor": 1}},
    "distributed-2 prod": SEVERAL | {"compactor": SIZE, "ingester": SIZE | {"replicas": 3}},
    "distributed-3 dev": TEMPO_3 | {"kafka": KAFKA | {"partitions": 1}},
    "distributed-3 prod": TEMPO_3
    | SEVERAL
    | {
        "blockBuilder": SIZE,
        "liveStore": ONE_SIZE,
        "backendWorker": SIZE,
        "backendScheduler": ONE_SIZE,
    },
    "monolithic dev": {"profile": "monolithic"},
    "monolithic prod": {"profile": "monolithic"} | ONE_SIZE,
}


@pytest.fixture(scope="session", params=PROFILES)
def rendered(
    request: pytest.FixtureRequest, charts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Recorded, list[dict[str, Any]]]:
    """A stack with a profile, and the manifests of its Tempo."""
    more = EVERYWHERE if request.param.endswith("prod") else {}
    settings = {"tracing:tempo": PROFILES[request.param] | more}
    if more:
        settings["tracing:prometheus"] = {"operator": {"labels": {"release": "monitoring"}}}
    run = record("dev", settings, {})
    release = run.one("tempo-release").inputs
    values = tmp_path_factory.mktemp("values") / "values.json"
    values.write_text(json.dumps(release["values"]), encoding="utf-8")
    archive = charts / f"{release['chart']}-{release['version']}.tgz"
    if not archive.is_file():
        pytest.skip(f"manifests: {archive.name} is not in TRACING_CHARTS")
    command = ["helm", "template", release["name"], str(archive), "--values", str(values)]
    command += ["--namespace", release["namespace"], "--kube-version", KUBERNETES]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    documents = [document for document in yaml.safe_load_all(text) if document]
    return request.param, run, documents


Rendered = tuple[str, Recorded, list[dict[str, Any]]]


def named(documents: list[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    return {d["metadata"]["name"]: d for d in documents if d["kind"] in kinds}


def test_prometheus_finds_every_microservice_under_the_jobs_that_alerts_name(
    rendered: Rendered,
) -> None:
    name, run, documents = rendered
    monitors = named(documents, "ServiceMonitor").values()
    if name.endswith("dev"):
        assert not monitors
        return
    services, jobs = named(documents, "Service").values(), set()
    for monitor in monitors:
        assert monitor["metadata"]["labels"]["release"] == "monitoring"
        [endpoint] = monitor["spec"]["endpoints"]
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        found = [
            service["metadata"]["name"]
            for service in services
            if wanted <= service["metadata"]["labels"].items()
            and endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
            and service["metadata"]["labels"].get("prometheus.io/service-monitor") != "false"
        ]
        assert len(found) == 1, (monitor["metadata"]["name"], found)
        jobs |= {rule["replacement"] for rule in endpoint.get("relabelings", [])} or set(found)
    groups = run.one("alerts-rules").inputs["spec"]["groups"]
    [down] = [rule for rule in groups[0]["rules"] if rule["alert"] == "TempoDown"]
    [pattern] = re.findall('job=~"([^"]+)"', down["expr"])
    assert all(re.fullmatch(pattern, job) for job in jobs), (pattern, jobs)
    pods = named(documents, "Deployment", "StatefulSet")
    # Nginx and memcached have no metrics of Tempo's.
    assert len(jobs) == len([pod for pod in pods if not pod.endswith(("gateway", "memcached"))])


def test_the_addresses_that_are_handed_out_are_services_with_that_port(rendered: Rendered) -> None:
    _, run, documents = rendered
    services = named(documents, "Service")
    for output in ("tempoUrl", "otlpGrpcEndpoint", "otlpHttpEndpoint"):
        address = urlsplit(run.outputs[output])
        assert address.hostname is not None
        service = services[address.hostname.split(".")[0]]
        assert address.port in [port["port"] for port in service["spec"]["ports"]], output


def test_the_service_lets_in_the_protocols_that_are_received(rendered: Rendered) -> None:
    case, run, documents = rendered
    host = urlsplit(run.outputs["otlpGrpcEndpoint"]).hostname
    assert host is not None
    service = named(documents, "Service")[host.split(".")[0]]
    ports = {(port.get("protocol", "TCP"), port["port"]) for port in service["spec"]["ports"]}
    asked_for = RECEIVERS if case.endswith("prod") else ("otlpGrpc", "otlpHttp")
    assert {RECEIVERS[receiver] for receiver in asked_for} <= ports


def test_whatever_has_more_than_one_pod_survives_a_drain_and_is_spread(rendered: Rendered) -> None:
    _, _, documents = rendered
    budgets = named(documents, "PodDisruptionBudget")
    scaled = named(documents, "HorizontalPodAutoscaler")
    for name, workload in named(documents, "Deployment", "StatefulSet").items():
        bounds = scaled.get(name, {}).get("spec", {})
        replicas = bounds.get("minReplicas") or workload["spec"].get("replicas", 1)
        if replicas < 2:
            continue
        budget = budgets[name]["spec"]
        assert budget["maxUnavailable"] < replicas, name
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert budget["selector"]["matchLabels"].items() <= labels.items(), name
        constraints = workload["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert {constraint["topologyKey"] for constraint in constraints} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }, name
        for constraint in constraints:
            assert constraint["labelSelector"]["matchLabels"].items() <= labels.items(), name
            # More pods than nodes still find a place.
            assert constraint["whenUnsatisfiable"] == "ScheduleAnyway", name
        assert "affinity" not in workload["spec"]["template"]["spec"], name


def test_every_pod_is_probed_and_in_prod_has_requests(rendered: Rendered) -> None:
    case, _, documents = rendered
    for name, workload in named(documents, "Deployment", "StatefulSet").items():
        container = workload["spec"]["template"]["spec"]["containers"][0]
        assert container["readinessProbe"], name
        # Or a pod that needs a minute to get ready is killed before it is.
        assert container["livenessProbe"] != container["readinessProbe"], name
        assert container["livenessProbe"].get("httpGet", {}).get("path") != "/ready", name
        if case.endswith("prod"):
            requests = container["resources"]["requests"]
            if name.endswith("memcached"):
                assert requests.keys() == {"cpu", "memory"}
            else:
                assert requests == {"cpu": "500m", "memory": "1Gi"}, name


def test_a_real_api_server_accepts_every_manifest(rendered: Rendered) -> None:
    context = os.environ.get("TRACING_LIVE_CONTEXT")
    if context is None:
        pytest.skip("manifests: needs a cluster to ask; name its context in TRACING_LIVE_CONTEXT")
    _, _, documents = rendered
    judge = Judge(context)
    # A cluster without the Prometheus operator knows none of its kinds, and can't judge them.
    assert judge.complaints(judge.known(documents)) == ""
