"""What exists in the simulated clouds is real: duplicates, orphans, drift and failures."""

import json

import grpc
import pytest

BUCKET, USER = "minio:index/s3Bucket:S3Bucket", "minio:index/iamUser:IamUser"
POLICY = "minio:index/iamPolicy:IamPolicy"
ATTACHMENT = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"
LIFECYCLE = "minio:index/ilmPolicy:IlmPolicy"
ACCOUNT = "minio:index/iamServiceAccount:IamServiceAccount"
SOURCE = "grafana:oss/dataSource:DataSource"
RELEASE = "kubernetes:helm.sh/v3:Release"
CHART = {
    "chart": "tempo",
    "version": "1.0.0",
    "name": "tempo",
    "namespace": "apps",
    "repositoryOpts": {"repo": "https://charts.example"},
    "values": {"replicas": 1},
}


def names(objects) -> list[str]:
    return [entry["urn"].rsplit("::", 1)[-1] for entry in objects.resources()]


def test_an_object_that_exists_cannot_be_created_and_the_state_stays_valid(objects, kube):
    taken = kube("core/v1", "ConfigMap", "taken", data={"key": "theirs"})
    objects.cloud.put("kubernetes", "ConfigMap", "apps/taken", taken["inputs"])

    told = objects.refused(kube("core/v1", "ConfigMap", "free", data={}), taken)

    assert 'taken: ConfigMap "apps/taken" already exists' in told
    assert "Traceback" not in told
    assert "free" in names(objects)
    assert "taken" not in names(objects)
    assert objects.plan(kube("core/v1", "ConfigMap", "free", data={})) == {}


def test_an_object_needs_its_namespace(objects, kube):
    told = objects.refused(kube("core/v1", "Service", "web", namespace="nowhere", spec={}))

    assert 'namespaces "nowhere" not found' in told


def test_what_is_in_a_namespace_goes_with_it(objects, kube):
    namespace = kube("core/v1", "Namespace", "mine", namespace=None)
    objects.apply(namespace)
    objects.cloud.put("kubernetes", "ConfigMap", "mine/not-the-stacks", {})

    objects.destroy()

    assert [known.id for known in objects.cloud.objects()] == ["apps"]


