"""The way to an in-cluster store: there during updates, and only then."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import MinioConfig
from ops.stack_files import ROOT
from sandbox import Sandbox, SandboxError

DEADLINE_SECONDS = 30


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(ROOT, "dev") as sandbox:
        yield sandbox


def closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def comes_true(condition) -> bool:
    """Whether a condition comes true before the deadline."""
    again = threading.Event()
    for _ in range(DEADLINE_SECONDS * 10):
        if condition():
            return True
        again.wait(0.1)
    return False


def replace_kubectl(box: Sandbox, script: str) -> None:
    kubectl = box.directory / "bin" / "kubectl"
    kubectl.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    kubectl.chmod(0o755)


def test_the_forward_ends_with_the_update(box: Sandbox) -> None:
    box.up()
    port = box.config["tracing:objectStore"]["admin"]["portForward"]["localPort"]
    assert comes_true(lambda: closed(port))


def test_a_preview_never_starts_it(box: Sandbox, tmp_path: Path) -> None:
    replace_kubectl(box, f"touch {tmp_path}/started; exit 1")
    box.preview()
    assert not (tmp_path / "started").exists()


def test_a_destroy_never_needs_it(box: Sandbox, tmp_path: Path) -> None:
    box.up()
    replace_kubectl(box, f"touch {tmp_path}/started; exit 1")
    box.destroy()
    assert not (tmp_path / "started").exists()
    assert box.cloud.objects() == []


def test_what_kubectl_says_is_what_the_user_reads_and_a_rerun_converges(box: Sandbox) -> None:
    script = (box.directory / "bin" / "kubectl").read_text("utf-8")
    replace_kubectl(box, "echo 'error: pod is not running' >&2; exit 1")
    with pytest.raises(SandboxError) as refused:
        box.up()
    assert "error: pod is not running" in str(refused.value)
    assert "Traceback" not in str(refused.value)
    (box.directory / "bin" / "kubectl").write_text(script, "utf-8")
    box.up()
    assert box.preview().changes == {}


def test_a_port_that_is_taken_is_named_with_the_setting_that_changes_it(box: Sandbox) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        box.set_config("tracing:objectStore", {"admin": {"portForward": {"localPort": port}}})
        with pytest.raises(SandboxError, match=r"portForward\.localPort") as refused:
            box.up()
        assert str(port) in str(refused.value)


def test_another_local_port_is_no_change_of_what_is_in_the_store(box: Sandbox) -> None:
    box.up()
    box.set_config("tracing:objectStore", {"admin": {"portForward": {"localPort": 19001}}})
    changed = {step.name: step.op for step in box.preview().changed()}
    assert set(changed) <= {"store-admin"}


def test_what_the_engine_deletes_after_the_program_has_ended_still_reaches_the_store(
    box: Sandbox,
) -> None:
    box.up()
    box.set_config("tracing:objectStore", {"bucket": "traces"})
    assert {"store-bucket": "replace"}.items() <= {s.name: s.op for s in box.up().changed()}.items()
    assert [found.id for found in box.cloud.objects("minio", "S3Bucket")] == ["traces"]


def test_a_sandbox_stays_clear_of_the_port_that_a_real_update_may_be_using(box: Sandbox) -> None:
    usual = MinioConfig().admin.port_forward.local_port
    with socket.socket() as update:
        # Where that fails the port is in use already, which does as well.
        with contextlib.suppress(OSError):
            update.bind(("127.0.0.1", usual))
            update.listen()
        box.up()
    assert box.preview().changes == {}


def test_a_sandbox_that_is_kept_keeps_its_port_so_that_it_is_no_change(tmp_path: Path) -> None:
    for changes in ({"create": 42}, {}):
        with Sandbox(ROOT, "dev", directory=tmp_path) as kept:
            assert kept.up().changes == changes


def test_a_pool_with_tls_is_reached_and_waited_for(box: Sandbox) -> None:
    store = {
        "replicas": 4,
        "tls": {"secretName": "minio-tls"},
        "ingress": {"host": "s3.example.com"},
        "versioning": True,
    }
    box.set_config("tracing:objectStore", store)
    box.up()
    assert box.preview().changes == {}


def in_the_cluster(box: Sandbox) -> None:
    """Let the stack's Grafana be one that has to be forwarded."""
    box.set_config("tracing:grafanaAuth", "token", secret=True)
    box.set_config("tracing:prometheus", {})
    way = {"namespace": "monitoring", "resource": "deployment/grafana", "remotePort": 3000}
    box.set_config("tracing:grafana", {"portForward": way})


def noted(box: Sandbox, file: Path) -> None:
    """Let kubectl write down what it is called with, and go on."""
    kubectl = (box.directory / "bin" / "kubectl").read_text("utf-8").splitlines()[-1]
    replace_kubectl(box, f'echo "$@" >> "{file}"\n{kubectl}')


def test_grafana_is_forwarded_for_its_check_and_for_the_update_and_no_longer(
    box: Sandbox, tmp_path: Path
) -> None:
    in_the_cluster(box)
    port = box.config["tracing:grafana"]["portForward"]["localPort"]
    noted(box, tmp_path / "called")
    box.up()
    called = (tmp_path / "called").read_text("utf-8").splitlines()
    to_grafana = "port-forward --namespace=monitoring --address=127.0.0.1 deployment/grafana"
    assert [call for call in called if "statefulset" not in call] == [
        f"{to_grafana} :3000",
        f"{to_grafana} {port}:3000",
    ]
    assert comes_true(lambda: closed(port))
    assert {found.id for found in box.cloud.objects("grafana", "DataSource")} == {"1:tempo"}
    assert box.preview().changes == {}
    assert box.refresh().changes == {}


def test_a_preview_never_forwards_grafana(box: Sandbox, tmp_path: Path) -> None:
    in_the_cluster(box)
    replace_kubectl(box, f"touch {tmp_path}/started; exit 1")
    created = {step.name for step in box.preview().changed()}
    assert {"grafana-api", "grafana-tempo"} <= created
    assert not (tmp_path / "started").exists()


def test_a_grafana_that_is_not_reached_is_told_before_anything_is_changed(box: Sandbox) -> None:
    in_the_cluster(box)
    script = (box.directory / "bin" / "kubectl").read_text("utf-8")
    replace_kubectl(box, "echo 'Error: deployments \"grafana\" not found' >&2; exit 1")
    with pytest.raises(SandboxError, match=r"tracing:grafana\.portForward") as refused:
        box.up()
    assert 'deployments "grafana" not found' in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert box.cloud.objects() == []
    (box.directory / "bin" / "kubectl").write_text(script, "utf-8")
    box.up()
    assert box.preview().changes == {}


def test_another_local_port_is_in_no_diff_of_grafana(box: Sandbox) -> None:
    in_the_cluster(box)
    box.up()
    box.set_config("tracing:grafana.portForward.localPort", 13001)
    preview = box.preview()
    assert {step.name: step.op for step in preview.changed()} == {"grafana-api": "update"}
    assert "13001" not in preview.text
