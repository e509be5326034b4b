"""An update of the dev stack that does not end as it should, on a real cluster: its engine is
killed, or the API server goes away. The recovery of docs/operations.md leaves what an update leaves
that nothing happened to: the same resources, nothing beside them, an empty preview.

Only when asked for, as it takes most of an hour: TRACING_FAULTS names a program that breaks the
cluster (docs/development.md).

    TRACING_LIVE_CONTEXT=... TRACING_FAULTS=... \\
        .venv/bin/python -m pytest -n0 tests/live/test_faults.py

With TRACING_FAULTS_RESULTS=docs/reliability/cluster.json the figures go into docs/reliability.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from config import MinioConfig
from config.stack import namespaces_of
from tests.live.cluster import Cluster
from tests.live.faults import Moment, broken, write_figure
from tests.live.figures import Figures
from tests.live.needs import STACK, Needs, free_port
from tests.live.platform import GONE_SECONDS
from tests.live.process import Process
from tests.live.project import Project
from tests.live.store import Keys, contents, forwarded
from tests.live.waiting import until

RELEASE_SECONDS: Final = 60
AWAY_SECONDS: Final = 60
"""How long the API server is away."""

KINDS: Final = (
    "configmaps",
    "cronjobs",
    "daemonsets",
    "deployments",
    "ingresses",
    "jobs",
    "networkpolicies",
    "persistentvolumeclaims",
    "poddisruptionbudgets",
    "rolebindings",
    "roles",
    "secrets",
    "serviceaccounts",
    "services",
    "statefulsets",
)
"""What a stack may leave in its namespaces."""

FIRST: Final = (
    Moment(resource="namespace-tempo"),
    Moment(resource="minio-server"),
    Moment(resource="store-bucket"),
    Moment(resource="tempo-release"),
    Moment(resource="collector-release", done=True),
)
ROTATION: Final = (
    Moment(resource="store-secret-key", operation="create-replacement", done=True),
    Moment(resource="store-user", operation="create-replacement"),
    Moment(resource="store-access", operation="update"),
    Moment(resource="tempo-release", operation="update"),
    Moment(resource="store-user", operation="delete-replaced"),
)
"""When the engine is killed: in the first update, and in one that rotates the store's keys. Helm is
let begin with its release."""

converged: list[str] = []
"""After which kills recovery left nothing to do."""


class Standing:
    """A stack on the cluster, and how it is when nothing happens to it."""

    def __init__(self, project: Project, cluster: Cluster) -> None:
        self.project, self.cluster = project, cluster
        self.key_version = 1
        self.undisturbed: dict[str, Any] = {}

    @property
    def namespaces(self) -> list[str]:
        return sorted(set(namespaces_of(self.project.settings).values()))

    def rotate(self) -> None:
        """Ask for other keys, from the next update on."""
        self.key_version += 1
        self.project.set("objectStore.keyVersion", self.key_version)

    def seen(self) -> dict[str, Any]:
        """What there is, in the state, the cluster and the store, by name."""
        store = self.project.settings.object_store
        assert isinstance(store, MinioConfig)
        deployment = self.project.deployment()
        password = self.project.run(
            *("stack", "output", "objectStoreRootPassword", "--show-secrets"),
            *("--stack", self.project.stack),
        )
        with forwarded(self.cluster, self.project.settings) as server:
            inside = contents(server, Keys(store.root_user, password.strip()))
        # The user is called after the version of its keys; that there is one of them stays.
        inside["users"] = {user.removesuffix(f"-{self.key_version}") for user in inside["users"]}
        return {
            "under way": deployment.get("pending_operations") or [],
            # A resource that is there twice is in this list twice.
            "resources": sorted(resource["urn"] for resource in deployment["resources"]),
            "objects": sorted(
                f"{namespace}/{name}"
                for namespace in self.namespaces
                for name in self.cluster.run(
                    "get", ",".join(KINDS), f"--namespace={namespace}", "--output=name"
                ).split()
                if not name.startswith("secret/sh.helm.release.")
            ),
            "outside": sorted(self.cluster.cluster_wide()),
            "store": inside,
            "unfinished releases": self._unfinished_releases(),
        }

    def _unfinished_releases(self) -> list[str]:
        return [
            secret["metadata"]["name"]
            for namespace in self.namespaces
            for secret in self.cluster.objects(
                "secrets",
                f"--namespace={namespace}",
                "--selector=owner=helm,status notin (deployed,superseded,failed)",
            )
        ]

    def has_begun(self, release: str, operation: str) -> bool:
        """Whether Helm has begun with the next revision of a release."""
        pending = "pending-install" if operation == "create" else "pending-upgrade"
        found = self.project.settings
        namespace = {
            "tempo-release": found.tempo.namespace,
            "collector-release": found.collector.namespace if found.collector else "",
        }[release]
        labels = f"--selector=owner=helm,status={pending}"
        return bool(self.cluster.objects("secrets", f"--namespace={namespace}", labels))


@pytest.fixture(scope="module")
def stack(
    needs: Needs, breaker: Path, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    """The dev stack, applied; whatever comes of it, nothing stays behind."""
    changes = {
        "traefik": None,
        "objectStore": {"admin": {"portForward": {"localPort": free_port()}}},
    }
    settings = needs.settings(STACK, changes)
    project = Project(needs, STACK, settings, tmp_path_factory.mktemp("faults"), figures.add)
    stack = Standing(project, Cluster(needs.context))
    try:
        project.up()
        stack.undisturbed = stack.seen()
        yield stack
    finally:
        project.unlock()
        project.clear()


def recover(stack: Standing, figures: Figures) -> None:
    """The two commands of the guide; after them everything is as if nothing had happened."""
    with figures.timed("recover"):
        stack.project.recover()
    stack.project.up()
    assert stack.project.preview().changes == {}
    assert stack.seen() == stack.undisturbed
    # Nor is there anything that only the state says.
    assert stack.project.refresh().changes == {}


def kill(stack: Standing, moment: Moment, engine: Process) -> None:
    """Kill the engine; in the midst of Helm's work, if it is about a release."""
    if moment.resource.endswith("-release") and not moment.done:
        begun = partial(stack.has_begun, moment.resource, moment.operation)
        until(f"Helm has begun {moment}", RELEASE_SECONDS, begun)
    # The engine alone: its plugins go on with what they are at.
    engine.kill()


