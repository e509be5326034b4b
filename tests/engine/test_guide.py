"""The procedures of docs/operations.md, run as they stand there, and what each has to achieve."""

import base64
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.values.annotations import VERSION_ANNOTATION
from sandbox import Sandbox, SandboxError, StoreRules
from sandbox.shell import Shell
from tests.engine import guide
from tests.engine.whole import assert_whole, existing

TEXT = guide.PAGE.read_text("utf-8")
ELSEWHERE = {"recover", "recover-destroy", "adopt", "damaged"}
"""Procedures that other modules of this directory run."""


COMMAND = re.compile(r"^(?:helm|kubectl) .*|(?<=`)(?:helm|kubectl) (?!template)[^`]*", re.MULTILINE)
CLUSTER_COMMANDS = [" ".join(command.split()) for command in COMMAND.findall(TEXT)]
"""What the guide says to helm and kubectl, in blocks and in sentences."""


def with_grafana(directory: Path) -> Sandbox:
    box = guide.sandbox(directory)
    box.set_config("tracing:grafana", {"url": "https://grafana.example.com"})
    box.set_config("tracing:grafanaAuth", "first-token", secret=True)
    return box


@pytest.fixture(scope="module")
def open_stack() -> Callable[[Path], Sandbox]:
    return with_grafana


def run(box: Sandbox, name: str, before: str = "") -> str:
    return Shell(box).run(before + guide.procedures()[name], hurry=True)


def in_secret(box: Sandbox, id: str, key: str) -> str:
    secret = box.cloud.get("kubernetes", "Secret", id)
    assert secret is not None
    return base64.b64decode(secret["data"][key]).decode()


def release(box: Sandbox, id: str) -> dict:
    found = box.cloud.get("kubernetes", "Release", id)
    assert found is not None
    return found


def test_every_procedure_of_the_guide_is_run_by_a_test() -> None:
    source = Path(__file__).read_text("utf-8")
    for name in guide.procedures().keys() - ELSEWHERE:
        assert f'"{name}"' in source, name


@pytest.mark.parametrize("command", CLUSTER_COMMANDS)
def test_helm_and_kubectl_are_told_the_cluster_and_take_no_current_one(command: str) -> None:
    assert '-context "$CONTEXT"' in command


def test_a_new_key_of_the_store_is_in_use_and_the_old_user_is_gone(box) -> None:
    run(box, "rotate-store-key")
    assert [user.id for user in box.cloud.objects("minio", "IamUser")] == ["tempo-2"]
    assert_whole(box)


def test_a_key_replaced_after_a_destroy_that_ended_halfway_is_the_only_one(box) -> None:
    box.cloud.fail("delete", "StatefulSet")
    with pytest.raises(SandboxError, match="unable to handle the request"):
        Shell(box).run("make destroy STACK=staging", hurry=True)
    assert box.cloud.objects("minio", "S3Bucket")
    box.set_config("tracing:objectStore.keyVersion", 2)
    said = run(box, "adopt")
    assert "other versions of its key, which the next update deletes: tempo\n" in said
    assert [user.id for user in box.cloud.objects("minio", "IamUser")] == ["tempo-2"]
    assert_whole(box)


def test_a_new_root_password_is_in_the_servers_secret(box) -> None:
    before = in_secret(box, "tempo/minio-root", "MINIO_ROOT_PASSWORD")
    run(box, "rotate-root-password")
    assert in_secret(box, "tempo/minio-root", "MINIO_ROOT_PASSWORD") != before
    assert_whole(box)


def test_a_generated_password_is_given_from_then_on(box) -> None:
    before = in_secret(box, "tempo/minio-root", "MINIO_ROOT_PASSWORD")
    run(box, "give-root-password")
    assert in_secret(box, "tempo/minio-root", "MINIO_ROOT_PASSWORD") == before
    assert not [r for r in box.resources() if r["urn"].endswith("::minio-root-password")]
    assert_whole(box)


