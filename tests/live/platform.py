"""A stack on the cluster, and the same stack in the sandbox."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from components.object_store import ACCESS_KEY_VARIABLE, SECRET_KEY_VARIABLE
from components.tempo import QUERY_PORT
from components.values.annotations import VERSION_ANNOTATION
from config.stack import namespaces_of
from config.tempo import Distributed2Config, MonolithicConfig
from sandbox import Result, Sandbox
from tests.live import store
from tests.live.cluster import Address, Cluster, is_ready, request
from tests.live.figures import Figures
from tests.live.needs import Needs, free_port
from tests.live.project import Project
from tests.live.store import Keys, Server, forwarded
from tests.live.traces import SENDERS, export_request, span_names
from tests.live.waiting import until

PODS_SECONDS: Final = 300
TRACE_SECONDS: Final = 120
FLUSH_SECONDS: Final = 180
GONE_SECONDS: Final = 300

CA_FILE: Final = "private-ca.pem"
"""In a project, the authority that its servers' certificates are of."""

SECRET: Final = "kubernetes:core/v1:Secret"
STACK: Final = "pulumi:pulumi:Stack"


class Platform:
    """The stack on the cluster, and the same stack in the sandbox."""

    def __init__(
        self,
        project: Project,
        cluster: Cluster,
        box: Sandbox,
        reach: Callable[[], AbstractContextManager[Server]],
    ) -> None:
        self.project = project
        self.cluster = cluster
        self.box = box
        self.reach = reach
        self.stack = project.settings
        self.namespaces = sorted(set(namespaces_of(self.stack).values()))
        self.cluster_before = cluster.cluster_wide()
        there = {f"namespace/{name}" for name in self.own_namespaces} & self.cluster_before
        if there:
            pytest.fail(
                f"the cluster of context {cluster.context} has {', '.join(sorted(there))} already; "
                "remove what an earlier run left there, or name a cluster made for tests"
            )
        self.foretold = box.preview()
        self.previewed = project.preview()

    @property
    def own_namespaces(self) -> list[str]:
        """The namespaces that the stack makes."""
        return sorted({*self.namespaces} - {*self.stack.kubernetes.existing_namespaces})

    def apply(self) -> None:
        """The first update: of the stack in the sandbox, and of the real one."""
        self.box.up()
        self.applied = self.project.up()
        self.outputs = self.project.outputs()

    def at(self, output: str) -> Address:
        """The Service that an output of the stack names."""
        return Address.of(self.outputs[output])

    def set(self, key: str, value: Any) -> None:
        """Set one value of the stack, real and simulated; `None` removes it."""
        self.project.set(key, value)
        if value is None:
            self.box.remove_config(f"tracing:{key}")
        else:
            self.box.set_config(f"tracing:{key}", value)

    @contextlib.contextmanager
    def setting(self, key: str, value: Any) -> Iterator[None]:
        """Another value of one setting, for a while."""
        section = "tracing:" + key.partition(".")[0]
        before = self.box.config.get(section)
        with self.project.restored():
            self.set(key, value)
            try:
                yield
            finally:
                self.box.remove_config(section)
                if before is not None:
                    self.box.set_config(section, before)

    def pods_are_ready(self) -> bool:
        """Fails with the pods that are not."""
        unready = self.cluster.unready_pods(self.namespaces)
        assert unready == [], f"not ready: {unready}"
        return True

    def readers_of_the_keys(self) -> dict[str, tuple[str, bool]]:
        """The pods that were started with the store's keys, those on their way out left aside.

        For each the version of the Secret that it was started with, and whether it is Ready.
        """
        namespace = self.stack.tempo.namespace
        readers = {}
        for pod in self.cluster.objects("pods", f"--namespace={namespace}"):
            metadata = pod["metadata"]
            version = metadata.get("annotations", {}).get(VERSION_ANNOTATION)
            if version is not None and "deletionTimestamp" not in metadata:
                readers[metadata["name"]] = (version, is_ready(pod))
        return readers

    def send(self, output: str, name: str) -> str:
        """Send a span of that name to an output of the stack; the id of its trace."""
        trace_id = secrets.token_hex(16)
        with self.cluster.forwarded(self.at(output)) as receiver:
            SENDERS[output](receiver, export_request(trace_id, name))
        return trace_id

    def trace(self, trace_id: str) -> list[str]:
        """The spans of a trace, once Tempo finds it."""
        with self.cluster.forwarded(self.at("tempoUrl")) as tempo:
            return until(
                f"trace {trace_id} in Tempo", TRACE_SECONDS, lambda: span_names(tempo, trace_id)
            )

    def flush(self) -> None:
        """Tell each ingester to write what it holds to the store."""
        tempo = self.stack.tempo
        name, count = f"{tempo.release_name}-ingester", 1
        if isinstance(tempo, MonolithicConfig):
            name = tempo.release_name
        else:
            assert isinstance(tempo, Distributed2Config)
            count = tempo.ingester.replicas
        for index in range(count):
            pod = f"pod/{name}-{index}"
            # Its own port, which is not the one that is asked for traces where there is a gateway.
            address = Address(pod, tempo.namespace, QUERY_PORT)
            with self.cluster.forwarded(address, pod) as ingester:
                status, body = request(f"http://{ingester}/flush", method="POST")
            assert status == 204, body

    def store_keys(self) -> Keys:
        """The keys that Tempo is given."""
        secret = self.cluster.secret(
            self.stack.tempo.namespace, self.stack.object_store.secret_name
        )
        return Keys(secret[ACCESS_KEY_VARIABLE], secret[SECRET_KEY_VARIABLE])

    def objects(self, keys: Keys) -> list[str]:
        """The names of the objects in the bucket, as the keys' owner sees them."""
        with self.reach() as server:
            return store.names(server.s3(keys), self.stack.object_store.bucket)

    def blocks(self) -> list[str]:
        """The blocks in the bucket that are complete, as Tempo sees them."""
        # meta.json is written last.
        return [name for name in self.objects(self.store_keys()) if name.endswith("/meta.json")]

    def wait_for_another_block(self, before: list[str]) -> None:
        """Let the ingesters write their spans, until there is a block that was not before."""
        self.flush()
        until("another block is in the bucket", FLUSH_SECONDS, lambda: {*self.blocks()} - {*before})

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

    def is_gone(self) -> bool:
        """Fails with what is left of the stack in the cluster."""
        left = self.cluster.cluster_wide() - self.cluster_before
        assert not left, f"still there: {sorted(left)}"
        # What Tempo's ingesters claimed goes with their namespace, where that is the stack's.
        volumes = self.cluster.claimed_volumes(self.own_namespaces)
        assert not volumes, f"still bound: {volumes}"
        return True

    def clear(self) -> None:
        """Leave nothing behind, whatever came of the stack."""
        if not self.project.resources():
            return
        self.project.unlock()
        if not self.stack.delete_data:
            # The way out that a user has. Not through an update: what failed once may do so again.
            self.project.run("state", "unprotect", "--all", "--yes", "--stack", self.project.stack)
        self.project.clear()


