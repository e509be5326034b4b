"""The object store: nothing in it is lost, its keys overlap, its provider's traps are shut."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox, SandboxError, StoreRules
from tests.engine.conftest import BoxOf

STORE = "tracing:objectStore"
IN_CLUSTER = "staging"
OUTSIDE = "private-ca"
STORES = (IN_CLUSTER, OUTSIDE, "harness", "picluster")


def refused(operation: Any) -> str:
    """The text of an operation that has to fail."""
    with pytest.raises(SandboxError) as refusal:
        operation()
    assert "Traceback" not in str(refusal.value)
    return str(refusal.value)


def changed(box: Sandbox) -> dict[str, str]:
    """What a preview says is to happen, by logical name; components and their ends left out."""
    components = {"namespaces", "minio", "store", "tempo"}
    steps = box.preview().changed()
    return {step.name: step.op for step in steps if step.name not in components}


def names(box: Sandbox, kind: str) -> list[str]:
    return [found.id for found in box.cloud.objects("minio", kind)]


def put_object(box: Sandbox, bucket: str) -> None:
    """A block in the bucket, as Tempo writes it."""
    properties = box.cloud.get("minio", "S3Bucket", bucket)
    assert properties is not None
    properties["objects"]["single-tenant/block/data.parquet"] = "spans"
    box.cloud.put("minio", "S3Bucket", bucket, properties)


# Nothing is lost


@pytest.mark.parametrize("stack", STORES)
def test_a_destroy_is_refused_and_what_holds_traces_is_still_there(
    applied_box_of: BoxOf, stack: str
) -> None:
    box = applied_box_of(stack)
    put_object(box, names(box, "S3Bucket")[0])
    text = refused(box.destroy)
    assert "protected" in text
    assert "store-bucket" in text
    assert len(names(box, "S3Bucket")) == 1
    namespace = "tracing" if stack == "picluster" else "tempo"
    assert box.cloud.get("kubernetes", "Namespace", namespace) is not None
    if stack in (IN_CLUSTER, "harness"):
        assert box.cloud.get("kubernetes", "StatefulSet", "tempo/minio") is not None
        assert box.cloud.get("kubernetes", "PersistentVolumeClaim", "tempo/data-minio-0")


@pytest.mark.parametrize("stack", STORES)
def test_after_a_refused_destroy_an_update_puts_everything_back(
    applied_box_of: BoxOf, stack: str
) -> None:
    box = applied_box_of(stack)
    before = {found.id for found in box.cloud.objects()}
    refused(box.destroy)
    box.up()
    assert {found.id for found in box.cloud.objects()} >= before
    assert box.preview().changes == {}


@pytest.mark.parametrize("stack", STORES)
def test_a_stack_that_says_so_is_destroyed_with_the_objects_in_its_bucket(
    applied_box_of: BoxOf, stack: str
) -> None:
    box = applied_box_of(stack)
    [bucket] = names(box, "S3Bucket")
    put_object(box, bucket)
    box.set_config("tracing:deleteData", True)
    assert changed(box) == {"store-bucket": "update"}
    box.up()
    box.destroy()
    assert box.cloud.objects() == []


REFUSED: dict[str, tuple[str, str, Any, str]] = {
    "another bucket": (IN_CLUSTER, f"{STORE}.bucket", "traces", "store-bucket"),
    "another bucket outside": (OUTSIDE, f"{STORE}.bucket", "blocks", "store-bucket"),
    "another name of the server": (IN_CLUSTER, f"{STORE}.name", "store", "minio-server"),
    "another namespace of the server": (IN_CLUSTER, f"{STORE}.namespace", "s3", "minio-server"),
    "another number of servers": (IN_CLUSTER, f"{STORE}.replicas", 4, "minio-server"),
    "another storage class": (IN_CLUSTER, f"{STORE}.storageClass", "fast", "minio-volume-0"),
    "a store outside instead": (
        IN_CLUSTER,
        STORE,
        {"type": "external-minio", "endpoint": "minio.example.com:9000"},
        "minio-server",
    ),
    "a plain S3 instead": (
        IN_CLUSTER,
        STORE,
        {"type": "s3", "endpoint": "s3.eu-west-1.amazonaws.com"},
        "store-bucket",
    ),
    "a namespace that is no longer the stack's": (
        IN_CLUSTER,
        "tracing:kubernetes.existingNamespaces",
        ["tempo"],
        "namespace-tempo",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_lose_traces_is_refused_in_the_preview_already(
    applied_box_of: BoxOf, case: str
) -> None:
    stack, key, value, protected = REFUSED[case]
    box = applied_box_of(stack)
    before = box.cloud.objects()
    box.set_config(key, value)
    text = refused(box.preview)
    assert "protect" in text
    assert protected in text
    refused(box.up)
    kept = {(found.kind, found.id) for found in box.cloud.objects()}
    assert {
        (found.kind, found.id)
        for found in before
        if found.kind in {"S3Bucket", "PersistentVolumeClaim", "StatefulSet", "Namespace"}
    } <= kept


def test_a_pool_keeps_its_number_of_servers(box_of: BoxOf) -> None:
    """MinIO makes its erasure set once; Kubernetes would take the change."""
    box = box_of(IN_CLUSTER)
    box.set_config(f"{STORE}.replicas", 4)
    box.up()
    box.set_config(f"{STORE}.replicas", 5)
    text = refused(box.preview)
    assert "protect" in text
    assert "minio-server" in text


def test_a_namespace_is_given_away_and_stays_with_all_that_is_in_it(applied_box_of: BoxOf) -> None:
    box = applied_box_of(OUTSIDE)
    [namespace] = [r["urn"] for r in box.resources() if r["urn"].endswith("::namespace-tempo")]
    box.command("state", "unprotect", namespace, "--yes")
    box.set_config("tracing:kubernetes.existingNamespaces", ["tempo"])
    assert "[retain]" in box.preview().text
    before = [found.id for found in box.cloud.objects("kubernetes")]
    box.up()
    # But for the policy that was about everybody else's pods as well.
    before.remove("tempo/default-deny")
    assert [found.id for found in box.cloud.objects("kubernetes")] == before
    assert box.preview().changes == {}


def test_a_namespace_that_is_not_protected_is_given_away_by_a_word_in_the_state(
    applied_box_of: BoxOf, tmp_path: Path
) -> None:
    box = applied_box_of(OUTSIDE)
    box.set_config("tracing:kubernetes.existingNamespaces", ["otel"])
    before = [found.id for found in box.cloud.objects("kubernetes")]
    assert "namespace-otel" in [step.name for step in box.preview().steps if step.op == "delete"]
    file = tmp_path / "state.json"
    box.command("stack", "export", "--file", str(file))
    state = json.loads(file.read_text(encoding="utf-8"))
    [namespace] = [
        each
        for each in state["deployment"]["resources"]
        if each["urn"].endswith("::namespace-otel")
    ]
    namespace["retainOnDelete"] = True
    file.write_text(json.dumps(state), encoding="utf-8")
    box.command("stack", "import", "--file", str(file))
    assert "[retain]" in box.preview().text
    box.up()
    before.remove("otel/default-deny")
    assert [found.id for found in box.cloud.objects("kubernetes")] == before


def test_larger_volumes_grow_the_claims_in_place_and_nothing_else(box_of: BoxOf) -> None:
    box = box_of(IN_CLUSTER)
    box.set_config(f"{STORE}.replicas", 4)
    box.up()
    box.set_config(f"{STORE}.volumeSize", "400Gi")
    assert changed(box) == {f"minio-volume-{index}": "update" for index in range(4)}
    box.up()
    claim = box.cloud.get("kubernetes", "PersistentVolumeClaim", "tempo/data-minio-3")
    assert claim is not None
    assert claim["spec"]["resources"]["requests"]["storage"] == "400Gi"
    assert box.preview().changes == {}


def test_a_bucket_that_left_the_state_is_an_error_until_the_stack_adopts_it(
    applied_box_of: BoxOf,
) -> None:
    box = applied_box_of(IN_CLUSTER)
    [bucket] = names(box, "S3Bucket")
    put_object(box, bucket)
    # Nothing forwards the store then, and the provider takes that for "the bucket is gone".
    refused(lambda: box.refresh(run_program=False))
    assert "bucket already exists" in refused(box.up)
    box.set_config("tracing:adoptExisting", True)
    box.up()
    assert box.preview().changes == {}
    box.remove_config("tracing:adoptExisting")
    assert changed(box) == {"kubernetes": "update"}
    box.up()
    found = box.cloud.get("minio", "S3Bucket", bucket)
    assert found is not None
    assert found["objects"]
    assert "protected" in refused(box.destroy)


def test_volumes_that_an_earlier_stack_left_are_taken_up(box_of: BoxOf) -> None:
    box = box_of(IN_CLUSTER)
    box.set_config("tracing:kubernetes.existingNamespaces", ["tempo"])
    spec = {"resources": {"requests": {"storage": "200Gi"}}, "accessModes": ["ReadWriteOnce"]}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": spec}
    claim["metadata"] = {"name": "data-minio-0", "namespace": "tempo", "uid": "old"}
    box.cloud.put("kubernetes", "PersistentVolumeClaim", "tempo/data-minio-0", claim)
    box.cloud.put("minio", "S3Bucket", "tempo", {"objects": {"theirs": "x"}, "acl": "private"})
    assert "already exists" in refused(box.up)
    box.set_config("tracing:adoptExisting", True)
    box.up()
    assert box.preview().changes == {}


# The keys overlap


ROTATION = {
    "store-secret-key": "replace",
    "store-user": "replace",
    "store-user-policy": "replace",
    "store-access": "update",
    "store-access-version": "replace",
    "tempo-release": "update",
}


@pytest.mark.parametrize("stack", STORES)
def test_a_new_key_is_one_setting_and_the_preview_shows_what_restarts(
    applied_box_of: BoxOf, stack: str
) -> None:
    box = applied_box_of(stack)
    box.set_config(f"{STORE}.keyVersion", 2)
    assert changed(box) == ROTATION
    assert {s.name: s.op for s in box.up().changed()} == ROTATION
    assert box.preview().changes == {}


def keys_of_tempo(box: Sandbox) -> dict[str, str]:
    [data] = [
        secret.properties["data"]
        for secret in box.cloud.objects("kubernetes", "Secret")
        if secret.id.endswith("/tempo-minio-secret")
    ]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def valid(box: Sandbox, keys: dict[str, str], policy: str) -> bool:
    user = box.cloud.get("minio", "IamUser", keys["MINIO_ACCESS_KEY_ID"])
    if user is None or policy not in user["policies"]:
        return False
    return user["secret"] == keys["MINIO_SECRET_ACCESS_KEY"]


@pytest.mark.parametrize("stack", STORES)
def test_the_old_key_works_until_tempo_uses_the_new_one(applied_box_of: BoxOf, stack: str) -> None:
    box = applied_box_of(stack)
    [policy] = names(box, "IamPolicy")
    old = keys_of_tempo(box)
    assert valid(box, old, policy)
    box.set_config(f"{STORE}.keyVersion", 2)
    # Tempo's pods do not come up with the new key: the worst moment for the old one to be gone.
    box.cloud.fail("update", "Release", message="timed out waiting for the condition")
    refused(box.up)
    assert valid(box, old, policy)
    assert valid(box, keys_of_tempo(box), policy)
    box.up()
    new = keys_of_tempo(box)
    assert new["MINIO_SECRET_ACCESS_KEY"] != old["MINIO_SECRET_ACCESS_KEY"]
    assert valid(box, new, policy)
    assert box.cloud.get("minio", "IamUser", old["MINIO_ACCESS_KEY_ID"]) is None
    assert box.preview().changes == {}


def test_the_user_is_touched_only_after_the_bucket_proved_to_be_ours(box_of: BoxOf) -> None:
    """A policy or user of that name would be overwritten without a word."""
    box = box_of(OUTSIDE)
    box.cloud.put("minio", "S3Bucket", "traces", {"objects": {"theirs": "x"}, "acl": "private"})
    box.cloud.put("minio", "IamUser", "traces", {"secret": "theirs", "policies": []})
    box.cloud.put("minio", "IamPolicy", "traces", {"policy": "{}"})
    text = refused(box.up)
    assert text.count("already exists") == 1
    assert box.cloud.get("minio", "IamUser", "traces") == {"secret": "theirs", "policies": []}
    assert box.cloud.get("minio", "IamPolicy", "traces") == {"policy": "{}"}


# The provider's traps


def test_an_update_of_the_user_does_not_delete_it(applied_box_of: BoxOf) -> None:
    """With `forceDestroy` the provider deletes a user when it is updated."""
    box = applied_box_of(OUTSIDE)
    box.cloud.drift("minio", "IamUser", "traces", "status", "disabled")
    box.refresh()
    box.up()
    assert box.cloud.get("minio", "IamUser", "traces") is not None
    users = [r for r in box.resources() if r["type"].endswith(":IamUser")]
    assert not any(user["inputs"].get("forceDestroy") for user in users)


def test_there_is_no_service_account_which_would_change_with_every_preview(
    applied_box_of: BoxOf,
) -> None:
    box = applied_box_of(OUTSIDE)
    assert not [r for r in box.resources() if "IamServiceAccount" in r["type"]]


def test_the_administrators_password_is_encrypted_in_the_state(box_of: BoxOf) -> None:
    """The provider's schema does not say that it is a secret."""
    box = box_of(OUTSIDE)
    box.set_config("tracing:objectStoreRootPassword", "canary-of-root", secret=True)
    box.up()
    for path in box.state_files:
        assert "canary-of-root" not in path.read_text("utf-8", errors="replace")


