"""What the real charts make of every stack: which pods, where they listen, and what they may do.

Needs the `helm` command and a directory of chart archives (TRACING_CHARTS).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.registrations import RELEASE, Recorded, record
from ops.stack_files import STACK_FILES, recorded
from tests.chart_pods import release_pods
from tests.restricted import containers, denied, wildcards, writable

KUBERNETES = "1.36.2"

EVERYTHING = ["otlpGrpc", "otlpHttp", "zipkin", "jaegerGrpc", "jaegerThriftHttp"]
GENERATOR = {"metricsGenerator": {"remoteWriteUrl": "http://prometheus:9090/api/v1/write"}}
CASES: dict[str, dict[str, Any]] = {
    "everything of Tempo 2": {
        "tracing:tempo": {"gateway": {}, "receivers": EVERYTHING, **GENERATOR},
        "tracing:collector": {"receivers": [*EVERYTHING, "jaegerThriftBinary"], "replicas": 2},
        "tracing:traefik": {},
    },
    "everything of Tempo 3": {
        "tracing:tempo": {
            "profile": "distributed-3",
            "acknowledgeNoDowngrade": True,
            "gateway": {},
            **GENERATOR,
        },
        "tracing:kafka": {},
        "tracing:collector": {"mode": "agent-gateway"},
    },
}

UNUSED = {55680, 55681}
"""Ports that the chart of the monolithic Tempo opens for protocols that it does not know any
more."""

TOKENS = {
    # The first tier asks which pods there are.
    "opentelemetry-collector": "k8s_attributes",
    "opentelemetry-collector-agent": "k8s_attributes",
    "traefik": "Ingresses and their Services",
}
"""Pods that need a token of the Kubernetes API, and for what. Strimzi's operator has one of a
volume of its own."""

READERS = {"strimzi-kafka-operator": {"kafka"}}
"""Releases whose pods read Secrets beside those that they are given, and of which namespaces."""
OUTSIDE_DEV = {"staging", "prod"}
"""Stacks whose Traefik serves the namespace shop; that of others serves, and so reads, all."""


@pytest.fixture(scope="module", params=[*STACK_FILES, *CASES])
def run(request: pytest.FixtureRequest) -> Recorded:
    if request.param in CASES:
        return record("dev", CASES[request.param], {})
    return recorded(request.param)


DIGEST = f"@sha256:{'0' * 64}"
BY_DIGEST: dict[str, dict[str, Any]] = {
    profile: {
        "tracing:tempo": {"image": f"docker.io/grafana/tempo:2.10.8{DIGEST}", **tempo},
        "tracing:collector": {"image": f"docker.io/otel/collector{DIGEST}"},
        "tracing:traefik": {"image": f"docker.io/traefik:v3.7.11{DIGEST}"},
    }
    for profile, tempo in {
        "microservices": {
            "memcachedImage": f"registry.example.com:5000/memcached:1.6{DIGEST}",
            "gateway": {"image": f"nginx/nginx-unprivileged:1.31{DIGEST}"},
        },
        "one process": {"profile": "monolithic"},
    }.items()
}


@pytest.mark.parametrize("profile", BY_DIGEST)
def test_every_chart_takes_its_images_by_digest(
    charts: Path, tmp_path_factory: pytest.TempPathFactory, profile: str
) -> None:
    run = record("dev", BY_DIGEST[profile], {})
    images = {
        container["image"]
        for _, documents in rendered(run, charts, tmp_path_factory)
        for _, template in workloads(documents)
        for container in containers(template["spec"])
    }
    assert {image for image in images if not image.endswith(DIGEST)} == set()
    own = {f"docker.io/grafana/tempo:2.10.8{DIGEST}", f"docker.io/traefik:v3.7.11{DIGEST}"}
    assert own < images
    if profile == "microservices":
        assert f"registry.example.com:5000/memcached:1.6{DIGEST}" in images
        assert f"docker.io/nginx/nginx-unprivileged:1.31{DIGEST}" in images


Release = tuple[Mapping[str, Any], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def releases(
    run: Recorded, charts: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Release]:
    return rendered(run, charts, tmp_path_factory)


def rendered(
    run: Recorded, charts: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Release]:
    """Each release and its manifests."""
    found: list[Release] = []
    for resource in run.resources:
        if resource.type != RELEASE:
            continue
        release = resource.inputs
        archive = charts / f"{release['chart']}-{release['version']}.tgz"
        if not archive.is_file():
            pytest.skip(f"manifests: {archive.name} is not in TRACING_CHARTS")
        values = tmp_path_factory.mktemp("values") / "values.json"
        values.write_text(json.dumps(release["values"]), encoding="utf-8")
        command = ["helm", "template", release["name"], str(archive), "--values", str(values)]
        command += ["--namespace", release["namespace"], "--kube-version", KUBERNETES]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found.append((release, [document for document in yaml.safe_load_all(text) if document]))
    return found


def workloads(documents: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The templates of all pods, by the name of what makes them."""
    for document in documents:
        spec = document.get("spec") or {}
        job = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in job:
            yield document["metadata"]["name"], job["template"]