def test_a_password_is_generated_again_and_the_server_restarts_with_it(box) -> None:
    run(box, "give-root-password")
    given = in_secret(box, "tempo/minio-root", "MINIO_ROOT_PASSWORD")
    restarted_for = version_at_server(box)
    run(box, "generate-root-password")
    assert [r for r in box.resources() if r["urn"].endswith("::minio-root-password")]
    assert in_secret(box, "tempo/minio-root", "MINIO_ROOT_PASSWORD") != given
    assert version_at_server(box) != restarted_for
    assert_whole(box)


def version_at_server(box: Sandbox) -> str:
    """The version of its Secret that MinIO was started with."""
    server = box.cloud.get("kubernetes", "StatefulSet", "tempo/minio")
    assert server is not None
    return server["spec"]["template"]["metadata"]["annotations"][VERSION_ANNOTATION]


def test_given_keys_of_a_store_are_in_use_and_the_first_pair_is_not_needed(tmp_path: Path) -> None:
    with guide.sandbox(tmp_path / "box") as box:
        box.set_config("tracing:objectStore", {"type": "s3", "endpoint": "s3.example.com"})
        box.up()
        restarted_for = versions_at_tempo(box)
        keys = "printf second-id > access-key\nprintf second-key > secret-key\n"
        run(box, "rotate-given-keys", keys)
        assert in_secret(box, "tempo/tempo-minio-secret", "MINIO_ACCESS_KEY_ID") == "second-id"
        secret_key = in_secret(box, "tempo/tempo-minio-secret", "MINIO_SECRET_ACCESS_KEY")
        assert secret_key == "second-key"
        versions = versions_at_tempo(box)
        assert {"ingester", "querier", "compactor"} <= versions.keys() == restarted_for.keys()
        assert not versions.items() & restarted_for.items()
        # The first pair is deleted at the store, which every update asks.
        rules = StoreRules(access_key="second-id", secret_key="second-key")
        box.cloud.set_store("s3.example.com", rules)
        assert box.up().changes == {}
        assert_whole(box)


def versions_at_tempo(box: Sandbox) -> dict[str, str]:
    """The version of the store's keys that each part of Tempo was started with."""
    return {
        name: part["podAnnotations"][VERSION_ANNOTATION]
        for name, part in release(box, "tempo/tempo-distributed")["values"].items()
        if VERSION_ANNOTATION in str(part)
    }


NEW = "export PULUMI_CONFIG_PASSPHRASE='another passphrase'\n"
READS = (
    "pulumi config get tracing:grafanaAuth --stack staging",
    "pulumi stack export --stack staging --show-secrets",
    "make up STACK=staging",
)


def test_another_passphrase_opens_the_stack_and_its_backup_and_the_old_one_neither(box) -> None:
    run(box, "change-passphrase", "echo 'another passphrase' > passphrase\n")
    for command in READS:
        with pytest.raises(SandboxError, match="incorrect passphrase"):
            Shell(box).run(command, hurry=True)
    assert Shell(box).run(NEW + READS[0]).endswith("first-token\n")
    Shell(box).run(f"{NEW}make preview STACK=staging ARGS=--expect-no-changes")

    run(box, "damaged", f"{NEW}: > ../backend/.pulumi/stacks/tracing/staging.json\n")

    # Back to the one that the sandbox has, to look at the stack with it.
    run(box, "change-passphrase", f"{NEW}printf sandbox > passphrase\n")
    assert_whole(box)


def test_an_empty_file_is_not_taken_for_a_passphrase(box) -> None:
    with pytest.raises(SandboxError, match="test -s passphrase"):
        run(box, "change-passphrase", ": > passphrase\n")
    assert_whole(box)


