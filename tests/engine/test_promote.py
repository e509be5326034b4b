"""A promotion between two stacks that the plain CLI applied to simulated clouds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml

from ops import UserError, promote, stack_files
from ops.commands import discover
from ops.engine import EngineUnavailable, locate
from ops.pulumi_stacks import PulumiStacks
from ops.stack_files import ROOT
from sandbox import Sandbox

TODAY = date(2026, 11, 21)

DEV = """\
config:
  tracing:environment: dev
  tracing:objectStore: {admin: {portForward: {localPort: PORT}}}
  tracing:collector:
    receivers: [otlpGrpc, zipkin]
"""
STAGING = """\
config:
  # Ours alone.
  tracing:environment: staging
  tracing:kubernetes: {context: staging}
  tracing:allowInsecure: {all: a test}
  tracing:allowTags: {all: a test}
  # Both stacks are in one simulated cluster.
  tracing:objectStore:
    {bucket: staging, namespace: staging, admin: {portForward: {localPort: PORT}}}
  tracing:tempo:
    namespace: staging
    blockRetention: 7d  # a week
  tracing:collector: {replicas: 2, namespace: staging}
"""


class Project:
    """The project in a directory of its own, with two stacks in a backend of its own."""

    def __init__(self, directory: Path, box: Sandbox, pulumi: Path) -> None:
        self.directory = directory
        self._pulumi = pulumi
        self.environment = dict(box.environment) | {"PULUMI_DEBUG_COMMANDS": "false"}
        left_out = shutil.ignore_patterns(".*", "__pycache__", "tests", "Pulumi.*.yaml", "charts")
        shutil.copytree(ROOT, directory, ignore=left_out)
        shutil.copy(ROOT / "Pulumi.yaml", directory)
        description = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
        # The interpreter that runs the tests, in place of a .venv.
        description["runtime"] = "python"
        (directory / "Pulumi.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
        port = str(box.config["tracing:objectStore"]["admin"]["portForward"]["localPort"])
        for stack, text in (("dev", DEV), ("staging", STAGING)):
            self.file(stack).write_text(text.replace("PORT", port), encoding="utf-8")
        self.stacks = PulumiStacks(directory, self.environment)

    def file(self, stack: str) -> Path:
        return self.directory / f"Pulumi.{stack}.yaml"

    def run(self, *arguments: str) -> str:
        environment = self.environment | {
            "PATH": os.pathsep.join(
                [
                    str(Path(sys.executable).parent),
                    str(self._pulumi.parent),
                    self.environment["PATH"],
                ]
            )
        }
        done = subprocess.run(
            [self._pulumi, *arguments, "--non-interactive", "--color=never"],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    try:
        pulumi = locate(needs_language_host=True, obtain=False).path
    except EngineUnavailable:
        pytest.skip("no Pulumi CLI with a language host")
    with Sandbox(ROOT, "dev") as box:
        made = Project(tmp_path_factory.mktemp("promote") / "project", box, pulumi)
        for stack in ("dev", "staging"):
            made.run("stack", "init", stack, "--no-select")
        made.run("up", "--stack=dev", "--yes", "--skip-preview")
        yield made


Promote = Callable[..., tuple[int, str]]


@pytest.fixture
def promoted(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Promote]:
    """Runs the command; afterwards the stack files are as they were."""
    before = {stack: project.file(stack).read_bytes() for stack in ("dev", "staging")}
    monkeypatch.setattr(stack_files, "OWN", project.directory)

    def run(*arguments: str) -> tuple[int, str]:
        chosen = discover()["promote"].parser().parse_args(["dev", "staging", *arguments])
        code = promote.promote(chosen, project.stacks, promote.smoke, TODAY)
        out = capfd.readouterr()
        return code, out.out + out.err

    yield run
    for stack, content in before.items():
        project.file(stack).write_bytes(content)


def test_a_dry_run_shows_what_changes_and_changes_nothing(
    project: Project, promoted: Promote
) -> None:
    before = {path: path.read_bytes() for path in project.directory.glob("Pulumi*")}
    code, out = promoted("--dry-run")
    assert code == 0, out
    assert "tracing:collector.receivers" in out
    assert "- **~** `collector-release` (Release) is changed in place · **opens a port**" in out
    assert {path: path.read_bytes() for path in project.directory.glob("Pulumi*")} == before
    assert project.stacks.deployment("staging").get("resources") is None


def test_a_source_that_is_not_applied_as_it_stands_is_refused_with_what_differs(
    project: Project, promoted: Promote
) -> None:
    text = project.file("dev").read_text(encoding="utf-8")
    project.file("dev").write_text(text.replace("zipkin", "jaegerGrpc"), encoding="utf-8")
    code, out = promoted("--skip-smoke", "not the point")
    assert code == 1
    assert "dev is not applied as it stands" in out
    assert "collector-release" in out
    assert "how to go on: make up STACK=dev" in out


def test_a_smoke_test_that_fails_on_the_source_refuses(
    project: Project, promoted: Promote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = project.file("staging").read_bytes()
    # Without kubectl it can't reach the stack.
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out = promoted()
    assert code == 1
    assert "the smoke test of dev failed" in out
    assert project.file("staging").read_bytes() == before


def test_a_promotion_is_written_applied_and_its_reason_kept_in_the_history(
    project: Project, promoted: Promote
) -> None:
    before = project.file("staging").read_text(encoding="utf-8")
    code, out = promoted("--apply", "--yes", "--skip-smoke", "no kubectl here")
    assert code == 0, out
    after = project.file("staging").read_text(encoding="utf-8")
    assert set(before.splitlines()) - set(after.splitlines()) == {
        "  tracing:collector: {replicas: 2, namespace: staging}"
    }
    assert set(after.splitlines()) - set(before.splitlines()) == {
        "  tracing:collector: {replicas: 2, namespace: staging, receivers: [otlpGrpc, zipkin]}"
    }
    assert project.stacks.changes("staging", project.file("staging")) == []
    assert "smoke test of dev skipped: no kubectl here" in project.run(
        "stack", "history", "--stack=staging", "--json"
    )


def test_a_stack_that_was_never_made_is_said_to_be_one(project: Project) -> None:
    assert project.stacks.changes("nobody", project.file("dev")) is None
    assert project.stacks.deployment("nobody") == {}


def test_a_wrong_passphrase_is_told_as_pulumi_says_it(project: Project) -> None:
    wrong = project.environment | {"PULUMI_CONFIG_PASSPHRASE": "wrong"}
    with pytest.raises(UserError, match=r"error: .*passphrase"):
        PulumiStacks(project.directory, wrong).changes("dev", project.file("dev"))
