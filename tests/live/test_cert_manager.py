"""A stack that is closed: every certificate of a real cert-manager, nothing that is allowed open.

One story, told in order: the stack waits for its certificates and goes up, keeps a trace that
passes TLS alone, takes renewed certificates without a restart, and goes down. Needs cert-manager in
the cluster, and the name of its cluster resource namespace (TRACING_CERT_MANAGER).
"""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import requests
import trustme
from cryptography import x509

from components.tempo import QUERY_PORT
from ops.hops.http import session
from ops.hops.reach import Way
from ops.stack_files import settings as settings_of
from sandbox import Sandbox
from tests.live.cluster import Cluster
from tests.live.figures import Figures
from tests.live.needs import STACK as SMALL
from tests.live.needs import Needs, free_port
from tests.live.platform import (
    FLUSH_SECONDS,
    GONE_SECONDS,
    PODS_SECONDS,
    TRACE_SECONDS,
    Platform,
    operations,
)
from tests.live.project import Project
from tests.live.store import forwarded
from tests.live.traces import export_request, send_grpc_tls
from tests.live.waiting import until

STACK: Final = "closed"
NAMES: Final = f"tracing-live-{secrets.token_hex(4)}"
CA_FILE: Final = "cluster-ca.pem"
SEVERAL: Final = {"replicas": 3, "replicationFactor": 3}
"""Fewer would lose traces, which only dev may."""
RENEWED_SECONDS: Final = 480
"""The kubelet writes a changed Secret within some 90 s, the collector looks every five minutes."""


@pytest.fixture(scope="module")
def issuer(needs: Needs, cert_manager: str, authority: trustme.CA) -> Iterator[str]:
    """A ClusterIssuer that signs with the private authority."""
    cluster = Cluster(needs.context)
    cluster.create(
        apiVersion="v1",
        kind="Secret",
        type="kubernetes.io/tls",
        metadata={"name": NAMES, "namespace": cert_manager},
        stringData={
            "tls.crt": authority.cert_pem.bytes().decode(),
            "tls.key": authority.private_key_pem.bytes().decode(),
        },
    )
    cluster.create(
        apiVersion="cert-manager.io/v1",
        kind="ClusterIssuer",
        metadata={"name": NAMES},
        spec={"ca": {"secretName": NAMES}},
    )
    yield NAMES
    cluster.run("delete", "clusterissuer", NAMES)
    cluster.run("delete", "secret", NAMES, f"--namespace={cert_manager}")


@pytest.fixture(scope="module")
def closed(
    needs: Needs,
    issuer: str,
    authority: trustme.CA,
    figures: Figures,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """The stack, applied; whatever comes of it, nothing stays behind."""
    small = settings_of(SMALL)
    changes = {
        # Not dev, in which a hop may be open without a word.
        "environment": "staging",
        "deleteData": True,
        "tls": {"caFile": CA_FILE, "issuer": {"name": issuer, "kind": "ClusterIssuer"}},
        "objectStore": {
            "namespace": NAMES,
            "volumeSize": "1Gi",
            "tls": {},
            "admin": {"portForward": {"localPort": free_port()}},
        },
        "tempo": {
            **small["tracing:tempo"],
            "namespace": NAMES,
            "ingester": {**small["tracing:tempo"].get("ingester", {}), **SEVERAL},
            "memcached": False,
            "tls": {"clientCertificates": True},
        },
        "collector": {"namespace": f"{NAMES}-collector", "tls": {}},
        "traefik": {**(small["tracing:traefik"] or {}), "namespace": f"{NAMES}-traefik"},
    }
    settings = needs.settings(SMALL, changes)
    project = Project(needs, STACK, settings, tmp_path_factory.mktemp(STACK), figures.add)
    ca_file = project.directory / CA_FILE
    authority.cert_pem.write_to_path(ca_file)
    cluster = Cluster(needs.context)
    with Sandbox(project.directory, STACK) as box:
        reach = partial(forwarded, cluster, project.settings, ca_file, 0)
        platform = Platform(project, cluster, box, reach)
        try:
            platform.apply()
            yield platform
        finally:
            platform.clear()


@pytest.fixture(scope="module")
def ca_file(closed: Platform) -> Path:
    return closed.project.directory / CA_FILE


SERVERS: Final = {"Tempo": "tempoUrl", "the collector": "otlpGrpcEndpoint"}
"""Those that have a certificate and are known outside: the outputs with their addresses."""


def host(closed: Platform, output: str) -> str:
    """The name that clients know a server by."""
    url = closed.outputs[output]
    return urlsplit(url if "://" in url else f"//{url}").hostname or ""


def served(closed: Platform, output: str, ca_file: Path) -> x509.Certificate:
    """The certificate that a server shows to who trusts the authority and knows its name."""
    context = ssl.create_default_context(cafile=str(ca_file))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with closed.cluster.forwarded(closed.at(output)) as address:
        where, port = address.split(":")
        with (
            socket.create_connection((where, int(port)), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host(closed, output)) as connection,
        ):
            shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown)


def certificates(closed: Platform, namespace: str) -> list[dict[str, Any]]:
    """The Certificates of a namespace."""
    return closed.cluster.objects("certificates.cert-manager.io", f"--namespace={namespace}")


