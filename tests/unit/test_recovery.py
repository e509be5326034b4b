"""Recovery from its first question to its last command, on an engine that is its commands alone."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops import UserError, recover, with_forwards
from ops.recover import Stack
from port_forward import PortForward, PortForwardError
from tests.unit.test_deployment import namespace, pending, resource

LOCKED = "pulumi stack import failed: the stack is currently locked by 1 lock(s)"
BUCKET = resource(
    "minio:index/s3Bucket:S3Bucket", "store-bucket", {"bucket": "tempo"}, id="tempo", provider="x"
)


PROVIDER = resource("pulumi:providers:kubernetes", "cluster", {}, id="1")


class Engine:
    """A stack's state, and the commands that recovery gives."""

    def __init__(self, **deployment: Any) -> None:
        self.deployment = deployment
        self.locked = ""
        self.refresh_fails = ""
        self.helm: list[str] = []
        self.commands: list[str] = []

    def run(self, *arguments: str, text: str | None = None, **_: Any) -> str:
        self.commands.append(" ".join(arguments[:2]))
        match arguments[:2]:
            case ("stack", "export"):
                return json.dumps({"version": 3, "deployment": self.deployment})
            case ("stack", "import"):
                if self.locked:
                    raise UserError(self.locked)
                assert text is not None
                self.deployment = json.loads(text)["deployment"]
            case ("cancel", _):
                self.locked = ""
            case ("preview", _):
                return json.dumps({"steps": [{"op": "create", "newState": namespace("more")}]})
            case _:
                if self.refresh_fails:
                    raise UserError(self.refresh_fails)
                status = self.helm.pop(0) if self.helm else "deployed"
                for each in self.deployment["resources"]:
                    if each["type"].endswith(":Release"):
                        each["outputs"] = {"status": {"status": status}}
        return ""

    @property
    def listed(self) -> list[str]:
        return [resource["urn"].rpartition("::")[2] for resource in self.deployment["resources"]]


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that was killed while it created a namespace, with a bucket in its MinIO."""
    engine = Engine(resources=[PROVIDER, BUCKET], pending_operations=pending(namespace("otel")))
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  tracing:collector: {}\n", "utf-8")
    monkeypatch.setattr(recover, "ROOT", tmp_path)
    monkeypatch.setattr(with_forwards, "ROOT", tmp_path)
    monkeypatch.setattr(Stack, "_run", lambda _, *words, **more: engine.run(*words, **more))
    monkeypatch.setattr(PortForward, "held", lambda *_: _Held())
    return engine


class _Held:
    def __enter__(self) -> int:
        return 0

    def __exit__(self, *_: object) -> None: ...


def yes(_: str) -> None: ...


def no(_: str) -> None:
    raise UserError("not confirmed; the state was not changed")


def test_what_was_under_way_is_written_down_and_refreshed(killed: Engine) -> None:
    recover.recover("dev", yes)
    assert killed.listed[1:3] == ["store-bucket", "otel"]
    assert "refresh --yes" in killed.commands


def test_a_store_that_is_not_reached_leaves_the_state_as_it_is(
    killed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = killed.deployment

    def refused(*_: object) -> None:
        raise PortForwardError("kubectl port-forward did not answer")

    monkeypatch.setattr(PortForward, "held", refused)
    with pytest.raises(UserError, match=r"did not answer(.|\n)*ARGS=--forget-store"):
        recover.recover("dev", yes)
    assert killed.deployment is before


def test_a_stack_file_that_is_none_leaves_the_state_as_it_is(
    killed: Engine, tmp_path: Path
) -> None:
    before = killed.deployment
    (tmp_path / "Pulumi.dev.yaml").write_text("config: [\n", "utf-8")
    with pytest.raises(UserError):
        recover.recover("dev", yes)
    assert killed.deployment is before


@pytest.mark.parametrize("options", [{"adopt": True}, {"forget": ["minio"]}])
def test_a_no_leaves_the_state_as_it_is(killed: Engine, options: dict[str, Any]) -> None:
    before = killed.deployment
    with pytest.raises(UserError, match="the state was not changed"):
        recover.recover("dev", no, **options)
    assert killed.deployment is before


def test_what_another_update_wrote_while_recovery_asked_is_kept(killed: Engine) -> None:
    """It held the lock that recovery asked about, and ended before the answer."""
    killed.locked = LOCKED

    def answered_late(question: str) -> None:
        if "locked" in question:
            killed.deployment = {"resources": [PROVIDER, BUCKET, namespace("otel", id="otel")]}

    recover.recover("dev", answered_late)
    written = {r["urn"].rpartition("::")[2]: r for r in killed.deployment["resources"]}
    assert "initErrors" not in written["otel"]


def lock(name: str, pid: int, host: str = "elsewhere") -> str:
    return f"{LOCKED}\n  {name}.json: created by {name}@{host} (pid {pid}) at 2026-11-22T08:00:00Z"


def test_a_lock_that_is_asked_about_is_removed(killed: Engine) -> None:
    killed.locked = lock("ada", 1)
    asked: list[str] = []
    recover.recover("dev", asked.append)
    assert ["ada@elsewhere" in question for question in asked] == [True]
    assert "cancel --yes" in killed.commands
    assert "otel" in killed.listed


def test_another_lock_than_the_one_that_was_asked_about_is_not_removed(killed: Engine) -> None:
    """The first update ended while the question stood, and another one began."""
    killed.locked = lock("ada", 1)
    asked: list[str] = []

    def answered_late(question: str) -> None:
        asked.append(question)
        if len(asked) > 1:
            raise UserError("not confirmed")
        killed.locked = lock("bob", 2)

    with pytest.raises(UserError, match="not confirmed"):
        recover.recover("dev", answered_late)
    assert "bob@elsewhere" in asked[1]
    assert "cancel --yes" not in killed.commands


def test_the_lock_of_an_update_that_runs_here_is_not_removed(killed: Engine) -> None:
    here = recent(lock("ada", os.getpid(), socket.gethostname()))
    killed.locked = here
    with pytest.raises(UserError, match=rf"is running on this machine \(process {os.getpid()}\)"):
        recover.recover("dev", yes)
    assert "cancel --yes" not in killed.commands


def recent(complaint: str) -> str:
    """With a lock of this moment: one from before this process began is not its own."""
    return complaint.replace("2026-11-22T08:00:00Z", datetime.now(UTC).isoformat())


def test_recovery_waits_for_a_helm_that_outlived_the_engine(
    killed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover, "_HELM_SECONDS", 0)
    release = {"name": "tempo", "namespace": "tempo"}
    entry = resource("kubernetes:helm.sh/v3:Release", "tempo", release, id="tempo/tempo")
    killed.deployment["resources"].append(entry)
    killed.helm = ["pending-upgrade", "pending-upgrade", "deployed"]
    recover.recover("dev", yes)
    assert killed.commands.count("refresh --yes") == 3
    monkeypatch.setattr(recover, "READY_TIMEOUT_SECONDS", -1)
    killed.helm = ["pending-upgrade"]
    with pytest.raises(
        UserError, match=r"tempo/tempo is pending-upgrade.* make doctor STACK=dev"
    ) as said:
        recover.recover("dev", yes)
    # The state is in order: another recovery would find nothing else.
    assert "once more" not in str(said.value)


INTERRUPTS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.kill(os.getppid(), signal.SIGINT)
print("stopped in good order")
"""


