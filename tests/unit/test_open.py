"""The one key of a stack that opens what is closed by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import config
from config.hops import insecure_hops
from ops.images import images
from ops.registrations import Recorded, record

WHY = "a cluster of its own, with synthetic traces only"
CLOSED: dict[str, Any] = {
    "tracing:kubernetes": {"context": "prod"},
    "tracing:collector": {"mode": "agent-gateway"},
    "tracing:traefik": {},
    "tracing:objectStore": {"replicas": 4},
}
OPEN = CLOSED | {"tracing:open": WHY}


def refused(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(config.ConfigError) as error:
        config.parse(raw, stack="prod", secret_keys=set())
    return [finding.path for finding in error.value.findings]


def policies(run: Recorded) -> list[str]:
    return [r.name for r in run.resources if r.inputs.get("kind") == "NetworkPolicy"]


def test_it_stands_for_every_reason_that_a_closed_stack_is_asked_for() -> None:
    asked = refused(CLOSED)
    for key in (
        "tracing:allowInsecure.collector-to-tempo",
        "tracing:allowTags.tempo.image",
        "tracing:traefik.routeNamespaces",
    ):
        assert key in asked
    stack = config.parse(OPEN, stack="prod", secret_keys=set())
    assert set(insecure_hops(stack).values()) == {WHY}


def test_there_are_no_network_policies_then_unless_they_are_asked_for() -> None:
    for stack, raw in (("prod", OPEN), ("dev", {"tracing:open": WHY})):
        assert policies(record(stack, raw, {})) == []
        asked = {**raw, "tracing:networkPolicies": {"enabled": True}}
        assert policies(record(stack, asked, {})) != []


def test_what_a_closed_stack_says_may_stay_beside_it_and_its_own_reasons_are_shown() -> None:
    said: dict[str, Any] = {
        "tracing:allowInsecure": {"all": "a mesh", "grafana-to-tempo": "the same node"},
        "tracing:allowTags": {"all": "a mirror"},
        "tracing:traefik": {"acknowledgeSecrets": True},
        "tracing:networkPolicies": {"senders": {"namespaces": ["shop"]}},
        "tracing:grafana": {"mode": "sidecar", "namespace": "grafana"},
    }
    stack = config.parse(OPEN | said, stack="prod", secret_keys=set())
    hops = insecure_hops(stack)
    assert (hops["grafana-to-tempo"], hops["collector-to-tempo"]) == ("the same node", "a mesh")
    assert policies(record("prod", OPEN | said, {})) == []
    assert policies(record("prod", CLOSED | said, {})) != []


def test_a_preview_shows_that_everything_is_open_and_why() -> None:
    assert record("prod", OPEN, {}).one("open-hops").inputs["everything"] == WHY
    allowed = {
        "tracing:allowInsecure": {"all": "a mesh"},
        "tracing:allowTags": {"all": "a mirror"},
        "tracing:traefik": {"acknowledgeSecrets": True},
    }
    assert "everything" not in record("prod", CLOSED | allowed, {}).one("open-hops").inputs


def test_it_opens_nothing_that_no_reason_opens() -> None:
    in_clear = OPEN | {"tracing:objectStore": {"replicas": 4, "ingress": {"host": "s3.example"}}}
    assert refused(in_clear) == ["tracing:objectStore.ingress.tlsSecretName"]
    assert refused({**OPEN, "tracing:kubernetes": {}}) == ["tracing:kubernetes.context"]


def test_a_reason_is_not_left_out() -> None:
    assert refused({**CLOSED, "tracing:open": ""})[-1] == "tracing:open"
    # As Pulumi gives what is written "true" or "3" at the top of a stack file.
    for given in (True, 3, {"reason": WHY}):
        with pytest.raises(config.ConfigError) as error:
            config.parse({"tracing:open": given}, stack="dev", secret_keys=set())
        [finding] = error.value.findings
        assert finding.path == "tracing:open"
        assert "write why this stack is open" in finding.message


def test_the_images_of_an_open_stack_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(yaml.safe_dump({"config": OPEN}), encoding="utf-8")
    assert images("prod", file).listed
