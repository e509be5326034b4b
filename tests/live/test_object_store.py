"""A MinIO outside the cluster, over TLS, with a certificate that a private authority signed.

The stack of examples/private-ca, with Tempo as small as in dev. One story, told in order: what is
wrong with the settings is refused, the stack goes up beside a bucket that was there, its keys are
looked at and rotated, it holds on to its traces, and goes down.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
import trustme
from minio.error import S3Error

from config.object_store import ExternalMinioConfig
from ops.stack_files import settings as settings_of
from sandbox import Sandbox
from sandbox.result import diagnostics_of
from tests.live.cluster import Cluster
from tests.live.figures import Figures
from tests.live.needs import STACK as SMALL
from tests.live.needs import Missing, Needs, free_port, without
from tests.live.platform import (
    GONE_SECONDS,
    PODS_SECONDS,
    Platform,
    assert_no_secret_is_written,
    assert_resources_are_as_simulated,
    at_fault,
    explained,
    operations,
)
from tests.live.project import Project
from tests.live.store import (
    Keys,
    Server,
    contents,
    host_of_the_cluster,
    names,
    on_this_machine,
    put,
    refusal,
    what_tempo_does,
    what_tempo_has_no_use_for,
)
from tests.live.waiting import at_the_first, until

STACK = "private-ca"
ROOT = Keys("admin", secrets.token_hex(16))
PASSWORD = "objectStoreRootPassword"
OTHERS = "somebody-elses"


class Outside(Platform):
    """The stack, and the server that it uses."""

    server: Server
    contents_before: dict[str, set[str]]

    @property
    def store(self) -> ExternalMinioConfig:
        """The settings of the store."""
        settings = self.stack.object_store
        assert isinstance(settings, ExternalMinioConfig)
        return settings

    def contents(self) -> dict[str, set[str]]:
        """What is in the server that was not there before the stack."""
        now = contents(self.server, ROOT)
        return {kind: found - self.contents_before[kind] for kind, found in now.items()}


NOTHING: dict[str, set[str]] = {"buckets": set(), "users": set(), "policies": set()}


@pytest.fixture(scope="module")
def server(
    needs: Needs, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The server, with a bucket that is not the stack's."""
    directory = tmp_path_factory.mktemp("minio")
    region = settings_of(STACK)["tracing:objectStore"]["region"]
    try:
        host = host_of_the_cluster(Cluster(needs.context))
        with on_this_machine(directory, host, authority, ROOT, region) as server:
            theirs = server.s3(ROOT)
            theirs.make_bucket(OTHERS)
            put(theirs, OTHERS, "object")
            yield server
    except Missing as missing:
        pytest.skip(f"a store outside the cluster: {missing}")


@pytest.fixture(scope="module")
def outside(
    needs: Needs,
    server: Server,
    authority: trustme.CA,
    figures: Figures,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Outside]:
    """The stack, not yet applied; whatever comes of it, nothing stays behind."""
    example, small = settings_of(STACK), settings_of(SMALL)
    changes = {
        **dict.fromkeys(without()),
        # Of a Tempo with one copy of each trace.
        "environment": "dev",
        "objectStore": {**example["tracing:objectStore"], "endpoint": server.endpoint},
        "tempo": {**small["tracing:tempo"], **example["tracing:tempo"]},
    }
    settings = needs.settings(STACK, changes)
    project = Project(needs, STACK, settings, tmp_path_factory.mktemp("outside"), figures.add)
    authority.cert_pem.write_to_path(
        project.directory / example["tracing:objectStore"]["caFile"],
    )
    # Before the password is set, which only the real stack has to know.
    with Sandbox(project.directory, STACK) as box:
        project.set_secret(f"tracing:{PASSWORD}", ROOT.secret)
        outside = Outside(project, Cluster(needs.context), box, lambda: nullcontext(server))
        outside.server, outside.contents_before = server, contents(server, ROOT)
        try:
            yield outside
        finally:
            outside.clear()


# What is wrong is refused


def with_another_password(outside: Outside) -> None:
    outside.project.set_secret(f"tracing:{PASSWORD}", "not the password")


def with_another_administrator(outside: Outside) -> None:
    outside.project.set("objectStore.rootUser", "nobody")


def with_another_authority(outside: Outside) -> None:
    trustme.CA().cert_pem.write_to_path(outside.project.directory / "another.pem")
    outside.project.set("objectStore.caFile", "another.pem")


def with_the_usual_authorities(outside: Outside) -> None:
    outside.project.set("objectStore.caFile", None)


