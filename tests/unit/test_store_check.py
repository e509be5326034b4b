"""A store that does not answer as configured is one finding, which says why and what to write."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
import urllib3.util.connection

import store_check
from config.errors import Finding
from store_check import Store, check

ROOT = Path(__file__).parents[2]
ACCESS_KEY, SECRET_KEY = "AKIAFORTESTSONLY", "not/a/Secret+of=anyone"
ENDPOINT = "tracing:objectStore.endpoint"
INSECURE = "tracing:objectStore.insecure"


class Answer(NamedTuple):
    body: str
    status: int = 200
    content_type: str = "application/xml"
    headers: tuple[tuple[str, str], ...] = ()


def refusal(code: str, message: str = "what the server says", more: str = "") -> Answer:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return Answer(text, status=403)


def lifecycle(*rules: str) -> Answer:
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    text = "".join(f"<Rule>{rule}</Rule>" for rule in rules)
    return Answer(f'<LifecycleConfiguration xmlns="{namespace}">{text}</LifecycleConfiguration>')


def rule(
    expiry: str = "<Days>2</Days>", filtered: str = "<Filter/>", status: str = "Enabled"
) -> str:
    expiration = f"<Expiration>{expiry}</Expiration>"
    return f"<ID>old</ID><Status>{status}</Status>{filtered}{expiration}"


LISTING = Answer('<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>')
NO_LIFECYCLE = refusal("NoSuchLifecycleConfiguration")
SILENCE = Answer("")


class Server(ThreadingHTTPServer):
    """A server on this machine, of S3 or whatever else its answers make of it."""

    def __init__(self, listing: Answer = LISTING, lifecycle: Answer = NO_LIFECYCLE) -> None:
        self.listing, self.lifecycle = listing, lifecycle
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        answer = self.server.lifecycle if "lifecycle=" in self.path else self.server.listing
        if answer is SILENCE:
            return
        self.send_response(answer.status)
        for name, value in (("Content-Type", answer.content_type), *answer.headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body.encode("latin-1"))

    def log_message(self, format: str, *args: Any) -> None:
        pass


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server, with TLS if it gets a certificate."""
    with ExitStack() as running:

        def start(
            *answers: Answer, certificate: trustme.LeafCert | None = None, **more: Answer
        ) -> Server:
            server = running.enter_context(Server(*answers, **more))
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                certificate.configure_cert(context)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            running.callback(server.shutdown)
            return server

        yield start


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    return pem(authority, tmp_path / "ca.pem")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def pem(authority: trustme.CA, file: Path) -> str:
    authority.cert_pem.write_to_path(str(file))
    return str(file)


def store(at: Server | str, **settings: Any) -> Store:
    plain = Store(
        endpoint=at if isinstance(at, str) else at.endpoint,
        secure=False,
        ca_file=None,
        region="us-east-1",
        path_style=True,
        bucket="traces",
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        access_key_setting="tracing:objectStoreAccessKey",
        secret_key_setting="tracing:objectStoreSecretKey",
        bucket_is_given=True,
    )
    return replace(plain, **settings)


def finding(of: Store, block_retention: str = "48h") -> Finding:
    (only,) = check(of, block_retention)
    return only


def test_a_bucket_that_can_be_listed_is_asked_two_things_and_that_is_all(serve: Serve) -> None:
    server = serve()
    assert check(store(server), "48h") == []
    assert server.asked == ["/traces?delimiter=%2F&max-keys=1&prefix=", "/traces?lifecycle="]


@pytest.mark.parametrize("listing", [LISTING, refusal("NoSuchBucket")])
def test_a_bucket_that_the_stack_makes_may_be_missing_and_its_lifecycle_is_the_stacks(
    serve: Serve, listing: Answer
) -> None:
    server = serve(listing, lifecycle(rule()))
    assert check(store(server, bucket_is_given=False), "48h") == []
    assert len(server.asked) == 1


