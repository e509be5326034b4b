"""Commands are found by what their modules declare; slow steps show that they are alive."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ops.commands import discover, main
from ops.generate import generate
from ops.progress import Progress

COMMAND = """
NAME = "{name}"
HELP = "does {name}"
def add_arguments(parser): parser.add_argument("--code", type=int, default=0)
def run(arguments): return arguments.code
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package of commands, named after its directory so that tests don't share modules."""
    directory = tmp_path / f"p{abs(hash(tmp_path))}"
    directory.mkdir()
    (directory / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return directory


def run(package: Path, *argv: str) -> int:
    return main(argv, discover(package, package.name))


def test_a_module_is_a_command_once_it_declares_its_name_and_help(package: Path) -> None:
    (package / "tidy_up.py").write_text(COMMAND.format(name="tidy-up"))
    (package / "helper.py").write_text("NAME = 'not a command: it has no HELP'\n")
    assert list(discover(package, package.name)) == ["tidy-up"]
    assert run(package, "tidy-up", "--code", "3") == 3


def test_a_command_works_while_another_one_is_broken(package: Path) -> None:
    (package / "good.py").write_text(COMMAND.format(name="good"))
    (package / "bad.py").write_text("import no_such_module\n" + COMMAND.format(name="bad"))
    (package / "worse.py").write_text("def (:\n")
    assert run(package, "good") == 0


def test_an_unknown_command_is_answered_with_the_known_ones(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (package / "good.py").write_text(COMMAND.format(name="good"))
    assert run(package, "goood") == 2
    printed = capsys.readouterr().err
    assert "no command 'goood'" in printed
    assert "good  does good" in printed


def test_every_command_of_the_project_says_what_it_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    listing = capsys.readouterr().out
    assert all(f"{name} " in listing for name in ("engine", "chart-lock", "charts", "generate"))


@pytest.mark.parametrize("name", sorted(discover()))
def test_a_command_explains_its_arguments(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert f"python -m ops {name}" in capsys.readouterr().out


def test_generating_runs_what_declares_it_and_goes_on_after_a_failure(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = COMMAND.format(name="a-table").replace(
        "return arguments.code", "from ops import UserError; raise UserError('no stack file')"
    )
    (package / "a_table.py").write_text(failing + "GENERATES = 'table.md'\n")
    (package / "b_schema.py").write_text(COMMAND.format(name="b-schema") + "GENERATES = 'x'\n")
    (package / "c_other.py").write_text(COMMAND.format(name="c-other"))
    assert generate(discover(package, package.name)) == 1
    printed = capsys.readouterr()
    assert printed.out == "a-table: table.md\nb-schema: x\n"
    assert printed.err == "error: no stack file\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_away_from_a_terminal_progress_is_a_line_every_half_minute() -> None:
    lines: list[str] = []
    progress = Progress(lines.append)
    for second in range(1, 95):
        progress.still("building", second)
    assert lines == [
        "  building (0:30 min)",
        "  building (1:00 min)",
        "  building (1:30 min)",
    ]


def test_on_a_terminal_progress_stays_on_one_line_and_the_next_line_is_clean() -> None:
    stream = Terminal()
    progress = Progress.on(stream)
    progress.still("building", 1)
    progress.still("building", 2)
    progress.say("built")
    erase = "\x1b[K"
    assert stream.getvalue() == (
        f"\r  building (0:01 min){erase}\r  building (0:02 min){erase}\r{erase}built\n"
    )


def test_a_file_gets_no_control_characters() -> None:
    stream = io.StringIO()
    progress = Progress.on(stream)
    progress.still("building", 31)
    progress.say("built")
    assert stream.getvalue() == "  building (0:31 min)\nbuilt\n"
