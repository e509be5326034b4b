"""What can go wrong with a platform, done on purpose, and put right again."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.live.platform import PODS_SECONDS, Platform
from tests.live.waiting import until

RESULTS: Final = "TRACING_FAULTS_RESULTS"

COMMAND: Final = (
    "TRACING_LIVE_CONTEXT=... TRACING_FAULTS=... "
    f"{RESULTS}=docs/reliability/cluster.json "
    ".venv/bin/python -m pytest -n0 tests/live/test_faults*.py"
)
PART: Final[dict[str, Any]] = {
    "title": "On a cluster",
    "about": (
        "The dev stack on a real Kubernetes of one node, with real Helm, MinIO, Tempo and "
        "collector. Spans are counted by their ids, after everything has been put right."
    ),
    "figures": [],
}
"""What docs/reliability.md says of the figures, in the form of the files in docs/reliability/."""


@contextmanager
def scaled_to_0(platform: Platform, namespace: str, workload: str) -> Iterator[None]:
    """A workload without pods, for a while."""
    run = partial(platform.cluster.run, f"--namespace={namespace}")
    found = json.loads(run("get", workload, "--output=json"))["spec"]
    labels = ",".join(f"{key}={value}" for key, value in found["selector"]["matchLabels"].items())
    run("scale", workload, "--replicas=0")

    def none_left() -> bool:
        return not platform.cluster.objects(
            "pods", f"--namespace={namespace}", f"--selector={labels}"
        )

    try:
        until(f"{workload} has no pods", PODS_SECONDS, none_left)
        yield
    finally:
        run("scale", workload, f"--replicas={found['replicas']}")
        until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When something happens to an update: as an operation on a resource begins, or is done."""

    resource: str
    operation: str = "create"
    done: bool = False

    def __str__(self) -> str:
        return f"{self.operation} of {self.resource} {'done' if self.done else 'begun'}"

    def is_reached(self, event: dict[str, Any]) -> bool:
        """Whether an event of the engine says so."""
        metadata = (event.get("resOutputsEvent" if self.done else "resourcePreEvent") or {}).get(
            "metadata"
        )
        return (
            metadata is not None
            and metadata["urn"].endswith(f"::{self.resource}")
            and metadata["op"] == self.operation
        )


def broken(program: Path, *arguments: str) -> None:
    """Have the program do it: `kill NAMESPACE POD`, `stop-api-server`, or `start-api-server`."""
    done = subprocess.run(
        [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"


def write_figure(name: str, figure: str) -> None:
    """Put a figure into the file that is made for docs/reliability.md, if one is wanted."""
    if not (path := os.environ.get(RESULTS)):
        return
    file = Path(path)
    result = json.loads(file.read_text("utf-8")) if file.is_file() else dict(PART)
    kept = [other for other in result["figures"] if other["name"] != name]
    today = datetime.now(UTC).date().isoformat()
    new = {"name": name, "figure": figure, "command": COMMAND, "date": today}
    result["figures"] = [*kept, new]
    file.write_text(f"{json.dumps(result, indent=2, ensure_ascii=False)}\n", "utf-8")
