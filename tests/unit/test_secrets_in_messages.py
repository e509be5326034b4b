"""Canaries through everything of the project that has a secret in hand and something to say."""

from __future__ import annotations

import html
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

import config
import grafana_check
import store_check
from config.load import Loaded
from config.masking import masked
from config.secrets import SECRET_KEYS, Secrets
from ops.commands import main
from ops.goldens import golden_file
from ops.hops.hop import HopFailed, Patience
from ops.hops.journey import Journey
from ops.hops.target import Address, Target
from ops.stack_files import STACK_FILES
from tests import reliability
from tests.unit.canaries import ANY, ASCII, Canary

CANARIES = [Canary(1000 + number, around) for number, around in enumerate(ASCII)]
"""Those that a header can hold, beside the ones of the engine tier."""


class Echo(BaseHTTPRequestHandler):
    """Answers every request with an error that repeats all of it."""

    def do_GET(self) -> None:
        # What is of interest first: messages are cut short.
        heard = f"{self.headers['Authorization']} {self.path}"
        body = (
            json.dumps({"message": heard})
            if "/api/" in self.path
            else f"<Error><Code>AccessDenied</Code><Message>{html.escape(heard)}</Message></Error>"
        ).encode()
        # With 200 in the one case: an answer that is not what was asked for.
        status = 401 if "/api/" in self.path else 200 if "no-json" in self.path else 403
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def tally() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()
    yield counted
    reliability.note(counted)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.core)
def test_a_grafana_that_repeats_the_credential_does_not_get_it_shown(
    address: str, canary: Canary, tally: Counter[str]
) -> None:
    for auth in (canary.value, f"admin:{canary.value}"):
        api = grafana_check.Api(url=f"http://{address}", ca_file=None, organization=None, auth=auth)
        finding = grafana_check.check(api, "dev")
        assert finding is not None
        # It has said what it heard, and that was left out.
        assert "***" in finding.message
        assert canary.found_in(finding.message) is None
        assert canary.found_in(repr(api)) is None
    tally["messages made of a server's echo, without the secret"] += 1


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.core)
def test_a_store_that_repeats_the_keys_does_not_get_them_shown(
    address: str, canary: Canary, tally: Counter[str]
) -> None:
    store = store_check.Store(
        endpoint=address,
        secure=False,
        ca_file=None,
        region="us-east-1",
        path_style=True,
        bucket="tempo",
        access_key=canary.value,
        # Never sent: a request is signed with it.
        secret_key=canary.value[::-1],
        access_key_setting="tracing:objectStoreAccessKey",
        secret_key_setting="tracing:objectStoreSecretKey",
        bucket_is_given=True,
    )
    [finding] = store_check.check(store, "48h")
    assert "***" in finding.message
    assert canary.found_in(finding.message) is None
    assert canary.value[::-1] not in finding.message
    assert canary.found_in(repr(store)) is None
    tally["messages made of a server's echo, without the secret"] += 1


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.core)
@pytest.mark.parametrize("path", ["/api/datasources", "/grafana-that-answers-no-json"])
def test_a_smoke_test_does_not_show_the_credential_that_grafana_repeats(
    address: str, canary: Canary, path: str, tally: Counter[str]
) -> None:
    with ExitStack() as held:
        patience = Patience(1, lambda *_: None)
        journey = Journey(Target(), held, patience, tenant=None, ca_file=None, store=False)
        for auth in (canary.value, f"admin:{canary.value}"):
            client = journey._client("Grafana", Address(f"http://{address}"), auth)
            with pytest.raises(HopFailed) as failed:
                client.get(path)
            assert "***" in str(failed.value)
            assert canary.found_in(str(failed.value)) is None
            assert canary.found_in(repr(client)) is None
    tally["messages made of a server's echo, without the secret"] += 1


def written(directory: Path, secrets: dict[str, Any]) -> str:
    file = directory / "Pulumi.dev.yaml"
    settings = {
        "tracing:objectStore": {"type": "s3", "endpoint": "s3.example.com", "check": False},
        "tracing:grafana": {"url": "https://grafana.example.com"},
        "tracing:loki": {"url": "http://loki:3100"},
        "tracing:traefik": {},
        **secrets,
    }
    file.write_text(yaml.safe_dump({"config": settings}), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("command", ["images", "sbom", "correlate", "stack-file"])
@pytest.mark.parametrize("form", ["in clear", "as a damaged secret"])
def test_a_command_that_reads_a_stack_file_shows_no_secret_of_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    form: str,
    tally: Counter[str],
) -> None:
    canaries = {key: Canary(2000 + n, ANY[-n]) for n, key in enumerate(SECRET_KEYS)}
    secrets = {
        f"tracing:{key}": canary.value if form == "in clear" else {"secure": canary.value}
        for key, canary in canaries.items()
    }
    file = written(tmp_path, secrets)
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    options = [file] if command == "stack-file" else ["--stack", "dev", "--stack-file", file]
    main([command, *options])
    printed = capsys.readouterr()
    assert printed.out + printed.err or (command, form) == ("stack-file", "in clear")
    for canary in canaries.values():
        assert canary.found_in(printed.out + printed.err) is None
    tally["outputs of commands searched"] += 1


@pytest.mark.parametrize("stack", STACK_FILES)
def test_a_golden_has_no_secret_in_it(stack: str, tally: Counter[str]) -> None:
    # With a placeholder for each secret: `ops.stack_files.placeholders`.
    assert "placeholder of" not in golden_file(stack).read_text(encoding="utf-8")
    tally["outputs of commands searched"] += 1


def test_a_loaded_configuration_shows_no_secret_where_it_is_printed() -> None:
    canary = CANARIES[0]
    secrets = Secrets(**dict.fromkeys(Secrets.__dataclass_fields__))
    stack = config.parse({"tracing:tempo": {}}, stack="dev", secret_keys=set())
    loaded = Loaded(stack=stack, secrets=secrets, plain_secrets={"grafanaAuth": canary.value})
    assert canary.found_in(repr(loaded)) is None


@pytest.mark.parametrize("around", ANY)
def test_masking_takes_a_secret_out_in_every_form(around: str) -> None:
    canary = Canary(3000, around)
    whole = {form for form in canary.disguises if len(form) >= len(canary.value)}
    assert len(whole) >= 2
    for form in whole:
        assert masked(f"before {form} after", canary.value) == "before *** after"
    assert masked("nothing to hide", canary.value, "") == "nothing to hide"
