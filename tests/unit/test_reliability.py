"""The page of measured figures: made from the results that are checked in, and complete."""

import json

import pytest

from ops import reliability
from ops.reliability import PAGE, PARTS, RESULTS, Figure, page
from ops.stack_files import ROOT
from tests.engine.whole import OPERATIONS

REPORT = """\
<testsuites><testsuite>
<testcase name="test_a_kill[create-1]"/>
<testcase name="test_a_kill[create-2]"><system-out>printed</system-out></testcase>
<testcase name="test_a_kill[create-3]"><failure message="no"/></testcase>
<testcase name="test_another"><skipped/></testcase>
</testsuite></testsuites>
"""


def test_the_page_of_figures_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make generate"


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_every_figure_says_what_it_counts_and_how_to_get_it_again(file) -> None:
    result = json.loads(file.read_text(encoding="utf-8"))
    assert set(result) == {"title", "about", "figures"}
    for fields in result["figures"]:
        assert all(isinstance(text, str) and text for text in fields.values())
        assert "|" not in "".join(Figure(**fields).__dict__.values())


COUNTED = {
    ("kills", "kills mended by two documented commands"): 2 * sum(OPERATIONS.values()),
    (
        "provider-faults",
        "failed operations named, and converged by the same command",
    ): 7 * OPERATIONS["up"],
}


@pytest.mark.parametrize(("part", "name"), COUNTED)
def test_what_was_measured_is_all_that_there_is_now(part: str, name: str) -> None:
    """After an operation more the figures are to be measured again."""
    result = json.loads((RESULTS / f"{part}.json").read_text(encoding="utf-8"))
    [figure] = [each["figure"] for each in result["figures"] if each["name"] == name]
    assert figure == f"{COUNTED[part, name]} of {COUNTED[part, name]}"


@pytest.mark.parametrize("name", PARTS)
def test_what_a_part_counts_are_tests_that_exist(name: str) -> None:
    sources = [(ROOT / module).read_text(encoding="utf-8") for module in PARTS[name].tests]
    for test in PARTS[name].counted:
        assert any(f"def {test}(" in source for source in sources)
    if not PARTS[name].counted:
        assert all("reliability.note(" in source for source in sources)


def test_only_passed_cases_count(tmp_path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT, encoding="utf-8")
    cases = reliability._cases(report)
    assert (cases["test_a_kill", True], cases["test_a_kill", False]) == (2, 1)
    assert (cases["test_another", True], cases["test_another", False]) == (0, 1)


def counting(monkeypatch, tmp_path, test: str) -> bool:
    """Measure a part whose tests count themselves; whether they passed."""
    module = tmp_path / "test_counting.py"
    module.write_text(f"from tests import reliability\n\n\n{test}", encoding="utf-8")
    part = reliability.Part(title="A part", about="What was done.", tests=(str(module),))
    monkeypatch.setattr(reliability, "PARTS", {"part": part})
    monkeypatch.setattr(reliability, "RESULTS", tmp_path)
    return reliability.measure("part", 1)


def test_what_tests_count_themselves_is_written(tmp_path, monkeypatch) -> None:
    first = "def test_a():\n    reliability.note({'files': 1200})\n"
    second = "def test_b():\n    reliability.note({'canaries': 3})\n"
    assert counting(monkeypatch, tmp_path, first + second)
    assert "| files | 1,200 | `.venv/bin/python -m ops reliability --measure part` |" in page()
    assert "| canaries | 3 |" in page()


def test_where_a_test_fails_the_numbers_are_not_written(tmp_path, monkeypatch) -> None:
    failing = "def test_a():\n    reliability.note({'files': 1200})\n    assert False\n"
    assert not counting(monkeypatch, tmp_path, failing)
    assert not (tmp_path / "part.json").exists()


def test_results_that_are_written_show_on_the_page(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reliability, "RESULTS", tmp_path)
    figure = Figure(name="kills", figure="3 of 3", command="make it", date="2026-01-02")
    reliability.write("kills", "A killed update", "What was done.", [figure])
    assert "| kills | 3 of 3 | `make it` | 2026-01-02 |" in page()
    assert "## A killed update\n\nWhat was done." in page()
