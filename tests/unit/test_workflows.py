"""The workflows: what they may do, whose code they run, and the one comment of a pull request."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = sorted((Path(__file__).parents[2] / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
SAMPLE = "thanks @somebody\n"


def workflow(name: str) -> dict[Any, Any]:
    [file] = [path for path in WORKFLOWS if path.name == name]
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def steps(content: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in content["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it(path: Path) -> None:
    used = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not PINNED.search(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_script_has_a_value_put_into_it_that_somebody_else_chooses(path: Path) -> None:
    assert [
        step["run"] for step in steps(workflow(path.name)) if "${{" in step.get("run", "")
    ] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_token_may_only_read_the_code_but_for_the_one_that_comments(path: Path) -> None:
    content = workflow(path.name)
    granted = [
        content["permissions"],
        *(job.get("permissions") for job in content["jobs"].values()),
    ]
    if path.name == "preview-comment.yml":
        assert granted == [{}, {"actions": "read", "pull-requests": "write"}]
    else:
        assert [given for given in granted if given not in ({"contents": "read"}, None)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_checkout_leaves_no_token_behind(path: Path) -> None:
    checkouts = [step for step in steps(workflow(path.name)) if "checkout@" in step.get("uses", "")]
    assert [
        step for step in checkouts if step["with"].get("persist-credentials") is not False
    ] == []


def test_what_runs_a_pull_requests_code_has_no_secret_and_what_may_write_runs_none_of_it() -> None:
    text = Path(WORKFLOWS[-1].parent, "preview.yml").read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "pull_request_target" not in text
    assert not [
        s for s in steps(workflow("preview-comment.yml")) if "checkout" in s.get("uses", "")
    ]


def test_credentials_are_behind_the_environment_of_the_stack() -> None:
    jobs = workflow("deploy.yml")["jobs"]
    assert jobs["preview"]["environment"] == "${{ inputs.stack }}-preview"
    assert jobs["up"]["environment"] == "${{ inputs.stack }}"
    assert jobs["up"]["needs"] == "preview"


GH = """#!/usr/bin/env bash
# GitHub's answers, in the place of its command: what is asked for is in the last arguments.
echo "$*" >> "$CALLS"
case "$*" in
  *"/pulls "*) echo "$PULLS" ;;
  *"--paginate"*) echo "$COMMENTS" ;;
  *"--input"*) cp body.json "$CALLS.body" ;;
esac
"""


@pytest.fixture
def comment(tmp_path: Path):
    """Run the script that comments, with GitHub's answers; give its calls and the body."""
    if shutil.which("jq") is None:
        pytest.skip("the comment's script: needs jq, which GitHub's machines have, on PATH")
    (tmp_path / "report").mkdir()
    (tmp_path / "gh").write_text(GH, encoding="utf-8")
    (tmp_path / "gh").chmod(0o755)
    calls = tmp_path / "calls"

    def run(
        pulls: list[Any], comments: list[Any], report: str = SAMPLE
    ) -> tuple[list[str], str | None]:
        (tmp_path / "report/report.md").write_text(report, encoding="utf-8")
        [script] = [step["run"] for step in steps(workflow("preview-comment.yml")) if "run" in step]
        variables = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "CALLS": str(calls),
            "PULLS": json.dumps(pulls),
            "COMMENTS": json.dumps(comments),
            "REPOSITORY": "us/tracing",
            "OWNER": "them",
            "BRANCH": "change",
            "SHA": "abc",
            "RUN": "https://example.com/run",
        }
        # As GitHub runs a step without a shell of its own.
        command = ["bash", "--noprofile", "--norc", "-e", "-c", script]
        subprocess.run(command, cwd=tmp_path, env=variables, check=True, capture_output=True)
        body = Path(f"{calls}.body")
        return (
            calls.read_text("utf-8").splitlines(),
            json.loads(body.read_text("utf-8"))["body"] if body.is_file() else None,
        )

    return run


PULL = {"number": 7, "head": {"sha": "abc"}}
BOT = {"login": "github-actions[bot]"}


def test_the_first_report_is_a_new_comment_that_calls_nobody(comment) -> None:
    calls, body = comment([PULL], [])
    assert "pulls -f state=open -f head=them:change" in calls[0]
    assert calls[-1].startswith("api --method POST repos/us/tracing/issues/7/comments ")
    assert body.startswith("<!-- report of preview.yml -->\nthanks @\u2060somebody\n")
    assert "(https://example.com/run)" in body


def test_the_next_one_takes_its_place_and_nobody_elses(comment) -> None:
    mark = "<!-- report of preview.yml --> old"
    others = [
        {"id": 1, "user": {"login": "somebody"}, "body": mark},
        {"id": 2, "user": BOT, "body": "another workflow's"},
        {"id": 3, "user": BOT, "body": mark},
    ]
    calls, _ = comment([PULL], others)
    assert calls[-1].startswith("api --method PATCH repos/us/tracing/issues/comments/3 ")


def test_a_report_of_a_commit_that_is_no_longer_the_head_is_not_posted(comment) -> None:
    calls, body = comment([{"number": 7, "head": {"sha": "newer"}}], [])
    assert len(calls) == 1
    assert body is None


def test_a_report_that_is_too_long_is_cut_to_what_github_takes(comment) -> None:
    _, body = comment([PULL], [], "ä" * 90_000)
    assert len(body) == 65_536
