"""What the program makes besides Helm releases, as a real API server judges it: nothing is applied.

Objects of an operator's kind (cert-manager, External Secrets, Prometheus, Strimzi) are judged where
the cluster knows the kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ops.registrations import RELEASE, Recorded, clear, record
from ops.stack_files import STACK_FILES, placeholders, recorded
from tests.live.judge import Judge, group_of
from tests.live.needs import Needs

OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "cert-manager": (
        "cert-manager.io",
        {
            "tracing:tls": {
                "caFile": "examples/private-ca/ca.pem",
                "issuer": {"name": "tracing", "kind": "ClusterIssuer"},
            },
            "tracing:objectStore": {"replicas": 4, "tls": {}},
            "tracing:tempo": {"gateway": {}, "tls": {"clientCertificates": True}},
            "tracing:collector": {"tls": {}},
            "tracing:traefik": {"metricsTls": {}},
        },
    ),
    "External Secrets": (
        "external-secrets.io",
        {
            "tracing:objectStore": {
                "type": "s3",
                "endpoint": "s3.eu-central-1.amazonaws.com",
                "region": "eu-central-1",
                "bucket": "traces",
                "externalSecret": {
                    "store": "vault",
                    "accessKey": {"key": "tempo", "property": "access"},
                    "secretKey": {"key": "tempo", "property": "secret"},
                },
            },
        },
    ),
    "the Prometheus operator": (
        "monitoring.coreos.com",
        {
            "tracing:prometheus": {"operator": {"labels": {"release": "monitoring"}}},
            "tracing:tls": {"caFile": "examples/private-ca/ca.pem"},
            "tracing:collector": {},
            "tracing:traefik": {"metricsTls": {"secretName": "traefik-metrics"}},
        },
    ),
    "Strimzi": (
        "kafka.strimzi.io",
        {
            "tracing:kafka": {},
            "tracing:tempo": {"profile": "distributed-3", "acknowledgeNoDowngrade": True},
        },
    ),
}
"""By operator: the group of its kinds, and what has to be set for the program to make some."""


@pytest.fixture(scope="module")
def judge(needs: Needs) -> Judge:
    return Judge(needs.context)


def manifests(run: Recorded) -> list[dict[str, Any]]:
    """The program's own objects."""
    return [
        clear(resource.inputs)
        for resource in run.resources
        if "apiVersion" in resource.inputs and resource.type != RELEASE
    ]


def kinds(documents: list[dict[str, Any]]) -> Iterator[str]:
    for document in documents:
        yield f"{document['apiVersion']}/{document['kind']}"


@pytest.mark.parametrize("stack", STACK_FILES)
def test_every_object_of_a_stack_is_accepted(judge: Judge, stack: str) -> None:
    made = judge.known(manifests(recorded(stack)))
    assert "networking.k8s.io/v1/NetworkPolicy" in kinds(made)
    assert judge.complaints(made) == ""


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_object_for_an_operator_is_accepted(judge: Judge, operator: str) -> None:
    group, settings = OPERATORS[operator]
    if not judge.knows(group):
        pytest.skip(f"the cluster of this run knows no {group}")
    run = record("dev", settings, placeholders(settings))
    made = judge.known(manifests(run))
    assert group in {group_of(each) for each in made}
    assert judge.complaints(made) == ""


def test_a_field_that_a_kind_does_not_know_is_complained_about(judge: Judge) -> None:
    [policy, *_] = [each for each in manifests(recorded("dev")) if each["kind"] == "NetworkPolicy"]
    policy["spec"]["ingres"] = []
    assert 'unknown field "ingres"' in judge.complaints([policy])
