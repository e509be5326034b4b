"""The images that are listed for a stack are those that its charts render.

Needs the `helm` command and a directory of chart archives (TRACING_CHARTS).
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.images import STRIMZI_KAFKA, Image, images, images_of
from ops.registrations import RELEASE, Recorded, record
from ops.stack_files import STACK_FILES, recorded

KUBERNETES = "1.36.2"


def rendered(release: dict[str, Any], charts: Path, scratch: Path) -> str:
    archive = charts / f"{release['chart']}-{release['version']}.tgz"
    if not archive.is_file():
        pytest.skip(f"images: {archive.name} is not in TRACING_CHARTS")
    values = scratch / "values.json"
    values.write_text(json.dumps(release["values"]), encoding="utf-8")
    command = ["helm", "template", release["name"], str(archive), "--values", str(values)]
    command += ["--namespace", release["namespace"], "--kube-version", KUBERNETES]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def containers(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, item in value.items():
                yield from [item] if key == "image" and isinstance(item, str) else containers(item)
        case list():
            for item in value:
                yield from containers(item)


@pytest.mark.parametrize("stack", STACK_FILES)
def test_the_images_listed_for_a_release_are_those_of_its_pods(
    charts: Path, tmp_path: Path, stack: str
) -> None:
    assert_rendered(recorded(stack), images(stack, STACK_FILES[stack]).listed, charts, tmp_path)


@pytest.mark.parametrize("profile", ["monolithic", "distributed-2", "distributed-3"])
def test_images_that_the_stack_file_names_are_those_of_its_pods(
    charts: Path, tmp_path: Path, profile: str
) -> None:
    # A tag that Traefik's chart takes for a version.
    named = "registry.example.com/{}:v3.7.11@sha256:" + "0123456789abcdef" * 4
    tempo: dict[str, Any] = {"profile": profile, "image": named.format("tempo")}
    if profile != "monolithic":
        tempo["memcachedImage"] = named.format("memcached")
        tempo["gateway"] = {"image": named.format("nginx")}
    settings = {"tempo": tempo, "traefik": {"image": named.format("traefik")}}
    if profile == "distributed-3":
        tempo["acknowledgeNoDowngrade"] = True
        settings["kafka"] = {"operatorImage": named.format("operator")}
    run = record("dev", {f"tracing:{key}": value for key, value in settings.items()}, {})
    assert_rendered(run, images_of(run).listed, charts, tmp_path)


def assert_rendered(run: Recorded, listed: tuple[Image, ...], charts: Path, scratch: Path) -> None:
    """Each release has the images that are listed for it, and no others."""
    for resource in run.resources:
        if resource.type != RELEASE:
            continue
        text = rendered(resource.inputs, charts, scratch)
        found = {image for document in yaml.safe_load_all(text) for image in containers(document)}
        expected = {image.reference for image in listed if resource.name in image.used_by}
        assert found == expected, resource.name


def test_strimzi_takes_the_image_that_is_listed_for_each_version_of_kafka(
    charts: Path, tmp_path: Path
) -> None:
    release = recorded("strimzi").one("kafka-operator-release").inputs
    text = rendered(release, charts, tmp_path)
    for version in ("4.3.1", "4.3.0", "4.2.1", "4.2.0"):
        assert f"{version}={STRIMZI_KAFKA.format(version=version)}" in text


def test_the_container_that_asks_for_a_brokers_rack_has_the_image_that_is_named(
    charts: Path, tmp_path: Path
) -> None:
    # Its image is in no object of the program's: the operator is told by its environment.
    image = "registry.example.com/mirror/strimzi/operator:1.2.0@sha256:" + "0123456789abcdef" * 4
    tempo = {"profile": "distributed-3", "acknowledgeNoDowngrade": True}
    kafka = {"operatorImage": image, "rack": "topology.kubernetes.io/zone"}
    run = record("dev", {"tracing:tempo": tempo, "tracing:kafka": kafka}, {})
    text = rendered(run.one("kafka-operator-release").inputs, charts, tmp_path)
    [operator] = [
        container
        for document in yaml.safe_load_all(text)
        if document and document["kind"] == "Deployment"
        for container in document["spec"]["template"]["spec"]["containers"]
    ]
    told = {each["name"]: each.get("value") for each in operator["env"]}
    assert told["STRIMZI_DEFAULT_KAFKA_INIT_IMAGE"] == operator["image"] == image
