"""Four MinIO servers in the cluster, with TLS between them and to them, in a namespace that was
there.

One story, told in order: the pool goes up, keeps a trace, refuses what would lose it, goes on
without one of its servers, and goes down.
"""

import secrets
from collections.abc import Iterator
from functools import partial

import pytest
import trustme

from config import MinioConfig
from ops.stack_files import settings as settings_of
from sandbox import Sandbox
from tests.live import store
from tests.live.cluster import Cluster, is_ready
from tests.live.figures import Figures
from tests.live.needs import STACK as SMALL
from tests.live.needs import Needs, free_port
from tests.live.platform import GONE_SECONDS, PODS_SECONDS, Platform, explained, operations
from tests.live.project import Project
from tests.live.store import forwarded
from tests.live.waiting import until

STACK = "pool"
SERVERS = 4
CERTIFICATE = "minio-tls"
CA_FILE = "pool-ca.pem"


@pytest.fixture(scope="module")
def namespace(needs: Needs, authority: trustme.CA) -> Iterator[str]:
    """A namespace that is not the stack's, with the servers' certificate."""
    cluster = Cluster(needs.context)
    name = f"tracing-live-{secrets.token_hex(4)}"
    own = authority.issue_cert(
        "minio",
        f"minio.{name}",
        f"minio.{name}.svc.cluster.local",
        f"*.minio-headless.{name}.svc.cluster.local",
    )
    chain = b"".join(pem.bytes() for pem in own.cert_chain_pems).decode()
    cluster.create(apiVersion="v1", kind="Namespace", metadata={"name": name})
    try:
        cluster.create(
            apiVersion="v1",
            kind="Secret",
            type="kubernetes.io/tls",
            metadata={"name": CERTIFICATE, "namespace": name},
            stringData={"tls.crt": chain, "tls.key": own.private_key_pem.bytes().decode()},
        )
        yield name
    finally:
        cluster.run("delete", "namespace", name, "--wait=false")
        until(
            f"namespace {name} is gone",
            GONE_SECONDS,
            lambda: f"namespace/{name}" not in cluster.cluster_wide(),
        )


