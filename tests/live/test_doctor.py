"""The doctor on a real cluster: before an update, after it, and of what was broken meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.live.cluster import Cluster
from tests.live.figures import Figures
from tests.live.needs import STACK, Needs, free_port, without
from tests.live.platform import Platform
from tests.live.project import Project
from tests.live.store import forwarded

HELMS_REVISIONS = "--selector=owner=helm,name={name}"


@pytest.fixture(scope="module")
def platform(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The dev stack, not applied yet; whatever comes of it, nothing stays behind."""
    changes = {
        **dict.fromkeys(without()),
        "objectStore": {"admin": {"portForward": {"localPort": free_port()}}},
    }
    settings = needs.settings(STACK, changes)
    project = Project(needs, STACK, settings, tmp_path_factory.mktemp("doctor"), figures.add)
    cluster = Cluster(needs.context)
    with Sandbox(project.directory, STACK) as box:
        platform = Platform(project, cluster, box, partial(forwarded, cluster, project.settings))
        try:
            yield platform
        finally:
            platform.clear()


def errors(checks: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"{name}: {finding['what']}"
        for name, check in checks.items()
        for finding in check["findings"]
        if finding["level"] == "error"
    ]


def test_nothing_stands_in_the_way_of_a_first_update(platform: Platform) -> None:
    checks = platform.project.doctor()
    assert errors(checks) == []
    assert checks["permissions"]["status"] == "ok"
    assert checks["object store"]["detail"] == "the object store is not there yet"
    assert checks["Tempo's data"]["detail"] == "no Tempo runs there yet"


def test_nothing_stands_in_the_way_of_the_next_one(platform: Platform) -> None:
    platform.apply()
    checks = platform.project.doctor()
    assert errors(checks) == []
    for name in ("releases", "object store", "Tempo's data", "pending operations", "state lock"):
        assert checks[name]["status"] == "ok", checks[name]


@pytest.mark.parametrize("status", ["pending-upgrade", "pending-rollback"])
def test_a_release_that_helm_holds_for_pending_is_found(platform: Platform, status: str) -> None:
    tempo = platform.stack.tempo
    where = f"--namespace={tempo.namespace}"
    which = HELMS_REVISIONS.format(name=tempo.release_name)
    found = platform.cluster.objects("secrets", where, which)
    last = max(found, key=lambda each: int(each["metadata"]["labels"]["version"]))
    secret = f"secret/{last['metadata']['name']}"
    before = last["metadata"]["labels"]["status"]
    platform.cluster.run("label", "--overwrite", where, secret, f"status={status}")
    try:
        [release] = platform.project.doctor()["releases"]["findings"]
    finally:
        platform.cluster.run("label", "--overwrite", where, secret, f"status={before}")
    wanted = f"release {tempo.release_name} in {tempo.namespace} is {status}"
    assert release["what"] == wanted
    assert platform.project.doctor()["releases"]["status"] == "ok"


def test_a_user_without_rights_is_told_which_are_missing(
    platform: Platform, tmp_path: Path
) -> None:
    shown = platform.cluster.run("config", "view", "--raw", "--minify", "--output=json")
    kubeconfig = json.loads(shown)
    for user in kubeconfig["users"]:
        user["user"]["as"] = "nobody-of-the-live-tests"
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig), encoding="utf-8")
    with platform.project.restored():
        platform.project.set("kubernetes.kubeconfig", str(file))
        checks = platform.project.doctor()
    told = [finding["what"] for finding in checks["permissions"]["findings"]]
    namespace = platform.stack.tempo.namespace
    assert f"you may not create pods/portforward in {namespace}" in told
    assert any("statefulsets.apps" in text and "create" in text for text in told)