def with_a_closed_port(outside: Outside) -> None:
    host = outside.server.endpoint.rpartition(":")[0]
    outside.project.set("objectStore.endpoint", f"{host}:{free_port(host)}")


WRONG: dict[str, tuple[str, Callable[[Outside], None]]] = {
    "another password": (f"tracing:{PASSWORD}", with_another_password),
    "another administrator": ("tracing:objectStore.rootUser", with_another_administrator),
    "another authority": ("tracing:objectStore.caFile", with_another_authority),
    "the usual authorities": ("tracing:objectStore.caFile", with_the_usual_authorities),
    "a closed port": ("tracing:objectStore.endpoint", with_a_closed_port),
}


def test_the_preview_says_what_the_sandbox_says(outside: Outside) -> None:
    assert operations(outside.previewed) == operations(outside.foretold)


@pytest.mark.parametrize("case", WRONG)
def test_what_the_store_refuses_is_one_error_before_anything_is_changed(
    outside: Outside, case: str
) -> None:
    key, spoil = WRONG[case]
    with outside.project.restored():
        spoil(outside)
        refused = outside.project.refused("up", "--yes", "--skip-preview")
    said = diagnostics_of(refused.events)
    assert "has 1 error; nothing was changed" in said
    assert [line for line in said.splitlines() if line.strip().startswith("tracing:")] == [
        line for line in said.splitlines() if line.strip().startswith(f"{key}: ")
    ]
    assert "Traceback" not in refused.text
    assert operations(refused) == {}
    assert outside.contents() == NOTHING
    assert outside.is_gone()


def test_after_that_the_preview_is_as_before(outside: Outside) -> None:
    assert operations(outside.project.preview()) == operations(outside.previewed)


def test_a_bucket_that_is_there_already_is_one_error_and_not_touched(outside: Outside) -> None:
    bucket = outside.store.bucket
    theirs = outside.server.s3(ROOT)
    theirs.make_bucket(bucket)
    put(theirs, bucket, "object")
    refused = outside.project.refused("up", "--yes", "--skip-preview")
    assert at_fault(refused) == {"store-bucket"}
    assert f"bucket already exists! ({bucket})" in refused.text
    # Nor is there a user or a policy, which would have taken over one of the same name.
    assert outside.contents() == {**NOTHING, "buckets": {bucket}}
    assert names(theirs, bucket) == ["object"]


# It goes up


def test_the_stack_takes_the_bucket_over_if_it_is_told_to(
    outside: Outside, figures: Figures
) -> None:
    with outside.project.restored():
        outside.project.set("adoptExisting", True)
        adopted = outside.project.preview()
        assert operations(adopted)["store-bucket"] == "import"
        outside.apply()
    figures.add("private-ca: resources", len(outside.project.resources()), "resources")
    assert names(outside.server.s3(ROOT), outside.store.bucket) == ["object"]
    until("every pod is ready", PODS_SECONDS, outside.pods_are_ready)


def test_without_that_setting_only_a_provider_changes(outside: Outside) -> None:
    assert operations(outside.project.up()) == {"kubernetes": "update"}


def test_two_more_previews_and_a_refresh_find_nothing_to_change(outside: Outside) -> None:
    assert outside.project.preview().changes == {}
    assert outside.project.preview().changes == {}
    assert outside.project.refresh().changes == {}
    assert outside.project.preview().changes == {}


def test_ids_and_secrets_are_as_in_the_sandbox(outside: Outside) -> None:
    assert_resources_are_as_simulated(outside)


# It works


def test_a_span_comes_back_from_tempo_and_its_block_is_in_the_bucket(
    outside: Outside, figures: Figures
) -> None:
    before = outside.blocks()
    assert outside.trace(outside.send("otlpGrpcEndpoint", "over TLS")) == ["over TLS"]
    with figures.timed("private-ca: a block in the bucket after the flush"):
        outside.wait_for_another_block(before)


def test_the_bucket_is_as_configured(outside: Outside) -> None:
    store, client = outside.store, outside.server.s3(ROOT)
    assert client.get_bucket_versioning(store.bucket).status == "Enabled"
    lifecycle = client.get_bucket_lifecycle(store.bucket)
    assert lifecycle is not None
    [rule] = lifecycle.rules
    assert rule.expiration is not None
    assert rule.noncurrent_version_expiration is not None
    # Tempo's block retention and five days.
    assert rule.expiration.days == 19
    assert rule.noncurrent_version_expiration.noncurrent_days == store.lifecycle.noncurrent_days


# Its keys are good for their purpose only


