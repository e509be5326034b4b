"""What `ops doctor` sees of the state that the real engine leaves behind."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops.checks import pulumi
from ops.checks.finding import Finding, Skipped
from ops.checks.state import CHECKS
from ops.checks.subject import Subject
from ops.engine import locate
from sandbox import SandboxError
from sandbox.cloud import Fault
from sandbox.program import environment
from tests.engine.conftest import Objects

Kube = Callable[..., dict[str, Any]]


def variables(box: Objects, **changed: str) -> dict[str, str]:
    """The sandbox's environment, in which the CLI is found although HOME is another."""
    engine = str(locate(obtain=False).path.parent)
    path = os.pathsep.join([engine, box.environment["PATH"]])
    return {**box.environment, "PATH": path, **changed}


def seen(box: Objects) -> dict[str, list[Finding]]:
    """What the checks of the state find in a sandbox."""
    subject = Subject("dev", {}, box.workspace)
    with environment(variables(box)):
        return {check.name: list(check.run(subject)) for check in CHECKS}


def kill_the_engine() -> None:
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            comm, _, rest = (directory / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue  # It ended meanwhile.
        if comm == "pulumi" and int(rest.split()[1]) == os.getpid():
            os.kill(int(directory.name), signal.SIGKILL)


@pytest.fixture
def killed(objects: Objects, kube: Kube, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """A sandbox whose engine was killed while it made an object."""
    operation = objects.cloud.operation

    @contextmanager
    def deadly(name: str, kind: str, label: str) -> Iterator[Fault | None]:
        if name == "create":
            kill_the_engine()
        with operation(name, kind, label) as fault:
            yield fault

    objects.declare(kube("core/v1", "ConfigMap", "made"))
    objects.up()
    objects.declare(kube("core/v1", "ConfigMap", "made"), kube("core/v1", "ConfigMap", "torn"))
    with monkeypatch.context() as patched:
        patched.setattr(objects.cloud, "operation", deadly)
        with pytest.raises(SandboxError):
            objects.up()
    return objects


def test_an_engine_that_was_killed_leaves_what_is_found_and_the_commands_mend_it(
    killed: Objects,
) -> None:
    found = seen(killed)
    [pending] = found["pending operations"]
    assert pending.level == "error"
    assert pending.what.startswith("an update ended while it was creating torn (kubernetes:core")
    assert pending.command == "make refresh STACK=dev ARGS=--clear-pending-creates"
    [lock] = found["state lock"]
    assert lock.what.endswith(", which runs no more")
    assert lock.command == "pulumi cancel dev --yes"

    killed.command("cancel", "--yes")
    assert seen(killed)["state lock"] == []
    killed.command("refresh", "--clear-pending-creates", "--yes", "--skip-preview")
    assert seen(killed) == {"pending operations": [], "state lock": []}


def test_a_state_in_good_order_has_nothing_to_find(objects: Objects, kube: Kube) -> None:
    objects.apply(kube("core/v1", "ConfigMap", "made"))
    assert seen(objects) == {"pending operations": [], "state lock": []}


def test_secrets_are_read_as_the_engine_keeps_them(objects: Objects) -> None:
    objects.set_config("tracing:grafanaAuth", "glsa_token", secret=True)
    objects.set_config("tracing:environment", "dev")
    objects.declare()
    objects.preview()
    subject = Subject("dev", {}, objects.workspace)
    with environment(variables(objects)):
        assert pulumi.secrets(subject) == {"grafanaAuth": "glsa_token"}
    wrong = variables(objects, PULUMI_CONFIG_PASSPHRASE="another")
    with environment(wrong), pytest.raises(Skipped, match="incorrect passphrase"):
        pulumi.secrets(subject)


def test_a_stack_that_was_not_made_yet_is_no_stack_in_good_order(objects: Objects) -> None:
    objects.declare()
    objects.preview()
    subject = Subject("nowhere", {}, objects.workspace)
    with environment(variables(objects)), pytest.raises(Skipped, match="no stack named"):
        CHECKS[0].run(subject)
