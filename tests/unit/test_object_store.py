"""The object store's settings and manifests: what each kind of store can do, and how it is run."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from config.capabilities import CAPABILITIES, KEYS, Capability
from config.object_store import ExternalMinioConfig, MinioConfig, S3Config
from ops.registrations import Recorded, record
from tests.unit.test_config import EXTERNAL, S3, refusal

STORES = {"minio": MinioConfig, "external-minio": ExternalMinioConfig, "s3": S3Config}
CA = "examples/private-ca/ca.pem"
TLS = {"secretName": "minio-tls", "caFile": CA}


def keys_of(store: type[Any]) -> set[str]:
    return {field.alias or name for name, field in store.model_fields.items()}


# What a store can do


@pytest.mark.parametrize("store", STORES)
def test_a_store_has_the_keys_of_what_it_can_do_and_no_others(store: str) -> None:
    for capability in get_args(Capability):
        for key in KEYS.get(capability, ()):
            assert (key in keys_of(STORES[store])) == (capability in CAPABILITIES[store]), key


def test_the_documentation_says_what_the_table_says() -> None:
    text = Path("docs/object-store.md").read_text(encoding="utf-8")
    for capability in get_args(Capability):
        [line] = [line for line in text.splitlines() if line.startswith(f"| {capability} |")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for store, cell in zip(STORES, cells[1:4], strict=True):
            assert (cell == "yes") == (capability in CAPABILITIES[store]), line
        assert cells[4] == ", ".join(f"`{key}`" for key in KEYS.get(capability, ()))


ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "lifecycle": (S3 | {"lifecycle": {"expireDays": 9}}, "longer than Tempo's block retention"),
    "versioning": (S3 | {"versioning": True}, "switch versioning on with the store's own tools"),
    "user": (S3 | {"user": "tempo"}, "tracing:objectStoreAccessKey"),
    "keyVersion": (S3 | {"keyVersion": 2}, "tracing:objectStoreSecretKey"),
    "tags": ({"tags": {"team": "platform"}}, "(nor in any other)"),
    "abortMultipartDays": (EXTERNAL | {"abortMultipartDays": 2}, "(it can in minio)"),
}


@pytest.mark.parametrize("key", ASKED)
def test_what_a_store_cannot_do_is_refused_with_what_to_do_instead(key: str) -> None:
    store, remedy = ASKED[key]
    message = refusal({"tracing:objectStore": store})[f"tracing:objectStore.{key}"]
    assert "remove the key" in message
    assert remedy in message


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "two servers": ({"replicas": 2}, "replicas", "write 1 (no redundancy), or 4 or more"),
    "more servers than one erasure set has": ({"replicas": 17}, "replicas", "at most 16"),
    "no server": ({"replicas": 0}, "replicas", "at least 1"),
    "a file with the authority that is not there": (
        {"tls": TLS | {"caFile": "nowhere.pem"}},
        "tls.caFile",
        "write the path of a PEM file, relative to the project",
    ),
    "a file without a certificate": (
        EXTERNAL | {"caFile": "README.md"},
        "caFile",
        "holds no certificate",
    ),
    "an authority for an endpoint that is not given": (
        {"admin": {"caFile": CA}},
        "admin.caFile",
        "there is none",
    ),
    "one Secret for Tempo's keys and for root's": (
        {"secretName": "minio-root"},
        "secretName",
        "sees all of it",
    ),
    "an Ingress host with a port": (
        {"ingress": {"host": "s3.example.com:443"}},
        "ingress.host",
        "without a port",
    ),
    "a name that is too long for a StatefulSet's pods": ({"name": "m" * 53}, "name", "at most 52"),
    "a version of the key that is none": ({"keyVersion": 0}, "keyVersion", "at least 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_names_the_key_and_the_remedy(case: str) -> None:
    store, key, remedy = REFUSED[case]
    secrets = ("tracing:objectStoreRootPassword",)
    messages = refusal({"tracing:objectStore": store}, secrets=secrets)
    assert list(messages) == [f"tracing:objectStore.{key}"]
    assert remedy in messages[f"tracing:objectStore.{key}"]


def test_in_prod_nothing_about_the_store_leaves_the_cluster_in_clear() -> None:
    store = {
        "ingress": {"host": "s3.example.com"},
        "admin": {"endpoint": "s3.example.com:80", "insecure": True},
    }
    raw = {"tracing:objectStore": store, "tracing:kubernetes": {"context": "prod"}}
    assert set(refusal(raw, stack="prod")) >= {
        "tracing:objectStore.ingress.tlsSecretName",
        "tracing:allowInsecure.pulumi-to-store",
        "tracing:allowInsecure.tempo-to-store",
    }


def test_the_message_about_a_short_lifecycle_has_both_numbers() -> None:
    raw = {
        "tracing:objectStore": {"lifecycle": {"expireDays": 10}},
        "tracing:tempo": {"blockRetention": "14d"},
    }
    message = refusal(raw)["tracing:objectStore.lifecycle.expireDays"]
    assert "10 deletes" in message
    assert "14d" in message


# How MinIO is run


@pytest.fixture(scope="module")
def pool() -> Recorded:
    """Four servers with TLS and an Ingress."""
    store = {"replicas": 4, "tls": TLS, "ingress": {"host": "s3.example.com"}}
    return record("dev", {"tracing:objectStore": store}, {})


@pytest.fixture(scope="module")
def single() -> Recorded:
    return record("dev", {"tracing:tempo": {}}, {})


def pod(run: Recorded) -> dict[str, Any]:
    return run.one("minio-server").inputs["spec"]["template"]["spec"]


def test_the_servers_of_a_pool_find_each_other_under_the_headless_service(pool: Recorded) -> None:
    [container] = pod(pool)["containers"]
    [drives] = [word for word in container["args"] if "{" in word]
    assert drives == "https://minio-{0...3}.minio-headless.tempo.svc.cluster.local:9000/data"
    assert pool.one("minio-server").inputs["spec"]["serviceName"] == "minio-headless"
    headless = pool.one("minio-headless").inputs["spec"]
    assert headless["clusterIP"] == "None"
    assert headless["publishNotReadyAddresses"] is True
    assert pool.one("minio-server").inputs["spec"]["podManagementPolicy"] == "Parallel"


def test_a_pool_survives_a_drain_and_is_spread_over_nodes_and_zones(pool: Recorded) -> None:
    budget = pool.one("minio-disruption-budget").inputs["spec"]
    spec = pool.one("minio-server").inputs["spec"]
    assert budget["maxUnavailable"] < spec["replicas"] / 2
    assert budget["selector"] == spec["selector"]
    spread = pod(pool)["topologySpreadConstraints"]
    assert [constraint["topologyKey"] for constraint in spread] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    assert all(c["labelSelector"] == spec["selector"] for c in spread)


def test_a_single_server_has_no_budget_that_would_block_a_drain(single: Recorded) -> None:
    assert "minio-disruption-budget" not in {resource.name for resource in single.resources}
    assert pod(single)["containers"][0]["args"][1] == "/data"


@pytest.mark.parametrize("run", ["single", "pool"])
def test_the_servers_meet_the_restricted_pod_security_standard(
    run: str, request: pytest.FixtureRequest
) -> None:
    spec = pod(request.getfixturevalue(run))
    [container] = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert container["resources"]["requests"]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"].startswith("/minio/health/")


def test_each_volume_claim_has_the_name_that_the_set_looks_for(pool: Recorded) -> None:
    spec = pool.one("minio-server").inputs["spec"]
    [template] = spec["volumeClaimTemplates"]
    for index in range(4):
        claim = pool.one(f"minio-volume-{index}").inputs
        assert claim["metadata"]["name"] == f"{template['metadata']['name']}-minio-{index}"
        assert claim["spec"] == template["spec"]
    assert {f"minio-volume-{index}" for index in range(4)} <= pool.one("minio-server").depends_on


def test_with_tls_everything_that_talks_to_the_server_does_so(pool: Recorded) -> None:
    [container] = pod(pool)["containers"]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["scheme"] == "HTTPS"
    s3 = pool.helm_values()["tempo"]["storage"]["trace"]["s3"]
    assert s3["insecure"] is False
    assert s3["tls_ca_path"] == "/etc/store-ca/ca.crt"
    admin = pool.one("store-admin").inputs
    assert admin["minioSsl"] == "true"
    # Through the forward it is another name than those in the certificate.
    assert admin["minioInsecure"] == "true"
    [certificates] = [v for v in pod(pool)["volumes"] if v["name"] == "certificates"]
    paths = {
        item["path"]
        for source in certificates["projected"]["sources"]
        for part in source.values()
        for item in part["items"]
    }
    assert paths == {"public.crt", "private.key", "CAs/ca.crt"}


WORKLOADS = ("ingester", "querier", "queryFrontend", "compactor")


@pytest.mark.parametrize("workload", WORKLOADS)
def test_each_workload_of_tempo_that_asks_the_store_gets_its_authority_and_restarts_with_another(
    workload: str, pool: Recorded
) -> None:
    values = pool.helm_values()["tempo"][workload]
    assert values["extraVolumes"] == [
        {"name": "store-ca", "configMap": {"name": "tempo-minio-secret-ca"}}
    ]
    [mount] = values["extraVolumeMounts"]
    assert mount["mountPath"] == "/etc/store-ca"
    assert values["podAnnotations"]["tracing/ca-version"]
    config_map = pool.one("store-ca").inputs
    assert config_map["data"]["ca.crt"] == Path(CA).read_text(encoding="ascii")


def test_an_external_store_is_verified_with_the_given_authority_by_pulumi_and_by_tempo() -> None:
    root = {"tracing:objectStoreRootPassword": "x" * 8}
    run = record("dev", {"tracing:objectStore": EXTERNAL | {"caFile": CA}}, root)
    assert run.one("store-admin").inputs["minioCacertFile"] == CA
    assert "minioInsecure" not in run.one("store-admin").inputs
    assert run.helm_values()["tempo"]["storage"]["trace"]["s3"]["tls_ca_path"]


def test_users_and_policies_are_named_after_the_bucket_so_that_two_stacks_never_share_them() -> (
    None
):
    root = {"tracing:objectStoreRootPassword": "x" * 8}
    run = record("dev", {"tracing:objectStore": EXTERNAL | {"bucket": "team-a"}}, root)
    assert run.one("store-user").inputs["name"] == "team-a"
    assert run.one("store-policy").inputs["name"] == "team-a"


def test_the_ingress_leads_to_the_s3_api_and_waits_for_no_controller() -> None:
    ingress = {
        "host": "s3.example.com",
        "className": "nginx",
        "tlsSecretName": "s3-tls",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "0"},
    }
    made = record("dev", {"tracing:objectStore": {"ingress": ingress}}, {}).one("minio-ingress")
    assert made.inputs["metadata"]["annotations"] == {
        "pulumi.com/skipAwait": "true",
        "nginx.ingress.kubernetes.io/proxy-body-size": "0",
    }
    backend = {"service": {"name": "minio", "port": {"name": "s3"}}}
    assert made.inputs["spec"] == {
        "ingressClassName": "nginx",
        "rules": [
            {
                "host": "s3.example.com",
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ],
        "tls": [{"hosts": ["s3.example.com"], "secretName": "s3-tls"}],
    }


def test_an_image_may_be_pinned_by_its_digest() -> None:
    image = f"registry.example.com/minio:one@sha256:{'0' * 64}"
    run = record("dev", {"tracing:objectStore": {"image": image}}, {})
    assert pod(run)["containers"][0]["image"] == image


def test_tempo_may_do_six_things_with_its_bucket_and_nothing_else(single: Recorded) -> None:
    [statement] = json.loads(single.one("store-policy").inputs["policy"])["Statement"]
    assert statement["Effect"] == "Allow"
    assert sorted(statement["Action"]) == [
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:GetObjectTagging",
        "s3:ListBucket",
        "s3:PutObject",
        "s3:PutObjectTagging",
    ]
    assert sorted(statement["Resource"]) == ["arn:aws:s3:::tempo", "arn:aws:s3:::tempo/*"]


def test_parts_of_uploads_that_were_never_completed_are_removed_by_the_server(
    single: Recorded,
) -> None:
    [container] = pod(single)["containers"]
    assert {"name": "MINIO_API_STALE_UPLOADS_EXPIRY", "value": "24h"} in container["env"]


def test_without_delete_data_what_holds_traces_is_protected() -> None:
    protected = {r.name for r in record("dev", {"tracing:tempo": {}}, {}).resources if r.protect}
    assert protected == {"namespace-tempo", "minio-volume-0", "minio-server", "store-bucket"}
    freed = record("dev", {"tracing:deleteData": True}, {})
    assert not [r.name for r in freed.resources if r.protect]
    assert freed.one("store-bucket").inputs["forceDestroy"] is True
