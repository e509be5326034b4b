"""What the live tier shares: its needs, or the reason to skip it, and the figures it measured."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.live.closed import issuing
from tests.live.figures import Figures
from tests.live.needs import (
    Missing,
    Needs,
    find,
    find_breaker,
    find_browser,
    find_cert_manager,
    find_charts,
    find_kafka_image,
    find_otelcol,
    find_tempo,
)

FIGURES = pytest.StashKey[Figures]()
FINDERS: dict[str, Callable[[], object]] = {
    "needs": find,
    "breaker": find_breaker,
    "cert_manager": find_cert_manager,
    "charts": find_charts,
    "browser": find_browser,
    "kafka_image": find_kafka_image,
    "otelcol": find_otelcol,
    "tempo_program": find_tempo,
}
"""What finds that which a fixture is about."""


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what can't run here by a mark: pytest then says why once a file, not once a test."""
    for fixture, find_it in FINDERS.items():
        using = [item for item in items if fixture in getattr(item, "fixturenames", ())]
        try:
            if using:
                find_it()
        except Missing as missing:
            for item in using:
                item.add_marker(pytest.mark.skip(reason=str(missing)))


@pytest.fixture(scope="session")
def needs() -> Needs:
    """What the tier runs on; without it what uses it is skipped."""
    return find()


@pytest.fixture(scope="session")
def breaker() -> Path:
    """A program that breaks the cluster; without it what needs that is skipped."""
    return find_breaker()


@pytest.fixture(scope="session")
def cert_manager() -> str:
    """Where cert-manager keeps what its ClusterIssuers need; without it what asks it is skipped."""
    return find_cert_manager()


@pytest.fixture(scope="module")
def issuer(needs: Needs, cert_manager: str, authority: trustme.CA) -> Iterator[str]:
    """A ClusterIssuer of the private authority; its name is good for namespaces as well."""
    with issuing(needs, cert_manager, f"tracing-live-{secrets.token_hex(4)}", authority) as name:
        yield name


@pytest.fixture(scope="session")
def charts() -> Path:
    """Where the archives of the charts are that `helm` renders; without both it is skipped."""
    return find_charts()


@pytest.fixture(scope="session")
def kafka_image() -> str:
    """An image of Apache Kafka; without it what starts one is skipped."""
    return find_kafka_image()


@pytest.fixture(scope="session")
def otelcol() -> Path:
    """The collector's program; without it what runs it is skipped."""
    return find_otelcol()


@pytest.fixture(scope="session")
def tempo_program() -> Path:
    """Tempo's program; without it what runs it is skipped."""
    return find_tempo()


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