@pytest.mark.parametrize("shown", [True, False])
def test_an_interrupted_command_is_waited_for(capfd: Any, shown: bool) -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-c", INTERRUPTS], stdout=subprocess.PIPE, text=True
        ) as process,
        pytest.raises(KeyboardInterrupt),
    ):
        recover._read(process, None, shown=shown)
    assert process.returncode == 0
    assert ("stopped in good order" in capfd.readouterr().out) == shown


def test_what_was_written_while_a_plan_was_confirmed_is_kept(killed: Engine) -> None:
    asked: list[str] = []

    def answered_late(question: str) -> None:
        asked.append(question)
        if len(asked) == 1:
            other = namespace("theirs", id="theirs")
            killed.deployment = {"resources": [PROVIDER, BUCKET, other]}

    recover.recover("dev", answered_late, adopt=True)
    assert {"theirs", "more"} <= set(killed.listed)
    # The plan is the same: what was answered is not asked again.
    assert len(asked) == 1


def test_a_state_that_is_written_all_the_time_is_left_alone(
    killed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    export: Callable[[Stack], dict[str, Any]] = Stack.export
    monkeypatch.setattr(Stack, "export", lambda stack: {**export(stack), "at": object()})
    with pytest.raises(UserError, match="is being written; wait"):
        recover.recover("dev", yes)
    assert "stack import" not in killed.commands


def test_a_refresh_that_fails_says_that_recovery_is_to_be_run_again(killed: Engine) -> None:
    killed.refresh_fails = "pulumi refresh failed: connection refused"
    with pytest.raises(UserError, match=r"connection refused(.|\n)*make recover STACK=dev once"):
        recover.recover("dev", yes)
    [_, _, made, *_] = killed.deployment["resources"]
    assert made["initErrors"]
    killed.refresh_fails = ""
    recover.recover("dev", yes)


def test_a_lost_grafana_is_forgotten_and_not_reached(
    killed: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n  tracing:grafana:\n"
        "    portForward: {namespace: monitoring, resource: service/grafana}\n",
        "utf-8",
    )
    source = resource("grafana:oss/dataSource:DataSource", "grafana-tempo", {"uid": "tempo"})
    killed.deployment = {"resources": [{**source, "id": "1:tempo"}]}

    def refused(*_: object) -> None:
        raise PortForwardError("services grafana not found")

    monkeypatch.setattr(PortForward, "held", refused)
    with pytest.raises(UserError, match=r"not found(.|\n)*ARGS=--forget-grafana"):
        recover.recover("dev", yes)
    recover.recover("dev", yes, forget=["grafana"])
    assert killed.listed == []