def test_tags_which_the_provider_cannot_set_are_refused_and_nothing_changes(box_of: BoxOf) -> None:
    box = box_of(OUTSIDE)
    box.set_config(f"{STORE}.tags", {"team": "platform"})
    assert "tag the bucket with the store's own tools" in refused(box.up)
    assert box.cloud.objects() == []


def test_a_bucket_has_one_lifecycle(applied_box_of: BoxOf) -> None:
    """A second one would overwrite the first without a word."""
    box = applied_box_of(OUTSIDE)
    assert len([r for r in box.resources() if r["type"].endswith(":IlmPolicy")]) == 1


def test_versioning_and_lifecycle_are_set_one_after_the_other(box_of: BoxOf) -> None:
    """MinIO keeps both in one file, and can lose one of two changes at once."""
    box = box_of(OUTSIDE)
    box.up()
    done = [kind for operation, kind, _ in box.cloud.log if operation == "create"]
    assert done.index("S3Bucket") < done.index("S3BucketVersioning") < done.index("IlmPolicy")
    [lifecycle] = [r for r in box.resources() if r["type"].endswith(":IlmPolicy")]
    assert any("store-versioning" in urn for urn in lifecycle["dependencies"])


@pytest.mark.parametrize("port", [19001, 19777])
def test_the_local_port_is_in_no_diff(applied_box_of: BoxOf, port: int) -> None:
    box = applied_box_of("dev")
    box.set_config(f"{STORE}.admin.portForward.localPort", port)
    preview = box.preview()
    assert set(changed(box)) <= {"store-admin"}
    assert "minioServer" not in "".join(line for line in preview.text.splitlines() if "=>" in line)
    assert str(port) not in preview.text


