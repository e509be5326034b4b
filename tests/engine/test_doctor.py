"""What `ops doctor` sees of the state that the real engine leaves behind."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ops.checks import pulumi
from ops.checks.finding import Check, Finding, Skipped
from ops.checks.state import CHECKS
from ops.checks.subject import Subject
from ops.engine import locate
from sandbox import Sandbox, SandboxError
from sandbox.program import environment
from sandbox.shell import Shell
from tests.engine import guide
from tests.engine.conftest import Objects
from tests.engine.whole import assert_whole

Kube = Callable[..., dict[str, Any]]


def variables(box: Sandbox, **changed: str) -> dict[str, str]:
    """The sandbox's environment, in which the CLI is found although HOME is another."""
    engine = str(locate(obtain=False).path.parent)
    path = os.pathsep.join([engine, box.environment["PATH"]])
    return {**box.environment, "PATH": path, **changed}


GOOD: dict[str, list[Finding]] = {"state file": [], "pending operations": [], "state lock": []}


def seen(box: Sandbox, checks: Sequence[Check] = CHECKS) -> dict[str, list[Finding]]:
    """What the checks of the state find in a sandbox."""
    subject = Subject(box.stack, {}, box.workspace)
    with environment(variables(box)):
        return {check.name: list(check.run(subject)) for check in checks}


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def test_an_update_that_was_killed_is_found_and_mended_by_the_command_that_is_given(
    tmp_path: Path,
) -> None:
    with guide.sandbox(tmp_path / "box", parallel=1) as killed:
        killed.cloud.fail("create", "Release", when="after", act=killed.kill)
        with pytest.raises(SandboxError, match="ended by SIGKILL"):
            killed.up()
        found = seen(killed)
        [pending] = found["pending operations"]
        assert pending.level == "error"
        assert pending.what.startswith("an update ended while it was creating ")
        [lock] = found["state lock"]
        assert lock.what.endswith(", which runs no more")
        # Not of what it had created: the release exists, and would be in the next one's way.
        assert pending.command == lock.command

        Shell(killed).run(pending.command)
        assert seen(killed) == GOOD
        killed.up()
        assert_whole(killed)


@pytest.mark.parametrize("put", [cut_off, Path.unlink])
def test_a_state_file_that_is_no_more_is_found_and_mended_by_the_command_that_is_given(
    box: Sandbox, put: Callable[[Path], object]
) -> None:
    [file] = [path for path in box.state_files if path.name == f"{box.stack}.json"]
    shell = Shell(box)
    put(file)
    [found] = seen(box, CHECKS[:1])["state file"]
    assert found.level == "error"
    shell.run(found.command, hurry=True)
    assert_whole(box)


def test_a_state_in_good_order_has_nothing_to_find(objects: Objects, kube: Kube) -> None:
    objects.apply(kube("core/v1", "ConfigMap", "made"))
    assert seen(objects) == GOOD


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
    [pending] = [check for check in CHECKS if check.name == "pending operations"]
    with environment(variables(objects)), pytest.raises(Skipped, match="no stack named"):
        pending.run(subject)
