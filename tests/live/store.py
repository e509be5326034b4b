"""MinIO servers: the stack's own, and one on this machine, as their clients see them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme
import urllib3
from minio import Minio, MinioAdmin
from minio.commonconfig import ENABLED, Filter, Tags
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from components.minio_server import S3_PORT
from config import MinioConfig, StackConfig
from tests.live.cluster import REQUEST_TIMEOUT_SECONDS, Address, Cluster
from tests.live.needs import Missing, free_port
from tests.live.process import running

HOST: Final = "TRACING_LIVE_HOST"


@dataclass(frozen=True)
class Keys:
    """Who somebody is at a store."""

    access: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class Server:
    """A MinIO server, at an address that this machine reaches."""

    endpoint: str
    region: str
    ca_file: Path | None = None
    """What its certificate is verified against; plain HTTP if `None`."""
    name: str | None = None
    """The name that the certificate has to be for, if it is not the endpoint's."""

    def s3(self, keys: Keys) -> Minio:
        """A client of the S3 API."""
        return Minio(
            self.endpoint,
            access_key=keys.access,
            secret_key=keys.secret,
            region=self.region,
            secure=self.ca_file is not None,
            http_client=self._pool(),
        )

    def admin(self, keys: Keys) -> MinioAdmin:
        """A client of the admin API."""
        return MinioAdmin(
            endpoint=self.endpoint,
            credentials=StaticProvider(keys.access, keys.secret),
            region=self.region,
            secure=self.ca_file is not None,
            http_client=self._pool(),
        )

    def health(self, of: str) -> int:
        """The status with which the server answers for its health."""
        scheme = "http" if self.ca_file is None else "https"
        url = f"{scheme}://{self.endpoint}/minio/health/{of}"
        return self._pool().request("GET", url).status

    def _pool(self) -> urllib3.PoolManager:
        patience = {"timeout": REQUEST_TIMEOUT_SECONDS, "retries": False}
        if self.ca_file is None:
            return urllib3.PoolManager(**patience)
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        return urllib3.PoolManager(
            ssl_context=trust, server_hostname=self.name, assert_hostname=self.name, **patience
        )


@contextlib.contextmanager
def forwarded(
    cluster: Cluster, stack: StackConfig, ca_file: Path | None = None, pod: int | None = None
) -> Iterator[Server]:
    """The store of a stack with a server of its own: any of its pods, or the one numbered `pod`."""
    store = stack.object_store
    assert isinstance(store, MinioConfig)
    address = Address(store.name, store.namespace, S3_PORT)
    resource = None if pod is None else f"pod/{store.name}-{pod}"
    with cluster.forwarded(address, resource) as endpoint:
        yield Server(
            endpoint=endpoint,
            region=store.region,
            ca_file=ca_file,
            name=f"{store.name}.{store.namespace}.svc.cluster.local",
        )


def names(client: Minio, bucket: str) -> list[str]:
    """The names of the objects in a bucket."""
    return [entry.object_name or "" for entry in client.list_objects(bucket, recursive=True)]


def put(client: Minio, bucket: str, name: str) -> None:
    """Put an object."""
    client.put_object(bucket, name, io.BytesIO(b"spans"), len(b"spans"))


def read(client: Minio, bucket: str, name: str) -> bytes:
    """All of an object."""
    answer = client.get_object(bucket, name)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def refusal(call: Callable[[], object]) -> str | None:
    """The code with which the server refuses a call; `None` if it does what it is asked."""
    try:
        call()
    except S3Error as error:
        return error.code
    except MinioAdminException as error:
        return json.loads(error._body)["Code"]
    return None


def what_tempo_does(client: Minio, bucket: str) -> dict[str, Callable[[], object]]:
    """Each thing that Tempo has to be able to do in its bucket, in an order that works."""
    name, tags = "live-tests/object", Tags.new_object_tags()
    tags["of"] = "the live tests"
    return {
        "put": lambda: put(client, bucket, name),
        "get": lambda: read(client, bucket, name),
        "list": lambda: names(client, bucket),
        "put tags": lambda: client.set_object_tags(bucket, name, tags),
        "get tags": lambda: client.get_object_tags(bucket, name),
        "delete": lambda: client.remove_object(bucket, name),
    }


