"""What recovery makes of a deployment."""

import json
from typing import Any

import pytest

from config.object_store import ExternalMinioConfig, MinioConfig
from ops.deployment import adopted, physical_id, settled, with_former_users, without
from ops.stack_files import STACK_FILES, recorded

CLUSTER = "urn:pulumi:dev::tracing::pulumi:providers:kubernetes::cluster"
MINIO = "urn:pulumi:dev::tracing::pulumi:providers:minio::admin"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET_MARK = "4dabf18193072939515e22adb298388d"
MADE_AGAIN = ("random:", "minio:index/iam", "minio:index/ilmPolicy:", "minio:index/s3BucketV")


def resource(type: str, name: str, inputs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::tracing::{type}::{name}"
    return {"urn": urn, "custom": True, "type": type, "inputs": inputs, **fields}


def namespace(name: str = "tempo", **fields: Any) -> dict[str, Any]:
    inputs = {"kind": "Namespace", "metadata": {"name": name}}
    provider = {"provider": f"{CLUSTER}::1"}
    return resource("kubernetes:core/v1:Namespace", name, inputs, **provider | fields)


def pending(*resources: dict[str, Any], type: str = "creating") -> list[dict[str, Any]]:
    return [{"resource": entry, "type": type} for entry in resources]


def in_a_state(value: Any) -> Any:
    """A registration's values as a state has them: its secrets are JSON as text."""
    if isinstance(value, dict):
        if SECRET_MARK in value:
            mark = {SECRET_MARK: value[SECRET_MARK]}
            return {**mark, "plaintext": json.dumps(in_a_state(value["value"]))}
        return {key: in_a_state(item) for key, item in value.items()}
    return [in_a_state(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("stack", STACK_FILES)
def test_every_kind_that_a_stack_registers_has_an_id_or_can_be_made_again(stack: str) -> None:
    for entry in recorded(stack).resources:
        if entry.type.startswith(("tracing:", "pulumi:")):
            continue
        id = physical_id({"type": entry.type, "inputs": in_a_state(entry.inputs)})
        assert (id is None) == entry.type.startswith(MADE_AGAIN), entry.type


def test_what_was_being_created_is_listed_as_created() -> None:
    claim = namespace("tempo")
    inputs = {"metadata": {"name": "data", "namespace": "tempo"}}
    data = resource("kubernetes:core/v1:PersistentVolumeClaim", "claim", inputs)
    result, kept = settled({"resources": [claim], "pending_operations": pending(data)})
    [listed, made] = result["resources"]
    assert listed == claim
    assert made.items() >= {**data, "id": "tempo/data", "outputs": inputs}.items()
    # An update before the refresh would otherwise take it for there, and leave it out.
    assert made["initErrors"]
    assert "pending_operations" not in result
    assert kept == ["PersistentVolumeClaim tempo/data"]


def test_what_can_be_made_again_and_what_was_being_changed_is_forgotten() -> None:
    user = resource("minio:index/iamUser:IamUser", "user", {"name": "tempo"})
    value = resource("random:index/randomUuid:RandomUuid", "version", {})
    operations = pending(user, value) + pending(namespace(), type="updating")
    result, kept = settled({"resources": [namespace()], "pending_operations": operations})
    assert result["resources"] == [namespace()]
    assert kept == []


def test_a_replacement_leaves_the_old_one_to_be_deleted() -> None:
    old = resource(RELEASE, "tempo", {"name": "old", "namespace": "tempo"}, id="tempo/old")
    new = resource(RELEASE, "tempo", {"name": "new", "namespace": "tempo"})
    result, _ = settled({"resources": [old], "pending_operations": pending(new)})
    assert [(r["id"], r.get("delete")) for r in result["resources"]] == [
        ("tempo/new", None),
        ("tempo/old", True),
    ]


def test_what_a_later_update_has_made_is_not_listed_twice() -> None:
    """The engine keeps an operation that was killed, also when the next update ends it."""
    listed = {"resources": [namespace(id="tempo")]}
    result, kept = settled({**listed, "pending_operations": pending(namespace())})
    assert (result, kept) == (listed, [])
    twice, _ = settled({"pending_operations": pending(namespace(), namespace())})
    assert len(twice["resources"]) == 1


def order(deployment: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (entry["urn"].rpartition("::")[2], entry.get("delete")) for entry in deployment["resources"]
    ]


def test_what_depends_on_a_replacement_stays_behind_it() -> None:
    """The engine refuses a state in any other order."""
    old = namespace(id="tempo", pendingReplacement=True)
    user = namespace("user", id="user", dependencies=[old["urn"]])
    listed = {"resources": [old, user]}
    result, _ = settled({**listed, "pending_operations": pending(namespace())})
    assert order(result) == [("tempo", None), ("user", None)]
    # What is new is at the end, and the replacement may refer to it.
    new = namespace("new", id="new")
    replacement = namespace(dependencies=[new["urn"]])
    result, _ = settled({"resources": [old, user, new], "pending_operations": pending(replacement)})
    assert order(result) == [("new", None), ("tempo", None), ("user", None)]


def test_what_was_deleted_for_its_replacement_is_listed_no_more() -> None:
    old = namespace(id="tempo", pendingReplacement=True)
    operations = pending(namespace())
    result, _ = settled({"resources": [old], "pending_operations": operations})
    assert [r.get("pendingReplacement") for r in result["resources"]] == [None]


def test_a_release_has_its_inputs_twice_the_second_time_as_a_secret() -> None:
    """Without them the provider would import it, with the chart's own name and defaults."""
    hidden = {SECRET_MARK: "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"word"'}
    inputs = {"name": "tempo", "namespace": "tempo", "values": {"password": hidden}}
    release = resource(RELEASE, "tempo", inputs)
    result, _ = settled({"pending_operations": pending(release)})
    copy = result["resources"][0]["outputs"]["__inputs"]
    assert SECRET_MARK in copy
    assert json.loads(copy["plaintext"])["values"] == {"password": "word"}


def test_a_plan_is_adopted_where_its_provider_can_be_asked() -> None:
    cluster = {**resource("pulumi:providers:kubernetes", "cluster", {"context": "kind"})}
    admin = resource("pulumi:providers:minio", "admin", {"minioPassword": "[secret]"})
    bucket = resource("minio:index/s3Bucket:S3Bucket", "bucket", {"bucket": "tempo"})
    steps = [
        cluster,
        admin,
        namespace(provider=f"{CLUSTER}::{UNKNOWN}", dependencies=[admin["urn"]]),
        {**bucket, "provider": f"{MINIO}::{UNKNOWN}"},
    ]
    result, kept = adopted({}, [{"op": "create", "newState": step} for step in steps])
    provider, adopted_namespace = result["resources"]
    assert kept == ["Namespace tempo"]
    assert adopted_namespace["provider"] == f"{CLUSTER}::{provider['id']}"
    assert adopted_namespace["dependencies"] == []
    assert adopted_namespace["initErrors"]
    assert "initErrors" not in provider
    assert UNKNOWN not in json.dumps(result)


def test_what_is_in_the_state_is_not_adopted_again() -> None:
    steps = [{"op": "create", "newState": namespace()}, {"op": "same", "newState": namespace("a")}]
    assert adopted({"resources": [namespace()]}, steps) == ({"resources": [namespace()]}, [])


def test_a_replacement_whose_answer_was_lost_is_adopted() -> None:
    cluster = resource("pulumi:providers:kubernetes", "cluster", {}, id="1")

    def release(name: str, **fields: Any) -> dict[str, Any]:
        inputs = {"name": name, "namespace": "tempo"}
        return resource(RELEASE, "tempo", inputs, provider=f"{CLUSTER}::1", **fields)

    def found(listed: dict[str, Any], planned: dict[str, Any]) -> list[tuple[str, Any]]:
        step = {"op": "replace", "newState": planned}
        result, _ = adopted({"resources": [cluster, listed]}, [step])
        return [(entry["id"], entry.get("delete")) for entry in result["resources"][1:]]

    old = release("old", id="tempo/old")
    assert found(old, release("new")) == [("tempo/new", None), ("tempo/old", True)]
    gone = release("same", id="tempo/same", pendingReplacement=True)
    assert found(gone, release("same")) == [("tempo/same", None)]
    # Not begun yet: what is there is the old one.
    assert found(release("same", id="tempo/same"), release("same")) == [("tempo/same", None)]


def test_a_plan_hides_what_is_not_written_into_a_state() -> None:
    cluster = resource("pulumi:providers:kubernetes", "cluster", {}, id="1")
    metadata = {"name": "keys", "namespace": "tempo"}
    inputs = {"metadata": metadata, "stringData": {"key": "[secret]"}, "list": [UNKNOWN, "a"]}
    secret = resource("kubernetes:core/v1:Secret", "keys", inputs, provider=f"{CLUSTER}::1")
    result, _ = adopted({"resources": [cluster]}, [{"op": "create", "newState": secret}])
    known = {"metadata": metadata, "stringData": {}, "list": ["a"]}
    assert result["resources"][-1]["inputs"] == known


BUCKET = resource(
    "minio:index/s3Bucket:S3Bucket",
    "store-bucket",
    {"bucket": "tempo"},
    id="tempo",
    parent="urn:pulumi:dev::tracing::tracing:index:ObjectStore::store",
    provider=f"{MINIO}::1",
)


def users_of(deployment: dict[str, Any]) -> list[str]:
    return [r["id"] for r in deployment["resources"] if r["type"].endswith(":IamUser")]


def test_users_are_looked_for_under_the_first_the_last_ten_and_the_next_version_of_the_key() -> (
    None
):
    store = MinioConfig.model_validate({"keyVersion": 2})
    looked_for = with_former_users({"resources": [BUCKET]}, store)
    assert users_of(looked_for) == ["tempo", "tempo-3"]
    [_, first, _] = looked_for["resources"]
    assert first["provider"] == BUCKET["provider"]
    assert first["urn"] == (
        "urn:pulumi:dev::tracing::minio:index/iamUser:IamUser::store-bucket-former-user-1"
    )
    later = MinioConfig.model_validate({"keyVersion": 30})
    found = users_of(with_former_users({"resources": [BUCKET]}, later))
    assert found == ["tempo", *(f"tempo-{n}" for n in range(20, 30)), "tempo-31"]


def test_a_user_that_the_state_knows_is_not_looked_for() -> None:
    # Such as the one before, of a rotation that did not end.
    known = resource("minio:index/iamUser:IamUser", "store-user", {}, id="tempo", delete=True)
    deployment = {"resources": [BUCKET, known]}
    store = MinioConfig.model_validate({"keyVersion": 2})
    assert users_of(with_former_users(deployment, store)) == ["tempo", "tempo-3"]
    assert len(with_former_users(deployment, store)["resources"]) == 3


def test_nobody_is_looked_for_in_a_store_of_somebody_else_or_one_that_is_not_asked() -> None:
    outside = ExternalMinioConfig.model_validate(
        {"type": "external-minio", "endpoint": "minio.example.com:9000"}
    )
    assert with_former_users({"resources": [BUCKET]}, outside) == {"resources": [BUCKET]}
    server = resource("kubernetes:apps/v1:StatefulSet", "minio-server", {}, id="tempo/minio")
    assert with_former_users({"resources": [server]}, MinioConfig()) == {"resources": [server]}


def test_a_lost_store_leaves_no_reference_to_it() -> None:
    bucket = resource("minio:index/s3Bucket:S3Bucket", "bucket", {"bucket": "tempo"})
    reader = namespace(dependencies=[bucket["urn"]], propertyDependencies={"a": [bucket["urn"]]})
    [kept] = without({"resources": [bucket, reader]}, "minio")["resources"]
    assert bucket["urn"] not in json.dumps(kept)
    assert kept["propertyDependencies"] == {"a": []}
