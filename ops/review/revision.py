"""The two revisions that a report compares, read from git without touching the checkout."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops import UserError

_MAIN: Final = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
"""Where the main branch is looked for: the remote's first, a local one may be old."""


class RevisionError(UserError):
    """A revision that git does not know, or none to compare with."""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A commit, as it was asked for."""

    commit: str
    """The full hash."""
    asked: str
    """What a person called it: a branch, a tag, `the merge base with origin/main`."""

    @property
    def title(self) -> str:
        """How a report calls it."""
        short = self.commit[:12]
        return short if self.commit.startswith(self.asked) else f"{short} ({self.asked})"


@dataclass(frozen=True, kw_only=True)
class WorkTree:
    """What is checked out: the head of a report."""

    commit: str
    uncommitted: tuple[str, ...]
    """Files that differ from the commit, untracked ones too; the report is of what is there."""


def work_tree(project: Path) -> WorkTree:
    """The checkout that the project is in. Raises RevisionError outside of git."""
    # With -z names come unquoted; of a rename the second is the old name.
    entries = _git(project, "status", "--porcelain", "-z", "--no-renames", "--", ".").split("\0")
    return WorkTree(
        commit=_git(project, "rev-parse", "HEAD").strip(),
        uncommitted=tuple(sorted(entry[3:] for entry in entries if entry)),
    )


def base_of(project: Path, named: str | None) -> Revision:
    """The named revision, or else the merge base with the main branch.

    Raises RevisionError, with what to write, where there is none.
    """
    if named is not None:
        commit = _commit(project, named)
        if commit is None:
            raise RevisionError(
                f"--base: git knows no revision {named!r} here; fetch it first "
                "(git fetch origin), or name one of `git log`"
            )
        return Revision(commit=commit, asked=named)
    main = next((name for name in _MAIN if _commit(project, name)), None)
    if main is None:
        raise RevisionError(
            "there is no main branch to compare with (looked for: "
            f"{', '.join(_MAIN)}); name a revision: --base REV"
        )
    try:
        commit = _git(project, "merge-base", main, "HEAD").strip()
    except RevisionError:
        raise RevisionError(
            f"{main} and HEAD have no common ancestor in this clone; a shallow one needs "
            "its history (git fetch --unshallow), or name a revision: --base REV"
        ) from None
    return Revision(commit=commit, asked=f"the merge base with {main}")


def extract(project: Path, revision: Revision, directory: Path) -> Path:
    """Write the project as it was at a revision into a directory; give the project's place there.

    From git's objects, not by a work tree of git's: that would leave a trace in the repository.
    """
    place = _git(project, "rev-parse", "--show-prefix").strip()
    archive = _git_bytes(project, "archive", "--format=tar", f"{revision.commit}:{place}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(directory, filter="data")
    return directory


def _commit(project: Path, name: str) -> str | None:
    try:
        # --end-of-options: a revision that begins with a dash must not become an option.
        return _git(
            project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        ).strip()
    except RevisionError:
        return None


def _git(project: Path, *arguments: str) -> str:
    return _git_bytes(project, *arguments).decode()


def _git_bytes(project: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(
            ["git", "-C", project, *arguments],
            # Without the index refreshed on the way, which `git status` would write back.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        raise RevisionError("there is no `git` command on PATH") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or f"exit code {error.returncode}"
        raise RevisionError(f"git {arguments[0]}: {said}") from None
