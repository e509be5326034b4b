"""What a person reads of a change in the sandbox."""

import io
from typing import Any

from rich.console import Console

from sandbox import show
from sandbox.result import Result, Step


def shown(path: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    step = Step(
        op="update",
        urn="urn:pulumi:dev::tracing::t::thing",
        type="t",
        name="thing",
        diffs=[path],
        old_inputs=old,
        new_inputs=new,
    )
    to = Console(file=io.StringIO(), width=300, no_color=True)
    show.changes(to, Result(steps=[step], text="", events=[]))
    assert isinstance(to.file, io.StringIO)
    return next(line for line in to.file.getvalue().splitlines() if path in line)


def test_a_changed_secret_is_said_to_be_one_and_not_to_be_missing() -> None:
    line = shown("data.KEY", {"data": "[secret]"}, {"data": "[secret]"})
    assert line.endswith("[secret] => [secret]")


def test_of_two_long_values_the_part_is_shown_in_which_they_differ() -> None:
    old, new = ({"policy": "x" * 200 + end} for end in ("tempo", "traces"))
    line = shown("policy", old, new)
    assert "tempo" in line
    assert "traces" in line


def test_short_values_are_shown_whole() -> None:
    assert shown("a.b", {"a": {"b": "48h"}}, {"a": {"b": "24h"}}).endswith("48h => 24h")


def test_the_tree_is_the_same_however_the_engine_ordered_the_resources() -> None:
    stack = "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev"
    part = "urn:pulumi:dev::p::c:index:Part::part"

    def step(urn: str, parent: str = "") -> Step:
        return Step(op="create", urn=urn, type="t", name="n", parent=parent)

    steps = [
        step(stack),
        step(part, stack),
        step("urn:pulumi:dev::p::c:index:Part$t::b", part),
        step("urn:pulumi:dev::p::c:index:Part$t::a", part),
        step("urn:pulumi:dev::p::t::another", stack),
    ]
    drawn = []
    for order in (steps, steps[::-1]):
        to = Console(file=io.StringIO(), width=80, no_color=True)
        show.planned(to, Result(steps=order, text="", events=[]))
        assert isinstance(to.file, io.StringIO)
        drawn.append(to.file.getvalue())
    assert drawn[0] == drawn[1]
    names = [line.split()[-2] for line in drawn[0].splitlines()[1:-1]]
    assert names == ["another", "part", "a", "b"]