def kill_at(stack: Standing, moment: Moment, figures: Figures) -> None:
    """Kill an update; recovered, it is as if nothing had happened."""
    _, succeeded = stack.project.disturbed("up", moment.is_reached, partial(kill, stack, moment))
    assert not succeeded
    recover(stack, figures)
    converged.append(str(moment))
    write_figure(
        "the engine killed in a real update: recovered by two documented commands, with an empty "
        "preview, no orphan and no duplicate",
        f"{len(converged)} of {len(FIRST) + len(ROTATION)}",
    )


@pytest.mark.parametrize("moment", ROTATION, ids=str)
def test_killed_while_it_rotates_keys_it_is_recovered_by_two_commands(
    stack: Standing, figures: Figures, moment: Moment
) -> None:
    stack.rotate()
    kill_at(stack, moment, figures)


def start_again(stack: Standing) -> None:
    """From nothing."""
    stack.project.destroy()
    made = {f"namespace/{name}" for name in stack.namespaces}
    until("its namespaces are gone", GONE_SECONDS, lambda: not made & stack.cluster.cluster_wide())


@pytest.mark.parametrize("moment", FIRST, ids=str)
def test_killed_while_it_is_made_it_is_recovered_by_two_commands(
    stack: Standing, figures: Figures, moment: Moment
) -> None:
    start_again(stack)
    kill_at(stack, moment, figures)


def test_an_update_in_which_the_api_server_is_away_is_recovered_by_two_commands(
    stack: Standing, breaker: Path, figures: Figures
) -> None:
    def away(_: Process) -> None:
        begun = partial(stack.has_begun, "tempo-release", "create")
        until("Helm has begun with Tempo", RELEASE_SECONDS, begun)
        broken(breaker, "stop-api-server")
        time.sleep(AWAY_SECONDS)
        broken(breaker, "start-api-server")

    start_again(stack)
    said, succeeded = stack.project.disturbed(
        "up", Moment(resource="tempo-release").is_reached, away
    )
    write_figure(
        "the API server stopped and started during a real update: the update itself",
        "succeeded" if succeeded else "failed, naming the resource",
    )
    if not succeeded:
        assert "tempo-release" in said or "tempo" in said, said
    recover(stack, figures)
    write_figure(
        "the API server back: recovered by two documented commands, with an empty preview", "1 of 1"
    )