def test_importing_the_module_does_not_import_the_client() -> None:
    program = (
        "import sys, store_check; sys.exit('minio' in sys.modules or 'urllib3' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


# What is not there


def test_a_name_that_does_not_resolve() -> None:
    problem = finding(store("store.invalid:9000"))
    assert problem.path == ENDPOINT
    assert '"store.invalid:9000" has a name that is not known' in problem.message


def test_a_port_that_nobody_listens_on() -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{bound.getsockname()[1]}"
        problem = finding(store(endpoint))
    assert problem.path == ENDPOINT
    assert f'"{endpoint}" does not answer' in problem.message
    assert "Connection refused); correct host and port" in problem.message


def test_a_server_that_stays_silent_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_check, "READ_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        problem = finding(store(f"127.0.0.1:{silent.getsockname()[1]}"))
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert problem.path == ENDPOINT
    assert "(Read timed out. (read timeout=0.05))" in problem.message


def test_a_host_that_does_not_take_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(*args: Any, **settings: Any) -> None:
        raise TimeoutError

    # No address is sure to swallow packets on every machine.
    monkeypatch.setattr(urllib3.util.connection, "create_connection", time_out)
    problem = finding(store("192.0.2.1"))
    assert problem.path == ENDPOINT
    assert "(Connection to 192.0.2.1 timed out. (connect timeout=5));" in problem.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer("<html><body/></html>", content_type="text/html"), "asked for: <html>)"),
        (Answer("<!doctype html><br>", content_type="text/html"), "asked for: syntax error"),
        (Answer('{"status": "ok"}', content_type="application/json"), "asked for: not well-formed"),
        (Answer("\xff"), "asked for: 'utf-8' codec"),
        (Answer("<html/>", 404, "text/html"), "Response code: 404, Content-Type: text/html)"),
        (Answer("", 502, "text/html"), "Response code: 502"),
        (refusal("", "not this port")._replace(content_type="text/xml"), "(not this port)"),
        (Answer("<problem/>", 404), "XML, but no error of S3"),
        (Answer("", 302, "text/plain", (("Location", "/"),)), "Response code: 302"),
    ],
)
def test_what_is_no_s3_api_is_told_by_its_answer(
    serve: Serve, authority: trustme.CA, ca_file: str, answer: Answer, said: str
) -> None:
    # With TLS: of a port without it, a redirect leads to one that has it.
    server = serve(answer, certificate=authority.issue_cert("127.0.0.1"))
    problem = finding(store(server, secure=True, ca_file=ca_file))
    assert problem.path == ENDPOINT
    assert "does not answer as an S3 API does" in problem.message
    assert said in problem.message
    assert len(server.asked) == 1


# TLS


def test_a_certificate_of_the_given_ca_is_trusted(
    serve: Serve, authority: trustme.CA, ca_file: str
) -> None:
    server = serve(certificate=authority.issue_cert("127.0.0.1"))
    assert check(store(server, secure=True, ca_file=ca_file), "48h") == []


def test_the_given_ca_need_not_be_a_root(
    serve: Serve, authority: trustme.CA, tmp_path: Path
) -> None:
    child = authority.create_child_ca()
    server = serve(certificate=child.issue_cert("127.0.0.1"))
    assert check(store(server, secure=True, ca_file=pem(child, tmp_path / "ca")), "48h") == []


def test_a_certificate_of_no_known_ca_asks_for_the_cas_file(
    serve: Serve, authority: trustme.CA
) -> None:
    server = serve(certificate=authority.issue_cert("127.0.0.1"))
    problem = finding(store(server, secure=True))
    assert problem.path == "tracing:objectStore.caFile"
    assert "is not signed by a CA that this machine knows (" in problem.message


def test_a_certificate_of_another_ca_names_the_file_that_does_not_fit(
    serve: Serve, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(ca_file).parent)
    server = serve(certificate=trustme.CA().issue_cert("127.0.0.1"))
    problem = finding(store(server, secure=True, ca_file="ca.pem"))
    assert problem.path == "tracing:objectStore.caFile"
    assert 'is not signed by "ca.pem" (' in problem.message


def test_a_certificate_for_another_name(serve: Serve, authority: trustme.CA, ca_file: str) -> None:
    server = serve(certificate=authority.issue_cert("s3.example.com"))
    problem = finding(store(server, secure=True, ca_file=ca_file))
    assert problem.path == ENDPOINT
    assert "a certificate for other names (" in problem.message


def test_a_name_in_the_certificates_subject_does_not_count(
    serve: Serve, authority: trustme.CA, ca_file: str
) -> None:
    server = serve(certificate=authority.issue_cert(common_name="localhost"))
    endpoint = f"localhost:{server.server_port}"
    problem = finding(store(endpoint, secure=True, ca_file=ca_file))
    assert "a certificate for other names (" in problem.message


def test_a_certificate_that_has_expired(serve: Serve, authority: trustme.CA, ca_file: str) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    certificate = authority.issue_cert("127.0.0.1", not_after=yesterday)
    problem = finding(store(serve(certificate=certificate), secure=True, ca_file=ca_file))
    assert problem.path == ENDPOINT
    assert "not valid now (certificate has expired)" in problem.message