@pytest.fixture(scope="module")
def pool(
    needs: Needs,
    namespace: str,
    authority: trustme.CA,
    figures: Figures,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """The stack, applied; whatever comes of it, nothing stays behind."""
    changes = {
        "environment": "dev",
        # What would lose traces is refused.
        "deleteData": None,
        "kubernetes": {"context": needs.context, "existingNamespaces": [namespace]},
        "objectStore": {
            "namespace": namespace,
            "replicas": SERVERS,
            "volumeSize": "1Gi",
            "tls": {"secretName": CERTIFICATE, "caFile": CA_FILE},
            "admin": {"portForward": {"localPort": free_port()}},
        },
        "tempo": {**settings_of(SMALL)["tracing:tempo"], "namespace": namespace},
        "collector": None,
        "traefik": None,
    }
    settings = needs.settings(SMALL, changes)
    project = Project(needs, STACK, settings, tmp_path_factory.mktemp("pool"), figures.add)
    ca_file = project.directory / CA_FILE
    authority.cert_pem.write_to_path(ca_file)
    cluster = Cluster(needs.context)
    with Sandbox(project.directory, STACK) as box:
        box.cloud.add_namespace(namespace)
        reach = partial(forwarded, cluster, project.settings, ca_file, 0)
        pool = Platform(project, cluster, box, reach)
        try:
            pool.apply()
            yield pool
        finally:
            pool.clear()


def servers(pool: Platform) -> dict[str, tuple[str, bool]]:
    """The pool's pods: which one each is of those that had its name, and whether it is Ready."""
    settings = pool.stack.object_store
    assert isinstance(settings, MinioConfig)
    found = pool.cluster.objects(
        "pods",
        f"--namespace={settings.namespace}",
        f"--selector=app.kubernetes.io/instance={settings.name}",
    )
    return {pod["metadata"]["name"]: (pod["metadata"]["uid"], is_ready(pod)) for pod in found}


def test_the_pool_goes_up_as_the_sandbox_says(pool: Platform, figures: Figures) -> None:
    assert operations(pool.previewed) == operations(pool.foretold)
    assert operations(pool.applied) == operations(pool.previewed)
    figures.add("pool: resources created", pool.applied.changes["create"], "resources")
    with figures.timed("pool: pods ready after up"):
        until("every pod is ready", PODS_SECONDS, pool.pods_are_ready)
    assert {*servers(pool)} == {f"minio-{index}" for index in range(SERVERS)}


def test_the_servers_form_one_cluster(pool: Platform) -> None:
    with pool.reach() as server:
        until("the cluster is healthy", PODS_SECONDS, lambda: server.health("cluster") == 200)


def test_a_preview_and_a_refresh_find_nothing_to_change(pool: Platform) -> None:
    assert pool.project.preview().changes == {}
    assert pool.project.refresh().changes == {}
    assert pool.project.preview().changes == {}


def test_a_block_is_in_the_bucket(pool: Platform, figures: Figures) -> None:
    assert pool.trace(pool.send("otlpGrpcEndpoint", "to the pool")) == ["to the pool"]
    with figures.timed("pool: a block in the bucket after the flush"):
        pool.wait_for_another_block([])


def test_larger_volumes_are_grown_in_place(pool: Platform) -> None:
    # Only looked at: not every StorageClass can do it.
    with pool.setting("objectStore.volumeSize", "2Gi"):
        foretold, real = pool.box.preview(), pool.project.preview()
    assert operations(real) == {f"minio-volume-{index}": "update" for index in range(SERVERS)}
    assert explained(real) == explained(foretold)


def test_another_number_of_servers_is_refused(pool: Platform) -> None:
    with pool.setting("objectStore.replicas", SERVERS + 1):
        refused = pool.project.refused("preview")
    assert "protect" in refused.text
    assert "minio-server" in refused.text


def test_the_traces_can_be_read_while_a_server_is_missing(pool: Platform, figures: Figures) -> None:
    bucket, last = pool.stack.object_store.bucket, f"minio-{SERVERS - 1}"
    with pool.reach() as server:
        client = server.s3(pool.store_keys())
        before = {name: store.read(client, bucket, name) for name in store.names(client, bucket)}
        assert before
        reads: list[bool] = []
        missing, _ = servers(pool)[last]

        def is_back() -> bool:
            reads.extend(store.read(client, bucket, name) == before[name] for name in before)
            now, ready = servers(pool).get(last, (missing, False))
            return now != missing and ready

        in_namespace = f"--namespace={pool.stack.tempo.namespace}"
        pool.cluster.run("delete", "pod", last, in_namespace, "--wait=false")
        until(f"{last} is back", PODS_SECONDS, is_back)
    assert all(reads)
    figures.add("pool: objects read while a server was missing", len(reads), "objects")


def test_destroy_leaves_the_namespace_and_what_was_in_it(pool: Platform) -> None:
    assert "protect" in pool.project.refused("destroy", "--yes").text
    pool.set("deleteData", True)
    pool.project.up()
    assert set(pool.project.destroy().changes) == {"delete"}
    in_namespace = f"--namespace={pool.stack.tempo.namespace}"

    def left(kind: str) -> set[str]:
        return {found["metadata"]["name"] for found in pool.cluster.objects(kind, in_namespace)}

    assert left("secrets") == {CERTIFICATE}
    assert left("statefulsets,deployments,services") == set()

    def volumes_are_gone() -> bool:
        # Those of Tempo's ingesters are not the stack's; they go with the namespace.
        return not any(claim.startswith("data-minio") for claim in left("persistentvolumeclaims"))

    until("the servers' volumes are gone", GONE_SECONDS, volumes_are_gone)