# A store that is not as configured


ENDPOINT = "store.example.internal:9000"

WRONG: dict[str, tuple[StoreRules, str]] = {
    "a store that does not answer": (StoreRules(down=True), "tracing:objectStore.endpoint"),
    "a certificate of another authority": (
        StoreRules(untrusted=True),
        "tracing:objectStore.caFile",
    ),
    "another administrator": (
        StoreRules(access_key="someone-else"),
        "tracing:objectStore.rootUser",
    ),
    "another password": (
        StoreRules(secret_key="something-else"),
        "tracing:objectStoreRootPassword",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_store_that_is_not_as_configured_is_one_error_and_nothing_changes(
    box_of: BoxOf, case: str
) -> None:
    rules, key = WRONG[case]
    box = box_of(OUTSIDE)
    box.preview()
    box.cloud.set_store(ENDPOINT, rules)
    text = refused(box.up)
    assert "has 1 error; nothing was changed" in text
    assert key in text
    assert box.cloud.objects() == []
    box.cloud.set_store(ENDPOINT, StoreRules())
    box.up()
    assert box.preview().changes == {}


@pytest.mark.parametrize("case", WRONG)
def test_a_store_that_stops_being_as_configured_costs_nothing(
    applied_box_of: BoxOf, case: str
) -> None:
    rules, key = WRONG[case]
    box = applied_box_of(OUTSIDE)
    before = box.resources()
    box.cloud.set_store(ENDPOINT, rules)
    box.set_config("tracing:tempo.blockRetention", "20d")
    assert key in refused(box.up)
    # The provider would take a server that does not answer for one without the bucket.
    refused(box.refresh)
    assert {r["urn"] for r in box.resources()} == {r["urn"] for r in before}
    box.cloud.set_store(ENDPOINT, StoreRules())
    box.up()
    assert box.preview().changes == {}


GIVEN: dict[str, tuple[StoreRules, str]] = {
    "a bucket that does not exist": (StoreRules(missing=("traces",)), "create it"),
    "a bucket of somebody else": (StoreRules(denied=("traces",)), "another account's"),
    "keys that are not known": (StoreRules(access_key="x"), "tracing:objectStoreAccessKey"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_what_is_given_of_a_plain_s3_is_checked_before_anything_changes(
    box_of: BoxOf, case: str
) -> None:
    rules, remedy = GIVEN[case]
    box = box_of("dev")
    box.set_config(STORE, {"type": "s3", "endpoint": "s3.example.com", "bucket": "traces"})
    box.cloud.set_store("s3.example.com", rules)
    assert remedy in refused(box.up)
    assert box.cloud.objects() == []
    box.set_config(f"{STORE}.check", False)
    box.up()


def test_a_preview_asks_no_store(box_of: BoxOf) -> None:
    box = box_of(OUTSIDE)
    box.cloud.set_store(ENDPOINT, StoreRules(down=True))
    assert set(box.preview().changes) == {"create"}


def test_an_endpoint_in_the_cluster_that_refuses_is_one_error_of_the_bucket(box_of: BoxOf) -> None:
    """Not one each for the bucket, the user and the policy, each after a minute of retries."""
    box = box_of(IN_CLUSTER)
    box.set_config(f"{STORE}.admin", {"endpoint": "s3.example.com:443"})
    box.cloud.set_store("s3.example.com:443", StoreRules(down=True))
    assert refused(box.up).count("connection refused") == 1
    box.cloud.set_store("s3.example.com:443", StoreRules())
    box.up()
    assert box.preview().changes == {}
