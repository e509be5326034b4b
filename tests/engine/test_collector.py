"""Another shape of the collector on a live stack: shown as what it is, at the same address."""

from typing import Any

import pytest

from tests.engine.conftest import BoxOf


def with_second_tier(op: str) -> dict[str, str]:
    """What changes as the second tier comes or goes; who may send to Tempo with it."""
    return {
        "collector-release": "update",
        "collector-gateway-release": op,
        "network-policies-collector": "update",
        "network-policies-collector-gateway": op,
        "network-policies-tempo-distributor": "update",
    }


TAIL = {"type": "tail", "tracesPerSecond": 100, "policies": [{"type": "errors"}]}

COMPONENTS = {"collector", "namespaces", "network-policies"}

SWITCHES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = {
    "a tier behind agents is added": (
        {},
        {"mode": "agent-gateway"},
        with_second_tier("create"),
    ),
    "and removed again, and nothing else": (
        {"mode": "agent-gateway"},
        {},
        with_second_tier("delete"),
    ),
    "tail sampling of several pods brings one": (
        {"replicas": 2},
        {"replicas": 2, "sampling": TAIL},
        with_second_tier("create"),
    ),
    "tail sampling of one pod is that pod's": (
        {},
        {"sampling": TAIL},
        {"collector-release": "update"},
    ),
    "from replicas to one on each node, in place": (
        {"replicas": 2},
        {"mode": "daemonset"},
        {"collector-release": "update"},
    ),
}


@pytest.mark.parametrize("case", SWITCHES)
def test_another_shape_shows_as_what_it_is_and_senders_keep_their_address(
    box_of: BoxOf, case: str
) -> None:
    before, after, expected = SWITCHES[case]
    box = box_of("dev")
    box.set_config("tracing:collector", before)
    box.up()
    box.set_config("tracing:collector", after)
    preview = box.preview()
    assert {s.name: s.op for s in preview.changed() if s.name not in COMPONENTS} == expected
    box.up()
    assert box.preview().changes == {}
