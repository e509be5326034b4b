"""Where charts come from, and what is refused before anything is registered."""

import hashlib
from pathlib import Path

import pytest

import charts
import config
from config import StackConfig

CHART = charts.TEMPO_DISTRIBUTED


def stack(directory: Path | None, digests: dict[str, str] | None = None) -> StackConfig:
    source = {} if directory is None else {"directory": str(directory), "digests": digests or {}}
    return config.parse({"tracing:charts": source}, stack="dev", secret_keys=set())


def archive(directory: Path, content: bytes = b"a chart") -> str:
    (directory / CHART.archive_name).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_by_default_a_chart_comes_from_its_repository_in_the_pinned_version() -> None:
    ref = charts.locate(stack(None))["tempo"]
    assert (ref.chart, ref.version, ref.repository) == (
        "tempo-distributed",
        CHART.version,
        CHART.repository,
    )


def test_an_archive_with_the_digest_asked_for_is_used(tmp_path: Path) -> None:
    digest = archive(tmp_path)
    ref = charts.locate(stack(tmp_path, {CHART.archive_name: digest}))["tempo"]
    assert ref.chart.endswith(CHART.archive_name)
    assert ref.repository is None


def test_an_archive_in_the_project_is_named_alike_on_every_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("charts").mkdir()
    digest = archive(Path("charts"))
    ref = charts.locate(stack(Path("charts"), {CHART.archive_name: digest}))["tempo"]
    assert ref.chart == f"./charts/{CHART.archive_name}"


def test_a_missing_archive_is_refused_with_the_command_that_brings_it(tmp_path: Path) -> None:
    with pytest.raises(charts.ChartError, match=r"(?s)is missing.*make charts"):
        charts.locate(stack(tmp_path))


def test_another_archive_than_the_pinned_one_is_refused_with_both_digests(tmp_path: Path) -> None:
    actual = archive(tmp_path)
    with pytest.raises(charts.ChartError, match="nothing was changed") as refused:
        charts.locate(stack(tmp_path))
    assert actual in str(refused.value)
    assert str(CHART.sha256) in str(refused.value)


def test_an_archive_without_a_known_digest_is_refused_with_the_line_to_write(
    tmp_path: Path,
) -> None:
    content = b"traefik"
    (tmp_path / charts.TRAEFIK.archive_name).write_bytes(content)
    digest = archive(tmp_path)
    raw = {
        "tracing:charts": {"directory": str(tmp_path), "digests": {CHART.archive_name: digest}},
        "tracing:traefik": {},
    }
    with pytest.raises(charts.ChartError) as refused:
        charts.locate(config.parse(raw, stack="dev", secret_keys=set()))
    line = f"{charts.TRAEFIK.archive_name}: {hashlib.sha256(content).hexdigest()}"
    assert line in str(refused.value)


def test_all_archives_that_are_wrong_are_named_at_once(tmp_path: Path) -> None:
    raw = {"tracing:charts": {"directory": str(tmp_path)}, "tracing:collector": {}}
    with pytest.raises(charts.ChartError) as refused:
        charts.locate(config.parse(raw, stack="dev", secret_keys=set()))
    assert CHART.archive_name in str(refused.value)
    assert charts.OPENTELEMETRY_COLLECTOR.archive_name in str(refused.value)


def test_a_harness_version_of_ones_own_is_what_is_installed() -> None:
    raw = {
        "tracing:harness": {"install": "release", "chartVersion": "0.39.0"},
        "tracing:kubernetes": {"existingNamespaces": ["harness"]},
    }
    refs = charts.locate(config.parse(raw, stack="dev", secret_keys=set()))
    assert refs["harness"].version == "0.39.0"