@pytest.mark.parametrize(("policy", "left"), [(None, ["apps/data-web-0"]), ("Delete", [])])
def test_a_stateful_sets_claims_outlive_it_unless_it_says_otherwise(objects, kube, policy, left):
    spec = {
        "template": {"spec": {"containers": [{"image": "web"}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": policy},
    }
    objects.apply(kube("apps/v1", "StatefulSet", "web", spec=spec))

    objects.destroy()

    claims = objects.cloud.objects("kubernetes", "PersistentVolumeClaim")
    assert [claim.id for claim in claims] == left


def test_a_release_name_is_used_once(objects, entry):
    objects.cloud.put("kubernetes", "Release", "apps/tempo", {})

    told = objects.refused(entry(RELEASE, "tempo", **CHART))

    assert "cannot re-use a name that is still in use" in told


def test_a_release_that_was_left_pending_blocks_its_upgrade(objects, entry):
    objects.apply(entry(RELEASE, "tempo", **CHART))
    objects.cloud.drift("kubernetes", "Release", "apps/tempo", "status.status", "pending-upgrade")

    told = objects.refused(entry(RELEASE, "tempo", **{**CHART, "values": {"replicas": 2}}))

    assert "another operation (install/upgrade/rollback) is in progress" in told


def test_a_chart_that_is_nowhere_is_refused_before_anything_is_done(objects, entry):
    chart = {**CHART, "chart": "./missing.tgz", "repositoryOpts": {}}
    objects.declare(entry(RELEASE, "tempo", **chart))

    with pytest.raises(Exception, match=r"chart './missing.tgz' not found"):
        objects.preview()


def test_a_refresh_finds_what_was_changed_behind_the_engines_back(objects, kube, entry):
    declared = [
        kube("core/v1", "Service", "web", spec={"ports": [{"port": 80}]}),
        entry(RELEASE, "tempo", **CHART),
        entry(SOURCE, "tempo-source", name="Tempo", type="tempo", uid="tempo", url="http://a"),
    ]
    objects.apply(*declared)
    objects.cloud.drift("kubernetes", "Service", "apps/web", "spec.ports", [{"port": 81}])
    objects.cloud.drift("kubernetes", "Release", "apps/tempo", "values.replicas", 5)
    objects.cloud.drift("grafana", "DataSource", "1:tempo", "url", "http://b")

    everything = {"web": "update", "tempo": "update", "tempo-source": "update"}
    assert {step.name: step.op for step in objects.refresh().changed()} == everything
    inputs = {
        entry["urn"].rsplit("::", 1)[-1]: entry.get("inputs") for entry in objects.resources()
    }
    assert inputs["web"]["spec"] == {"ports": [{"port": 81}]}
    assert inputs["tempo-source"]["url"] == "http://b"
    assert objects.plan(*declared) == everything
    objects.up()
    assert objects.plan(*declared) == {}


def test_a_refresh_finds_what_is_gone_and_an_update_makes_it_again(objects, entry):
    bucket = entry(BUCKET, "traces", bucket="traces")
    objects.apply(bucket)
    objects.cloud.remove("minio", "S3Bucket", "traces")

    assert objects.refresh().changes == {"delete": 1}
    assert objects.plan(bucket) == {"traces": "create"}


def test_a_bucket_with_objects_is_only_deleted_by_force(objects, entry):
    objects.apply(entry(BUCKET, "traces", bucket="traces"))
    objects.cloud.drift("minio", "S3Bucket", "traces", "objects", {"block": "data"})

    with pytest.raises(Exception, match="not empty"):
        objects.destroy()
    objects.apply(entry(BUCKET, "traces", bucket="traces", forceDestroy=True))
    objects.destroy()

    assert objects.cloud.objects("minio") == []


def test_a_lifecycle_needs_its_bucket_and_a_sensible_rule(objects, entry):
    rules = [{"id": "a", "expiration": "7d"}]
    told = objects.refused(entry(LIFECYCLE, "expire", bucket="traces", rules=rules))
    assert "bucket does not exist" in told

    wrong = [{"id": "a", "expiration": "a week"}]
    told = objects.refused(entry(LIFECYCLE, "expire", bucket="traces", rules=wrong))
    assert "expiration must be like 5d" in told


def test_a_policy_in_use_is_detached_before_it_is_deleted(objects, entry):
    objects.apply(
        entry(USER, "user", name="tempo"),
        entry(POLICY, "policy", name="tempo", policy="{}"),
        entry(
            ATTACHMENT, "both", {"after": ["user", "policy"]}, userName="tempo", policyName="tempo"
        ),
    )
    [user] = objects.cloud.objects("minio", "IamUser")
    assert user.properties["policies"] == ["tempo"]

    objects.destroy()

    assert objects.cloud.objects("minio") == []


def test_a_service_account_without_a_policy_changes_on_every_preview(objects, entry):
    def account(**inputs: str):
        user = entry(USER, "user", name="tempo")
        return user, entry(ACCOUNT, "account", {"after": ["user"]}, targetUser="tempo", **inputs)

    objects.apply(*account())
    assert objects.plan(*account()) == {"account": "update"}
    objects.up()
    assert objects.plan(*account()) == {"account": "update"}

    objects.apply(*account(policy='{"Version": "1"}'))
    assert objects.plan(*account(policy='{"Version": "1"}')) == {}


def test_a_user_with_force_destroy_is_deleted_by_its_update(objects, entry):
    objects.apply(entry(USER, "user", name="tempo", forceDestroy=True))

    told = objects.refused(entry(USER, "user", name="tempo", forceDestroy=True, disableUser=True))

    assert "deleted by its own update" in told
    assert objects.cloud.objects("minio") == []


def test_grafana_refuses_a_second_data_source_of_a_name(objects, entry):
    objects.apply(entry(SOURCE, "one", name="Tempo", type="tempo", uid="one"))

    told = objects.refused(
        entry(SOURCE, "one", name="Tempo", type="tempo", uid="one"),
        entry(SOURCE, "two", name="Tempo", type="tempo", uid="two"),
    )

    assert "DataSource with the same name (Tempo) already exists" in told


def test_grafana_keeps_secrets_to_itself_and_what_it_adds_is_drift(objects, entry):
    headers = {"X-Scope-OrgID": "secret:tenant"}
    source = entry(
        SOURCE, "it", name="T", type="tempo", uid="t", jsonDataEncoded="{}", httpHeaders=headers
    )
    objects.apply(source)
    objects.cloud.drift("grafana", "DataSource", "1:t", "httpHeaders", None)
    assert objects.refresh().changes == {}

    added = json.dumps({"added": "by the server"})
    objects.cloud.drift("grafana", "DataSource", "1:t", "jsonDataEncoded", added)
    objects.refresh()
    assert objects.plan(source) == {"it": "update"}


def test_an_unknown_type_is_refused_with_the_place_to_add_it(objects, entry):
    told = objects.refused(entry("minio:index/kmsKey:KmsKey", "key", keyId="a"))

    assert "no rules for minio:index/kmsKey:KmsKey" in told
    assert "sandbox/providers/minio.py" in told


def test_an_unknown_property_is_refused(objects, entry):
    told = objects.refused(entry(BUCKET, "traces", colour="blue"))

    assert "colour" in told
    assert "no such property" in told


def test_the_nth_operation_fails_when_it_is_told_to(objects, kube):
    declared = [
        kube("core/v1", "ConfigMap", "one", data={}),
        kube("core/v1", "ConfigMap", "two", data={}, after=["one"]),
    ]
    objects.cloud.fail("create", "ConfigMap", nth=2, message="etcd is full")

    told = objects.refused(*declared)

    assert "two: etcd is full" in told.replace("  ", " ")
    assert objects.plan(*declared) == {"two": "create"}
    objects.up()
    assert objects.plan(*declared) == {}


def test_an_answer_that_is_lost_leaves_an_orphan(objects, kube):
    orphan = kube("core/v1", "ConfigMap", "one", data={})
    objects.cloud.fail("create", "ConfigMap", "one", when="after", code=grpc.StatusCode.UNAVAILABLE)

    objects.refused(orphan)

    assert "one" not in names(objects)
    assert [known.id for known in objects.cloud.objects("kubernetes", "ConfigMap")] == ["apps/one"]
    assert "already exists" in objects.refused(orphan)


def test_a_resource_that_does_not_become_ready_is_kept_in_the_state(objects, kube):
    slow = kube("core/v1", "Service", "web", spec={})
    objects.cloud.fail("create", "Service", when="partial", message="no endpoints")

    assert "no endpoints" in objects.refused(slow)

    assert "web" in names(objects)
    assert objects.plan(slow) == {"web": "update"}
    objects.up()
    assert objects.plan(slow) == {}
