"""Which images a stack runs, from its file alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import charts
from ops.chart_images import CHART_IMAGES
from ops.chart_lock import load
from ops.commands import main
from ops.images import Image, images, images_of, qualified
from ops.registrations import RELEASE, Recorded, Registration
from ops.stack_files import STACK_FILES

DIGEST = "sha256:" + "0123456789abcdef" * 4


def stack_file(directory: Path, text: str) -> Path:
    file = directory / "Pulumi.dev.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_images_of_the_dev_stack_are_those_of_its_pods() -> None:
    assert [(image.reference, image.used_by) for image in images("dev").listed] == [
        ("docker.io/grafana/tempo:2.10.7", ("tempo-release",)),
        ("docker.io/otel/opentelemetry-collector-contrib:0.158.0", ("collector-release",)),
        ("docker.io/pgsty/minio:RELEASE.2026-04-17T00-00-00Z", ("minio-server",)),
        ("docker.io/traefik:v3.7.11", ("traefik-release",)),
    ]


@pytest.mark.parametrize("stack", STACK_FILES)
def test_every_image_of_every_stack_has_a_registry_and_a_version(stack: str) -> None:
    found = images(stack, STACK_FILES[stack])
    assert found.listed
    for image in found.listed:
        assert "." in image.name.split("/")[0], image
        assert image.tag not in ("", "latest"), image
    assert found.unlisted == {}


def test_every_pinned_chart_but_harness_has_its_images_and_none_is_of_another_version() -> None:
    pinned = {f"{chart.name}-{chart.version}" for chart in charts.PINS if chart != charts.HARNESS}
    assert set(CHART_IMAGES) == pinned


def test_the_image_of_a_charts_own_program_is_of_the_version_that_the_chart_is_for() -> None:
    for chart in charts.PINS:
        [own, *_] = CHART_IMAGES.get(f"{chart.name}-{chart.version}") or (None,)
        if own is not None and own.reference is not None:
            version = load(chart.name, chart.version).app_version
            assert own.reference.endswith(f":{version}"), chart


def test_what_a_stack_turns_on_or_off_is_listed_or_not(tmp_path: Path) -> None:
    with_all = stack_file(tmp_path, "config: {tracing:tempo: {gateway: {}, memcached: true}}")
    names = {image.name for image in images("dev", with_all).listed}
    assert {"docker.io/memcached", "docker.io/nginxinc/nginx-unprivileged"} <= names
    without = stack_file(tmp_path, "config: {tracing:tempo: {memcached: false}}")
    names = {image.name for image in images("dev", without).listed}
    assert not {"docker.io/memcached", "docker.io/nginxinc/nginx-unprivileged"} & names


def test_a_pinned_digest_is_listed(tmp_path: Path) -> None:
    file = stack_file(
        tmp_path,
        f"config: {{tracing:collector: {{image: 'registry.example.com/otelcol:1.0@{DIGEST}'}},"
        f" tracing:objectStore: {{image: 'registry.example.com/minio@{DIGEST}'}}}}",
    )
    found = {image.name: image for image in images("dev", file).listed}
    assert found["registry.example.com/otelcol"] == Image(
        name="registry.example.com/otelcol",
        tag="1.0",
        digest=DIGEST,
        used_by=("collector-release",),
    )
    assert found["registry.example.com/minio"].reference == f"registry.example.com/minio@{DIGEST}"


def test_an_image_of_a_chart_that_the_stack_file_names_is_listed_in_its_place(
    tmp_path: Path,
) -> None:
    mine = "registry.example.com/{}:1.0@" + DIGEST
    tempo = {
        "image": mine.format("tempo"),
        "memcachedImage": mine.format("memcached"),
        "gateway": {"image": mine.format("nginx")},
    }
    settings = {"tracing:tempo": tempo, "tracing:traefik": {"image": mine.format("traefik")}}
    file = stack_file(tmp_path, yaml.safe_dump({"config": settings}))
    listed = {(image.reference, image.used_by) for image in images("dev", file).listed}
    assert {image for image in listed if "minio" not in image[0]} == {
        (mine.format("tempo"), ("tempo-release",)),
        (mine.format("memcached"), ("tempo-release",)),
        (mine.format("nginx"), ("tempo-release",)),
        (mine.format("traefik"), ("traefik-release",)),
    }
    one_process = f"{{profile: monolithic, image: '{mine.format('tempo')}'}}"
    file = stack_file(tmp_path, f"config: {{tracing:tempo: {one_process}}}")
    names = [image.reference for image in images("dev", file).listed if "tempo" in image.name]
    assert names == [mine.format("tempo")]


TEMPO_3 = {"profile": "distributed-3", "acknowledgeNoDowngrade": True}


def test_kafkas_images_are_those_of_the_stack_file_or_of_the_operator(tmp_path: Path) -> None:
    def listed(kafka: dict[str, Any]) -> tuple[set[str], set[str]]:
        settings = {"tracing:tempo": TEMPO_3, "tracing:kafka": kafka | {"brokers": {"replicas": 1}}}
        found = images("dev", stack_file(tmp_path, yaml.safe_dump({"config": settings})))
        of_kafka = {i.reference for i in found.listed if i.used_by[0].startswith("kafka")}
        return of_kafka, {*found.unlisted}

    mine = "registry.example.com/{}:1.0@" + DIGEST
    image, operator = mine.format("kafka"), mine.format("operator")
    both = {"image": image, "operatorImage": operator}
    by_chart = "quay.io/strimzi/operator:1.2.0"
    by_version = "quay.io/strimzi/kafka:1.2.0-kafka-4.3.1"
    existing = {"operator": "existing"}
    assert listed({}) == ({by_chart, by_version}, set())
    assert listed({"image": image}) == ({image, by_chart}, set())
    assert listed({"operatorImage": operator}) == ({operator, by_version}, set())
    assert listed(both) == ({image, operator}, set())
    assert listed(existing) == (set(), {"kafka-cluster"})
    assert listed(existing | {"image": image}) == ({image}, {"kafka-cluster"})
    assert listed(existing | both) == ({image, operator}, set())


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


def registered(type: str, name: str, inputs: dict[str, Any]) -> Registration:
    return Registration(
        type=type, name=name, parent="", inputs=inputs, depends_on=frozenset(), protect=False
    )


def test_the_images_of_a_release_that_was_rendered_are_those_of_its_manifests() -> None:
    minio = "docker.io/pgsty/minio:1@" + DIGEST
    chart = {"chart": "tempo", "version": charts.TEMPO.version, "values": {}}
    run = Recorded(
        resources=(
            registered(RELEASE, "tempo-release", chart),
            registered("kubernetes:apps/v1:Deployment", "own", pod({"name": "a", "image": minio})),
        ),
        outputs={},
        component_outputs={},
    )
    by_version = [image.name for image in images_of(run).listed]
    assert by_version == ["docker.io/grafana/tempo", "docker.io/pgsty/minio"]
    operator = {"name": "STRIMZI_KAFKA_IMAGES", "value": "4.2.0=quay.io/strimzi/kafka:1.2.0\n"}
    rendered = pod({"name": "a", "image": "localhost:5000/tempo", "env": [operator]})
    listed = images_of(run, {"tempo-release": [rendered]}).listed
    assert [(image.reference, image.used_by) for image in listed] == [
        (minio, ("own",)),
        ("localhost:5000/tempo", ("tempo-release",)),
        ("quay.io/strimzi/kafka:1.2.0", ("tempo-release",)),
    ]


@pytest.mark.parametrize(
    ("image", "whole"),
    [
        ("nginx:1", "docker.io/library/nginx:1"),
        ("grafana/tempo:2", "docker.io/grafana/tempo:2"),
        ("quay.io/a/b:1", "quay.io/a/b:1"),
        ("registry:5000/a:1", "registry:5000/a:1"),
        ("localhost/a:1", "localhost/a:1"),
    ],
)
def test_an_image_is_named_with_its_registry(image: str, whole: str) -> None:
    assert qualified(image) == whole


def test_an_image_of_the_stack_file_is_named_with_its_registry(tmp_path: Path) -> None:
    file = stack_file(tmp_path, "config: {tracing:collector: {image: 'mirror/otelcol:1.0'}}")
    assert "docker.io/mirror/otelcol" in {image.name for image in images("dev", file).listed}


def test_images_that_are_not_known_are_said_with_the_way_to_find_them(tmp_path: Path) -> None:
    file = stack_file(
        tmp_path,
        "config: {tracing:kubernetes: {existingNamespaces: [harness]}, tracing:collector: {}, "
        "tracing:harness: {install: release}, tracing:kafka: "
        "{operator: existing, brokers: {replicas: 1}}, tracing:tempo: "
        "{profile: distributed-3, acknowledgeNoDowngrade: true}}",
    )
    unlisted = images("dev", file).unlisted
    assert set(unlisted) == {"harness-release", "kafka-cluster"}
    assert unlisted["harness-release"].startswith(
        f"helm template harness --repo {charts.HARNESS.repository} "
        f"--version {charts.HARNESS.version}"
    )


def test_the_archives_of_charts_need_not_be_there(tmp_path: Path) -> None:
    file = stack_file(tmp_path, "config: {tracing:charts: {directory: /no/such/place}}")
    assert images("dev", file).listed


def test_the_command_prints_a_line_for_each_image_or_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["images", "--stack", "dev"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "docker.io/grafana/tempo:2.10.7",
        "tempo-release",
        "(no",
        "digest)",
    ]
    assert main(["images", "--stack", "dev", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [image["reference"] for image in document["images"]] == [
        line.split()[0] for line in lines
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "no YAML": ("config: {a: [hunter2-canary", "is not YAML, line 1, column"),
        "a list": ("- hunter2-canary", "config: is missing"),
        "a text": ("hunter2-canary", "config: is missing"),
        "settings that are refused": ("config: {tracing:tempoo: {}}", "did you mean tempo?"),
    }.values(),
)
def test_a_stack_file_that_is_none_is_refused_without_quoting_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = stack_file(tmp_path, text)
    assert main(["images", "--stack", "dev", "--stack-file", str(file)]) == 1
    printed = capsys.readouterr().err
    assert said in printed
    assert "hunter2-canary" not in printed


def test_the_stacks_that_are_read_by_name_are_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "--stack", "nowhere"]) == 1
    assert "Pulumi.nowhere.yaml is not there" in capsys.readouterr().err
    assert yaml.safe_load(STACK_FILES["dev"].read_text(encoding="utf-8"))["config"]
