"""What can go wrong with a platform, done on purpose, and put right again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.live.platform import PODS_SECONDS, Platform
from tests.live.waiting import until


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
