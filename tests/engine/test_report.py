"""`python -m ops report` as CI runs it: two revisions of the program in a repository, compared."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.stack_files import ROOT
from sandbox import PLACEHOLDER

BEFORE = ROOT / "tests/samples/report/base.yaml"
AFTER = ROOT / "tests/samples/report/head.yaml"
QUIET = {
    "tracing:environment": "dev",
    "tracing:kubernetes": {"context": "test"},
    "tracing:tempo": {"blockRetention": "48h"},
}


@dataclass
class Ran:
    """What one run of the command said."""

    status: int
    text: str
    errors: str
    page: str = ""

    @property
    def stacks(self) -> dict[str, Any]:
        return {stack["stack"]: stack for stack in json.loads(self.text)["stacks"]}


def report(project: Path, *arguments: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "ops", "report", "--project", str(project), *arguments],
        cwd=ROOT,
        # Standard error is not a result, and these might reach something real.
        env={name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def git(project: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
    command = ["git", "-C", str(project), *identity, "-c", "commit.gpgsign=false", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(project: Path, tag: str) -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", tag)
    git(project, "tag", tag)


def stack_file(project: Path, stack: str, config: dict[str, Any]) -> None:
    file = project / f"Pulumi.{stack}.yaml"
    file.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the program, three commits old: broken, then a base, then a head."""
    project = tmp_path_factory.mktemp("repository")
    for name in ("config", "components", "chart_values"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in [*ROOT.glob("*.py"), ROOT / "Pulumi.yaml", ROOT / ".gitignore"]:
        shutil.copy(file, project / file.name)
    git(project, "init", "--quiet", "--initial-branch", "main")
    stack_file(project, "quiet", QUIET)
    program = project / "config/__init__.py"
    working = program.read_text("utf-8")
    program.write_text(working + "\nraise ValueError('broken on purpose')\n", encoding="utf-8")
    commit(project, "broken")
    program.write_text(working, encoding="utf-8")
    shutil.copy(BEFORE, project / "Pulumi.one.yaml")
    stack_file(project, "gone", QUIET)
    commit(project, "base")
    git(project, "switch", "--quiet", "--create", "change")
    shutil.copy(AFTER, project / "Pulumi.one.yaml")
    (project / "Pulumi.gone.yaml").unlink()
    commit(project, "head")
    return project


def everything(project: Path) -> dict[str, str]:
    """A digest of each file, git's own among them; what Python compiles is not looked at."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in project.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def before(project: Path) -> dict[str, str]:
    return everything(project)


@pytest.fixture(scope="module")
def compared(
    project: Path, before: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Ran:
    """All stacks, from the merge base with main, in all forms but Markdown."""
    page = tmp_path_factory.mktemp("page") / "report.html"
    ran = report(project, "--json", "--html", str(page))
    assert ran.text, ran.errors
    ran.page = page.read_text("utf-8")
    return ran


def resource(ran: Ran, name: str) -> dict[str, Any]:
    [found] = [entry for entry in ran.stacks["one"]["resources"] if entry["name"] == name]
    return found


def test_changes_are_exit_code_2_and_every_stack_with_a_file_is_there(compared: Ran) -> None:
    assert compared.status == 2, compared.errors
    assert set(compared.stacks) == {"one", "quiet"}
    assert compared.stacks["quiet"]["counts"] == {}
    assert compared.stacks["one"]["counts"] == {"create": 5, "update": 8, "replace": 4}


def test_the_base_is_where_the_branch_left_main_and_a_removed_stack_is_named(
    compared: Ran, project: Path
) -> None:
    content = json.loads(compared.text)
    short = git(project, "rev-parse", "base")[:12]
    assert content["base"] == f"{short} (the merge base with main)"
    assert any("`gone` is removed" in note for note in content["notes"])


@pytest.mark.parametrize(
    ("name", "path", "old", "new", "label"),
    [
        ("tempo-release", "values.compactor.config.compaction.block_retention", "168h", "72h",
         "changes retention"),
        ("store-lifecycle", "rules[0].expiration", "12d", "8d", "may lose data"),
        ("collector-release", "values.mode", "statefulset", "daemonset", "restarts"),
        ("collector-release", "values.ports.zipkin.enabled", False, True, "opens a port"),
        ("tempo-release", "values.storage.trace.s3.insecure", False, True, "weakens TLS or auth"),
        ("store-user", "name", "traces", "traces-2", None),
    ],
)  # fmt: skip
def test_what_changes_has_its_values_and_its_label(
    compared: Ran, name: str, path: str, old: Any, new: Any, label: str | None
) -> None:
    [change] = [found for found in resource(compared, name)["properties"] if found["path"] == path]
    assert (change["old"], change["new"]) == (old, new)
    assert label is None or label in change["labels"]


def test_open_hops_are_there_with_their_reasons_and_what_becomes_of_them(compared: Ran) -> None:
    hops = {hop.pop("hop"): hop for hop in compared.stacks["one"]["openHops"]}
    assert hops["tempo-internal"] == {"operation": "same", "reason": "a sample", "oldReason": ""}
    assert hops["tempo-to-store"]["operation"] == "create"
    assert hops["grafana-to-tempo"] == {
        "operation": "update",
        "reason": "another sample",
        "oldReason": "a sample",
    }


def test_a_secret_encrypted_anew_is_only_said_to_have_changed(compared: Ran) -> None:
    [change] = resource(compared, "grafana-api")["properties"]
    assert (change["path"], change["old"], change["new"]) == ("auth", "[secret]", "[secret]")
    for text in (compared.text, compared.page):
        assert PLACEHOLDER not in text
        assert "v1:AAAA" not in text
        assert "v1:BBBB" not in text


def test_what_waits_for_what_is_that_of_the_head(compared: Ran) -> None:
    collector = resource(compared, "collector-release")["urn"]
    assert collector in resource(compared, "traefik-release")["dependsOn"]


def test_a_report_touches_neither_the_checkout_nor_the_repository(
    compared: Ran, project: Path, before: dict[str, str]
) -> None:
    assert everything(project) == before


def test_the_same_revision_is_exit_code_0(project: Path) -> None:
    ran = report(project, "--base", "head", "--stack", "quiet")
    assert ran.status == 0, ran.errors
    assert "| `quiet` | no changes |  |" in ran.text


def test_a_base_that_is_not_there_is_named_and_the_head_is_all_new(project: Path) -> None:
    ran = report(project, "--base", "no-such-branch", "--stack", "quiet")
    assert ran.status == 1
    assert "git knows no revision 'no-such-branch' here; fetch it first" in ran.text
    assert "to create" in ran.text


def test_a_base_that_does_not_load_is_named_and_the_head_is_all_new(project: Path) -> None:
    ran = report(project, "--base", "broken", "--stack", "quiet", "--json")
    assert ran.status == 1
    stack = ran.stacks["quiet"]
    assert "ValueError: broken on purpose (__init__.py:" in stack["error"]
    assert set(stack["counts"]) == {"create"}


def test_bad_stack_files_are_each_named_and_hinder_no_other(project: Path) -> None:
    stack_file(project, "unknown", QUIET | {"tracing:tempoo": {}})
    (project / "Pulumi.broken.yaml").write_text("config: [", encoding="utf-8")
    chosen = ("--stack", "unknown", "--stack", "broken", "--stack", "quiet")
    try:
        ran = report(project, "--base", "head", "--json", *chosen)
    finally:
        for stack in ("unknown", "broken"):
            (project / f"Pulumi.{stack}.yaml").unlink()
    assert ran.status == 1
    assert "tracing:tempoo" in ran.stacks["unknown"]["error"]
    assert "Pulumi.broken.yaml is not YAML" in ran.stacks["broken"]["error"]
    assert ran.stacks["quiet"]["error"] is None
    content = json.loads(ran.text)
    assert "with uncommitted changes" in content["head"]
    assert any("`Pulumi.broken.yaml`, `Pulumi.unknown.yaml`" in note for note in content["notes"])


def test_a_stack_that_is_not_there_is_refused_with_those_that_are(project: Path) -> None:
    ran = report(project, "--stack", "prood")
    assert ran.status == 1
    assert "there is no stack file of 'prood'; the stacks are: one, quiet" in ran.errors
    assert ran.text == ""