def test_tls_with_a_server_that_speaks_plain_http(serve: Serve) -> None:
    problem = finding(store(serve(), secure=True))
    assert problem.path == INSECURE
    assert "is false, but" in problem.message


def test_tls_that_the_server_breaks_off(serve: Serve, authority: trustme.CA, ca_file: str) -> None:
    server = serve(certificate=authority.issue_cert("127.0.0.1"))
    assert isinstance(server.socket, ssl.SSLSocket)
    # A certificate of the client's, which this program has none to give for. In TLS 1.3 the server
    # would say so only after the handshake.
    server.socket.context.verify_mode = ssl.CERT_REQUIRED
    server.socket.context.maximum_version = ssl.TLSVersion.TLSv1_2
    problem = finding(store(server, secure=True, ca_file=ca_file))
    assert problem.path == ENDPOINT
    assert "does not agree on TLS (" in problem.message


@pytest.mark.parametrize(
    "answer",
    [
        Answer("Client sent an HTTP request to an HTTPS server.\n", 400, "text/plain"),
        Answer("<h1>The plain HTTP request was sent to HTTPS port</h1>", 400, "text/html"),
        Answer("You're speaking plain HTTP to an SSL-enabled server port.", 400, "text/html"),
        Answer("", 308, "text/html", (("Location", "https://127.0.0.1"),)),
    ],
    ids=["Go", "nginx", "Apache", "redirect"],
)
def test_plain_http_with_a_server_that_wants_tls(serve: Serve, answer: Answer) -> None:
    server = serve(answer)
    problem = finding(store(server))
    assert problem.path == INSECURE
    assert "is true, but" in problem.message
    assert len(server.asked) == 1


def test_plain_http_with_a_server_that_hangs_up(serve: Serve, authority: trustme.CA) -> None:
    problem = finding(store(serve(certificate=authority.issue_cert("127.0.0.1"))))
    assert problem.path == ENDPOINT
    assert "breaks off the connection (" in problem.message
    assert f"nothing but TLS, write false for {INSECURE}" in problem.message


# What the API refuses


@pytest.mark.parametrize(
    ("code", "key", "words"),
    [
        ("InvalidAccessKeyId", "tracing:objectStoreAccessKey", "is not known at"),
        ("SignatureDoesNotMatch", "tracing:objectStoreSecretKey", "does not belong to"),
        ("RequestTimeTooSkewed", ENDPOINT, "set the clock"),
        ("NoSuchBucket", "tracing:objectStore.bucket", "create it, or correct the name"),
        ("AccessDenied", "tracing:objectStore.bucket", "allow s3:ListBucket"),
        ("SlowDown", ENDPOINT, "try again later"),
    ],
)
def test_an_error_of_the_api_names_the_setting_that_it_is_about(
    serve: Serve, code: str, key: str, words: str
) -> None:
    problem = finding(store(serve(refusal(code))))
    assert problem.path == key
    assert words in problem.message
    assert f"({code}: what the server says); " in problem.message


def test_an_administrator_who_may_not_list_is_none(serve: Serve) -> None:
    settings: dict[str, Any] = {
        "bucket_is_given": False,
        "access_key_setting": "tracing:objectStore.rootUser",
    }
    problem = finding(store(serve(refusal("AccessDenied")), **settings))
    assert problem.path == "tracing:objectStore.rootUser"
    assert "write the name of an administrator" in problem.message


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (refusal("AuthorizationHeaderMalformed", more="<Region>eu-west-1</Region>"), "eu-west-1"),
        (
            refusal("PermanentRedirect")._replace(
                status=301, headers=(("x-amz-bucket-region", "eu-west-3"),)
            ),
            "eu-west-3",
        ),
        (refusal("IllegalLocationConstraintException"), "the one that is"),
        (refusal("TemporaryRedirect"), "the one that is"),
    ],
)
def test_another_region_is_the_one_that_the_server_names(
    serve: Serve, answer: Answer, remedy: str
) -> None:
    problem = finding(store(serve(answer)))
    assert problem.path == "tracing:objectStore.region"
    assert '"us-east-1" is not the region' in problem.message
    assert problem.message.endswith(f"; write {remedy}")


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"region": "eu west"}, "tracing:objectStore.region"),
        ({"endpoint": "s4.amazonaws.com"}, ENDPOINT),
    ],
)
def test_a_region_or_an_endpoint_that_none_can_have(settings: dict[str, str], key: str) -> None:
    assert finding(replace(store("127.0.0.1"), **settings)).path == key


# Secrets, and words from outside


