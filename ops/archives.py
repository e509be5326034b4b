"""The pinned charts as local archives: for a site without internet, and for a faster preview."""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin

import yaml

from ops import UserError

NAME = "charts"
HELP = "download the pinned chart archives and check their digests"

SECONDS = 30
"""Without an answer for this long a repository counts as unreachable."""


class PinnedChart(Protocol):
    """What is needed of an entry of charts.PINS."""

    @property
    def name(self) -> str:
        """The chart's name in its repository."""
        ...

    @property
    def version(self) -> str:
        """The chart's exact version."""
        ...

    @property
    def repository(self) -> str:
        """The URL that index.yaml lies under."""
        ...

    @property
    def sha256(self) -> str | None:
        """The archive's digest, if it is known."""
        ...

    @property
    def archive_name(self) -> str:
        """The archive's file name in a directory of archives."""
        ...


def download(pins: Iterable[PinnedChart], directory: Path) -> None:
    """Bring a directory in line with the pins; what is there and right is left alone."""
    directory.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in pins if not _is_right(directory / pin.archive_name, pin.sha256)]
    indexes: dict[str, Mapping[str, Any]] = {}
    for pin in missing:
        try:
            if pin.repository not in indexes:
                indexes[pin.repository] = _index(pin.repository)
            published = _published(indexes[pin.repository], pin)
            content = _get(urljoin(_base(pin.repository), published["urls"][0]))
        except (OSError, http.client.HTTPException) as error:
            raise UserError(_unreachable(pin, error, missing, directory)) from error
        _check(content, pin, str(published.get("digest") or ""))
        _write(directory / pin.archive_name, content)
        print(f"  {pin.archive_name}: downloaded, digest checked", flush=True)
    print(f"{directory}: every pinned chart is there.")


def _is_right(archive: Path, sha256: str | None) -> bool:
    # Without a pinned digest nothing says that an archive is the right one: it is fetched again.
    return sha256 is not None and archive.is_file() and _digest(archive.read_bytes()) == sha256


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _base(repository: str) -> str:
    # Without the slash urljoin would put index.yaml beside the last part instead of beneath it.
    return repository.rstrip("/") + "/"


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=SECONDS) as response:
        return response.read()


def _index(repository: str) -> Mapping[str, Any]:
    url = urljoin(_base(repository), "index.yaml")
    print(f"  reading {url} ...", flush=True)
    # The C loader where there is one: an index has megabytes, half a minute in pure Python.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    index = yaml.load(_get(url), Loader=loader)
    if not isinstance(index, Mapping) or "entries" not in index:
        raise UserError(f"{url} is not the index of a chart repository")
    return index


def _published(index: Mapping[str, Any], pin: PinnedChart) -> Mapping[str, Any]:
    for entry in index["entries"].get(pin.name) or []:
        if entry.get("version") == pin.version and entry.get("urls"):
            return entry
    raise UserError(
        f"{pin.repository} has no chart {pin.name} {pin.version}: correct its version or"
        " repository in charts.py"
    )


def _check(content: bytes, pin: PinnedChart, published: str) -> None:
    """Refuse an archive that isn't the pinned one, before anything of it is written."""
    actual = _digest(content)
    expected = pin.sha256 or published.removeprefix("sha256:")
    if expected and actual != expected:
        raise UserError(
            f"{pin.archive_name}: SHA-256 is {actual}, but {expected} is"
            f" {'pinned in charts.py' if pin.sha256 else 'published in the index'}. The archive"
            " was not kept. If upstream replaced it on purpose, look at what changed and pin the"
            " new digest in charts.py."
        )
    if pin.sha256 is None:
        print(f"  {pin.archive_name}: not pinned yet; put sha256 {actual} into charts.py")


def _write(archive: Path, content: bytes) -> None:
    # Renamed into place: an interrupted download must not leave half an archive under the name.
    descriptor, scratch = tempfile.mkstemp(dir=archive.parent, prefix=f".{archive.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(scratch, 0o644)
        os.replace(scratch, archive)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def _unreachable(
    pin: PinnedChart,
    error: Exception,
    missing: Iterable[PinnedChart],
    directory: Path,
) -> str:
    wanted = "".join(
        f"\n  {other.archive_name}  {other.sha256 or '(digest not pinned)'}  from"
        f" {other.repository}"
        for other in missing
    )
    # A URLError hides what happened in its reason; an HTTPError's own text has the status.
    is_status = isinstance(error, urllib.error.HTTPError)
    said = error if is_status else getattr(error, "reason", error)
    return (
        f"{pin.repository} can't be reached ({said}). Run this where it can be"
        f" (HTTPS_PROXY is honoured), or put these archives into {directory}:{wanted}"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--directory", type=Path, default=Path("charts"), help="where to (default: charts)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Download what charts.PINS names."""
    from charts import PINS  # only here: the program's modules take their time to import

    download(PINS, arguments.directory)
