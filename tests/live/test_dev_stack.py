"""The dev stack, as it is checked in, on a real cluster: from nothing, and back to nothing.

One story, told in order: the stack is applied once, the tests look at it, the last one destroys it.
"""

import base64
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from minio import Minio
from minio.error import S3Error

from components.minio_server import S3_PORT
from components.values.traefik import LOG_FORMAT
from config import MinioConfig, StackConfig
from sandbox import Result, Sandbox
from tests.live.cluster import Address, Cluster, request
from tests.live.figures import Figures
from tests.live.needs import STACK, Needs
from tests.live.project import Project
from tests.live.traces import SENDERS, export_request, send_grpc, span_names
from tests.live.waiting import until

PODS_SECONDS = 300
TRACE_SECONDS = 120
FLUSH_SECONDS = 180
ROTATION_SECONDS = 60
GONE_SECONDS = 300

SECRET_KEY = "objectStoreSecretKey"

NAMESPACE = "kubernetes:core/v1:Namespace"
SECRET = "kubernetes:core/v1:Secret"


class Platform:
    """The stack on the cluster, and the same stack in the sandbox."""

    def __init__(
        self, project: Project, cluster: Cluster, box: Sandbox, stack: StackConfig
    ) -> None:
        self.project = project
        self.cluster = cluster
        self.box = box
        self.stack = stack
        self.cluster_before = cluster.cluster_wide()
        self.foretold = box.preview()
        self.namespaces = [
            step.new_inputs["metadata"]["name"]
            for step in self.foretold.steps
            if step.type == NAMESPACE
        ]
        there = {f"namespace/{name}" for name in self.namespaces} & self.cluster_before
        if there:
            pytest.fail(
                f"the cluster of context {cluster.context} has {', '.join(sorted(there))} already; "
                "remove what an earlier run left there, or name a cluster made for tests"
            )
        self.previewed = project.preview()

    def apply(self) -> None:
        """The first update: of the stack in the sandbox, and of the real one."""
        self.box.up()
        self.applied = self.project.up()
        self.outputs = self.project.outputs()
        self.first_passwords = self.passwords()

    def at(self, output: str) -> Address:
        """The Service that an output of the stack names."""
        return Address.of(self.outputs[output])

    def pods_are_ready(self) -> bool:
        unready = self.cluster.unready_pods(self.namespaces)
        assert unready == [], f"not ready: {unready}"
        return True

    def trace(self, trace_id: str) -> list[str]:
        """The spans of a trace, once Tempo finds it."""
        with self.cluster.forwarded(self.at("tempoUrl")) as tempo:
            return until(
                f"trace {trace_id} in Tempo", TRACE_SECONDS, lambda: span_names(tempo, trace_id)
            )

    def flush(self) -> None:
        """Tell each ingester to write what it holds to the store."""
        tempo = self.stack.tempo
        for index in range(tempo.ingester.replicas):
            pod = f"pod/{tempo.release_name}-ingester-{index}"
            port = self.at("tempoUrl").port
            with self.cluster.forwarded(Address(pod, tempo.namespace, port), pod) as ingester:
                status, body = request(f"http://{ingester}/flush", method="POST")
            assert status == 204, body

    def store_keys(self) -> dict[str, str]:
        """The keys that Tempo is given."""
        return self.cluster.secret(self.stack.tempo.namespace, self.stack.object_store.secret_name)

    def objects(self, keys: dict[str, str]) -> list[str]:
        """The names of the objects in the bucket, as the keys' owner sees them."""
        store = self.stack.object_store
        assert isinstance(store, MinioConfig)
        with self.cluster.forwarded(Address(store.name, store.namespace, S3_PORT)) as endpoint:
            client = Minio(
                endpoint,
                access_key=keys["MINIO_ACCESS_KEY_ID"],
                secret_key=keys["MINIO_SECRET_ACCESS_KEY"],
                region=store.region,
                secure=False,
            )
            found = client.list_objects(store.bucket, recursive=True)
            return [entry.object_name or "" for entry in found]

    def passwords(self) -> dict[str, str]:
        """Every secret value of the stack in clear, by the Secret and key that hold it."""
        return {
            f"{namespace}/{name}:{key}": value
            for resource in self.project.resources()
            if resource["type"] == SECRET
            for namespace, name in [resource["id"].split("/")]
            for key, value in self.cluster.secret(namespace, name).items()
            if "PASSWORD" in key or "SECRET" in key
        }


