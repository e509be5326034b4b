"""The demo application and the check of Tempo come and go without touching anything else."""

from collections.abc import Iterator

import pytest

from ops.stack_files import ROOT
from sandbox import Sandbox

EMOJIVOTO = {
    "demo-app",
    "demo-app-web",
    "demo-app-web-service",
    "demo-app-emoji",
    "demo-app-emoji-service",
    "demo-app-voting",
    "demo-app-voting-service",
    "demo-app-vote-bot",
    "demo-app-bridge",
    "demo-app-bridge-service",
    "namespace-emojivoto",
    "network-policies-demo-app-web",
    "network-policies-demo-app-emoji",
    "network-policies-demo-app-voting",
    "network-policies-demo-app-vote-bot",
    "network-policies-demo-app-bridge",
    "network-policies-default-deny-emojivoto",
}
HOTROD = {
    "demo-app",
    "demo-app-hotrod",
    "demo-app-hotrod-service",
    "namespace-hotrod",
    "network-policies-demo-app-hotrod",
    "network-policies-default-deny-hotrod",
}
VULTURE = {"vulture", "vulture-schedule", "network-policies-vulture"}

LETS_IT_SEND = {"network-policies-collector": "update"}
LETS_IT_CHECK = {
    "network-policies-tempo-distributor": "update",
    "network-policies-tempo-query-frontend": "update",
}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """The dev stack, applied."""
    with Sandbox(ROOT, "dev") as box:
        box.up()
        yield box


def ops_of(box: Sandbox) -> dict[str, str]:
    return {step.name: step.op for step in box.preview().changed()}


@pytest.mark.parametrize(("app", "added"), [("emojivoto", EMOJIVOTO), ("hotrod", HOTROD)])
def test_a_demo_comes_and_goes_and_nothing_else_changes(
    box: Sandbox, app: str, added: set[str]
) -> None:
    box.set_config("tracing:demoApp", {"app": app})
    assert ops_of(box) == dict.fromkeys(added, "create") | LETS_IT_SEND
    box.up()
    assert box.preview().changes == {}
    assert {r.id for r in box.cloud.objects("kubernetes", "Deployment")} == {
        f"{app}/{name.removeprefix('demo-app-')}"
        for name in added
        if name.startswith("demo-app-") and not name.endswith("-service")
    }
    box.remove_config("tracing:demoApp")
    assert ops_of(box) == dict.fromkeys(added, "delete") | LETS_IT_SEND
    box.up()
    assert box.cloud.objects("kubernetes", "Deployment") == []
    assert not [found for found in box.cloud.objects() if found.id.startswith(app)]


def test_the_other_demo_takes_the_place_of_the_first(box: Sandbox) -> None:
    box.set_config("tracing:demoApp", {"app": "emojivoto"})
    box.up()
    box.set_config("tracing:demoApp", {"app": "hotrod"})
    changed = ops_of(box)
    assert {name for name, op in changed.items() if op == "create"} == HOTROD - {"demo-app"}
    assert {name for name, op in changed.items() if op == "delete"} == EMOJIVOTO - {"demo-app"}
    box.up()
    assert box.preview().changes == {}


def test_the_check_of_tempo_is_one_object_that_shows_only_its_own_changes(box: Sandbox) -> None:
    box.set_config("tracing:vulture", {})
    assert ops_of(box) == dict.fromkeys(VULTURE, "create") | LETS_IT_CHECK
    box.up()
    assert box.preview().changes == {}
    box.set_config("tracing:vulture", {"schedule": "@hourly", "cycles": 5})
    [step] = [step for step in box.preview().changed() if step.name == "vulture-schedule"]
    assert step.op == "update"
    box.up()
    assert box.preview().changes == {}
    box.remove_config("tracing:vulture")
    assert ops_of(box) == dict.fromkeys(VULTURE, "delete") | LETS_IT_CHECK
    box.up()
    assert box.cloud.objects("kubernetes", "CronJob") == []


def test_the_jobs_of_the_check_are_none_of_an_updates_business(box: Sandbox) -> None:
    box.set_config("tracing:vulture", {})
    box.up()
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x", "namespace": "tempo"}}
    box.cloud.put("kubernetes", "Job", "tempo/tempo-vulture-by-hand", job)
    assert box.preview().changes == {}
    assert box.refresh().changes == {}
    box.cloud.remove("kubernetes", "Job", "tempo/tempo-vulture-by-hand")
    assert box.preview().changes == {}