@contextlib.contextmanager
def applied(
    needs: Needs,
    figures: Figures,
    directory: Path,
    stack: str,
    changes: dict[str, Any],
    *,
    name: str | None = None,
    authority: bytes | None = None,
) -> Iterator[Platform]:
    """A stack with a store in the cluster, applied; whatever comes of it, nothing stays behind.

    `changes` has other values for whole sections; `None` leaves one out. `name` is another than
    that of the settings. `authority` is a PEM, CA_FILE in the project, that the store is of.
    """
    project = Project(needs, name or stack, needs.settings(stack, changes), directory, figures.add)
    ca_file = None
    if authority is not None:
        ca_file = project.directory / CA_FILE
        ca_file.write_bytes(authority)
    cluster = Cluster(needs.context)
    with Sandbox(project.directory, project.stack) as box:
        reach = partial(forwarded, cluster, project.settings, ca_file, 0)
        platform = Platform(project, cluster, box, reach)
        try:
            platform.apply()
            yield platform
        finally:
            platform.clear()


def small_store(namespace: str) -> dict[str, Any]:
    """Settings of a store in the cluster that is for one test."""
    return {
        "namespace": namespace,
        "volumeSize": "1Gi",
        # Another update on this machine, or the sandbox, may be using the usual port.
        "admin": {"portForward": {"localPort": free_port()}},
    }


def operations(result: Result) -> dict[str, str]:
    """What happens to each resource that changes, by name.

    Without the stack itself, which even an update that was refused has made.
    """
    return {step.name: step.op for step in result.changed() if step.type != STACK}


def explained(result: Result) -> dict[str, tuple[str, dict[str, str] | list[str]]]:
    """The same, with the properties that differ and how."""
    return {
        # Not how in the random provider's: some of its versions say it and some do not.
        step.name: (step.op, step.diffs if step.type.startswith("random:") else step.detailed_diff)
        for step in result.changed()
        if step.type != STACK
    }


def at_fault(result: Result) -> set[str]:
    """The resources that have an error of their own, by name."""
    diagnostics = [event.get("diagnosticEvent") or {} for event in result.events]
    urns = {found.get("urn", "") for found in diagnostics if found.get("severity") == "error"}
    return {urn.rsplit("::", 1)[-1] for urn in urns if urn and f"::{STACK}::" not in urn}


GENERATED_IDS: Final = {
    "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment",
    "random:index/randomId:RandomId",
    "random:index/randomString:RandomString",
    "random:index/randomUuid:RandomUuid",
}
"""Types whose ids hold a time or are random, as the providers' own are."""

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
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


def assert_resources_are_as_simulated(platform: Platform) -> None:
    """The same resources, ids, and secrets, in the real state and in the sandbox's."""
    real = {resource["urn"]: resource for resource in platform.project.resources()}
    simulated = {resource["urn"]: resource for resource in platform.box.resources()}
    assert real.keys() == simulated.keys()
    for urn, resource in real.items():
        assert secret_paths(resource) == secret_paths(simulated[urn]), urn
        if resource["type"] not in GENERATED_IDS and not resource["type"].startswith("pulumi:"):
            assert resource.get("id") == simulated[urn].get("id"), urn


def assert_no_secret_is_written(platform: Platform, values: set[str]) -> None:
    """None of the values is in clear in state, output, Helm release or ConfigMap."""
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
    for value in values:
        # Letters and digits alone, so they are the same in JSON and in a URL.
        assert value.isalnum()
        for disguise in (value, base64.b64encode(value.encode()).decode()):
            where = [name for name, text in written.items() if disguise in text]
            assert where == []