def test_the_keys_of_tempo_do_what_tempo_does(outside: Outside) -> None:
    client = outside.server.s3(outside.store_keys())
    work = what_tempo_does(client, outside.store.bucket)
    assert {what: refusal(call) for what, call in work.items()} == dict.fromkeys(work)


def test_the_keys_of_tempo_do_nothing_else(outside: Outside) -> None:
    keys = outside.store_keys()
    client, admin = outside.server.s3(keys), outside.server.admin(keys)
    mischief = what_tempo_has_no_use_for(client, admin, outside.store.bucket, OTHERS)
    assert {what: refusal(call) for what, call in mischief.items()} == dict.fromkeys(
        mischief, "AccessDenied"
    )
    # Which buckets there are may be asked; the server only shows those that the keys are for.
    assert [bucket.name for bucket in client.list_buckets()] == [outside.store.bucket]


# Its keys are rotated


def test_the_old_keys_work_until_tempo_was_started_with_the_new_ones(
    outside: Outside, figures: Figures
) -> None:
    old = outside.store_keys()
    [before] = {version for version, _ in outside.readers_of_the_keys().values()}
    outside.set("objectStore.keyVersion", 2)
    assert explained(outside.project.preview()) == explained(outside.box.preview())

    def refused() -> bool:
        return refusal(lambda: outside.objects(old)) is not None

    assert not refused()
    with at_the_first(refused, outside.readers_of_the_keys) as seen:
        done = outside.project.up()
    assert operations(done) == operations(outside.box.up())
    [after] = {version for version, _ in outside.readers_of_the_keys().values()}
    assert after != before
    # The update deletes the old ones at its very end, maybe after the last time that was asked.
    for pods in seen:
        assert {version for version, _ in pods.values()} == {after}
        # Those that write. Of the others' pods Helm takes one for each Deployment on trust.
        assert all(ready for name, (_, ready) in pods.items() if "-ingester-" in name)
    figures.add("private-ca: old keys seen refused during the update", len(seen), "times")

    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        outside.objects(old)
    assert outside.store_keys() != old
    assert outside.objects(outside.store_keys())
    assert outside.project.preview().changes == {}


def test_tempo_writes_with_the_new_keys(outside: Outside, figures: Figures) -> None:
    with figures.timed("private-ca: pods ready after the rotation"):
        until("every pod is ready", PODS_SECONDS, outside.pods_are_ready)
    before = outside.blocks()
    outside.trace(outside.send("otlpGrpcEndpoint", "after the rotation"))
    outside.wait_for_another_block(before)


# It keeps its secrets


def test_no_secret_is_in_clear_in_state_output_or_release(outside: Outside) -> None:
    passwords = {ROOT.secret, *outside.passwords().values()}
    assert len(passwords) == 2
    assert_no_secret_is_written(outside, passwords)


# It goes down


def test_a_destroy_is_refused_and_everything_is_still_there(outside: Outside) -> None:
    bucket, client = outside.store.bucket, outside.server.s3(ROOT)
    before = names(client, bucket)
    # With its preview, which is what keeps it from beginning.
    refused = outside.project.refused("destroy", "--yes")
    assert at_fault(refused) == {"store-bucket", "namespace-tempo"}
    assert "protected" in refused.text
    assert names(client, bucket) == before
    assert outside.pods_are_ready()
    assert outside.project.preview().changes == {}


def test_all_but_the_traces_can_be_destroyed_and_made_again(outside: Outside) -> None:
    before = outside.blocks()
    trace_id = outside.send("otlpGrpcEndpoint", "kept")
    assert outside.trace(trace_id) == ["kept"]
    outside.wait_for_another_block(before)
    kept = names(outside.server.s3(ROOT), outside.store.bucket)

    assert set(outside.project.destroy("--exclude-protected").changes) == {"delete"}
    assert {*names(outside.server.s3(ROOT), outside.store.bucket)} >= {*kept}
    assert outside.contents() == {**NOTHING, "buckets": {outside.store.bucket}}
    outside.project.up()
    until("every pod is ready", PODS_SECONDS, outside.pods_are_ready)
    assert outside.trace(trace_id) == ["kept"]


def test_a_stack_that_allows_it_is_destroyed_with_its_bucket(
    outside: Outside, figures: Figures
) -> None:
    outside.set("deleteData", True)
    outside.project.up()
    assert outside.project.preview().changes == {}
    assert set(outside.project.destroy().changes) == {"delete"}
    assert outside.project.resources() == []
    assert outside.contents() == NOTHING
    with figures.timed("private-ca: cluster clean after destroy"):
        until("the cluster is as before", GONE_SECONDS, outside.is_gone)
