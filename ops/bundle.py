"""One archive with all that an update needs: for a site without internet."""

from __future__ import annotations

import argparse
import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import charts
from config.load import PREFIX
from ops import UserError, helm
from ops.bundle_page import CHARTS, page
from ops.images import images_of
from ops.plugins import Plugin, plugins
from ops.render import add_charts, archives_of
from ops.rendering import Rendering, rendering, sums
from ops.stack_document import StackDocument
from ops.stack_files import ROOT
from ops.stack_text import with_setting

NAME = "bundle"
HELP = "pack charts, values, image list and checksums for a site without internet"

TOP: Final = "tracing-bundle"
"""The directory that the archive unpacks to."""

_PROGRAM: Final = (
    "*.py",
    "Pulumi.yaml",
    "requirements.txt",
    "components/**/*.py",
    "config/**/*.py",
)
"""What `pulumi up` reads of the project, beside a stack's file."""

_MOMENT: Final = 315532800
"""1980-01-01, of every file: when one was packed is nobody's business, and would be a change."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A stack, ready to be packed."""

    document: StackDocument
    """Its file, as it is in the archive."""
    rendered: Rendering
    archives: list[Path]
    missing: list[str]
    """File names of archives that are not at hand."""
    authorities: list[str]
    """Paths of the PEM files that the stack names."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stacks, where to, and what is at hand."""
    parser.add_argument(
        "--stack", action="append", required=True, help="a stack, such as prod; repeatable"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(f"{TOP}.tar.gz"),
        metavar="FILE",
        help="the archive (default: %(default)s)",
    )
    add_charts(parser)
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help="Python packages to put in, from: pip download --require-hashes -r requirements.txt",
    )
    parser.add_argument(
        "--plugins", type=Path, metavar="DIR", help="archives of provider plugins to put in"
    )
    parser.add_argument(
        "--incomplete", action="store_true", help="pack also without some chart archives"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the archive; the same content gives the same bytes."""
    found = helm.find(arguments.kube_version)
    stacks = [
        _packed(StackDocument.read(name), arguments.charts, found)
        for name in dict.fromkeys(arguments.stack)
    ]
    missing = sorted({name for stack in stacks for name in stack.missing})
    if missing and not arguments.incomplete:
        raise UserError(
            f"{', '.join(missing)}: not at hand, and nothing can be installed without; make charts "
            "downloads them, --charts DIR says where they are, --incomplete packs the rest"
        )
    needed = plugins({name for stack in stacks for name in stack.rendered.plugins})
    files = dict(_program())
    for stack in stacks:
        files |= _of_stack(stack)
    if arguments.wheels is not None:
        files |= _wheels(arguments.wheels)
    if arguments.plugins is not None:
        files |= _plugin_archives(arguments.plugins, needed)
    images = [images_of(stack.rendered.run, stack.rendered.installed) for stack in stacks]
    listed = sorted({image.reference for each in images for image in each.listed})
    unlisted = {name: how for each in images for name, how in each.unlisted.items()}
    files["images.txt"] = _lines(listed)
    files["plugins.txt"] = _lines(f"{each.name} {each.version} {each.url}" for each in needed)
    absolute = sorted(
        {path for stack in stacks for path in stack.authorities if Path(path).is_absolute()}
    )
    files["README.md"] = page(
        [stack.document.stack for stack in stacks],
        needed,
        has_wheels=arguments.wheels is not None,
        has_plugins=arguments.plugins is not None,
        missing=missing,
        unlisted=unlisted,
        absolute=absolute,
    ).encode()
    files = dict(sorted(files.items()))
    files["SHA256SUMS"] = sums(files).encode()
    _write(arguments.out, files)
    size = arguments.out.stat().st_size / 10**6
    print(
        f"{arguments.out}: {len(files)} files, {size:.1f} MB, {len(listed)} images listed; begin "
        f"with {TOP}/README.md"
    )
    for text in (
        *(f"without the chart {name}" for name in missing),
        *(f"without the images of {name}: {how}" for name, how in unlisted.items()),
    ):
        print(text)


def _packed(document: StackDocument, directory: Path | None, found: helm.Helm | None) -> Packed:
    archives = archives_of(document, directory)
    stack = document.checked()
    used = {chart.archive_name: chart for chart in charts.used_by(stack).values()}
    there, unpinned, digests = [], [], {}
    for name, chart in sorted(used.items()):
        archive = archives.find(chart)
        expected = archives.expected(chart)
        if archive is None:
            continue
        there.append(archive)
        if expected is None:
            unpinned.append(f"  {name}: {helm.digest(archive)}")
        elif expected != chart.sha256:
            digests[name] = expected
    if unpinned:
        raise UserError(
            f"no digest is pinned for these archives; check where they come from, and write under "
            f"tracing:charts.digests in {document.file.name}:\n" + "\n".join(unpinned)
        )
    source: dict[str, Any] = {"directory": CHARTS} | ({"digests": digests} if digests else {})
    return Packed(
        document=document.rewritten(with_setting(document.text, [f"{PREFIX}charts"], source)),
        rendered=rendering(document, archives, found=found),
        archives=there,
        missing=sorted(set(used) - {archive.name for archive in there}),
        authorities=sorted(set(_authorities(stack.model_dump(by_alias=True)))),
    )


def _authorities(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "caFile" and item is not None:
                yield item
            else:
                yield from _authorities(item)


def _program() -> Iterator[tuple[str, bytes]]:
    for pattern in _PROGRAM:
        for path in ROOT.glob(pattern):
            yield f"program/{path.relative_to(ROOT)}", path.read_bytes()


def _of_stack(stack: Packed) -> Iterable[tuple[str, bytes]]:
    name = stack.document.stack
    yield f"program/Pulumi.{name}.yaml", stack.document.text.encode()
    for archive in stack.archives:
        yield f"program/{CHARTS}/{archive.name}", archive.read_bytes()
    for path in stack.authorities:
        # One with an absolute path is the machine's own, and stays there.
        if not Path(path).is_absolute():
            yield f"program/{path}", (ROOT / path).read_bytes()
    for path, text in stack.rendered.files.items():
        yield f"rendered/{name}/{path}", text.encode()


def _wheels(directory: Path) -> Iterator[tuple[str, bytes]]:
    """The packages of the lock, all of them and no others; raises UserError."""
    requirements = ROOT / "requirements.txt"
    locked = set(re.findall(r"sha256:([0-9a-f]{64})", requirements.read_text(encoding="utf-8")))
    wheels = _files(directory, "*", "--wheels")
    if strange := [path.name for path in wheels if helm.digest(path) not in locked]:
        raise UserError(
            f"--wheels: not in requirements.txt: {', '.join(strange)}; fill an empty one with "
            f"pip download --require-hashes -r requirements.txt -d {directory}"
        )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    tried = subprocess.run(
        [
            *(*pip, "install", "--quiet", "--dry-run", "--ignore-installed", "--no-index"),
            *("--find-links", str(directory), "--require-hashes", "-r", str(requirements)),
        ],
        capture_output=True,
        text=True,
    )
    if tried.returncode != 0:
        raise UserError(
            f"--wheels: {directory} does not hold all of requirements.txt: "
            f"{tried.stderr.strip()}\n"
            f"Run: pip download --require-hashes -r requirements.txt -d {directory}"
        )
    for path in wheels:
        yield f"wheels/{path.name}", path.read_bytes()


def _plugin_archives(directory: Path, needed: list[Plugin]) -> Iterator[tuple[str, bytes]]:
    for plugin in needed:
        for path in _files(directory, plugin.archive_pattern, "--plugins"):
            yield f"plugins/{path.name}", path.read_bytes()


def _files(directory: Path, pattern: str, option: str) -> list[Path]:
    found = sorted(path for path in directory.glob(pattern) if path.is_file())
    if not found:
        raise UserError(f"{option}: there is no {pattern} in {directory}; name another directory")
    return found


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    if not out.parent.is_dir():
        raise UserError(f"--out: there is no directory {out.parent}; make it first")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{TOP}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), _MOMENT, 0o644
            archive.addfile(entry, io.BytesIO(content))
    # Renamed into place: half an archive must not look like one.
    descriptor, scratch = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-")
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            # Without the name and the time, which would be in the bytes.
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as zipped,
        ):
            zipped.write(packed.getvalue())
        os.chmod(scratch, 0o644)
        os.replace(scratch, out)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
