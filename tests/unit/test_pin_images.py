"""Images that only a tag names are looked up at their registries, and said as commands."""

from __future__ import annotations

import json
import shlex
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from ops import UserError, pin_images
from ops.commands import main
from ops.pin_images import digest_of, unpinned
from tests.unit.stacks import Stacks, stacks

__all__ = ["stacks"]

ALL_ARCHITECTURES = "sha256:" + "a" * 64
ONE_ARCHITECTURE = "sha256:" + "b" * 64
INDEX = "application/vnd.oci.image.index.v1+json"
TOKEN = "for-nobody-in-particular"


class Registry(ThreadingHTTPServer):
    """As Docker Hub: asks for a token that anybody gets; its image is for two architectures."""

    token_for: str | None = None
    """The scope that was asked for."""

    @property
    def name(self) -> str:
        """As it stands in images."""
        return f"127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Registry  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if not self.path.startswith("/token?"):
            self.send_error(404)
            return
        self.server.token_for = self.path
        body = json.dumps({"token": TOKEN}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        repository, _, tag = self.path.removeprefix("/v2/").partition("/manifests/")
        if repository == "team/broken":
            self._say(200)
        elif repository == "team/private" or self.headers["Authorization"] != f"Bearer {TOKEN}":
            asks = f'Bearer realm="https://{self.server.name}/token",service="r",scope="repository:'
            self._say(401, **{"WWW-Authenticate": f'{asks}{repository}:pull"'})
        elif (repository, tag) != ("team/otelcol", "0.158.0"):
            self._say(404)
        else:
            every = INDEX in self.headers["Accept"]
            found = ALL_ARCHITECTURES if every else ONE_ARCHITECTURE
            self._say(200, **{"Docker-Content-Digest": found})

    def _say(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Registry(("127.0.0.1", 0), _Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_the_digest_is_that_of_all_architectures_and_asked_for_as_nobody(
    registry: Registry,
) -> None:
    assert digest_of(f"{registry.name}/team/otelcol", "0.158.0") == ALL_ARCHITECTURES
    assert registry.token_for is not None
    assert "scope=repository%3Ateam%2Fotelcol%3Apull" in registry.token_for


@pytest.mark.parametrize(
    ("repository", "tag", "said"),
    [
        ("team/otelcol", "0.1.0", "does not know team/otelcol:0.1.0"),
        ("team/private", "1", "docker buildx imagetools inspect .*/team/private:1"),
        ("team/broken", "1", "does not say which image team/broken:1 is"),
    ],
)
def test_a_registry_that_does_not_say_is_named_with_what_it_lacks(
    registry: Registry, repository: str, tag: str, said: str
) -> None:
    with pytest.raises(UserError, match=f"^{registry.name} .*{said}"):
        digest_of(f"{registry.name}/{repository}", tag)


def test_a_registry_that_is_not_reached_is_named(registry: Registry) -> None:
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9 does not answer .*HTTPS_PROXY"):
        digest_of("127.0.0.1:9/team/otelcol", "0.158.0")


def test_every_image_of_a_stack_is_found_by_the_key_that_names_it(stacks: Stacks) -> None:
    stacks.write(
        prod=stacks.text("prod").replace("  tracing:allowTags: {all: a test}\n", "")
        + "  tracing:traefik: {routeNamespaces: [shop]}\n  tracing:vulture: {}\n"
    )
    found = {
        image.key: (image.repository, image.tag) for image in unpinned("prod", stacks.file("prod"))
    }
    assert found == {
        "tempo.image": ("docker.io/grafana/tempo", "2.10.7"),
        "tempo.memcachedImage": ("docker.io/memcached", "1.6.43-alpine"),
        "objectStore.image": ("docker.io/pgsty/minio", "RELEASE.2026-04-17T00-00-00Z"),
        "collector.image": ("docker.io/otel/opentelemetry-collector-contrib", "0.150.0"),
        "traefik.image": ("docker.io/traefik", "v3.7.11"),
        "vulture.image": ("docker.io/grafana/tempo-vulture", "3.0.3"),
    }


def test_kafkas_images_are_found_as_well_unless_somebody_elses_operator_chooses_them(
    stacks: Stacks,
) -> None:
    text = "config:\n  tracing:tempo: {profile: distributed-3, acknowledgeNoDowngrade: true}\n"
    stacks.write(dev=text + "  tracing:kafka: {}\n")
    found = {i.key: (i.repository, i.tag) for i in unpinned("dev", stacks.file("dev"))}
    assert found["kafka.image"] == ("quay.io/strimzi/kafka", "1.2.0-kafka-4.3.1")
    assert found["kafka.operatorImage"] == ("quay.io/strimzi/operator", "1.2.0")
    stacks.write(dev=text + "  tracing:kafka: {operator: existing}\n")
    found = {i.key: (i.repository, i.tag) for i in unpinned("dev", stacks.file("dev"))}
    assert found["kafka.image"] == found["kafka.operatorImage"] == ("", "")


def test_what_is_printed_names_the_image_in_the_stack_file(
    registry: Registry,
    stacks: Stacks,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = f"{registry.name}/team/otelcol:0.158.0"
    text = "config:\n  tracing:collector: {image: 'IMAGE'}\n"
    stacks.write(dev=text.replace("IMAGE", ours))
    monkeypatch.setattr(pin_images, "HOSTS", {"docker.io": registry.name})
    assert main(["pin-images", "--stack", "dev"]) == 1
    output = capsys.readouterr()
    unknown = "docker.io does not know grafana/tempo:2.10.7"
    assert f"tracing:tempo.image: docker.io/grafana/tempo:2.10.7: {unknown}" in output.err
    [command] = output.out.splitlines()
    *words, key, image = shlex.split(command)
    assert words == ["pulumi", "config", "set", "--stack", "dev", "--path"]
    assert key == "tracing:collector.image"
    assert image == f"{ours}@{ALL_ARCHITECTURES}"
    stacks.write(dev=text.replace("IMAGE", image))
    assert "collector.image" not in {image.key for image in unpinned("dev", stacks.file("dev"))}
