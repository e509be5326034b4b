"""Pinned charts are downloaded whole and right, or not at all; the repositories are directories."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops import UserError, archives
from ops.archives import download

CONTENT = b"a chart archive"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Pin:
    repository: str
    name: str = "shop"
    version: str = "1.2.3"
    sha256: str | None = DIGEST

    @property
    def archive_name(self) -> str:
        return f"{self.name}-{self.version}.tgz"


@pytest.fixture
def repository(tmp_path: Path) -> str:
    directory = tmp_path / "repository"
    directory.mkdir()
    (directory / "shop-1.2.3.tgz").write_bytes(CONTENT)
    publish(directory, digest=DIGEST)
    return directory.as_uri()


def publish(directory: Path, *, digest: str, url: str = "shop-1.2.3.tgz") -> None:
    entry = {"version": "1.2.3", "urls": [url], "digest": digest}
    old = {"version": "1.0.0", "urls": ["shop-1.0.0.tgz"], "digest": "0" * 64}
    (directory / "index.yaml").write_text(json.dumps({"entries": {"shop": [old, entry]}}))


def test_the_pinned_version_is_downloaded(tmp_path: Path, repository: str) -> None:
    download([Pin(repository=repository)], tmp_path / "charts")
    assert os.listdir(tmp_path / "charts") == ["shop-1.2.3.tgz"]
    assert (tmp_path / "charts" / "shop-1.2.3.tgz").read_bytes() == CONTENT


def test_an_archive_published_elsewhere_is_followed(tmp_path: Path, repository: str) -> None:
    url = (tmp_path / "repository" / "shop-1.2.3.tgz").as_uri()
    other = tmp_path / "other"
    other.mkdir()
    publish(other, digest=DIGEST, url=url)
    download([Pin(repository=f"{other.as_uri()}/")], tmp_path / "charts")
    assert (tmp_path / "charts" / "shop-1.2.3.tgz").read_bytes() == CONTENT


def test_an_index_is_read_once_for_all_its_charts(
    tmp_path: Path, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = [Pin(repository=repository), Pin(repository=repository, sha256=None)]
    download(pins, tmp_path / "charts")
    assert capsys.readouterr().out.count("index.yaml") == 1


def test_what_is_there_and_right_is_left_alone_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "shop-1.2.3.tgz").write_bytes(CONTENT)
    download([Pin(repository=(tmp_path / "nowhere").as_uri())], tmp_path)


def test_what_is_there_and_wrong_is_replaced(tmp_path: Path, repository: str) -> None:
    (tmp_path / "shop-1.2.3.tgz").write_bytes(b"half a chart arch")
    download([Pin(repository=repository)], tmp_path)
    assert (tmp_path / "shop-1.2.3.tgz").read_bytes() == CONTENT


def test_a_digest_other_than_the_pinned_one_is_refused_and_nothing_is_kept(
    tmp_path: Path, repository: str
) -> None:
    # The index agrees with the archive: whoever can change the one can change the other.
    with pytest.raises(UserError, match=rf"SHA-256 is {DIGEST}, but {'1' * 64} is pinned"):
        download([Pin(repository=repository, sha256="1" * 64)], tmp_path / "charts")
    assert os.listdir(tmp_path / "charts") == []


def test_without_a_pin_the_published_digest_counts(tmp_path: Path, repository: str) -> None:
    publish(tmp_path / "repository", digest="2" * 64)
    with pytest.raises(UserError, match="is published in the index"):
        download([Pin(repository=repository, sha256=None)], tmp_path / "charts")
    assert os.listdir(tmp_path / "charts") == []


def test_without_a_pin_the_digest_to_pin_is_told(
    tmp_path: Path, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    download([Pin(repository=repository, sha256=None)], tmp_path / "charts")
    assert f"put sha256 {DIGEST} into charts.py" in capsys.readouterr().out


def test_an_unreachable_repository_is_one_message_that_names_every_missing_archive(
    tmp_path: Path,
) -> None:
    nowhere = (tmp_path / "nowhere").as_uri()
    pins = [Pin(repository=nowhere), Pin(repository=nowhere, name="store", sha256=None)]
    with pytest.raises(UserError) as caught:
        download(pins, tmp_path / "charts")
    message = str(caught.value)
    assert message.startswith(f"{nowhere} can't be reached")
    assert f"shop-1.2.3.tgz  {DIGEST}  from {nowhere}" in message
    assert "store-1.2.3.tgz  (digest not pinned)" in message


def test_a_version_that_was_never_published_is_told(tmp_path: Path, repository: str) -> None:
    with pytest.raises(UserError, match=r"has no chart shop 9\.9\.9: correct its version"):
        download([Pin(repository=repository, version="9.9.9")], tmp_path / "charts")


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(source: str, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archives.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        download([Pin(repository=repository)], tmp_path / "charts")
    assert os.listdir(tmp_path / "charts") == []
