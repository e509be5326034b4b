"""TLS as a stack configures it, by the real programs: a collector and a Tempo as processes.

Their certificates are for the names that the stack asks an issuer for, and no others.
"""

from __future__ import annotations

import datetime
import secrets
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import trustme
import yaml

from ops.hops.http import session
from ops.hops.reach import Way
from ops.registrations import Recorded, record
from tests.live.needs import free_port
from tests.live.processes import config, missing, running
from tests.live.traces import export_request, send_grpc_tls
from tests.live.waiting import until

PROGRAMS: Final = ("tempo", "otelcol-contrib")
REASON: Final = missing(*PROGRAMS)
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")

STACK: Final[dict[str, Any]] = {
    "tracing:tls": {
        "caFile": "examples/private-ca/ca.pem",
        "issuer": {"name": "tracing", "kind": "ClusterIssuer"},
    },
    "tracing:tempo": {"profile": "monolithic", "tls": {"clientCertificates": True}},
    "tracing:collector": {"tls": {}, "telemetry": {"traceSampleRate": 1.0}},
}
EXPIRED: Final = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Where a collector and a Tempo listen, and what they trust."""

    authority: trustme.CA
    directory: Path
    collector_grpc: int
    collector_http: int
    collector_metrics: int
    collector_metrics_plain: int
    """Where the same is offered as it would be without TLS, for comparison."""
    collector_name: str
    tempo_grpc: int
    tempo_http: int
    tempo_query: int
    tempo_internal: int
    tempo_name: str

    def write(
        self,
        name: str,
        *,
        identity: str,
        authority: trustme.CA | None = None,
        not_after: datetime.datetime | None = None,
    ) -> tuple[Path, Path]:
        """Paths of a new certificate and its key."""
        issuer = authority or self.authority
        made = issuer.issue_cert(identity, not_after=not_after)
        chain, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        chain.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
        key.write_bytes(made.private_key_pem.bytes())
        return chain, key

    def trusting(self, authority: trustme.CA | None = None) -> ssl.SSLContext:
        """A client's settings that trust one authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        (authority or self.authority).configure_trust(context)
        return context


def certificate_names(run: Recorded, name: str) -> list[str]:
    return run.one(name).inputs["spec"]["dnsNames"]


def write_pair(directory: Path, made: trustme.LeafCert) -> None:
    directory.mkdir(parents=True)
    (directory / "tls.crt").write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
    (directory / "tls.key").write_bytes(made.private_key_pem.bytes())


def placed(configuration: Any, mounts: dict[str, Path]) -> Any:
    """A configuration with the paths of a pod's volumes on this machine."""
    text = yaml.safe_dump(configuration)
    for path, directory in mounts.items():
        text = text.replace(path, str(directory))
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    run = record("dev", STACK, {})
    (directory / "ca").mkdir()
    authority.cert_pem.write_to_path(directory / "ca/ca.crt")
    for role in ("tempo-certificate", "collector-certificate", "collector-client-certificate"):
        names = certificate_names(run, role)
        write_pair(directory / role, authority.issue_cert(*names))
    at = Platform(
        authority=authority,
        directory=directory,
        collector_grpc=free_port(),
        collector_http=free_port(),
        collector_metrics=free_port(),
        collector_metrics_plain=free_port(),
        collector_name=certificate_names(run, "collector-certificate")[0],
        tempo_grpc=free_port(),
        tempo_http=free_port(),
        tempo_query=free_port(),
        tempo_internal=free_port(),
        tempo_name=certificate_names(run, "tempo-certificate")[0],
    )
    values = run.helm_values()
    tempo = tempo_configuration(at, yaml.safe_load(values["tempo"]["config"]))
    collector = collector_configuration(at, values["collector"]["alternateConfig"])
    tempo_file = config(directory, "tempo", tempo)
    collector_file = config(directory, "collector", collector)
    with (
        running(
            "tempo",
            directory,
            "tempo",
            f"-config.file={tempo_file}",
            ready=lambda: query(at, "/ready").ok,
        ),
        running(
            "collector",
            directory,
            "otelcol-contrib",
            f"--config={collector_file}",
            ready=lambda: connects(at.collector_grpc),
        ),
    ):
        yield at


