"""Tempo's profiles: what each has, what it is told, and the same contracts from all of them."""

import json
from typing import Any, get_args

import pytest
import yaml

from config.profiles import KEYS, Profile
from config.tempo import Distributed2Config, Distributed3Config, MonolithicConfig
from ops.registrations import Recorded, record
from tests.unit.test_config import refusal

PROFILES = {
    "distributed-2": Distributed2Config,
    "distributed-3": Distributed3Config,
    "monolithic": MonolithicConfig,
}
KAFKA = {"address": "kafka.kafka:9092", "partitions": 6}
TEMPO_3 = {"profile": "distributed-3", "acknowledgeNoDowngrade": True, "kafka": KAFKA}
SETTINGS: dict[str, dict[str, Any]] = {
    "distributed-2": {},
    "distributed-3": TEMPO_3,
    "monolithic": {"profile": "monolithic"},
}


def run_of(profile: str, **more: Any) -> Recorded:
    raw = {"tracing:tempo": SETTINGS[profile] | more, "tracing:collector": {}}
    return record("dev", raw, {})


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_the_keys_that_the_table_says(profile: str) -> None:
    assert set(PROFILES) == set(get_args(Profile))
    keys = {field.alias or name for name, field in PROFILES[profile].model_fields.items()}
    for key, owners in KEYS.items():
        assert (key in keys) == (profile in owners), key


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_another_profile_is_refused_with_the_profile_that_has_it(key: str) -> None:
    owners = KEYS[key]
    other = next(profile for profile in PROFILES if profile not in owners)
    messages = refusal({"tracing:tempo": SETTINGS[other] | {key: {}}})
    message = messages[f"tracing:tempo.{key}"]
    assert f"is not part of the profile {other}" in message
    assert all(owner in message for owner in owners)


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "Tempo 3 without a word about the way back": (
        TEMPO_3 | {"acknowledgeNoDowngrade": False},
        "acknowledgeNoDowngrade",
        "no way back",
    ),
    "Tempo 3 without a Kafka": (
        {"profile": "distributed-3", "acknowledgeNoDowngrade": True},
        "kafka.address",
        "or add tracing:kafka",
    ),
    "TLS with Kafka": (
        TEMPO_3 | {"kafka": KAFKA | {"tls": True}},
        "kafka.tls",
        "before 3.1",
    ),
    "builders that can't share the partitions": (
        TEMPO_3 | {"blockBuilder": {"replicas": 4}},
        "blockBuilder.replicas",
        "write one of 1, 2, 3, 6",
    ),
    "more builders than partitions": (
        TEMPO_3 | {"blockBuilder": {"replicas": 12}},
        "blockBuilder.replicas",
        "write one of 1, 2, 3, 6",
    ),
    "a topic that Kafka would refuse": (
        TEMPO_3 | {"kafka": KAFKA | {"topic": "tempo traces"}},
        "kafka.topic",
        "does not match",
    ),
    "no partition": (TEMPO_3 | {"kafka": KAFKA | {"partitions": 0}}, "kafka.partitions", "least 1"),
    "autoscaling by a CPU that is not requested": (
        {"querier": {"autoscaling": {"maxReplicas": 4}}},
        "querier.resources.cpu",
        "write a request such as 500m",
    ),
    "autoscaling beside a number": (
        {
            "gateway": {
                "replicas": 2,
                "resources": {"cpu": "1"},
                "autoscaling": {"maxReplicas": 4},
            }
        },
        "gateway.replicas",
        "remove one of them",
    ),
    "autoscaling to fewer than the least": (
        {"distributor": {"resources": {"cpu": "1"}, "autoscaling": {"maxReplicas": 1}}},
        "distributor.autoscaling.maxReplicas",
        "less than minReplicas 2",
    ),
    "autoscaling without an end": (
        {"distributor": {"resources": {"cpu": "1"}, "autoscaling": {}}},
        "distributor.autoscaling.maxReplicas",
        "is missing",
    ),
    "a profile that is not there": ({"profile": "scalable"}, "profile", "write one of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_names_the_key_and_the_remedy(case: str) -> None:
    tempo, key, remedy = REFUSED[case]
    messages = refusal({"tracing:tempo": tempo})
    assert list(messages) == [f"tracing:tempo.{key}"]
    assert remedy in messages[f"tracing:tempo.{key}"]


ADDRESSES = {
    "distributed-2": ("tempo-distributed-distributor", "tempo-distributed-query-frontend"),
    "distributed-3": ("tempo-distributed-distributor", "tempo-distributed-query-frontend"),
    "monolithic": ("tempo", "tempo"),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_gives_the_same_contracts_with_its_own_addresses(profile: str) -> None:
    run = run_of(profile)
    ingest, query = ADDRESSES[profile]
    exporter = run.helm_values()["collector"]["alternateConfig"]["exporters"]["otlp_grpc"]
    assert exporter["endpoint"] == f"{ingest}.tempo.svc.cluster.local:4317"
    assert run.outputs["tempoUrl"] == f"http://{query}.tempo.svc.cluster.local:3200"


@pytest.mark.parametrize("profile", PROFILES)
def test_the_retention_reaches_what_deletes_blocks_and_the_bucket(profile: str) -> None:
    run = run_of(profile, blockRetention="14d")
    values = run.helm_values()["tempo"]
    deletes = {
        "distributed-2": lambda: values["compactor"]["config"]["compaction"],
        "distributed-3": lambda: values["backendScheduler"]["config"]["provider"]["compaction"][
            "compaction"
        ],
        "monolithic": lambda: yaml.safe_load(values["config"])["compactor"]["compaction"],
    }[profile]()
    assert deletes["block_retention"] == "336h"
    [rule] = run.one("store-lifecycle").inputs["rules"]
    assert rule["expiration"] == "19d"


ON_STORE = {
    "distributed-2": {"ingester", "compactor", "querier", "queryFrontend", "metricsGenerator"},
    "distributed-3": {
        "blockBuilder",
        "backendScheduler",
        "backendWorker",
        "querier",
        "queryFrontend",
    },
}
"""What asks the store before it starts."""
FROM_SECRET = [{"secretRef": {"name": "tempo-minio-secret"}}]
STORE = {
    "type": "external-minio",
    "endpoint": "store.example.com:9000",
    "caFile": "examples/private-ca/ca.pem",
}
PASSWORD = {"tracing:objectStoreRootPassword": "root-password"}


@pytest.mark.parametrize("profile", ON_STORE)
def test_the_stores_keys_and_authority_are_with_who_asks_the_store_and_with_nobody_else(
    profile: str,
) -> None:
    tempo = SETTINGS[profile] | {"metricsGenerator": LIMITED["metricsGenerator"], "gateway": {}}
    run = record("dev", {"tracing:tempo": tempo, "tracing:objectStore": STORE}, PASSWORD)
    values = run.helm_values()["tempo"]
    on_store = {name: values.pop(name) for name in ON_STORE[profile]}
    for name, part in on_store.items():
        assert part["extraEnvFrom"] == FROM_SECRET, name
        assert part["podAnnotations"].keys() == {"tracing/secret-version", "tracing/ca-version"}
        assert [mount["name"] for mount in part["extraVolumeMounts"]] == ["store-ca"], name
        assert [volume["name"] for volume in part["extraVolumes"]] == ["store-ca"], name
    assert {"distributor", "metricsGenerator", "gateway"} <= values.keys() | on_store.keys()
    # Who has no such file never opens it: all microservices have one configuration.
    assert values.pop("storage")["trace"]["s3"]["tls_ca_path"].startswith("/etc/store-ca/")
    others = json.dumps(values)
    for of_store in ("tempo-minio-secret", "store-ca", "secret-version", "ca-version"):
        assert of_store not in others


def test_a_monolithic_tempo_has_the_stores_keys_and_is_restarted_with_others() -> None:
    values = run_of("monolithic").helm_values()["tempo"]
    assert values["tempo"]["extraEnvFrom"] == FROM_SECRET
    assert values["podAnnotations"]["tracing/secret-version"]


def test_every_partition_has_a_live_store_and_a_builder() -> None:
    values = run_of("distributed-3", blockBuilder={"replicas": 3}).helm_values()["tempo"]
    assert values["liveStore"]["replicas"] == 6
    builder = values["blockBuilder"]
    assert builder["replicas"] * builder["config"]["partitions_per_instance"] == 6
    alone = run_of("distributed-3").helm_values()["tempo"]["blockBuilder"]
    assert (alone["replicas"], alone["config"]["partitions_per_instance"]) == (6, 1)


def test_a_kafka_that_others_use_is_left_as_it_is() -> None:
    kafka = run_of("distributed-3").helm_values()["tempo"]["ingest"]["kafka"]
    assert kafka["auto_create_topic_enabled"] is False


def test_who_talks_to_kafka_signs_in_from_the_secret_and_nobody_else_does() -> None:
    sasl = {"secretName": "tempo-kafka", "usernameKey": "user"}
    more = {"kafka": KAFKA | {"sasl": sasl}, "metricsGenerator": LIMITED["metricsGenerator"]}
    values = run_of("distributed-3", **more).helm_values()["tempo"]
    signing = {name for name, part in values.items() if "tempo-kafka" in json.dumps(part)}
    assert signing == {"distributor", "blockBuilder", "liveStore", "metricsGenerator"}
    for name in signing:
        keys = {
            entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in values[name]["extraEnv"]
        }
        assert keys["KAFKA_SASL_USERNAME"] == {"name": "tempo-kafka", "key": "user"}
        assert keys["KAFKA_SASL_PASSWORD"] == {"name": "tempo-kafka", "key": "password"}
        assert values[name]["extraArgs"] == [
            "-ingest.sasl-username=$(KAFKA_SASL_USERNAME)",
            "-ingest.sasl-password=$(KAFKA_SASL_PASSWORD)",
        ]


def test_a_login_that_was_changed_restarts_who_signs_in_with_it() -> None:
    def pods(**version: int) -> Any:
        sasl = {"secretName": "tempo-kafka", **version}
        values = run_of("distributed-3", kafka=KAFKA | {"sasl": sasl}).helm_values()["tempo"]
        return {name: values[name]["extraEnv"] for name in ("distributor", "blockBuilder")}

    assert pods() != pods(version=1) != pods(version=2)
    for name, environment in pods(version=2).items():
        assert {"name": "KAFKA_LOGIN_VERSION", "value": "2"} in environment, name


def test_a_monolithic_tempo_opens_the_receivers_asked_for_and_no_others() -> None:
    values = run_of("monolithic", receivers=["otlpGrpc", "zipkin", "jaegerThriftHttp"])
    tempo = values.helm_values()["tempo"]
    receivers = yaml.safe_load(tempo["config"])["distributor"]["receivers"]
    assert receivers == {
        "otlp": {"protocols": {"grpc": {"endpoint": "0.0.0.0:4317"}}},
        "zipkin": {"endpoint": "0.0.0.0:9411"},
        "jaeger": {"protocols": {"thrift_http": {"endpoint": "0.0.0.0:14268"}}},
    }
    jaeger = tempo["tempo"]["receivers"]["jaeger"]["protocols"]
    assert {name for name, part in jaeger.items() if part["endpoint"]} == {"thrift_http"}


def test_outside_dev_fewer_than_three_copies_are_refused() -> None:
    raw = {
        "tracing:tempo": {"ingester": {"replicationFactor": 2}},
        "tracing:kubernetes": {"context": "staging"},
    }
    message = refusal(raw, stack="staging")["tracing:tempo.ingester.replicationFactor"]
    assert "loses traces with one ingester" in message


SCALED = {
    "resources": {"cpu": "1", "memory": "1Gi"},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 6, "targetCpuPercent": 70},
}


@pytest.mark.parametrize("workload", ["distributor", "querier", "queryFrontend", "gateway"])
@pytest.mark.parametrize("profile", ["distributed-2", "distributed-3"])
def test_a_scaled_workload_has_bounds_and_no_number_of_its_own(profile: str, workload: str) -> None:
    values = run_of(profile, **{workload: SCALED}).helm_values()["tempo"][workload]
    assert values["autoscaling"] == {
        "enabled": True,
        "minReplicas": 2,
        "maxReplicas": 6,
        "targetCPUUtilizationPercentage": 70,
    }
    # What the chart makes a PodDisruptionBudget by.
    assert values["replicas"] == 2
    assert values["resources"]["requests"]["cpu"] == "1"


@pytest.mark.parametrize("profile", ["distributed-2", "distributed-3"])
def test_whatever_has_more_than_one_pod_is_spread_over_zones_and_nodes(profile: str) -> None:
    two = {"replicas": 2}
    more = {"distributor": two, "querier": two, "queryFrontend": two, "gateway": two}
    more |= {"compactor": two} if profile == "distributed-2" else {"backendWorker": two}
    values = run_of(profile, **more).helm_values()["tempo"]
    several = {
        name: part
        for name, part in values.items()
        if isinstance(part, dict) and part.get("replicas", 1) > 1
    }
    assert len(several) == {"distributed-2": 7, "distributed-3": 8}[profile]
    for part in several.values():
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone"):
            assert key in part["topologySpreadConstraints"]
        # The chart's own would allow one pod a node.
        assert part["affinity"] == ""


@pytest.mark.parametrize(
    ("querier", "replicas"),
    [
        ({}, 1),
        ({"replicas": 5}, 2),
        ({"autoscaling": {"minReplicas": 3, "maxReplicas": 9}, "resources": {"cpu": "1"}}, 2),
    ],
)
def test_the_cache_has_a_second_pod_where_the_queriers_have(
    querier: dict[str, Any], replicas: int
) -> None:
    cache = run_of("distributed-2", querier=querier).helm_values()["tempo"]["memcached"]
    assert cache["replicas"] == replicas
    # Without requests it would be the first to go from a full node.
    assert cache["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_tempo_that_reads_its_log_again_is_not_killed_at_it(profile: str) -> None:
    values = run_of(profile).helm_values()["tempo"]
    # Whatever is not ready, such as /ready, does not answer it.
    assert values["tempo"]["livenessProbe"]["httpGet"]["path"] == "/status/version"


@pytest.mark.parametrize("profile", ["distributed-2", "distributed-3"])
def test_a_pod_that_is_sent_requests_says_first_that_it_leaves(profile: str) -> None:
    values = run_of(profile).helm_values()["tempo"]
    assert values["distributor"]["shutdownDelay"] == "10s"
    assert values["queryFrontend"]["extraArgs"] == ["-shutdown-delay=10s"]
    leaving = ["distributor", "queryFrontend"]
    for workload in leaving + ["backendWorker"] * (profile == "distributed-3"):
        # The delay, and the 30 s that Tempo gives to open requests, and to a job.
        assert values[workload]["terminationGracePeriodSeconds"] > 10 + 30


LIMITED = {
    "limits": {"rateMbPerSecond": 60, "burstMb": 90, "maxLiveTraces": 50_000, "maxTraceMb": 10},
    "tenants": {"single-tenant": {"maxTraceMb": 20}},
    "metricsGenerator": {
        "remoteWriteUrl": "http://prometheus:9090/api/v1/write",
        "processors": ["span-metrics"],
        "maxActiveSeries": 1000,
    },
}


def overrides(profile: str, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The overrides of all tenants, and those of single ones."""
    if profile != "monolithic":
        return values["overrides"]["defaults"], values["per_tenant_overrides"]
    configuration = yaml.safe_load(values["config"])["overrides"]
    assert configuration["per_tenant_override_config"] == "/conf/overrides.yaml"
    return configuration["defaults"], values["tempo"]["per_tenant_overrides"]


@pytest.mark.parametrize("profile", PROFILES)
def test_limits_count_over_all_distributors_and_a_tenant_may_have_its_own(profile: str) -> None:
    defaults, tenants = overrides(profile, run_of(profile, **LIMITED).helm_values()["tempo"])
    assert defaults["ingestion"] == {
        "rate_strategy": "global",
        "rate_limit_bytes": 60_000_000,
        "burst_size_bytes": 90_000_000,
        "max_traces_per_user": 50_000,
    }
    assert defaults["global"] == {"max_bytes_per_trace": 10_000_000}
    assert tenants["single-tenant"]["global"] == {"max_bytes_per_trace": 20_000_000}
    # Nothing of the defaults reaches a tenant that is named.
    assert tenants["single-tenant"]["ingestion"]["rate_limit_bytes"] == 30_000_000
    assert tenants["single-tenant"]["metrics_generator"] == defaults["metrics_generator"]


@pytest.mark.parametrize("limits", [{}, {"limits": {}}])
@pytest.mark.parametrize("profile", PROFILES)
def test_tempo_drops_nothing_that_it_acknowledged_unless_it_is_told_to(
    profile: str, limits: dict[str, Any]
) -> None:
    values = run_of(profile, **limits).helm_values()["tempo"]
    overrides = (
        yaml.safe_load(values["config"])["overrides"]
        if profile == "monolithic"
        else values["overrides"]
    )
    assert overrides["defaults"]["ingestion"]["max_traces_per_user"] == 0


def test_beside_a_tempo_2_no_tenant_of_tempo_3_is_compacted() -> None:
    values = run_of("distributed-3", **LIMITED, compaction=False).helm_values()["tempo"]
    for part in (
        overrides("distributed-3", values)[0],
        values["per_tenant_overrides"]["single-tenant"],
    ):
        assert part["compaction"] == {"compaction_disabled": True}
    usual = run_of("distributed-3", **LIMITED).helm_values()["tempo"]
    assert "compaction" not in usual["overrides"]["defaults"]


@pytest.mark.parametrize("profile", PROFILES)
def test_metrics_of_spans_are_made_limited_and_sent(profile: str) -> None:
    values = run_of(profile, **LIMITED).helm_values()["tempo"]
    defaults, _ = overrides(profile, values)
    assert defaults["metrics_generator"] == {
        "processors": ["span-metrics"],
        "max_active_series": 1000,
    }
    storage = (
        yaml.safe_load(values["config"])["metrics_generator"]["storage"]
        if profile == "monolithic"
        else values["metricsGenerator"]["config"]["storage"]
    )
    # Without exemplars no point of a duration leads to a trace.
    assert storage["remote_write"] == [
        {"url": "http://prometheus:9090/api/v1/write", "send_exemplars": True}
    ]


@pytest.mark.parametrize("tenant", ["a/b", "", "x" * 151])
def test_a_tenant_that_tempo_would_refuse_is_refused_first(tenant: str) -> None:
    messages = refusal({"tracing:tempo": {"tenants": {tenant: {}}}})
    assert any("does not match" in message for message in messages.values())
