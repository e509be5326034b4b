"""The charts: archives and digests, or whether their repositories answer."""

from __future__ import annotations

import shlex
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import charts
from ops.checks.finding import Check, Finding
from ops.checks.subject import Subject

SECONDS: Final = 8


def _check(subject: Subject) -> list[Finding]:
    settings = subject.settings
    if settings.charts.directory is not None:
        download = shlex.join(["make", "charts", f"DIRECTORY={settings.charts.directory}"])
        try:
            charts.locate(settings)
        except charts.ChartError as error:
            lines = str(error).splitlines()
            return [
                Finding(
                    level="error",
                    what=line.strip(),
                    why="the program refuses a chart that is not the pinned one",
                    command=download,
                )
                for line in lines[1:-1]
            ]
        return []
    used = charts.used_by(settings).values()
    repositories = sorted({chart.repository for chart in used})
    with ThreadPoolExecutor(max_workers=len(repositories) or 1) as workers:
        answers = dict(zip(repositories, workers.map(_problem, repositories), strict=True))
    return [
        Finding(
            level="warning",
            what=f"{repository} does not answer: {problem}",
            why="a preview or an update downloads "
            + ", ".join(chart.name for chart in used if chart.repository == repository),
            command="make charts DIRECTORY=charts"
            "  # where there is internet; then tracing:charts.directory: charts",
        )
        for repository, problem in answers.items()
        if problem
    ]


def _problem(repository: str) -> str:
    request = urllib.request.Request(f"{repository}/index.yaml", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):
            return ""
    except (urllib.error.URLError, OSError) as error:
        return str(getattr(error, "reason", None) or error)


CHECK: Final = Check(name="charts", run=_check)
