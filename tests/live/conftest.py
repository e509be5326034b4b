"""What the live tier shares: its needs, or the reason to skip it, and the figures it measured."""

from collections.abc import Iterator

import pytest
import trustme

from tests.live.figures import Figures
from tests.live.needs import Missing, Needs, find

FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = Figures()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show what was measured, so that it can be quoted; nothing of it is asserted."""
    figures = config.stash[FIGURES]
    if figures:
        terminalreporter.section("live figures")
        for line in figures.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def needs() -> Needs:
    """What the tier runs on; without it everything here is skipped."""
    try:
        return find()
    except Missing as missing:
        pytest.skip(f"live tier: {missing}")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A private authority, which nothing but the tests' stacks trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """Where to put what was measured."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(autouse=True)
def _recorded(figures: Figures, request: pytest.FixtureRequest) -> Iterator[None]:
    """What was measured since the last test goes into the report of this one."""
    yield
    # Not by `record_property`: it warns, in every test, of a schema of reports that nobody reads.
    request.node.user_properties.extend(figures.taken())
