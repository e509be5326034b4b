"""A stack that is closed: every certificate of a real cert-manager, nothing that is allowed open.

One story, told in order: the stack waits for its certificates and goes up, keeps a trace that
passes TLS alone, takes renewed certificates without a restart, and goes down. Needs cert-manager in
the cluster, and the name of its cluster resource namespace (TRACING_CERT_MANAGER).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

import pytest
import trustme

from ops.stack_files import settings as settings_of
from tests.live import closed as stack
from tests.live.closed import SERVERS, certificates, host, served
from tests.live.cluster import request
from tests.live.figures import Figures
from tests.live.needs import STACK as SMALL
from tests.live.needs import Needs
from tests.live.platform import (
    FLUSH_SECONDS,
    GONE_SECONDS,
    PODS_SECONDS,
    TRACE_SECONDS,
    Platform,
    operations,
)
from tests.live.waiting import until

STACK: Final = "closed"
INGESTERS: Final = 3
"""Fewer would lose traces, which only dev may."""
RENEWED_SECONDS: Final = 480
"""The kubelet writes a changed Secret within some 90 s, the collector looks every five minutes."""


@pytest.fixture(scope="module")
def closed(
    needs: Needs,
    issuer: str,
    authority: trustme.CA,
    figures: Figures,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """The stack, applied; whatever comes of it, nothing stays behind."""
    changes = {
        "tempo": {
            **settings_of(SMALL)["tracing:tempo"],
            "namespace": issuer,
            "ingester": {"replicas": INGESTERS, "replicationFactor": INGESTERS},
            "memcached": False,
            "tls": {"clientCertificates": True},
        }
    }
    directory = tmp_path_factory.mktemp(STACK)
    with stack.applied(needs, figures, directory, authority, issuer, STACK, changes) as closed:
        yield closed


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
    closed: Platform, which: str
) -> None:
    name = host(closed, SERVERS[which])
    asked = [
        sorted(found["spec"]["dnsNames"])
        for namespace in closed.namespaces
        for found in certificates(closed, namespace)
        if name in found["spec"]["dnsNames"]
    ]
    # The collector has another one, which it shows to Tempo.
    assert stack.names_of(served(closed, SERVERS[which])) in asked


def test_a_span_comes_back_over_tls_alone(closed: Platform, figures: Figures) -> None:
    trace_id = stack.sent(closed)
    with figures.timed("closed: span back over TLS"):
        until("the trace", TRACE_SECONDS, lambda: stack.is_found(closed, trace_id))


def test_the_collectors_own_metrics_are_read_over_tls(closed: Platform) -> None:
    def counted() -> bool:
        text = stack.collector_metrics(closed)
        lines = [x for x in text.splitlines() if x.startswith("otelcol_exporter_sent_spans")]
        return any(float(line.rpartition(" ")[2]) for line in lines)

    until("spans are counted", TRACE_SECONDS, counted)


def test_traefiks_own_metrics_are_read_over_tls_and_no_other_way(closed: Platform) -> None:
    assert "traefik_config_reloads_total" in stack.traefik_metrics(closed)
    with stack.traefik_metrics_port(closed) as address:
        status, text = request(f"http://{address}/metrics")
    assert status == 404
    assert b"traefik_" not in text


@pytest.mark.parametrize("output", ["otlpHttpEndpoint", "tempoUrl"])
def test_plain_http_is_answered_by_nobody(closed: Platform, output: str) -> None:
    with closed.cluster.forwarded(closed.at(output)) as address:
        where, port = address.split(":")
        with socket.create_connection((where, int(port)), timeout=10) as plain:
            plain.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = plain.recv(1000)
    assert not answer or answer[:1] == b"\x15" or b" 400 " in answer, answer


def test_a_block_is_in_the_bucket_of_a_store_that_speaks_tls(closed: Platform) -> None:
    # Of each: Tempo is content with two copies, and may have given up the third.
    for number in range(INGESTERS):
        ingester = f"{closed.stack.tempo.release_name}-ingester-{number}"
        assert stack.asked(closed, "/flush", pod=ingester, method="POST").status_code == 204
    until("a block is in the bucket", FLUSH_SECONDS, closed.blocks)


def test_renewed_certificates_are_taken_without_a_restart(
    closed: Platform, figures: Figures
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
    old = {name: served(closed, output).serial_number for name, output in SERVERS.items()}
    for namespace in closed.namespaces:
        for secret in {each["spec"]["secretName"] for each in certificates(closed, namespace)}:
            # cert-manager makes another one for a certificate whose Secret is gone.
            closed.cluster.run("delete", "secret", secret, f"--namespace={namespace}")
    for name, output in SERVERS.items():
        with figures.timed(f"closed: renewed certificate served by {name}"):

            def renewed(name: str = name, output: str = output) -> bool:
                return served(closed, output).serial_number != old[name]

            until(f"{name} shows another certificate", RENEWED_SECONDS, renewed)
    assert pods() == before
    assert closed.project.preview().changes == {}


def test_destroy_leaves_nothing(closed: Platform) -> None:
    closed.project.destroy()
    until("nothing is left in the cluster", GONE_SECONDS, closed.is_gone)