def test_the_pods_are_those_that_the_policies_are_worked_out_for(releases: list[Release]) -> None:
    for release, documents in releases:
        written_down = {node.name: node for node in release_pods(release)}
        made = dict(workloads(documents))
        assert written_down.keys() == made.keys()
        for name, template in made.items():
            node = written_down[name]
            assert node.labels.items() <= template["metadata"]["labels"].items(), name
            opened = {
                (port.get("protocol", "TCP"), port["containerPort"])
                for container in containers(template["spec"])
                for port in container.get("ports", [])
                if port["containerPort"] not in UNUSED
            }
            assert opened <= node.ports, name


def test_every_pod_satisfies_the_strictest_level(releases: list[Release]) -> None:
    for _, documents in releases:
        for name, template in workloads(documents):
            assert denied(template["spec"]) == [], name


def test_nothing_writes_to_its_own_image(releases: list[Release]) -> None:
    for _, documents in releases:
        for name, template in workloads(documents):
            assert writable(template["spec"]) == [], name


def test_only_who_asks_the_kubernetes_api_has_a_token_for_it(releases: list[Release]) -> None:
    for _, documents in releases:
        accounts = {
            d["metadata"]["name"]: d.get("automountServiceAccountToken", True)
            for d in documents
            if d["kind"] == "ServiceAccount"
        }
        for name, template in workloads(documents):
            pod = template["spec"]
            mounted = pod.get("automountServiceAccountToken", accounts[pod["serviceAccountName"]])
            assert mounted == (name in TOKENS), name


def secrets_read(release: Mapping[str, Any], documents: list[dict[str, Any]]) -> set[str]:
    """The namespaces whose Secrets the accounts of a release may read; `*` for all."""
    roles = {
        (document["kind"], document["metadata"]["name"])
        for document in documents
        if document["kind"] in {"Role", "ClusterRole"}
        and any("secrets" in rule["resources"] for rule in document["rules"])
    }
    return {
        "*"
        if document["kind"] == "ClusterRoleBinding"
        else document["metadata"].get("namespace", release["namespace"])
        for document in documents
        if document["kind"] in {"RoleBinding", "ClusterRoleBinding"}
        and (document["roleRef"]["kind"], document["roleRef"]["name"]) in roles
    }


def test_whose_secrets_are_read_through_the_kubernetes_api_is_written_down(
    request: pytest.FixtureRequest, run: Recorded, releases: list[Release]
) -> None:
    reading = {release["name"]: secrets_read(release, documents) for release, documents in releases}
    stack = request.node.callspec.params["run"]
    expected = READERS | {"traefik": {"shop", "traefik"} if stack in OUTSIDE_DEV else {"*"}}
    assert {name: of for name, of in reading.items() if of} == {
        name: expected[name] for name in reading if name in expected
    }
    # What is not a chart's has no role at all.
    own = {resource.type.rpartition(":")[2] for resource in run.resources}
    assert not own & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}


def test_no_role_is_about_everything(releases: list[Release]) -> None:
    for _, documents in releases:
        for document in documents:
            if document["kind"] in {"Role", "ClusterRole"}:
                assert wildcards(document) == [], document["metadata"]["name"]
