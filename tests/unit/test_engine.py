"""The Pulumi CLI that is there already is found; when there is none, the remedies are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops import engine, engine_build
from ops.commands import main
from tests.unit.machine import NEW, OLD, Machine, bare_machine, pulumi, script


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return bare_machine(tmp_path, monkeypatch)


# What is already there


def test_the_one_on_path_is_taken_and_nothing_is_said(machine: Machine) -> None:
    (directory,) = machine.path("bin")
    there = pulumi(directory / "pulumi")
    found = machine.locate()
    assert (found.path, found.origin, str(found.command.version)) == (there, "on PATH", NEW)
    assert machine.shown == []


def test_the_pulumi_home_is_searched_when_path_has_none(machine: Machine) -> None:
    there = pulumi(machine.root / "home" / ".pulumi" / "bin" / "pulumi")
    assert machine.locate().path == there


def test_the_pulumi_home_is_where_its_variable_says(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(machine.root / "elsewhere"))
    there = pulumi(machine.root / "elsewhere" / "versions" / NEW / "bin" / "pulumi")
    assert machine.locate().path == there


def test_path_comes_before_the_pulumi_home(machine: Machine) -> None:
    pulumi(machine.root / "home" / ".pulumi" / "bin" / "pulumi")
    (directory,) = machine.path("bin")
    there = pulumi(directory / "pulumi")
    assert machine.locate().path == there


def test_an_older_one_does_not_hide_a_newer_one_behind_it_on_path(machine: Machine) -> None:
    first, second = machine.path("first", "second")
    pulumi(first / "pulumi", OLD)
    there = pulumi(second / "pulumi")
    found = machine.locate()
    assert found.path == there
    assert found.command.command == str(there)


def test_the_oldest_version_allowed_is_allowed(machine: Machine) -> None:
    (directory,) = machine.path("bin")
    pulumi(directory / "pulumi", str(engine.MINIMUM))
    assert machine.locate().command.version == engine.MINIMUM


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["print('v3.100.0')"], "3.100.0 is older than"),
        (["print('v4.0.0')"], "major version 3"),
        (["print('hello')"], "hello is not valid SemVer"),
        (["sys.exit('this shim has no version chosen')"], "this shim has no version chosen"),
    ],
)
def test_an_unusable_one_is_passed_over_with_the_reason(
    machine: Machine, lines: list[str], reason: str
) -> None:
    (directory,) = machine.path("bin")
    there = script(directory / "pulumi", *lines)
    refusal = machine.refusal()
    assert f"{there}: " in refusal
    assert reason in refusal


def test_a_directory_on_path_that_cannot_be_looked_into_is_no_obstacle(machine: Machine) -> None:
    directory, _ = machine.path("bin", "x" * 5000)
    os.environ["PATH"] = os.pathsep.join(reversed(os.environ["PATH"].split(os.pathsep)))
    there = pulumi(directory / "pulumi")
    assert machine.locate().path == there


def test_its_commands_never_check_for_a_newer_version(machine: Machine) -> None:
    (directory,) = machine.path("bin")
    script(
        directory / "pulumi",
        f"print(os.environ['PULUMI_SKIP_UPDATE_CHECK'] if 'about' in sys.argv else 'v{NEW}')",
    )
    assert machine.locate().command.run(["about"], str(machine.root), {}).stdout == "true"


# The language host


def test_without_a_language_host_it_cannot_run_the_project_itself(machine: Machine) -> None:
    (directory,) = machine.path("bin")
    there = pulumi(directory / "pulumi")
    machine.go()
    machine.path("bin", "go")
    refusal = machine.refusal(needs_language_host=True)
    assert f"{there}: no pulumi-language-python beside it or on PATH" in refusal
    assert "build: what tools/go.mod builds has no pulumi-language-python" in refusal
    assert machine.left_in_cache == []


def test_a_language_host_beside_it_will_do(machine: Machine) -> None:
    installed = machine.root / "home" / ".pulumi" / "bin"
    there = pulumi(installed / "pulumi")
    script(installed / "pulumi-language-python")
    assert machine.locate(needs_language_host=True).path == there


def test_a_language_host_beside_what_a_link_points_to_will_do(machine: Machine) -> None:
    (directory,) = machine.path("bin")
    pulumi(machine.root / "cellar" / "pulumi")
    script(machine.root / "cellar" / "pulumi-language-python")
    directory.mkdir()
    (directory / "pulumi").symlink_to(machine.root / "cellar" / "pulumi")
    assert machine.locate(needs_language_host=True).path == directory / "pulumi"


def test_a_language_host_on_path_lets_a_built_one_do(machine: Machine) -> None:
    machine.go()
    script(machine.root / "go" / "pulumi-language-python")
    assert machine.locate(needs_language_host=True).origin == engine.BUILT


# What a person reads


def test_when_none_can_be_had_all_three_remedies_are_named(machine: Machine) -> None:
    refusal = machine.refusal()
    for number, remedy in (
        (1, "install the Pulumi CLI"),
        (2, "let this machine reach get.pulumi.com"),
        (3, f"install Go {engine_build.go_version()}"),
    ):
        assert f"\n  {number}. {remedy}" in refusal


def test_the_command_prints_the_path_and_how_it_came_there(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory,) = machine.path("bin")
    there = pulumi(directory / "pulumi")
    assert main(["engine"]) == 0
    assert capsys.readouterr().out == f"{there} ({NEW}, on PATH)\n"
    assert main(["engine", "--path"]) == 0
    assert capsys.readouterr().out == f"{there}\n"


def test_the_command_fails_with_the_remedies_and_an_empty_standard_output(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engine", "--path", "--language-host"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: no usable Pulumi CLI with a Python language host")
