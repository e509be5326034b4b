"""The example stacks register what their documents set, value by value."""

import pytest

from ops.documented.value import Value
from ops.documents import DOCUMENTS, PAGE, page
from ops.registrations import Recorded
from ops.stack_files import recorded

CASES = [(stack, value) for stack, document in DOCUMENTS.items() for value in document.values]


@pytest.fixture(scope="module")
def examples() -> dict[str, Recorded]:
    return {stack: recorded(stack) for stack in DOCUMENTS}


@pytest.mark.parametrize(
    ("stack", "value"), CASES, ids=[f"{stack}: {value.setting}" for stack, value in CASES]
)
def test_the_example_registers_the_documents_value(
    examples: dict[str, Recorded], stack: str, value: Value
) -> None:
    assert value.registered(examples[stack]) == value.expected


@pytest.mark.parametrize("stack", DOCUMENTS)
def test_a_value_that_differs_says_why_and_one_that_does_not_needs_no_excuse(stack: str) -> None:
    for value in DOCUMENTS[stack].values:
        assert bool(value.why) == (value.expected != value.documented), value.setting


def test_the_page_of_differences_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make generate"
