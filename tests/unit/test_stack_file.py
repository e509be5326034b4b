"""What is no stack file is refused by every command, with what to mend and no value of it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from ops import UserError, stack_file
from ops.commands import main
from ops.stack_files import ROOT, STACK_FILES

CANARY = "hunter2-canary"

REFUSED: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "a bracket that is not closed": (
        f"config:\n  tracing:tempo: {{blockRetention: {CANARY}\n  tracing:collector: {{}}\n",
        ("is not YAML, line 3, column", "mend that line"),
    ),
    "a tab": ("config:\n\ttracing:tempo: {}\n", ("is not YAML, line 2, column 1", "a tab")),
    "an anchor of nobody": ("config: *nobody\n", ("is not YAML, line 1, column 9",)),
    "a tag of somebody else": ("config: !vault hunter2-canary\n", ("is not YAML, line 1",)),
    "bytes": ("config:\n  tracing:tempo: !!binary aGVsbG8=\n", ("is not YAML, line 2",)),
    "two documents": ("config: {}\n---\nconfig: {}\n", ("is not YAML, line 2",)),
    "a section that stands there twice": (
        f"config:\n  tracing:loki: {{url: {CANARY}}}\n  tracing:tempo: {{}}\n"
        "  tracing:loki: {}\n",
        ("tracing:loki: stands in line 2 and again in line 4; remove one of them",),
    ),
    "keys that stand there twice, deep in a section": (
        "config:\n  tracing:tempo:\n    ingester:\n      replicas: 1\n      replicas: 3\n"
        "  tracing:kubernetes:\n    context: a\n    context: b\n",
        (
            "replicas: stands in line 4 and again in line 5",
            "context: stands in line 7 and again in line 8",
        ),
    ),
    "a list": (f"- {CANARY}\n", ("config: is missing; write config:",)),
    "a text": (CANARY, ("config: is missing; write config:",)),
    "a list under config": (
        "config:\n  - tracing:tempo\n",
        ("config: is not a mapping; write tracing:... keys beneath it",),
    ),
    "a text under config": (f"config: {CANARY}\n", ("config: is not a mapping",)),
    "settings beside config": (
        f"config:\n  tracing:tempo: {{}}\ntracing:loki: {{url: {CANARY}}}\n",
        ("tracing:loki: stands beside config, where nobody reads it; indent it beneath config:",),
    ),
    "config misspelt": (
        "confg:\n  tracing:tempo: {}\n",
        ("confg: is nothing that Pulumi reads; did you mean config?",),
    ),
    "a key that is not text": ("config:\n  3: a\n", ("config: has a key that is not text; write",)),
    "bytes that are not text": (b"config:\xff\xfe", ("is not text in UTF-8; save it as such",)),
}


def written(directory: Path, content: str | bytes) -> Path:
    file = directory / "Pulumi.dev.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_stack_file_is_refused_with_what_to_mend(
    tmp_path: Path, case: str
) -> None:
    content, said = REFUSED[case]
    with pytest.raises(UserError) as refused:
        stack_file.read(written(tmp_path, content))
    for part in said:
        assert part in str(refused.value)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("command", ["stack-file", "images", "correlate"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_command_refuses_it_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, command: str
) -> None:
    content, said = REFUSED[case]
    file = str(written(tmp_path, content))
    options = [file] if command == "stack-file" else ["--stack", "dev", "--stack-file", file]
    assert main([command, *options]) == 1
    printed = capsys.readouterr()
    assert said[0] in printed.err
    assert CANARY not in printed.out + printed.err


def test_the_sandbox_refuses_it_in_a_sentence(tmp_path: Path) -> None:
    content, said = REFUSED["keys that stand there twice, deep in a section"]
    command = [sys.executable, "-m", "sandbox", "preview", "--stack-file"]
    ran = subprocess.run(
        [*command, str(written(tmp_path, content))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "Traceback" not in ran.stdout + ran.stderr
    assert said[1] in ran.stdout or "no usable Pulumi CLI" in ran.stdout


@pytest.mark.parametrize("stack", STACK_FILES)
def test_every_stack_file_of_the_repository_has_the_form(stack: str) -> None:
    assert main(["stack-file", str(STACK_FILES[stack])]) == 0


def test_an_empty_file_has_no_settings(tmp_path: Path) -> None:
    assert stack_file.read(written(tmp_path, "")) == {}
    assert stack_file.read(written(tmp_path, "config:\n")) == {}


def test_a_section_that_is_said_once_and_referred_to_is_not_there_twice(tmp_path: Path) -> None:
    text = "config:\n  tracing:tempo: &all {a: 1, b: 2}\n  tracing:collector: *all\n"
    settings = stack_file.read(written(tmp_path, text))
    assert settings["tracing:collector"] == settings["tracing:tempo"] == {"a": 1, "b": 2}


ENCRYPTED = {
    "by a passphrase": ("v1:5tVXbGZKyRPQKqEP:1Wj6oHQ8fcbJ1FcHfQe6n1OMF4hJZw==", True),
    "by a service": ("AAABAIncWj9cV2VmZ2hpamtsbW5vcHFyc3R1dnc=", True),
    "cut short": ("v1:5tVXbGZKyRPQKqEP:1Wj6oHQ8fcbJ1FcHfQe6n1OMF4hJZw=", False),
    "in clear": ("not encrypted", False),
    "nothing": ("", False),
}


@pytest.mark.parametrize("case", ENCRYPTED)
def test_a_secret_that_nobody_can_decrypt_is_named_before_pulumi_fails_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    secure, whole = ENCRYPTED[case]
    file = written(tmp_path, f"config:\n  tracing:grafanaAuth:\n    secure: '{secure}'\n")
    assert main(["stack-file", str(file)]) == (0 if whole else 1)
    said = "tracing:grafanaAuth: its secure text is damaged, so that nobody can decrypt it; run: "
    assert (said in capsys.readouterr().err) is not whole


def test_a_date_is_text_as_pulumi_hands_it_on(tmp_path: Path) -> None:
    file = written(tmp_path, "config:\n  tracing:tempo: {blockRetention: 2026-11-22}\n")
    assert stack_file.read(file) == {"tracing:tempo": {"blockRetention": "2026-11-22"}}


def test_what_mends_a_damaged_secret_names_the_stack(tmp_path: Path) -> None:
    file = written(tmp_path, "config:\n  tracing:grafanaAuth: {secure: cut}\n")
    with pytest.raises(UserError, match="config set --stack dev --secret tracing:grafanaAuth"):
        stack_file.run(argparse.Namespace(file=file))