@pytest.fixture(scope="module")
def platform(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The stack, applied; whatever comes of it, nothing stays behind."""
    project = Project(needs, tmp_path_factory.mktemp("live"), figures.add)
    with Sandbox(project.directory, STACK) as box:
        platform = Platform(project, Cluster(needs.context), box, needs.stack)
        try:
            platform.apply()
            yield platform
        finally:
            if project.resources():
                project.unlock()
                project.destroy()


def operations(result: Result) -> dict[str, str]:
    return {step.name: step.op for step in result.changed()}


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
    real = {resource["urn"]: resource for resource in platform.project.resources()}
    simulated = {resource["urn"]: resource for resource in platform.box.resources()}
    assert real.keys() == simulated.keys()
    for urn, resource in real.items():
        assert secret_paths(resource) == secret_paths(simulated[urn]), urn
        if resource["type"] not in GENERATED_IDS and not resource["type"].startswith("pulumi:"):
            assert resource.get("id") == simulated[urn].get("id"), urn


GENERATED_IDS = {
    "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment",
    "random:index/randomId:RandomId",
    "random:index/randomString:RandomString",
    "random:index/randomUuid:RandomUuid",
}
"""Types whose ids hold a time or are random, as the providers' own are."""

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""What marks a secret, or an asset, in the engine's own form of a value."""


def secret_paths(resource: dict[str, Any]) -> set[str]:
    """Where a resource's inputs and outputs are encrypted in the state."""

    def within(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            if SIGNATURE in value:
                yield path
            else:
                for key, item in value.items():
                    # The bridge's own notes on the form of a value; no display shows them.
                    if key != "__pulumi_raw_state_delta":
                        yield from within(item, f"{path}.{key}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from within(item, f"{path}[{index}]")

    return {
        path for part in ("inputs", "outputs") for path in within(resource.get(part) or {}, part)
    }


# It works


@pytest.mark.parametrize("endpoint", SENDERS)
def test_a_span_comes_back_from_tempo_by_its_id(
    platform: Platform, figures: Figures, endpoint: str
) -> None:
    trace_id, name = secrets.token_hex(16), f"sent to {endpoint}"
    with platform.cluster.forwarded(platform.at(endpoint)) as collector:
        SENDERS[endpoint](collector, export_request(trace_id, name))
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
    found = re.search(LOG_FORMAT.matcher_regex, line)
    assert found is not None, line
    assert platform.trace(found[1])


def test_blocks_are_in_the_bucket_after_a_flush(platform: Platform, figures: Figures) -> None:
    keys = platform.store_keys()
    platform.flush()
    with figures.timed("a block in the bucket after the flush"):
        until("a block is in the bucket", FLUSH_SECONDS, lambda: blocks_of(platform.objects(keys)))
    figures.add("objects in the bucket", len(platform.objects(keys)), "objects")


def blocks_of(objects: list[str]) -> list[str]:
    """The blocks that are complete: meta.json is written last."""
    return [name for name in objects if name.endswith("/meta.json")]


# It changes


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tempo.blockRetention", "24h"),
        ("tempo.releaseName", "tempo"),
        ("objectStore.user", "tempo-reader"),
        ("objectStore.volumeSize", "30Gi"),
        ("collector.namespace", "observability"),
    ],
)
def test_one_setting_previews_what_the_sandbox_says(
    platform: Platform, key: str, value: str
) -> None:
    section = "tracing:" + key.partition(".")[0]
    before = platform.box.config.get(section)
    platform.box.set_config(f"tracing:{key}", value)
    try:
        foretold = platform.box.preview()
        with platform.project.setting(section, platform.box.config[section]):
            real = platform.project.preview()
    finally:
        platform.box.remove_config(section)
        if before is not None:
            platform.box.set_config(section, before)
    assert explained(real) == explained(foretold)
    assert real.changed()


def explained(result: Result) -> dict[str, tuple[str, dict[str, str]]]:
    """What happens to each resource that changes, by name: the engine's order is another one each
    time."""
    return {step.name: (step.op, step.detailed_diff) for step in result.changed()}


# Its keys are rotated


def test_tempo_still_writes_after_its_secret_key_was_changed(platform: Platform) -> None:
    old, new = platform.store_keys(), secrets.token_hex(20)
    platform.box.set_config(f"tracing:{SECRET_KEY}", new, secret=True)
    platform.project.set_secret(f"tracing:{SECRET_KEY}", new)
    assert operations(platform.project.up()) == operations(platform.box.up())
    assert platform.project.preview().changes == {}
    assert platform.store_keys() != old
    until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)
    with pytest.raises(S3Error):
        platform.objects(old)

    before = platform.objects(platform.store_keys())
    trace_id = secrets.token_hex(16)
    with platform.cluster.forwarded(platform.at("otlpGrpcEndpoint")) as collector:
        send_grpc(collector, export_request(trace_id, "after the rotation"))
    platform.trace(trace_id)
    platform.flush()
    until(
        "another block is in the bucket",
        ROTATION_SECONDS,
        lambda: len(blocks_of(platform.objects(platform.store_keys()))) > len(blocks_of(before)),
    )


# It keeps its secrets


def test_no_secret_is_in_clear_in_state_output_or_release(platform: Platform) -> None:
    assert len(platform.first_passwords) == 2
    passwords = {*platform.first_passwords.values(), *platform.passwords().values()}
    written = {str(file): file.read_text("utf-8") for file in platform.project.state_files}
    for number, result in enumerate(platform.project.results):
        written[f"output of operation {number}"] = result.text
        written[f"events of operation {number}"] = json.dumps(result.events)
    for namespace in platform.namespaces:
        for name, release in platform.cluster.releases(namespace).items():
            written[f"Helm release {name}"] = release
        written[f"ConfigMaps in {namespace}"] = json.dumps(
            platform.cluster.objects("configmaps", f"--namespace={namespace}")
        )
    assert any(name.startswith("Helm release") for name in written)
    for value in passwords:
        # Letters and digits alone, so they are the same in JSON and in a URL.
        assert value.isalnum()
        for disguise in (value, base64.b64encode(value.encode()).decode()):
            where = [name for name, text in written.items() if disguise in text]
            assert where == []


# It goes down


def test_destroy_leaves_nothing_of_the_stack_in_the_cluster(
    platform: Platform, figures: Figures
) -> None:
    assert set(platform.project.destroy().changes) == {"delete"}
    assert platform.project.resources() == []
    with figures.timed("cluster clean after destroy"):
        until("the cluster is as before", GONE_SECONDS, lambda: is_clean(platform))


def is_clean(platform: Platform) -> bool:
    left = platform.cluster.cluster_wide() - platform.cluster_before
    assert not left, f"still there: {sorted(left)}"
    volumes = platform.cluster.claimed_volumes(platform.namespaces)
    assert not volumes, f"still bound: {volumes}"
    return True