def test_a_passphrase_refused_for_a_lock_is_taken_back_with_the_stack_file(box) -> None:
    stack_file = box.workspace / "Pulumi.staging.yaml"
    Shell(box)
    before = stack_file.read_text("utf-8")
    lock = box.directory / "backend/.pulumi/locks/organization/tracing/staging/other.json"
    lock.write_text('{"pid": 1, "username": "other", "hostname": "elsewhere"}', "utf-8")
    with pytest.raises(SandboxError, match="currently locked"):
        run(box, "change-passphrase", "echo 'another passphrase' > passphrase\n")
    lock.unlink()
    assert stack_file.read_text("utf-8") != before
    stack_file.write_text(before, "utf-8")
    assert_whole(box)


def test_a_new_token_of_grafana_is_used(box) -> None:
    run(box, "rotate-grafana", "printf second-token > token\n")
    shown = Shell(box).run("pulumi config get tracing:grafanaAuth --stack staging")
    assert shown.endswith("second-token\n")
    assert_whole(box)


def test_a_setting_is_put_back(box) -> None:
    changed = "pulumi config set --stack staging --path tracing:tempo.blockRetention 24h\n"
    Shell(box).run(f"{changed}make up STACK=staging", hurry=True)
    assert release(box, "tempo/tempo-distributed")["status"]["revision"] == 2
    run(box, "rollback")
    values = release(box, "tempo/tempo-distributed")["values"]
    assert values["compactor"]["config"]["compaction"]["block_retention"] == "48h"
    assert_whole(box)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("pending-install", "pending-install"),
        ("pending-upgrade", "pending-upgrade"),
        ("pending-rollback", "pending-upgrade"),
    ],
)
def test_a_pending_release_is_found_and_mended(box, status: str, name: str) -> None:
    id = "otel/opentelemetry-collector"
    box.cloud.drift("kubernetes", "Release", id, "status.status", status)
    if status != "pending-install":
        box.cloud.drift("kubernetes", "Release", id, "status.revision", 2)
    found = Shell(box).run("helm list -A --pending")
    assert f"opentelemetry-collector\totel\t{2 if name == 'pending-upgrade' else 1}" in found

    run(box, name, "NAME=opentelemetry-collector NAMESPACE=otel CONTEXT=staging\n")

    assert release(box, id)["status"]["status"] == "deployed"
    assert_whole(box)


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback"])
def test_the_command_that_the_doctor_gives_for_a_pending_release_mends_it(box, status: str) -> None:
    id = "otel/opentelemetry-collector"
    box.cloud.drift("kubernetes", "Release", id, "status.status", status)
    if status != "pending-install":
        box.cloud.drift("kubernetes", "Release", id, "status.revision", 2)

    [finding] = found_of_releases(box)
    assert finding["what"] == f"release opentelemetry-collector in otel is {status}"
    Shell(box).run(finding["command"], hurry=True)

    assert release(box, id)["status"]["status"] == "deployed"
    assert found_of_releases(box) == []
    assert_whole(box)


def found_of_releases(box: Sandbox) -> list[dict]:
    """What the doctor finds of the stack's Helm releases."""
    # It exits with 1 when it finds something, and what it looks at besides is not simulated.
    Shell(box).run(".venv/bin/python -m ops doctor --stack staging --json >found.json || true")
    checks = json.loads((box.workspace / "found.json").read_text("utf-8"))["checks"]
    [check] = [check for check in checks if check["check"] == "releases"]
    assert check["status"] in ("ok", "findings"), check
    return check["findings"]


def test_a_stack_without_a_state_takes_up_what_is_there(box) -> None:
    shell = Shell(box)
    shutil.rmtree(box.directory / "backend" / ".pulumi" / "stacks")
    before = existing(box)
    box.cloud.drift("minio", "S3Bucket", "tempo", "objects", {"traces": "x"})
    shell.run(guide.procedures()["lost-state"], hurry=True)
    assert existing(box) == before
    [bucket] = box.cloud.objects("minio", "S3Bucket")
    assert bucket.properties["objects"] == {"traces": "x"}
    assert_whole(box)