def names_of(certificate: x509.Certificate) -> list[str]:
    """The DNS names that a certificate is for."""
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return sorted(extension.value.get_values_for_type(x509.DNSName))


def trace(closed: Platform, ca_file: Path, trace_id: str) -> requests.Response | None:
    """What Tempo answers for a trace, over TLS; `None` as long as it does not know it."""
    output = SERVERS["Tempo"]
    with closed.cluster.forwarded(closed.at(output)) as tempo:
        way = Way(url=f"https://{tempo}", server_name=host(closed, output))
        answer = session(way, ca_file).get(f"{way.url}/api/traces/{trace_id}", timeout=10)
    return answer if answer.ok else None


def test_nothing_of_it_is_allowed_open(closed: Platform) -> None:
    assert not closed.stack.allow_insecure


def test_it_goes_up_as_the_sandbox_says_and_waits_for_its_certificates(
    closed: Platform, figures: Figures
) -> None:
    assert operations(closed.previewed) == operations(closed.foretold)
    assert operations(closed.applied) == operations(closed.previewed)
    figures.add("closed: resources created", closed.applied.changes["create"], "resources")
    with figures.timed("closed: pods ready after up"):
        until("every pod is ready", PODS_SECONDS, closed.pods_are_ready)


def test_a_preview_and_a_refresh_find_nothing_to_change(closed: Platform) -> None:
    assert closed.project.preview().changes == {}
    assert closed.project.refresh().changes == {}
    assert closed.project.preview().changes == {}


@pytest.mark.parametrize("which", SERVERS)
def test_a_server_shows_the_certificate_for_the_names_that_are_handed_out(
    closed: Platform, ca_file: Path, which: str
) -> None:
    name = host(closed, SERVERS[which])
    asked = [
        sorted(found["spec"]["dnsNames"])
        for namespace in closed.namespaces
        for found in certificates(closed, namespace)
        if name in found["spec"]["dnsNames"]
    ]
    # The collector has another one, which it shows to Tempo.
    assert names_of(served(closed, SERVERS[which], ca_file)) in asked


def test_a_span_comes_back_over_tls_alone(
    closed: Platform, ca_file: Path, figures: Figures
) -> None:
    trace_id = secrets.token_hex(16)
    output = SERVERS["the collector"]
    with closed.cluster.forwarded(closed.at(output)) as collector:
        spans = export_request(trace_id, "over TLS")
        send_grpc_tls(collector, spans, ca_file.read_bytes(), host(closed, output))
    with figures.timed("closed: span back over TLS"):
        until("the trace", TRACE_SECONDS, lambda: trace(closed, ca_file, trace_id))


@pytest.mark.parametrize("output", ["otlpHttpEndpoint", "tempoUrl"])
def test_plain_http_is_answered_by_nobody(closed: Platform, output: str) -> None:
    with closed.cluster.forwarded(closed.at(output)) as address:
        where, port = address.split(":")
        with socket.create_connection((where, int(port)), timeout=10) as plain:
            plain.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = plain.recv(1000)
    assert not answer or answer[:1] == b"\x15" or b" 400 " in answer, answer


def test_a_block_is_in_the_bucket_of_a_store_that_speaks_tls(
    closed: Platform, ca_file: Path
) -> None:
    ingester = f"pod/{closed.stack.tempo.release_name}-ingester-0"
    address = replace(closed.at(SERVERS["Tempo"]), port=QUERY_PORT)
    with closed.cluster.forwarded(address, ingester) as where:
        way = Way(url=f"https://{where}", server_name=host(closed, SERVERS["Tempo"]))
        answer = session(way, ca_file).post(f"{way.url}/flush", timeout=30)
    assert answer.status_code == 204, answer.text
    until("a block is in the bucket", FLUSH_SECONDS, closed.blocks)


def test_renewed_certificates_are_taken_without_a_restart(
    closed: Platform, ca_file: Path, figures: Figures
) -> None:
    def pods() -> dict[str, tuple[str, list[int]]]:
        return {
            pod["metadata"]["name"]: (
                pod["metadata"]["uid"],
                [each["restartCount"] for each in pod["status"]["containerStatuses"]],
            )
            for namespace in closed.namespaces
            for pod in closed.cluster.objects("pods", f"--namespace={namespace}")
        }

    before = pods()
    old = {name: served(closed, output, ca_file) for name, output in SERVERS.items()}
    for namespace in closed.namespaces:
        for secret in {each["spec"]["secretName"] for each in certificates(closed, namespace)}:
            # cert-manager makes another one for a certificate whose Secret is gone.
            closed.cluster.run("delete", "secret", secret, f"--namespace={namespace}")
    for name, output in SERVERS.items():
        with figures.timed(f"closed: renewed certificate served by {name}"):

            def renewed(name: str = name, output: str = output) -> bool:
                shown = served(closed, output, ca_file)
                return shown.serial_number != old[name].serial_number

            until(f"{name} shows another certificate", RENEWED_SECONDS, renewed)
    assert pods() == before
    assert closed.project.preview().changes == {}


def test_destroy_leaves_nothing(closed: Platform) -> None:
    closed.project.destroy()
    until("nothing is left in the cluster", GONE_SECONDS, closed.is_gone)
