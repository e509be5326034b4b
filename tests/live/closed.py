"""A stack in which every hop is TLS, with the certificates of a real cert-manager."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import trustme
from cryptography import x509

from components.values.collector_metrics import METRICS_PORT
from components.values.traefik_network import METRICS_PORT as TRAEFIK_METRICS_PORT
from ops.hops.http import session
from ops.hops.reach import Way
from ops.stack_files import settings as settings_of
from tests.live import platform
from tests.live.cluster import Address, Cluster
from tests.live.figures import Figures
from tests.live.needs import STACK as SMALL
from tests.live.needs import Needs
from tests.live.platform import CA_FILE, Platform, small_store
from tests.live.project import Project
from tests.live.traces import export_request, send_grpc_tls

SERVERS: Final = {"Tempo": "tempoUrl", "the collector": "otlpGrpcEndpoint"}
"""Those that have a certificate and are known outside: the outputs with their addresses."""


@contextlib.contextmanager
def issuing(needs: Needs, namespace: str, name: str, authority: trustme.CA) -> Iterator[str]:
    """A ClusterIssuer of that name, which signs with a private authority.

    `namespace` is where cert-manager looks for the authority's key.
    """
    cluster = Cluster(needs.context)
    cluster.create(
        apiVersion="v1",
        kind="Secret",
        type="kubernetes.io/tls",
        metadata={"name": name, "namespace": namespace},
        stringData={
            "tls.crt": authority.cert_pem.bytes().decode(),
            "tls.key": authority.private_key_pem.bytes().decode(),
        },
    )
    cluster.create(
        apiVersion="cert-manager.io/v1",
        kind="ClusterIssuer",
        metadata={"name": name},
        spec={"ca": {"secretName": name}},
    )
    try:
        yield name
    finally:
        cluster.run("delete", "clusterissuer", name)
        cluster.run("delete", "secret", name, f"--namespace={namespace}")


@contextlib.contextmanager
def applied(
    needs: Needs,
    figures: Figures,
    directory: Path,
    authority: trustme.CA,
    issuer: str,
    stack: str,
    changes: dict[str, Any],
) -> Iterator[Platform]:
    """The stack, applied in namespaces called like the issuer; whatever comes of it, nothing stays
    behind. `changes` has other values for whole sections."""
    own = {
        # Not dev, in which a hop may be open without a word.
        "environment": "staging",
        "deleteData": True,
        "tls": {"caFile": CA_FILE, "issuer": {"name": issuer, "kind": "ClusterIssuer"}},
        "objectStore": {**small_store(f"{issuer}-store"), "tls": {}},
        "collector": {"namespace": f"{issuer}-collector", "tls": {}},
        "traefik": settings_of(SMALL)["tracing:traefik"]
        | {
            "namespace": f"{issuer}-traefik",
            "routeNamespaces": [f"{issuer}-traefik"],
            "metricsTls": {},
        },
    }
    pem = authority.cert_pem.bytes()
    with platform.applied(
        needs, figures, directory, SMALL, own | changes, name=stack, authority=pem
    ) as closed:
        yield closed


def ca_file(project: Project) -> Path:
    """The authority, as the stack has it."""
    return project.directory / CA_FILE


def host(closed: Platform, output: str) -> str:
    """The name that clients know a server by."""
    url = closed.outputs[output]
    return urlsplit(url if "://" in url else f"//{url}").hostname or ""


def served(closed: Platform, output: str) -> x509.Certificate:
    """The certificate that a server shows to who trusts the authority and knows its name."""
    context = ssl.create_default_context(cafile=str(ca_file(closed.project)))
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


def sent(closed: Platform) -> str:
    """The id of a trace that the collector was sent by OTLP over gRPC and TLS."""
    trace_id = secrets.token_hex(16)
    output = SERVERS["the collector"]
    authority = ca_file(closed.project).read_bytes()
    with closed.cluster.forwarded(closed.at(output)) as collector:
        send_grpc_tls(
            collector, export_request(trace_id, "over TLS"), authority, host(closed, output)
        )
    return trace_id


def asked(
    closed: Platform, path: str, *, pod: str | None = None, method: str = "GET"
) -> requests.Response:
    """What Tempo's HTTP API answers over TLS: its query frontend, or one of its pods."""
    output = SERVERS["Tempo"]
    resource = None if pod is None else f"pod/{pod}"
    with closed.cluster.forwarded(closed.at(output), resource) as tempo:
        way = Way(url=f"https://{tempo}", server_name=host(closed, output))
        reached = session(way, ca_file(closed.project))
        return reached.request(method, f"{way.url}{path}", timeout=30)


def collector_metrics(closed: Platform) -> str:
    """What the collector tells of itself, over TLS."""
    output = SERVERS["the collector"]
    address = replace(closed.at(output), port=METRICS_PORT)
    with closed.cluster.forwarded(address) as metrics:
        return _metrics(closed, metrics, host(closed, output))


@contextlib.contextmanager
def traefik_metrics_port(closed: Platform) -> Iterator[str]:
    """Where the port with Traefik's own metrics, which no Service has, is reached."""
    traefik = closed.stack.traefik
    assert traefik is not None
    address = Address(traefik.release_name, traefik.namespace, TRAEFIK_METRICS_PORT)
    with closed.cluster.forwarded(address, f"deployment/{traefik.release_name}") as port:
        yield port


def traefik_metrics(closed: Platform) -> str:
    """What Traefik tells of itself, over TLS, under the one name in its certificate."""
    traefik = closed.stack.traefik
    assert traefik is not None
    [made] = certificates(closed, traefik.namespace)
    [name] = made["spec"]["dnsNames"]
    with traefik_metrics_port(closed) as metrics:
        return _metrics(closed, metrics, name)


def _metrics(closed: Platform, address: str, server_name: str) -> str:
    way = Way(url=f"https://{address}", server_name=server_name)
    answer = session(way, ca_file(closed.project)).get(f"{way.url}/metrics", timeout=30)
    assert answer.ok, answer.text
    return answer.text


def is_found(closed: Platform, trace_id: str) -> bool:
    """Whether Tempo knows a trace."""
    return asked(closed, f"/api/traces/{trace_id}").ok
