"""`python -m sandbox` as a person or CI runs it, and the kubectl it puts before the real one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
PLATFORM = PROGRAMS / "platform"


def sandbox(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def demo() -> subprocess.CompletedProcess[str]:
    setting = "platform:tempo.retention=24h"
    return sandbox("demo", "--project", str(PLATFORM), "--set", setting)


def test_the_demo_shows_the_life_of_a_stack(demo):
    assert demo.returncode == 0, demo.stdout + demo.stderr
    steps = [line[0] for line in demo.stdout.splitlines() if line[1:3] == ". "]
    assert steps == ["1", "2", "3", "4", "5"]
    for shown in (
        "stack platform-dev",
        "store-bucket  minio:index/s3Bucket:S3Bucket",
        "16 to create",
        "bucket      traces",
        "secret_key  [secret]",
        "no changes: the program, the state and the clouds agree",
        "values.retention: 48h => 24h",
        "deleted 16 resources",
        "left in the clouds: nothing",
    ):
        assert shown in demo.stdout


def test_a_preview_shows_what_the_program_warns_of_once(tmp_path):
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config: {tracing:collector: {}}\n", encoding="utf-8")
    done = sandbox("preview", "--stack-file", str(file), "--directory", str(tmp_path / "box"))
    assert done.returncode == 0, done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    assert text.count("warning: tracing:networkPolicies.senders.namespaces: is empty") == 1


def test_the_demo_is_plain_where_nobody_watches(demo):
    assert "\x1b" not in demo.stdout
    assert demo.stderr == ""


def test_commands_continue_where_the_last_one_ended(tmp_path):
    common = ("--project", str(PLATFORM), "--directory", str(tmp_path / "box"))

    assert "16 to create" in sandbox("up", *common).stdout
    assert "no changes" in sandbox("preview", *common).stdout
    assert "bucket      traces" in sandbox("outputs", *common).stdout
    assert "store-bucket" in sandbox("resources", *common).stdout
    assert "16 to delete" in sandbox("destroy", *common).stdout
    assert "no resources" in sandbox("resources", *common).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--stack", "nowhere"), "Pulumi.nowhere.yaml; the stacks are: dev"),
        (("--set", "platform:replicas=many"), "many"),
        (("--set", "platform:tempo=none"), "failed:"),
    ],
)
def test_a_failure_is_one_clear_message_and_an_exit_status(arguments, message):
    ran = sandbox("preview", "--project", str(PLATFORM), *arguments)

    assert ran.returncode == 1
    assert message in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr


def test_no_credentials_reach_the_program(tmp_path, monkeypatch):
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(
        "import os, pulumi\npulumi.export('seen', sorted(os.environ))\n"
    )
    withheld = {"KUBECONFIG", "MINIO_PASSWORD", "AWS_SECRET_ACCESS_KEY", "GRAFANA_AUTH"}
    for name in (*withheld, "HARMLESS"):
        monkeypatch.setenv(name, "value")

    with Sandbox(tmp_path) as box:
        box.up()
        seen = set(box.outputs()["seen"].value)

    assert "HARMLESS" in seen
    assert not withheld & seen
    assert os.environ["KUBECONFIG"] == "value"


@pytest.fixture
def kubectl(tmp_path):
    with Sandbox(PLATFORM) as box:
        yield str(box.directory / "bin" / "kubectl")


def test_a_port_forward_listens_until_it_is_ended(kubectl):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [kubectl, "port-forward", "--namespace=tempo", "service/minio", f"{port}:9000"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout is not None
        line = forward.stdout.readline()
        socket.create_connection(("127.0.0.1", port)).close()
        forward.terminate()

    assert line == f"Forwarding from 127.0.0.1:{port} -> 9000\n"
    assert forward.returncode == 0


def test_other_uses_of_kubectl_are_refused(kubectl):
    ran = subprocess.run([kubectl, "get", "pods"], capture_output=True, text=True, check=False)

    assert ran.returncode == 1
    assert "only knows `port-forward" in ran.stderr
