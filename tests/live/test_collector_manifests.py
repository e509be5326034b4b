"""What the collector's real chart makes of the values, in each mode.

Needs the `helm` command and a directory of chart archives (TRACING_CHARTS).
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.registrations import record

KUBERNETES = "1.36.2"
RECEIVERS = ["otlpGrpc", "otlpHttp", "zipkin", "jaegerThriftCompact", "jaegerThriftBinary"]
TAIL = {"type": "tail", "tracesPerSecond": 100, "policies": [{"type": "errors"}]}
MODES: dict[str, dict[str, Any]] = {
    "deployment": {"replicas": 2, "receivers": RECEIVERS, "resourceAttributes": {"team": "a b"}},
    "autoscaled": {"autoscaling": {"maxReplicas": 4}, "tls": {"secretName": "otel-tls"}},
    "daemonset": {"mode": "daemonset", "receivers": RECEIVERS},
    "agent-gateway": {"mode": "agent-gateway"},
    "tail": {"replicas": 3, "sampling": TAIL},
}

Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module", params=MODES)
def rendered(
    request: pytest.FixtureRequest, charts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Objects:
    """The manifests of all tiers of a mode, by kind and name."""
    run = record("dev", {"tracing:collector": MODES[request.param]}, {})
    objects: Objects = {}
    for name, values in run.helm_values().items():
        if not name.startswith("collector"):
            continue
        release = run.one(f"{name}-release").inputs
        archive = charts / f"{release['chart']}-{release['version']}.tgz"
        if not archive.is_file():
            pytest.skip(f"manifests: {archive.name} is not in TRACING_CHARTS")
        file = tmp_path_factory.mktemp("values") / "values.json"
        file.write_text(json.dumps(values), encoding="utf-8")
        command = ["helm", "template", release["name"], str(archive), "--values", str(file)]
        command += ["--namespace", "otel", "--kube-version", KUBERNETES]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for document in filter(None, yaml.safe_load_all(text)):
            objects[document["kind"], document["metadata"]["name"]] = document
    return objects


def of_kind(objects: Objects, *kinds: str) -> dict[str, dict[str, Any]]:
    return {name: document for (kind, name), document in objects.items() if kind in kinds}


def workloads(objects: Objects) -> dict[str, dict[str, Any]]:
    """By the name of the release."""
    found = of_kind(objects, "StatefulSet", "DaemonSet")
    return {name.removesuffix("-agent"): document for name, document in found.items()}


def configuration(objects: Objects, release: str) -> dict[str, Any]:
    [config_map] = [
        document
        for name, document in of_kind(objects, "ConfigMap").items()
        if name in (f"{release}-statefulset", f"{release}-agent")
    ]
    return yaml.safe_load(config_map["data"]["relay"])


def test_each_tier_has_the_service_that_is_handed_out_and_it_finds_its_pods(
    rendered: Objects,
) -> None:
    services = of_kind(rendered, "Service")
    assert services.keys() == workloads(rendered).keys()
    assert "opentelemetry-collector" in services
    for name, workload in workloads(rendered).items():
        pod = workload["spec"]["template"]
        selector = services[name]["spec"]["selector"]
        assert selector.items() <= pod["metadata"]["labels"].items()
        [container] = pod["spec"]["containers"]
        opened = {(p["containerPort"], p["protocol"]) for p in container["ports"]}
        served = {(p["targetPort"], p["protocol"]) for p in services[name]["spec"]["ports"]}
        assert served == opened
        assert not [port for port in container["ports"] if "hostPort" in port]


def test_no_service_takes_the_pods_of_the_other_tier(rendered: Objects) -> None:
    for name, service in of_kind(rendered, "Service").items():
        for other, workload in workloads(rendered).items():
            labels = workload["spec"]["template"]["metadata"]["labels"]
            assert (service["spec"]["selector"].items() <= labels.items()) == (name == other)


def test_the_gateway_is_known_by_its_pods(rendered: Objects) -> None:
    for name, service in of_kind(rendered, "Service").items():
        headless = service["spec"].get("clusterIP") == "None"
        assert headless == name.endswith("-gateway")


def test_the_configuration_is_the_whole_one_and_its_files_are_mounted(rendered: Objects) -> None:
    for name, workload in workloads(rendered).items():
        collector = configuration(rendered, name)
        pod = workload["spec"]["template"]["spec"]
        [container] = pod["containers"]
        claims = workload["spec"].get("volumeClaimTemplates", [])
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in claims}
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert set(mounts.values()) <= volumes
        if "file_storage/queue" in collector["extensions"]:
            assert collector["extensions"]["file_storage/queue"]["directory"] in mounts
        else:
            assert "queue" not in volumes
        files = [
            server["tls"]["cert_file"]
            for server in collector["receivers"]["otlp"]["protocols"].values()
            if "tls" in server
        ]
        assert all(file.rpartition("/")[0] in mounts for file in files)
        assert "jaeger" not in collector["receivers"] or "jaeger-binary" in {
            port["name"] for port in container["ports"]
        }
        assert [e["name"] for e in container["env"] if e["name"] == "GOMEMLIMIT"]
        for probe in ("livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == 13133
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["fsGroup"]


def test_who_asks_the_kubernetes_api_may(rendered: Objects) -> None:
    for name in workloads(rendered):
        asks = "k8s_attributes" in configuration(rendered, name)["processors"]
        assert (("ClusterRole", name) in rendered) == asks
        assert (("ClusterRoleBinding", name) in rendered) == asks


def test_several_pods_survive_a_drain_and_a_scaled_one_has_bounds(rendered: Objects) -> None:
    scaled = of_kind(rendered, "HorizontalPodAutoscaler")
    budgets = of_kind(rendered, "PodDisruptionBudget")
    for name, workload in of_kind(rendered, "StatefulSet").items():
        bounds = scaled.get(name, {}).get("spec", {})
        if bounds:
            assert bounds["scaleTargetRef"]["kind"] == "StatefulSet"
            assert "replicas" not in workload["spec"]
        replicas = bounds.get("minReplicas") or workload["spec"]["replicas"]
        assert (name in budgets) == (replicas > 1)
        if replicas > 1:
            assert budgets[name]["spec"]["maxUnavailable"] == 1
            labels = workload["spec"]["template"]["metadata"]["labels"]
            for constraint in workload["spec"]["template"]["spec"]["topologySpreadConstraints"]:
                assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()
