"""The dev stack, as it is checked in, on a real cluster: from nothing, and back to nothing.

One story, told in order: the stack is applied once, the tests look at it, the last one destroys it.
"""

import json
import re
import secrets
from collections.abc import Iterator
from functools import partial

import pytest
from minio.error import S3Error

from components.values.traefik import LOG_FORMATS
from config import MinioConfig
from sandbox import Sandbox
from tests.live.cluster import Address, Cluster, request
from tests.live.figures import Figures
from tests.live.needs import STACK, Needs, free_port, without
from tests.live.platform import (
    FLUSH_SECONDS,
    GONE_SECONDS,
    PODS_SECONDS,
    TRACE_SECONDS,
    Platform,
    assert_no_secret_is_written,
    assert_resources_are_as_simulated,
    explained,
    operations,
)
from tests.live.project import Project
from tests.live.store import Keys, forwarded
from tests.live.traces import SENDERS
from tests.live.waiting import until


@pytest.fixture(scope="module")
def platform(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The stack, applied; whatever comes of it, nothing stays behind."""
    changes = {
        **dict.fromkeys(without()),
        # Another update on this machine, or the sandbox, may be using the usual port.
        "objectStore": {"admin": {"portForward": {"localPort": free_port()}}},
    }
    settings = needs.settings(STACK, changes)
    project = Project(needs, STACK, settings, tmp_path_factory.mktemp("dev"), figures.add)
    cluster = Cluster(needs.context)
    with Sandbox(project.directory, STACK) as box:
        platform = Platform(project, cluster, box, partial(forwarded, cluster, project.settings))
        try:
            platform.apply()
            yield platform
        finally:
            platform.clear()


@pytest.fixture(scope="module")
def first_passwords(platform: Platform) -> dict[str, str]:
    """The stack's passwords before any of them was changed."""
    return platform.passwords()


@pytest.fixture(scope="module")
def first_keys(platform: Platform) -> Keys:
    """Tempo's keys before they were rotated."""
    return platform.store_keys()


# It goes up


def test_the_preview_says_what_the_sandbox_says(platform: Platform) -> None:
    assert operations(platform.previewed) == operations(platform.foretold)


def test_the_update_does_what_the_preview_said_until_every_pod_is_ready(
    platform: Platform, figures: Figures
) -> None:
    assert operations(platform.applied) == operations(platform.previewed)
    figures.add("resources created", platform.applied.changes["create"], "resources")
    with figures.timed("pods ready after up"):
        until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)


def test_a_second_preview_is_empty(platform: Platform) -> None:
    assert platform.project.preview().changes == {}


def test_a_refresh_finds_nothing_changed(platform: Platform) -> None:
    assert platform.project.refresh().changes == {}
    assert platform.project.preview().changes == {}


def test_ids_and_secrets_are_as_in_the_sandbox(platform: Platform) -> None:
    assert_resources_are_as_simulated(platform)


def test_the_server_keeps_its_data_on_the_volume_that_the_stack_made(platform: Platform) -> None:
    store = platform.stack.object_store
    assert isinstance(store, MinioConfig)
    in_namespace = f"--namespace={store.namespace}"
    pod = f"{store.name}-0"
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for found in platform.cluster.objects("pods", in_namespace)
        if found["metadata"]["name"] == pod
        for volume in found["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    ]
    assert claims == [f"data-{pod}"]
    [step] = [step for step in platform.applied.steps if step.name == "minio-volume-0"]
    assert step.new_inputs["metadata"]["name"] == claims[0]
    [size] = [
        claim["spec"]["resources"]["requests"]["storage"]
        for claim in platform.cluster.objects("persistentvolumeclaims", in_namespace)
        if claim["metadata"]["name"] == claims[0]
    ]
    assert size == store.volume_size


# It works


@pytest.mark.parametrize("endpoint", SENDERS)
def test_a_span_comes_back_from_tempo_by_its_id(
    platform: Platform, figures: Figures, endpoint: str
) -> None:
    name = f"sent to {endpoint}"
    trace_id = platform.send(endpoint, name)
    with figures.timed(f"span by {endpoint} back from Tempo"):
        assert platform.trace(trace_id) == [name]


def test_a_request_through_traefik_logs_the_id_of_its_trace(platform: Platform) -> None:
    traefik = platform.stack.traefik
    if traefik is None:
        pytest.skip("this run is without Traefik")
    path = f"/live-{secrets.token_hex(8)}"
    with platform.cluster.forwarded(Address(traefik.release_name, traefik.namespace, 80)) as web:
        status, _ = request(f"http://{web}{path}")
    assert status == 404, "Traefik has no routes here"

    def logged() -> str | None:
        lines = platform.cluster.run(
            "logs",
            f"--namespace={traefik.namespace}",
            f"deployment/{traefik.release_name}",
            "--tail=200",
        ).splitlines()
        return next((line for line in lines if path in line), None)

    line = until("the request is in the access log", TRACE_SECONDS, logged)
    json.loads(line)
    # As Grafana does with the derived field of the Loki data source.
    found = re.search(LOG_FORMATS[3].matcher_regex, line)
    assert found is not None, line
    assert platform.trace(found[1])


def test_blocks_are_in_the_bucket_after_a_flush(platform: Platform, figures: Figures) -> None:
    platform.flush()
    with figures.timed("a block in the bucket after the flush"):
        until("a block is in the bucket", FLUSH_SECONDS, platform.blocks)
    objects = platform.objects(platform.store_keys())
    figures.add("objects in the bucket", len(objects), "objects")


# It changes


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tempo.blockRetention", "24h"),
        ("tempo.releaseName", "tempo"),
        ("objectStore.user", "tempo-reader"),
        ("objectStore.volumeSize", "30Gi"),
        ("objectStore.keyVersion", 2),
        ("objectStore.versioning", True),
        ("collector.namespace", "observability"),
        ("deleteData", None),
    ],
)
def test_one_setting_previews_what_the_sandbox_says(
    platform: Platform, key: str, value: object
) -> None:
    with platform.setting(key, value):
        foretold = platform.box.preview()
        real = platform.project.preview()
    assert explained(real) == explained(foretold)


# Its keys are rotated


def test_one_setting_rotates_the_keys_of_tempo(
    platform: Platform, first_passwords: dict[str, str], first_keys: Keys
) -> None:
    platform.set("objectStore.keyVersion", 2)
    assert operations(platform.project.up()) == operations(platform.box.up())
    new = platform.store_keys()
    assert (first_keys.access, new.access) == ("tempo", "tempo-2")
    assert new.secret not in first_passwords.values()
    assert platform.objects(new)
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        platform.objects(first_keys)
    assert platform.project.preview().changes == {}


def test_tempo_writes_with_the_new_keys(platform: Platform) -> None:
    until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)
    before = platform.blocks()
    platform.trace(platform.send("otlpGrpcEndpoint", "after the rotation"))
    platform.wait_for_another_block(before)


# It keeps its secrets


def test_no_secret_is_in_clear_in_state_output_or_release(
    platform: Platform, first_passwords: dict[str, str]
) -> None:
    assert len(first_passwords) == 2
    assert_no_secret_is_written(
        platform, {*first_passwords.values(), *platform.passwords().values()}
    )


# It goes down


def test_destroy_leaves_nothing_of_the_stack_in_the_cluster(
    platform: Platform, figures: Figures
) -> None:
    assert set(platform.project.destroy().changes) == {"delete"}
    assert platform.project.resources() == []
    with figures.timed("cluster clean after destroy"):
        until("the cluster is as before", GONE_SECONDS, platform.is_gone)