def what_tempo_has_no_use_for(
    client: Minio, admin: MinioAdmin, bucket: str, other: str
) -> dict[str, Callable[[], object]]:
    """Things that a key which got lost must not be good for."""
    soon = Rule(ENABLED, Filter(prefix=""), rule_id="soon", expiration=Expiration(days=1))
    return {
        "list another bucket": lambda: names(client, other),
        "put into another bucket": lambda: put(client, other, "object"),
        "make a bucket": lambda: client.make_bucket(f"{bucket}-too"),
        "delete the bucket": lambda: client.remove_bucket(bucket),
        "read the bucket's policy": lambda: client.get_bucket_policy(bucket),
        "make the bucket public": lambda: client.set_bucket_policy(bucket, "{}"),
        "read the lifecycle": lambda: client.get_bucket_lifecycle(bucket),
        "change the lifecycle": lambda: client.set_bucket_lifecycle(
            bucket, LifecycleConfig([soon])
        ),
        "add a user": lambda: admin.user_add("intruder", "of the live tests"),
        "list the users": admin.user_list,
        "ask about the server": admin.info,
    }


def contents(server: Server, root: Keys) -> dict[str, set[str]]:
    """What there is in a server that a stack may have made."""
    admin = server.admin(root)
    return {
        "buckets": {bucket.name for bucket in server.s3(root).list_buckets()},
        "users": set(json.loads(admin.user_list())),
        "policies": set(json.loads(admin.policy_list())),
    }


@contextlib.contextmanager
def on_this_machine(
    directory: Path, host: str, authority: trustme.CA, root: Keys, region: str
) -> Iterator[Server]:
    """A MinIO outside the cluster, with a certificate that the authority signed; raises Missing."""
    program = shutil.which("minio")
    if program is None:
        raise Missing("minio, the server, is not on PATH")
    certificates = directory / "certs"
    certificates.mkdir()
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    own = authority.issue_cert(host)
    for pem in own.cert_chain_pems:
        pem.write_to_path(certificates / "public.crt", append=True)
    own.private_key_pem.write_to_path(certificates / "private.key")
    endpoint = f"{host}:{free_port(host)}"
    command = [program, "server", str(directory / "data"), f"--address={endpoint}"]
    command += [f"--console-address=127.0.0.1:{free_port()}", f"--certs-dir={certificates}"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "MINIO_ROOT_USER": root.access,
        "MINIO_ROOT_PASSWORD": root.secret,
        "MINIO_SITE_REGION": region,
    }
    server = Server(endpoint=endpoint, region=region, ca_file=ca_file)

    def ready() -> bool:
        try:
            return server.health("cluster") == 200
        except urllib3.exceptions.HTTPError as error:
            raise AssertionError(str(error)) from None

    with running("minio", directory, *command, ready=ready, environment=environment):
        yield server


def host_of_the_cluster(cluster: Cluster) -> str:
    """This machine's address as pods reach it; raises Missing.

    The one from which it reaches a node: where nodes are containers or virtual machines here,
    their bridge's; elsewhere the network's that both are in.
    """
    if host := os.environ.get(HOST):
        return host
    for node in cluster.objects("nodes"):
        for address in node["status"]["addresses"]:
            if address["type"] == "InternalIP" and "." in address["address"]:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    # Of a datagram socket this only asks the routing table.
                    with contextlib.suppress(OSError):
                        probe.connect((address["address"], 9))
                    found = probe.getsockname()[0]
                if found != "0.0.0.0" and not found.startswith("127."):
                    return found
    raise Missing(
        f"under which address pods reach this machine can't be told from the cluster's nodes; "
        f"name it in {HOST}"
    )
