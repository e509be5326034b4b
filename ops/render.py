"""A stack as files, for GitOps and audits; nothing is applied, asked or decrypted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from pulumi import RunError

from ops import UserError, helm
from ops.helm import Archives
from ops.rendering import rendering, sums
from ops.stack_document import StackDocument

NAME = "render"
HELP = "write the manifests and Helm values of a stack as files"

SUMS: Final = "SHA256SUMS"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, where to, and the charts."""
    parser.add_argument("--stack", required=True, help="the stack, such as prod")
    parser.add_argument(
        "--stack-file", type=Path, metavar="FILE", help="settings instead of Pulumi.STACK.yaml"
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="a new or an earlier directory"
    )
    add_charts(parser)


def add_charts(parser: argparse.ArgumentParser) -> None:
    """Where chart archives are, and what they are rendered for."""
    parser.add_argument(
        "--charts",
        type=Path,
        metavar="DIR",
        help="chart archives, as `make charts` downloads them (default: the stack's, or charts)",
    )
    parser.add_argument(
        "--kube-version",
        metavar="VERSION",
        default=helm.KUBERNETES,
        help="version of Kubernetes that charts are rendered for (default: %(default)s)",
    )


def archives_of(document: StackDocument, directory: Path | None) -> Archives:
    """The archives that a stack's charts are taken from; raises UserError for a refused file."""
    try:
        source = document.checked().charts
    except RunError as error:
        raise UserError(str(error)) from None
    if directory is not None and not directory.is_dir():
        raise UserError(f"--charts: there is no directory {directory}; see make charts")
    own = Path(source.directory or "charts")
    return Archives(directory=directory or own, digests=source.digests)


def run(arguments: argparse.Namespace) -> None:
    """Write the files; those of an earlier run that are no more are removed."""
    document = StackDocument.read(arguments.stack, arguments.stack_file)
    out: Path = arguments.out
    earlier = _earlier(out)
    made = rendering(
        document, archives_of(document, arguments.charts), found=helm.find(arguments.kube_version)
    )
    files = {name: text.encode() for name, text in made.files.items()}
    files[SUMS] = sums(files).encode()
    for name in earlier - set(files):
        (out / name).unlink(missing_ok=True)
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    _remove_empty(out)
    print(f"{out}: {len(files)} files of stack {made.stack}; begin with {out / 'README.md'}")
    if made.missing:
        print(f"without what the charts install: {made.missing}")


def _earlier(out: Path) -> set[str]:
    """The files of an earlier run; raises UserError for a directory that has other things in it."""
    if not out.exists():
        return set()
    if not out.is_dir():
        raise UserError(f"--out: {out} is a file; name a directory")
    listed = out / SUMS
    if not listed.is_file():
        if any(out.iterdir()):
            raise UserError(
                f"--out: {out} holds files that are not of an earlier run; name a new directory, "
                "or empty this one"
            )
        return set()
    names = {line.partition("  ")[2] for line in listed.read_text(encoding="utf-8").splitlines()}
    # Only what lies within: the list may have been edited.
    return {name for name in names if name and ".." not in Path(name).parts and name[0] != "/"}


def _remove_empty(out: Path) -> None:
    for path in sorted(out.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