def tempo_configuration(at: Platform, rendered: dict[str, Any]) -> dict[str, Any]:
    mounts = {
        "/etc/tempo-tls": at.directory / "tempo-certificate",
        "/etc/tempo-ca": at.directory / "ca",
        "/var/tempo": at.directory / "data",
    }
    made = placed(rendered, mounts)
    made["server"] |= {
        "http_listen_address": "127.0.0.1",
        "http_listen_port": at.tempo_query,
        "grpc_listen_address": "127.0.0.1",
        "grpc_listen_port": at.tempo_internal,
    }
    protocols = made["distributor"]["receivers"]["otlp"]["protocols"]
    protocols["grpc"]["endpoint"] = f"127.0.0.1:{at.tempo_grpc}"
    protocols["http"]["endpoint"] = f"127.0.0.1:{at.tempo_http}"
    made["storage"]["trace"] |= {"backend": "local", "s3": {}}
    del made["overrides"]["per_tenant_override_config"]
    made["memberlist"] = {"bind_addr": ["127.0.0.1"], "bind_port": free_port()}
    made["ingester"] = {"lifecycler": {"min_ready_duration": "0s"}}
    return made


def collector_configuration(at: Platform, rendered: dict[str, Any]) -> dict[str, Any]:
    mounts = {
        "/etc/otelcol/tls": at.directory / "collector-certificate",
        "/etc/otelcol/client-tls": at.directory / "collector-client-certificate",
        "/etc/otelcol/ca": at.directory / "ca",
        "/var/lib/otelcol/queue": at.directory / "queue",
    }
    made = placed(rendered, mounts)
    protocols = made["receivers"]["otlp"]["protocols"]
    protocols["grpc"]["endpoint"] = f"127.0.0.1:{at.collector_grpc}"
    protocols["http"]["endpoint"] = f"127.0.0.1:{at.collector_http}"
    made["extensions"]["health_check"]["endpoint"] = f"127.0.0.1:{free_port()}"
    exporter = made["exporters"]["otlp_grpc"]
    # As the cluster's DNS would have it: the rendered name, at another address.
    host = exporter["endpoint"].rsplit(":", 1)[0]
    exporter["endpoint"] = f"127.0.0.1:{at.tempo_grpc}"
    exporter["tls"]["server_name_override"] = host
    processors = made["processors"]
    del processors["k8s_attributes"]
    pipeline = made["service"]["pipelines"]["traces"]
    pipeline["processors"] = [name for name in pipeline["processors"] if name in processors]
    # There is no way to tell this exporter a name that is not the address's own.
    del made["service"]["telemetry"]["traces"]
    own = f"127.0.0.1:{free_port()}"
    made["receivers"]["otlp/own_metrics"]["protocols"]["grpc"]["endpoint"] = own
    offered = made["exporters"]["prometheus/own_metrics"]
    offered["endpoint"] = f"127.0.0.1:{at.collector_metrics}"
    readers = made["service"]["telemetry"]["metrics"]["readers"]
    readers[0]["periodic"]["exporter"]["otlp"]["endpoint"] = f"http://{own}"
    plain = {"host": "127.0.0.1", "port": at.collector_metrics_plain}
    readers.append({"pull": {"exporter": {"prometheus": plain}}})
    return made


