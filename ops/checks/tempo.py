"""Tempo: what runs and has written blocks, against the version that the stack asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import charts
from ops.chart_lock import load
from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from ops.hops.cluster import KubectlError
from ops.hops.target import INSTANCE

VERSION: Final = "app.kubernetes.io/version"

PATCHED_UNTIL: Final = {(2, 10): date(2027, 4, 26)}
"""The last day of patches by Tempo's minor version (Tempo's release notes of 2.10)."""
BEFOREHAND: Final = timedelta(days=90)


def asked_version(subject: Subject) -> str:
    """The version of Tempo that the stack's chart installs."""
    chart = charts.used_by(subject.settings)["tempo"]
    return (load(chart.name, chart.version).app_version or "").removeprefix("v")


def _format(subject: Subject) -> list[Finding]:
    tempo = subject.settings.tempo
    try:
        text = subject.kubectl.ask(
            "get",
            "deployments,statefulsets",
            f"--selector={INSTANCE}={tempo.release_name}",
            "--output=json",
            namespace=tempo.namespace,
        )
    except KubectlError as error:
        raise Skipped(str(error)) from None
    labels = [item["metadata"].get("labels") or {} for item in json.loads(text)["items"]]
    running = sorted({_numbers(each[VERSION]) for each in labels if VERSION in each})
    if not running:
        raise Skipped("no Tempo runs there yet")
    return against(running, _numbers(asked_version(subject)), subject.stack)


def against(
    running: Sequence[tuple[int, ...]], asked: tuple[int, ...], stack: str
) -> list[Finding]:
    """What stands between the versions that run and the one that is asked for."""
    newest = running[-1]
    if newest[0] > asked[0]:
        return [
            Finding(
                level="error",
                what=f"Tempo {_text(newest)} runs, and the stack asks for {_text(asked)}",
                why=f"there is no way back from Tempo {newest[0]}: Tempo {asked[0]} does not read"
                " the blocks that it has written",
                command=f"$EDITOR Pulumi.{stack}.yaml  # tracing:tempo.profile: distributed-3",
            )
        ]
    if newest > asked:
        return [
            Finding(
                level="warning",
                what=f"Tempo {_text(newest)} runs, and the stack asks for {_text(asked)}",
                why="an older version may not read what the newer one has written",
                command=f"make preview STACK={stack}",
            )
        ]
    if running[0][0] < asked[0]:
        return [
            Finding(
                level="warning",
                what=f"Tempo {_text(running[0])} runs, and the stack asks for {_text(asked)}",
                why="what its ingesters have not flushed is not read by the new version, and there"
                " is no way back",
                command="curl -X POST http://127.0.0.1:3200/flush"
                "  # each ingester, forwarded: docs/tempo.md, From Tempo 2 to Tempo 3",
            )
        ]
    return []


def _numbers(version: str) -> tuple[int, ...]:
    digits = version.removeprefix("v").partition("-")[0].split(".")
    return tuple(int(part) for part in digits if part.isdigit())


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _patches(subject: Subject) -> list[Finding]:
    return patches(asked_version(subject), date.today())


def patches(version: str, today: date) -> list[Finding]:
    """Whether a version of Tempo still gets patches for a while."""
    end = PATCHED_UNTIL.get(_numbers(version)[:2])  # type: ignore[arg-type]
    if end is None or today + BEFOREHAND < end:
        return []
    ended = today > end
    return [
        Finding(
            level="warning",
            what=f"Tempo {version} {'has had' if ended else 'gets'} no patches after {end}",
            why="what is found in it from then on stays in it",
            command="$EDITOR charts.py  # docs/operations.md, Upgrade a chart",
        )
    ]


CHECKS: Final = (
    Check(name="Tempo's data", run=_format),
    Check(name="end of patches", run=_patches),
)
