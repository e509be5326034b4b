"""`ops smoke` on the dev stack: it passes, and each hop that is broken is named with its cause.

One story, told in order: the stack is applied once, broken in one place after the other, and each
time put back.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final

import pytest

from components.object_store import SECRET_KEY_VARIABLE
from sandbox import Sandbox
from tests.live.cluster import Cluster
from tests.live.faults import scaled_to_0
from tests.live.figures import Figures
from tests.live.needs import STACK, Needs, free_port
from tests.live.platform import PODS_SECONDS, Platform
from tests.live.project import Project
from tests.live.store import forwarded
from tests.live.waiting import until

HOP_SECONDS: Final = 60
SMOKE_SECONDS: Final = 600
IN_THE_CLUSTER: Final = ("otlp-grpc", "otlp-http", "tempo-id", "tempo-traceql", "store")
WITH_GRAFANA: Final = ("grafana-tempo", "grafana-loki", "derived-field")


@pytest.fixture(scope="module")
def platform(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The stack, applied and ready; whatever comes of it, nothing stays behind."""
    changes = {
        "traefik": None,
        "objectStore": {"admin": {"portForward": {"localPort": free_port()}}},
    }
    settings = needs.settings(STACK, changes)
    project = Project(needs, STACK, settings, tmp_path_factory.mktemp("smoke"), figures.add)
    cluster = Cluster(needs.context)
    with Sandbox(project.directory, STACK) as box:
        platform = Platform(project, cluster, box, partial(forwarded, cluster, project.settings))
        try:
            platform.apply()
            until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)
            yield platform
        finally:
            platform.clear()


def smoke(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    stack = f"--stack={platform.project.stack}"
    return subprocess.run(
        [sys.executable, "-m", "ops", "smoke", stack, *arguments],
        cwd=platform.project.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SMOKE_SECONDS,
    )


def test_a_trace_goes_all_the_way(platform: Platform, figures: Figures) -> None:
    done = smoke(platform, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert {hop["name"]: hop["status"] for hop in report["hops"]} == {
        **dict.fromkeys(IN_THE_CLUSTER, "ok"),
        **dict.fromkeys(WITH_GRAFANA, "skipped"),
    }
    for hop in report["hops"]:
        figures.add(f"smoke: {hop['name']}", hop["seconds"])


# Each hop broken, and put back


@contextmanager
def spoilt_secret(platform: Platform, spoil: Callable[[], str]) -> Iterator[None]:
    """Tempo's ingester, started with a Secret that is not right."""
    namespace = platform.stack.tempo.namespace
    pod = f"{platform.stack.tempo.release_name}-ingester-0"
    run = partial(platform.cluster.run, f"--namespace={namespace}")
    name = platform.stack.object_store.secret_name
    before = json.loads(run("get", "secret", name, "--output=json"))
    for written_by_the_server in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
        before["metadata"].pop(written_by_the_server, None)
    spoil()
    run("delete", "pod", pod)

    def does_not_run() -> bool:
        [found] = platform.cluster.objects(
            "pods", f"--namespace={namespace}", f"--field-selector=metadata.name={pod}"
        )
        states = [status["state"] for status in found["status"].get("containerStatuses") or []]
        reasons = [(state.get("waiting") or {}).get("reason") for state in states]
        return bool({"CrashLoopBackOff", "CreateContainerConfigError"} & {*reasons})

    try:
        until(f"{pod} does not start", PODS_SECONDS, does_not_run)
        yield
    finally:
        run("delete", "secret", name, "--ignore-not-found")
        platform.cluster.create(**before)
        run("delete", "pod", pod)
        until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)


def without_the_collector(platform: Platform) -> AbstractContextManager[None]:
    return scaled_to_0(platform, "otel", "statefulset/opentelemetry-collector")


def without_the_distributor(platform: Platform) -> AbstractContextManager[None]:
    return scaled_to_0(platform, "tempo", "deployment/tempo-distributed-distributor")


def without_the_store(platform: Platform) -> AbstractContextManager[None]:
    return scaled_to_0(platform, "tempo", "statefulset/minio")


def with_wrong_keys(platform: Platform) -> AbstractContextManager[None]:
    wrong = json.dumps({"stringData": {SECRET_KEY_VARIABLE: "not-the-secret-key"}})
    arguments = ("--namespace=tempo", "patch", "secret", platform.stack.object_store.secret_name)
    return spoilt_secret(
        platform, lambda: platform.cluster.run(*arguments, f"--patch={wrong}", "--type=merge")
    )


def without_the_secret(platform: Platform) -> AbstractContextManager[None]:
    arguments = ("--namespace=tempo", "delete", "secret", platform.stack.object_store.secret_name)
    return spoilt_secret(platform, lambda: platform.cluster.run(*arguments))


BROKEN: Final[dict[str, tuple[Callable[[Platform], AbstractContextManager[None]], str, str]]] = {
    "the collector": (
        without_the_collector,
        "otlp-grpc",
        "StatefulSet otel/opentelemetry-collector is scaled to 0",
    ),
    "the distributor": (
        without_the_distributor,
        "tempo-id",
        "Deployment tempo/tempo-distributed-distributor is scaled to 0",
    ),
    "the store": (without_the_store, "store", "StatefulSet tempo/minio is scaled to 0"),
    "wrong keys": (
        with_wrong_keys,
        "tempo-id",
        "the store refuses the keys of container ingester of pod "
        "tempo/tempo-distributed-ingester-0, which are those of Secret tempo/tempo-minio-secret",
    ),
    "no Secret": (
        without_the_secret,
        "tempo-id",
        "container ingester of pod tempo/tempo-distributed-ingester-0 can't start "
        '(CreateContainerConfigError): secret "tempo-minio-secret" not found',
    ),
}
"""How to break a hop, the hop that then fails, and the beginning of the cause that is named."""


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_hop_is_named_with_its_cause(
    platform: Platform, figures: Figures, case: str
) -> None:
    break_it, hop, cause = BROKEN[case]
    with break_it(platform):
        done = smoke(platform, "--json", f"--timeout={HOP_SECONDS}")
    assert done.returncode == 1, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    [failed] = [found for found in report["hops"] if found["status"] == "failed"]
    assert failed["name"] == hop, report
    assert failed["causes"][0]["cause"].startswith(cause), failed
    assert all(
        command.startswith(f"kubectl --context={platform.cluster.context} ")
        for found in failed["causes"]
        for command in found["commands"]
    )
    behind = report["hops"][report["hops"].index(failed) + 1 :]
    assert {found["status"] for found in behind} == {"skipped"}
    figures.add(f"smoke: {case} broken, named after", sum(h["seconds"] for h in report["hops"]))


def test_put_back_it_passes_again(platform: Platform) -> None:
    def passes() -> bool:
        done = smoke(platform)
        assert done.returncode == 0, done.stdout
        return done.stdout.splitlines()[-1].startswith("passed: 5 hops ok, 0 failed, 3 skipped")

    # Tempo's ring takes a while to forget the ingester that was away.
    until("it passes", PODS_SECONDS, passes)


def test_a_context_that_is_not_there_is_a_failed_hop_in_kubectls_words(platform: Platform) -> None:
    with platform.project.restored():
        platform.project.set("kubernetes.context", "nowhere")
        done = smoke(platform, "--json")
    assert done.returncode == 1
    [failed] = [hop for hop in json.loads(done.stdout)["hops"] if hop["status"] == "failed"]
    assert failed["name"] == "otlp-grpc"
    assert 'context "nowhere" does not exist' in failed["causes"][0]["cause"]
