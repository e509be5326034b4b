"""Secrets that the External Secrets operator brings."""

from __future__ import annotations

from typing import Any

import pytest

import config
from ops.registrations import Recorded, record

KEYS = {
    "accessKey": {"key": "tracing/s3", "property": "id"},
    "secretKey": {"key": "tracing/s3-key"},
}
STORE = {"type": "s3", "endpoint": "s3.example.com"}
S3 = {"tracing:objectStore": {**STORE, "externalSecret": {"store": "vault", **KEYS}}}
KAFKA = {
    "tracing:tempo": {
        "profile": "distributed-3",
        "acknowledgeNoDowngrade": True,
        "kafka": {
            "address": "kafka:9092",
            "sasl": {
                "secretName": "login",
                "externalSecret": {
                    "store": "vault",
                    "storeKind": "SecretStore",
                    "username": {"key": "kafka", "property": "user"},
                    "password": {"key": "kafka", "property": "password"},
                },
            },
        },
    }
}


def test_the_stores_keys_are_brought_under_the_names_that_tempo_reads() -> None:
    run = record("dev", S3, {})
    brought = run.one("store-access").inputs
    assert (brought["kind"], brought["metadata"]["namespace"]) == ("ExternalSecret", "tempo")
    assert brought["spec"]["secretStoreRef"] == {"name": "vault", "kind": "ClusterSecretStore"}
    assert brought["spec"]["target"]["name"] == "tempo-minio-secret"
    assert brought["spec"]["data"] == [
        {
            "secretKey": "MINIO_ACCESS_KEY_ID",
            "remoteRef": {"key": "tracing/s3", "property": "id"},
        },
        {"secretKey": "MINIO_SECRET_ACCESS_KEY", "remoteRef": {"key": "tracing/s3-key"}},
    ]
    [source] = run.helm_values()["tempo"]["ingester"]["extraEnvFrom"]
    assert source == {"secretRef": {"name": "tempo-minio-secret"}}


def test_no_secret_of_the_stack_is_needed_or_taken_beside_it() -> None:
    stack = config.parse(S3, stack="dev", secret_keys=set())
    assert config.required_secrets(S3) == []
    with pytest.raises(config.ConfigError, match="objectStoreAccessKey: is not used"):
        config.parse(
            S3 | {"tracing:objectStoreAccessKey": "x"},
            stack="dev",
            secret_keys={"tracing:objectStoreAccessKey"},
        )
    assert stack.object_store.type == "s3"


def test_raising_the_version_restarts_what_reads_the_secret() -> None:
    def annotations(version: int) -> Any:
        raw = {
            "tracing:objectStore": S3["tracing:objectStore"]
            | {"externalSecret": {"store": "vault", **KEYS, "version": version}}
        }
        values = record("dev", raw, {}).helm_values()["tempo"]
        return values["ingester"]["podAnnotations"]

    assert annotations(1) != annotations(2)


def test_kafkas_login_is_brought_before_tempo_starts() -> None:
    run = record("dev", KAFKA, {})
    brought = run.one("tempo-kafka-login").inputs
    assert brought["spec"]["target"]["name"] == "login"
    assert [item["secretKey"] for item in brought["spec"]["data"]] == ["username", "password"]
    environment = run.helm_values()["tempo"]["distributor"]["extraEnv"]
    assert {"name": "KAFKA_LOGIN_VERSION", "value": "1"} in environment


def users(version: int) -> Recorded:
    brought = {"store": "vault", "version": version, "htpasswd": {"key": "tracing/users"}}
    authentication = {"type": "basic", "secretName": "readers", "users": {"ann": "shop"}}
    raw = {
        "tracing:tenancy": {
            "default": "platform",
            "tenants": {"shop": []},
            "authentication": authentication | {"externalSecret": brought},
        },
        "tracing:tempo": {"gateway": {}},
        "tracing:collector": {},
    }
    return record("dev", raw, {})


def test_the_gateways_users_are_brought_before_tempo_starts() -> None:
    run = users(1)
    brought = run.one("tempo-gateway-users").inputs
    assert brought["metadata"]["namespace"] == "tempo"
    assert brought["spec"]["target"]["name"] == "readers"
    assert brought["spec"]["data"] == [
        {"secretKey": ".htpasswd", "remoteRef": {"key": "tracing/users"}}
    ]
    assert "tempo-gateway-users" in run.one("tempo-release").depends_on
    gateway = run.helm_values()["tempo"]["gateway"]
    assert gateway["basicAuth"]["existingSecret"] == "readers"
    later = users(2).helm_values()["tempo"]["gateway"]
    assert gateway["podAnnotations"] != later["podAnnotations"]


@pytest.mark.parametrize(
    ("settings", "key", "remedy"),
    [
        ({"store": "vault", "accessKey": {"key": "x"}}, "secretKey", "missing"),
        ({"store": "vault", **KEYS, "storeKind": "Vault"}, "storeKind", "one of"),
        ({**KEYS}, "store", "missing"),
        ({"store": "vault", **KEYS, "accessKey": {}}, "accessKey.key", "missing"),
    ],
)
def test_a_reference_without_what_it_needs_is_refused(
    settings: dict[str, Any], key: str, remedy: str
) -> None:
    with pytest.raises(config.ConfigError) as error:
        config.parse(
            {"tracing:objectStore": {**STORE, "externalSecret": settings}},
            stack="dev",
            secret_keys=set(),
        )
    messages = {finding.path: finding.message for finding in error.value.findings}
    assert remedy in messages[f"tracing:objectStore.externalSecret.{key}"]
