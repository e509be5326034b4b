"""Spans on their way while parts of the platform go away, on a real cluster: what was acknowledged
is there in the end.

Tempo has three ingesters and writes each span to all of them (`replicationFactor: 3`, as in prod):
of one ingester that is killed, what it had in memory is on the other two.

Only when asked for: TRACING_FAULTS names a program that breaks the cluster (docs/development.md).

    TRACING_LIVE_CONTEXT=... TRACING_FAULTS=... \\
        .venv/bin/python -m pytest -n0 tests/live/test_faults_under_load.py

The store is away for five minutes; TRACING_FAULTS_OUTAGE_SECONDS is another time.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from components.tempo import QUERY_PORT
from config import MinioConfig
from tests.live.cluster import Address
from tests.live.faults import broken, scaled_to_0, write_figure
from tests.live.figures import Figures
from tests.live.needs import STACK, Needs
from tests.live.otelcol import Sender
from tests.live.platform import PODS_SECONDS, Platform, applied, small_store
from tests.live.traces import TOGETHER, Load, load, span_ids, span_ids_in_blocks
from tests.live.waiting import until

NAMES = f"tracing-live-{secrets.token_hex(4)}"
SPANS: Final = 100_000
SPANS_IN_OUTAGE: Final = 20_000
LOAD_SECONDS: Final = 300
FLUSH_AGAIN_SECONDS: Final = 60
FOUND_SECONDS: Final = 900
"""Queriers look for new blocks every five minutes."""
OUTAGE_SECONDS: Final = float(os.environ.get("TRACING_FAULTS_OUTAGE_SECONDS") or 300)


@pytest.fixture(scope="module")
def platform(
    needs: Needs, breaker: Path, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The dev stack with three ingesters, applied and ready."""
    changes: dict[str, Any] = {
        "deleteData": True,
        "traefik": None,
        "objectStore": small_store(NAMES) | {"volumeSize": "2Gi"},
        "collector": {"namespace": f"{NAMES}-collector"},
        "tempo": {
            "namespace": NAMES,
            "memcached": False,
            "ingester": {"replicas": 3, "replicationFactor": 3},
        },
    }
    with applied(needs, figures, tmp_path_factory.mktemp("load"), STACK, changes) as platform:
        until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)
        yield platform


def lost(
    platform: Platform,
    acknowledged: set[bytes],
    requests: Load,
    asked: Address,
    spans_of: Callable[[str, str], set[bytes]],
) -> int:
    """How many of the acknowledged spans are nowhere, once the ingesters wrote what they hold.

    What only one ingester holds may not be found before: Tempo is content with the answers of two,
    and of the two that took a span (the third write is broken off) one may have been killed.
    """
    missing, found = {*requests}, set[bytes]()
    flushed = -math.inf

    def all_found() -> bool:
        nonlocal flushed
        if time.monotonic() - flushed >= FLUSH_AGAIN_SECONDS:
            # And again, for what the collector had in its queue the last time.
            platform.flush()
            flushed = time.monotonic()
        for trace_id in sorted(missing):
            try:
                spans = spans_of(tempo, trace_id)
            except OSError as error:
                # The forward to a pod that has just been restarted.
                raise AssertionError(str(error)) from None
            found.update(spans)
            if len(spans) == TOGETHER:
                missing.remove(trace_id)
        assert not missing, f"{len(missing)} of {len(requests)} traces are not whole"
        return True

    with (
        platform.cluster.kept_forward(asked) as tempo,
        contextlib.suppress(AssertionError),
    ):
        until("every trace is whole", FOUND_SECONDS, all_found)
    return len(acknowledged - found)


def test_no_acknowledged_span_is_lost_when_collector_and_an_ingester_are_killed(
    platform: Platform, breaker: Path, figures: Figures
) -> None:
    collector, tempo = platform.stack.collector, platform.stack.tempo
    assert collector is not None
    requests = load(SPANS)
    with (
        figures.timed("load: all spans acknowledged"),
        platform.cluster.kept_forward(platform.at("otlpGrpcEndpoint")) as receiver,
        Sender(receiver, requests.values()) as sender,
    ):

        def part(share: float) -> bool:
            return len(sender.acknowledged) >= share * SPANS

        until("a third is acknowledged", LOAD_SECONDS, partial(part, 1 / 3))
        broken(breaker, "kill", collector.namespace, f"{collector.release_name}-0")
        until("two thirds are", LOAD_SECONDS, partial(part, 2 / 3))
        broken(breaker, "kill", tempo.namespace, f"{tempo.release_name}-ingester-1")
        sender.wait()
    assert len(sender.acknowledged) == SPANS
    figures.add("load: refusals, and sent again", len(sender.refusals), "requests")
    until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)
    with figures.timed("load: all spans found"):
        query = platform.at("tempoUrl")
        missing = lost(platform, sender.acknowledged, requests, query, span_ids)
    write_figure(
        "the collector and one of three ingesters killed (SIGKILL) under load: acknowledged spans "
        "lost",
        f"{missing} of {len(sender.acknowledged):,}",
    )
    assert missing == 0


def test_no_acknowledged_span_is_lost_while_the_store_is_away(
    platform: Platform, figures: Figures
) -> None:
    store, tempo = platform.stack.object_store, platform.stack.tempo
    assert isinstance(store, MinioConfig)
    requests = load(SPANS_IN_OUTAGE)
    acknowledged: set[bytes] = set()
    with platform.cluster.kept_forward(platform.at("otlpGrpcEndpoint")) as receiver:
        with scaled_to_0(platform, store.namespace, f"statefulset/{store.name}"):
            ends = time.monotonic() + OUTAGE_SECONDS
            # Spread over the time that it is away; twice the ingesters are told to write meanwhile.
            parts = [[*requests.values()][start::20] for start in range(20)]
            for number, some in enumerate(parts):
                with Sender(receiver, some) as sender:
                    sender.wait()
                acknowledged |= sender.acknowledged
                if number in (5, 15):
                    platform.flush()
                time.sleep(max(0, (ends - time.monotonic()) / (len(parts) - number)))
        figures.add("the store was away", OUTAGE_SECONDS)
    assert len(acknowledged) == SPANS_IN_OUTAGE
    with figures.timed("the store back: all spans in blocks"):
        querier = Address(f"{tempo.release_name}-querier", tempo.namespace, QUERY_PORT)
        missing = lost(platform, acknowledged, requests, querier, span_ids_in_blocks)
    write_figure(
        f"the store stopped for {OUTAGE_SECONDS:g} s under load: acknowledged spans that are in no "
        "block afterwards",
        f"{missing} of {len(acknowledged):,}",
    )
    assert missing == 0
