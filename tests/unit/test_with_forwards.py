"""A command that needs the store of a stack finds it, and nothing stays open behind it."""

import argparse
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import forward_watcher
import port_forward
from ops import ROOT, UserError, with_forwards
from sandbox import kubectl

MINIO_IN_CLUSTER = (
    "config:\n  tracing:objectStore: {{admin: {{portForward: {{localPort: {port}}}}}}}\n"
)
MINIO_OUTSIDE = "config:\n  tracing:objectStore: {type: external-minio, endpoint: 'minio:9000'}\n"
ANSWERS = (
    "import socket, sys; sys.exit(socket.socket().connect_ex(('127.0.0.1', int(sys.argv[1]))))"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of stack files, and a PATH with nothing on it but what a test puts there."""
    monkeypatch.setattr(with_forwards, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    there = [{"type": "minio:index/s3Bucket:S3Bucket"}, {"type": "grafana:oss/folder:Folder"}]
    monkeypatch.setattr(with_forwards.PulumiStacks, "deployment", lambda *_: {"resources": there})
    return tmp_path


def run(project: Path, stack_file: str, *command: str, destroys: bool = False) -> int:
    (project / "Pulumi.dev.yaml").write_text(stack_file, encoding="utf-8")
    return with_forwards.run(
        argparse.Namespace(stack="dev", destroys=destroys, command=list(command))
    )


def provide_kubectl(project: Path, script: str) -> None:
    (project / "bin/kubectl").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    os.chmod(project / "bin/kubectl", 0o755)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_store_in_the_cluster_answers_while_the_command_runs_and_not_after(
    project: Path, port: int
) -> None:
    provide_kubectl(project, f'exec "{sys.executable}" "{kubectl.__file__}" "$@"')
    stack_file = MINIO_IN_CLUSTER.format(port=port)
    assert run(project, stack_file, sys.executable, "-c", ANSWERS, str(port)) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_store_outside_needs_no_kubectl_and_the_commands_exit_code_is_passed_on(
    project: Path,
) -> None:
    assert run(project, MINIO_OUTSIDE, sys.executable, "-c", "raise SystemExit(7)") == 7


@pytest.mark.parametrize(
    ("destroys", "options", "store"),
    [
        (False, [], True),
        (True, [], False),
        (True, ["--exclude-protected"], True),
        (True, ["--target", "urn:pulumi:..."], True),
    ],
)
def test_a_destroy_reaches_grafana_and_a_store_whose_server_may_stay(
    project: Path, port: int, destroys: bool, options: list[str], store: bool
) -> None:
    provide_kubectl(
        project,
        f'echo "$@" >> "{project}/called"; exec "{sys.executable}" "{kubectl.__file__}" "$@"',
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other = probe.getsockname()[1]
    stack_file = MINIO_IN_CLUSTER.format(port=other) + (
        "  tracing:grafana:\n"
        f"    portForward: {{namespace: monitoring, resource: deployment/g, localPort: {port}}}\n"
    )
    command = (sys.executable, "-c", ANSWERS, str(port), *options)
    assert run(project, stack_file, *command, destroys=destroys) == 0
    called = (project / "called").read_text("utf-8").splitlines()
    grafanas = f"port-forward --namespace=monitoring --address=127.0.0.1 deployment/g {port}:80"
    assert called[-1] == grafanas
    assert len(called) == (2 if store else 1)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_what_the_state_has_nothing_in_is_not_reached(
    project: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(with_forwards.PulumiStacks, "deployment", lambda *_: {})
    provide_kubectl(project, "echo 'error: statefulset not found' >&2; exit 1")
    assert run(project, MINIO_IN_CLUSTER.format(port=port), sys.executable, "-c", "") == 0


def test_what_kubectl_says_is_what_the_user_reads(project: Path, port: int) -> None:
    provide_kubectl(project, "echo 'error: statefulset not found' >&2; exit 1")
    said = "error: statefulset not found(.|\n)*make recover STACK=dev ARGS=--forget-store"
    with pytest.raises(UserError, match=said):
        run(project, MINIO_IN_CLUSTER.format(port=port), sys.executable, "-c", "")


def test_a_port_that_is_taken_is_no_reason_to_forget_the_store(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_forward, "FREE_TIMEOUT_SECONDS", 0.1)
    provide_kubectl(project, "exit 1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        stack_file = MINIO_IN_CLUSTER.format(port=taken.getsockname()[1])
        with pytest.raises(UserError, match="is taken") as refused:
            run(project, stack_file, sys.executable, "-c", "")
    assert "forget" not in str(refused.value)


UNWELL = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_error(503)
    def log_message(self, *args): pass
port = int(sys.argv[-1].split(":")[0])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def test_a_store_that_is_reached_but_not_well_is_told_from_one_that_is_not_reached(
    project: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_forward, "READY_TIMEOUT_SECONDS", 2)
    (project / "unwell.py").write_text(UNWELL, encoding="utf-8")
    provide_kubectl(project, f'exec "{sys.executable}" "{project}/unwell.py" "$@"')
    with pytest.raises(UserError, match="can't be used: /minio/health/cluster did not answer 200"):
        run(project, MINIO_IN_CLUSTER.format(port=port), sys.executable, "-c", "")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_stack_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(UserError, match=r"there is no Pulumi\.nowhere\.yaml"):
        with_forwards.run(argparse.Namespace(stack="nowhere", destroys=False, command=["true"]))


def test_ctrl_c_leaves_the_command_the_time_to_end_in_good_order(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text(MINIO_OUTSIDE, encoding="utf-8")
    # Like Pulumi: told to stop, it still has something to finish, and only then ends.
    command = (
        "import signal, sys, threading\n"
        "told = threading.Event()\n"
        "signal.signal(signal.SIGINT, lambda *_: told.set())\n"
        "print('running', flush=True)\n"
        "while not told.wait(0.05): pass\n"
        "threading.Event().wait(1)\n"
        "print('finished', flush=True)\n"
        "sys.exit(3)\n"
    )
    program = (
        "import argparse, pathlib, sys\n"
        "from ops import with_forwards\n"
        f"with_forwards.ROOT = pathlib.Path({str(project)!r})\n"
        f"command = [sys.executable, '-c', {command!r}]\n"
        "given = argparse.Namespace(stack='dev', destroys=False, command=command)\n"
        "sys.exit(with_forwards.run(given))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as group:
        assert group.stdout is not None
        assert group.stdout.readline() == "running\n"
        os.killpg(group.pid, signal.SIGINT)
        assert group.stdout.readline() == "finished\n"
        assert group.wait() == 3


ENGINE = (
    "import concurrent.futures, grpc, signal\n"
    "server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))\n"
    "print(server.add_insecure_port('127.0.0.1:0'), flush=True)\n"
    "server.start()\n"
    "signal.pause()\n"
)


def test_what_every_command_waits_for_starts_without_the_sdk() -> None:
    for module in ("forward_watcher", "ops.state_file"):
        program = (
            f"import sys, {module}; sys.exit(bool({{'pulumi', 'config'}} & sys.modules.keys()))"
        )
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_forward_ends_with_the_engine_however_that_ends(how: signal.Signals) -> None:
    forward = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
    with subprocess.Popen(
        [sys.executable, "-c", ENGINE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as engine:
        assert engine.stdout is not None
        port = engine.stdout.readline().strip()
        watcher = [sys.executable, forward_watcher.__file__, f"--engine=127.0.0.1:{port}", "--"]
        # In a session of its own, as the program starts it: Ctrl-C does not reach it.
        with subprocess.Popen([*watcher, *forward], start_new_session=True) as watching:
            with pytest.raises(subprocess.TimeoutExpired):
                watching.wait(timeout=2)
            engine.send_signal(how)
            assert watching.wait(timeout=30) != 0