def test_a_store_whose_volume_is_lost_is_made_anew(box) -> None:
    box.cloud.remove("kubernetes", "PersistentVolumeClaim", "tempo/data-minio-0")
    for lost in box.cloud.objects("minio"):
        box.cloud.remove("minio", lost.kind, lost.id)
    run(box, "lost-volume")
    assert_whole(box)


def at_another_server(box: Sandbox) -> None:
    """Let the store be one that has nothing but a copy of the bucket."""
    claim = "tempo/data-minio-0"
    if box.cloud.get("kubernetes", "PersistentVolumeClaim", claim) is not None:
        # The sandbox has one MinIO: from now on its data is not on this volume.
        box.cloud.drift("kubernetes", "PersistentVolumeClaim", claim, "sandbox/data-of", "")
    for left in box.cloud.objects("minio"):
        box.cloud.remove("minio", left.kind, left.id)
    box.cloud.put("minio", "S3Bucket", "tempo", {"objects": {"traces": "x"}, "acl": "private"})


def assert_moved(box: Sandbox, endpoint: str) -> None:
    values = release(box, "tempo/tempo-distributed")["values"]
    assert values["storage"]["trace"]["s3"]["endpoint"] == endpoint
    made = {found.kind for found in box.cloud.objects("minio")}
    assert made == {"S3Bucket", "IlmPolicy", "IamUser", "IamPolicy"}
    [bucket] = box.cloud.objects("minio", "S3Bucket")
    assert bucket.properties["objects"] == {"traces": "x"}
    assert [r["id"] for r in box.resources() if r.get("protect") and r["id"] == "tempo"]
    assert_whole(box)


def test_a_stack_moves_to_another_store_and_from_there_to_a_third(box) -> None:
    password = "printf new-password > password\n"
    box.set_config("tracing:deleteData", False)
    Shell(box).run("make up STACK=staging", hurry=True)
    run(box, "give-up-minio")
    at_another_server(box)
    run(box, "move-store", password)
    run(box, "end-move")
    assert box.cloud.get("kubernetes", "StatefulSet", "tempo/minio") is None
    assert box.cloud.get("kubernetes", "PersistentVolumeClaim", "tempo/data-minio-0") is None
    assert_moved(box, "minio.example.com:9000")

    at_another_server(box)
    commands = guide.procedures()["move-store"].replace("minio.example", "minio-2.example")
    Shell(box).run(password + commands, hurry=True)
    run(box, "end-move")
    assert_moved(box, "minio-2.example.com:9000")


def test_a_move_is_refused_while_the_stack_has_not_given_up_its_own_minio(box) -> None:
    box.set_config("tracing:deleteData", False)
    Shell(box).run("make up STACK=staging", hurry=True)
    at_another_server(box)
    with pytest.raises(SandboxError, match=r"minio-server.*protect|protect.*minio-server"):
        run(box, "move-store", "printf new-password > password\n")
    assert box.cloud.get("kubernetes", "StatefulSet", "tempo/minio") is not None


def test_the_traces_stay_where_all_the_rest_is_destroyed_and_are_taken_up_again(box) -> None:
    """As docs/object-store.md has it; what is in the store is deleted while its server stays."""
    box.set_config("tracing:deleteData", False)
    Shell(box).run("make up STACK=staging", hurry=True)
    Shell(box).run("make destroy STACK=staging ARGS=--exclude-protected", hurry=True)
    assert box.cloud.objects("minio", "S3Bucket")
    assert box.cloud.get("kubernetes", "StatefulSet", "tempo/minio") is not None
    assert not box.cloud.objects("minio", "IamUser")
    assert not box.cloud.objects("kubernetes", "Release")
    Shell(box).run("make up STACK=staging", hurry=True)
    assert_whole(box)


def test_a_platform_that_is_removed_leaves_nothing(box) -> None:
    run(box, "remove")
    assert existing(box) == {}
    assert [path for path in box.state_files if path.name == "staging.json"] == []
