"""A real registry is asked which image a tag names.

Needs the program registry 3 (CNCF Distribution) on PATH; no cluster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin

import pytest
import requests
import trustme

from ops import UserError
from ops.pin_images import digest_of
from tests.live.needs import free_port
from tests.live.processes import config, missing, running

REASON: Final = missing("registry")
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")

REPOSITORY: Final = "team/otelcol"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"


class Registry:
    """What is put into a registry, by its own protocol."""

    def __init__(self, port: int) -> None:
        self.name = f"127.0.0.1:{port}"
        self._url = f"https://{self.name}/v2/{REPOSITORY}"

    def answers(self) -> bool:
        """Whether it does."""
        try:
            return requests.get(f"https://{self.name}/v2/", timeout=5).ok
        except requests.RequestException as error:
            raise AssertionError(str(error)) from None

    def push(self, tag: str, version: str) -> str:
        """An image for two architectures; the digest of both together."""
        manifests = [
            {**self._image(version, architecture), "platform": {"architecture": architecture}}
            for architecture in ("amd64", "arm64")
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        return self._put(tag, INDEX, index)["digest"]

    def _image(self, version: str, architecture: str) -> dict[str, Any]:
        content = json.dumps({"architecture": architecture, "version": version}).encode()
        digest = _digest(content)
        upload = requests.post(f"{self._url}/blobs/uploads/", timeout=10)
        location = urljoin(self._url, upload.headers["Location"])
        done = requests.put(location, params={"digest": digest}, data=content, timeout=10)
        assert done.status_code == 201, done.text
        configuration = {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest,
            "size": len(content),
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": configuration,
            "layers": [],
        }
        return self._put(None, MANIFEST, manifest)

    def _put(self, tag: str | None, kind: str, manifest: dict[str, Any]) -> dict[str, Any]:
        content = json.dumps(manifest).encode()
        digest = _digest(content)
        done = requests.put(
            f"{self._url}/manifests/{tag or digest}",
            headers={"Content-Type": kind},
            data=content,
            timeout=10,
        )
        assert done.status_code == 201, done.text
        return {"mediaType": kind, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    directory = tmp_path_factory.mktemp("registry")
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    made.cert_chain_pems[0].write_to_path(directory / "tls.crt")
    made.private_key_pem.write_to_path(directory / "tls.key")
    port = free_port()
    tls = {"certificate": str(directory / "tls.crt"), "key": str(directory / "tls.key")}
    settings = {
        "version": 0.1,
        "storage": {"inmemory": {}},
        "http": {"addr": f"127.0.0.1:{port}", "tls": tls},
    }
    file = config(directory, "registry", settings)
    at = Registry(port)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(directory / "ca.pem"))
        with running("registry", directory, "registry", "serve", str(file), ready=at.answers):
            yield at


def test_the_digest_is_that_of_all_architectures(registry: Registry) -> None:
    pushed = registry.push("0.158.0", "first")
    assert digest_of(f"{registry.name}/{REPOSITORY}", "0.158.0") == pushed


def test_a_tag_that_was_moved_names_another_image(registry: Registry) -> None:
    before = registry.push("moving", "first")
    after = registry.push("moving", "second")
    assert before != after == digest_of(f"{registry.name}/{REPOSITORY}", "moving")


@pytest.mark.parametrize("repository", [REPOSITORY, "team/nobodys"])
def test_a_tag_that_it_does_not_know_is_named(registry: Registry, repository: str) -> None:
    with pytest.raises(UserError, match=f"{registry.name} does not know {repository}:0.1.0"):
        digest_of(f"{registry.name}/{repository}", "0.1.0")
