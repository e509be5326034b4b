"""What refuses a promotion, each with how to go on; carried out it is in the engine tier."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import charts
from config.patches import TEMPO_PATCHED_UNTIL
from ops import UserError, chart_lock
from ops.commands import discover
from ops.promote import promote
from tests.unit.stacks import DEV, PROD, Stacks, stacks

__all__ = ["stacks"]

TODAY = date(2026, 11, 21)
AFTER_TEMPO_2_10 = date(2027, 4, 27)


@dataclass
class Backend:
    """What Pulumi's backend knows of the stacks."""

    changed: list[str] | None = field(default_factory=list)
    running: Mapping[str, Any] = field(default_factory=dict)
    silent: str = ""

    def changes(self, stack: str, file: Path) -> list[str] | None:
        if self.silent:
            raise UserError(self.silent)
        return self.changed

    def deployment(self, stack: str) -> Mapping[str, Any]:
        return self.running

    def up(self, stack: str, message: str, *, yes: bool) -> int:
        raise AssertionError("nothing is applied here")


Refused = Callable[..., str]


@pytest.fixture
def refused(stacks: Stacks, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a promotion that has to be refused: what it prints."""

    def run(
        *arguments: str,
        backend: Backend | None = None,
        smoke: int = 0,
        today: date = TODAY,
    ) -> str:
        before = stacks.text("prod")
        code = promote(parsed(*arguments), backend or Backend(), lambda stack: smoke, today)
        assert code == 1
        assert stacks.text("prod") == before
        return capsys.readouterr().out

    return run


def parsed(*arguments: str) -> argparse.Namespace:
    return discover()["promote"].parser().parse_args(["dev", "prod", *arguments])


def release(name: str, **status: str) -> dict[str, Any]:
    return {
        "type": "kubernetes:helm.sh/v3:Release",
        "urn": f"urn:pulumi:prod::tracing::kubernetes:helm.sh/v3:Release::{name}",
        "outputs": {"status": status},
        "inputs": {"values": {"image": {"tag": "0.200.0"}}},
    }


def test_a_source_that_was_never_applied_refuses(refused: Refused) -> None:
    said = refused(backend=Backend(changed=None))
    assert "dev was never applied" in said
    assert "how to go on: pulumi login" in said


def test_a_source_that_is_not_applied_as_it_stands_refuses_and_names_what_differs(
    refused: Refused,
) -> None:
    said = refused(backend=Backend(changed=[*"gfedcba"]))
    assert "an update would change a, b, c, d, e and 2 more" in said
    assert "how to go on: make up STACK=dev" in said


def test_a_backend_that_does_not_answer_refuses_with_what_it_says(refused: Refused) -> None:
    said = refused(backend=Backend(silent="error: incorrect passphrase"))
    assert "error: incorrect passphrase" in said
    assert "PULUMI_CONFIG_PASSPHRASE" in said


def test_a_collector_that_would_go_back_refuses(refused: Refused, stacks: Stacks) -> None:
    stacks.write(dev=DEV.replace("0.158.0", "0.99.0"))
    said = refused()
    # As versions, not as texts.
    assert "the collector would go back: dev has 0.99.0, prod 0.150.0" in said
    assert "how to go on: bring dev to 0.150.0 or newer" in said


def test_a_chart_or_a_tempo_that_would_go_back_refuses(refused: Refused, stacks: Stacks) -> None:
    stacks.write(
        dev=DEV + "  tracing:harness: {chartVersion: 0.30.0}\n",
        prod=PROD.replace("blockRetention", "profile: monolithic\n    blockRetention")
        + "  tracing:harness: {chartVersion: 0.40.0}\n",
    )
    said = refused()
    assert "chart harness would go back: dev has 0.30.0, prod 0.40.0" in said
    assert "Tempo would go back: dev has 2.10.7, prod 2.10.8" in said


def test_versions_that_are_newer_in_the_cluster_than_in_this_checkout_refuse(
    refused: Refused,
) -> None:
    running = [
        release("tempo-release", chart="tempo-distributed", version="2.99.0", appVersion="2.11.1"),
        release("collector-release", chart="opentelemetry-collector", version="0.1.0"),
    ]
    said = refused(backend=Backend(running={"resources": running}))
    assert "chart tempo-distributed would go back: prod runs 2.99.0, and this checkout" in said
    assert "Tempo would go back: prod runs 2.11.1" in said
    assert "the collector would go back: prod runs 0.200.0" in said
    assert "chart opentelemetry-collector" not in said
    assert "check out the revision that prod was applied from" in said


def test_a_tempo_past_its_end_of_patches_refuses_from_the_day_after(refused: Refused) -> None:
    said = refused(today=AFTER_TEMPO_2_10)
    assert "Tempo 2.10.7 is past its end of patches, 2027-04-26" in said
    assert "--accept-unpatched REASON" in said
    # The last day itself is one with patches: then only the smoke test refuses here.
    assert "past its end" not in refused(today=date(2027, 4, 26), smoke=1)


def test_a_tempo_that_nobody_has_a_date_of_refuses(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.promote.TEMPO_PATCHED_UNTIL", {})
    assert "nobody has written down until when Tempo 2.10 is patched" in refused()


def test_an_unpatched_tempo_can_be_accepted_with_a_reason(refused: Refused) -> None:
    said = refused("--accept-unpatched", "3.0 next week", today=AFTER_TEMPO_2_10, smoke=1)
    assert "past its end of patches" not in said
    assert "smoke test" in said


@pytest.mark.parametrize("status", [1, 2])
def test_a_smoke_test_that_fails_or_cannot_begin_refuses(refused: Refused, status: int) -> None:
    said = refused(smoke=status)
    assert "the smoke test of dev failed" in said
    assert "--skip-smoke REASON" in said


def test_all_refusals_are_told_at_once_and_the_smoke_test_is_not_run_then(
    refused: Refused, stacks: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks.write(dev=DEV.replace("0.158.0", "0.99.0"))
    said = refused(backend=Backend(changed=["x"]), today=AFTER_TEMPO_2_10, smoke=1)
    assert said.count("how to go on: ") == 3
    assert "Smoke test" not in said


def test_a_secret_that_the_target_lacks_refuses_to_apply(refused: Refused, stacks: Stacks) -> None:
    stacks.write(prod=PROD + "  tracing:grafana: {url: 'https://grafana'}\n")
    said = refused("--apply", "--yes")
    assert "prod can't be applied: tracing:grafanaAuth is missing" in said
    assert "pulumi config set --stack prod --secret tracing:grafanaAuth" in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--dry-run", "--apply", "--yes"], "--dry-run changes nothing and --apply does"),
        (["--yes"], "--yes answers what --apply asks"),
        (["--apply"], "nobody can answer here; write --yes"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(
    stacks: Stacks, arguments: list[str], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        promote(parsed(*arguments), Backend(), lambda stack: 0, TODAY)


@pytest.mark.parametrize("reason", ["", "  ", "a\nb"])
def test_a_reason_is_one_line(reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--skip-smoke", reason)
    assert "write why, in one line" in capsys.readouterr().err


def test_nothing_to_promote_is_no_refusal(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.write(prod=PROD.replace("0.150.0", "0.158.0"))
    assert promote(parsed(), Backend(changed=None), lambda stack: 1, TODAY) == 0
    assert "prod has all that dev promotes" in capsys.readouterr().out


def test_a_stack_is_not_promoted_to_itself(stacks: Stacks) -> None:
    arguments = discover()["promote"].parser().parse_args(["dev", "dev"])
    with pytest.raises(UserError, match="dev can't be promoted to itself"):
        promote(arguments, Backend(), lambda stack: 0, TODAY)


def test_until_when_every_pinned_tempo_is_patched_is_written_down() -> None:
    for chart in (charts.TEMPO, charts.TEMPO_DISTRIBUTED, charts.TEMPO_DISTRIBUTED_3):
        version = chart_lock.load(chart.name, chart.version).app_version or ""
        major, minor, _ = version.split(".")
        assert (int(major), int(minor)) in TEMPO_PATCHED_UNTIL