def connects(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError as error:
        raise AssertionError(str(error)) from None


def query(at: Platform, path: str) -> requests.Response:
    """What Tempo answers to who verifies its certificate for the name that is handed out."""
    way = Way(url=f"https://127.0.0.1:{at.tempo_query}", server_name=at.tempo_name)
    try:
        return session(way, at.directory / "ca/ca.crt").get(way.url + path, timeout=10)
    except requests.RequestException as error:
        raise AssertionError(str(error)) from None


def exchange(port: int, context: ssl.SSLContext, name: str) -> bytes:
    """The first byte of an answer, after a handshake; raises OSError where there is none.

    With TLS 1.3 a client hears only after the handshake that its certificate is not taken.
    """
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        if connection.selected_alpn_protocol() == "h2":
            connection.sendall(
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
            )
        else:
            connection.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if not (answer := connection.recv(1)):
            raise ConnectionError("closed without an answer")
        return answer


def servers(at: Platform) -> dict[str, tuple[int, str]]:
    return {
        "the collector's OTLP gRPC": (at.collector_grpc, at.collector_name),
        "the collector's OTLP HTTP": (at.collector_http, at.collector_name),
        "the collector's own metrics": (at.collector_metrics, at.collector_name),
        "Tempo's OTLP gRPC": (at.tempo_grpc, at.tempo_name),
        "Tempo's OTLP HTTP": (at.tempo_http, at.tempo_name),
        "Tempo's API": (at.tempo_query, at.tempo_name),
        "Tempo's own gRPC": (at.tempo_internal, at.tempo_name),
    }


def known(at: Platform, authority: trustme.CA | None = None) -> ssl.SSLContext:
    """A client with a certificate, for the servers that ask for one."""
    context = at.trusting(authority)
    context.load_cert_chain(*at.write("client", identity="client.example.com"))
    return context


def test_a_span_passes_the_collector_and_is_read_from_tempo(platform: Platform) -> None:
    trace_id = secrets.token_hex(16)
    address = f"127.0.0.1:{platform.collector_grpc}"
    ca = platform.authority.cert_pem.bytes()
    send_grpc_tls(address, export_request(trace_id, "over TLS"), ca, platform.collector_name)
    until("the span is in Tempo", 60, lambda: query(platform, f"/api/traces/{trace_id}").ok)


def test_the_collectors_own_metrics_have_the_same_names_and_labels_with_tls_as_without(
    platform: Platform,
) -> None:
    # So that dashboards and alerts are the same.
    address = f"127.0.0.1:{platform.collector_grpc}"
    ca = platform.authority.cert_pem.bytes()
    request = export_request(secrets.token_hex(16), "counted")
    send_grpc_tls(address, request, ca, platform.collector_name)
    way = Way(
        url=f"https://127.0.0.1:{platform.collector_metrics}", server_name=platform.collector_name
    )
    client = session(way, platform.directory / "ca/ca.crt")

    def series(text: str) -> set[str]:
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        ours = [line.rpartition(" ")[0] for line in lines]
        return {name for name in ours if not name.startswith(("promhttp_", "target_info"))}

    def the_same() -> bool:
        over_tls = series(client.get(f"{way.url}/metrics", timeout=10).text)
        plain = requests.get(
            f"http://127.0.0.1:{platform.collector_metrics_plain}/metrics", timeout=10
        )
        assert any(name.startswith("otelcol_exporter_sent_spans{") for name in over_tls)
        assert over_tls == series(plain.text)
        return True

    until("the metrics are read", 60, the_same)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_newer_are_spoken_everywhere(
    platform: Platform, version: ssl.TLSVersion
) -> None:
    for port, name in servers(platform).values():
        context = known(platform)
        context.minimum_version = context.maximum_version = version
        assert exchange(port, context, name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_spoken_nowhere(platform: Platform) -> None:
    for what, (port, name) in servers(platform).items():
        context = known(platform)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError, match="protocol version"):
            pytest.fail(f"{what} answered {exchange(port, context, name)!r}")


def test_plain_text_is_taken_nowhere(platform: Platform) -> None:
    for what, (port, _) in servers(platform).items():
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = plain.recv(1000)
        # Go says in plain text that it wants TLS; others close, or send an alert.
        assert b" 200 " not in answer, what
        assert not answer or answer[:1] == b"\x15" or b" 400 " in answer, (what, answer)


def test_a_client_that_trusts_another_authority_does_not_connect(platform: Platform) -> None:
    for port, name in servers(platform).values():
        with pytest.raises(ssl.SSLCertVerificationError):
            exchange(port, known(platform, trustme.CA()), name)


def test_a_client_that_expects_another_name_does_not_connect(platform: Platform) -> None:
    for port, _ in servers(platform).values():
        with pytest.raises(ssl.SSLCertVerificationError):
            exchange(port, known(platform), "tempo.elsewhere.svc.cluster.local")


@pytest.mark.parametrize("stranger", ["without", "of another authority", "expired"])
def test_tempos_receivers_take_nothing_from_a_stranger(platform: Platform, stranger: str) -> None:
    context = platform.trusting()
    match stranger:
        case "of another authority":
            pair = platform.write("wrong", identity="client.example.com", authority=trustme.CA())
            context.load_cert_chain(*pair)
        case "expired":
            pair = platform.write("expired", identity="client.example.com", not_after=EXPIRED)
            context.load_cert_chain(*pair)
        case _:
            pass
    for port in (platform.tempo_grpc, platform.tempo_http):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            exchange(port, context, platform.tempo_name)