def test_an_access_key_that_no_header_can_hold_is_refused_unseen(serve: Serve) -> None:
    server = serve()
    problem = finding(store(server, access_key=f"{ACCESS_KEY}\n"))
    assert problem.path == "tracing:objectStoreAccessKey"
    assert "line break" in problem.message
    assert ACCESS_KEY not in problem.message
    assert server.asked == []


def test_what_the_server_says_is_one_short_line_without_the_keys(serve: Serve) -> None:
    said = f"no\n\x7fkey {ACCESS_KEY} with {SECRET_KEY}" + " and so on" * 100
    message = finding(store(serve(refusal("AccessDenied", said)))).message
    assert "AccessDenied: no key *** with *** and so on and" in message
    assert len(message) < 400
    assert message.isprintable()


def test_a_store_shows_no_key_where_it_is_printed() -> None:
    shown = repr(store("127.0.0.1"))
    assert "traces" in shown
    assert ACCESS_KEY not in shown
    assert SECRET_KEY not in shown


# The way there


@pytest.mark.parametrize(
    ("endpoint", "path_style", "url"),
    [
        ("s3.eu-west-1.amazonaws.com", False, "http://traces.s3.eu-west-1.amazonaws.com/?"),
        ("s3.eu-west-1.amazonaws.com", True, "http://s3.eu-west-1.amazonaws.com/traces?"),
        ("store.invalid:9000", False, "http://store.invalid:9000/traces?"),
    ],
)
def test_a_proxy_is_used_and_the_bucket_stands_where_tempo_puts_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, endpoint: str, path_style: bool, url: str
) -> None:
    proxy = serve()
    monkeypatch.setenv("http_proxy", f"http://user:pass%2Fword@{proxy.endpoint}")
    assert check(store(endpoint, path_style=path_style, region="eu-west-1"), "48h") == []
    assert proxy.asked[0].startswith(url)
    assert proxy.headers[0]["proxy-authorization"] == "Basic dXNlcjpwYXNzL3dvcmQ="


def test_a_store_that_is_excepted_from_the_proxy_is_asked_directly(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert check(store(serve()), "48h") == []


# The bucket's own expiry


@pytest.mark.parametrize(
    ("block_retention", "days", "early"),
    [
        ("48h", 1, True),
        ("48h", 2, True),
        ("48h", 3, False),
        ("49h", 2, True),
        ("5000d", 4999, True),
    ],
)
def test_a_bucket_must_keep_objects_longer_than_tempo_does(
    serve: Serve, block_retention: str, days: int, early: bool
) -> None:
    server = serve(lifecycle=lifecycle(rule(f"<Days>{days}</Days>")))
    findings = check(store(server), block_retention)
    assert [found.path for found in findings] == ["tracing:tempo.blockRetention"] * early
    for found in findings:
        assert found.message.startswith(f'is {block_retention}, but rule "old" of "traces"')
        assert f"deletes blocks after {days}d;" in found.message


@pytest.mark.parametrize(
    "early",
    [
        rule(filtered=""),
        rule(filtered="<Prefix/>"),
        rule(filtered="<Filter><Prefix>single-tenant/</Prefix></Filter>"),
        rule(filtered="<Filter><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></Filter>"),
        rule("<Date>2031-01-01T00:00:00Z</Date>"),
    ],
)
def test_a_rule_for_some_of_tempos_objects_or_for_a_day_counts(serve: Serve, early: str) -> None:
    server = serve(lifecycle=lifecycle(rule("<Days>90</Days>"), early))
    assert finding(store(server)).path == "tracing:tempo.blockRetention"


@pytest.mark.parametrize(
    "harmless",
    [
        rule(status="Disabled"),
        rule(filtered="<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>"),
        rule(filtered="<Filter><And><Prefix/><Tag><Key>a</Key></Tag></And></Filter>"),
        rule("<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"),
        "<Status>Enabled</Status><Transition><Days>1</Days></Transition>",
        "<Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
        "</NoncurrentVersionExpiration>",
    ],
)
def test_a_rule_that_deletes_no_block_of_tempos_does_not_count(serve: Serve, harmless: str) -> None:
    assert check(store(serve(lifecycle=lifecycle(harmless))), "48h") == []


@pytest.mark.parametrize(
    "answer",
    [
        refusal("AccessDenied"),
        Answer("", 501),
        Answer("<html/>"),
        Answer("\xff"),
        SILENCE,
    ],
)
def test_a_lifecycle_that_can_not_be_seen_is_no_reason_to_refuse(
    serve: Serve, answer: Answer
) -> None:
    assert check(store(serve(lifecycle=answer)), "48h") == []
