"""The tools on this machine, and what version they are of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from config.object_store import MinioConfig
from ops.checks.finding import Check, Finding
from ops.checks.subject import Subject
from ops.engine import EngineUnavailable, locate
from ops.hops.cluster import KubectlError

SKEW: Final = 1
"""Minor versions that kubectl may be away from the API server (Kubernetes' version skew policy)."""


def _check(subject: Subject) -> list[Finding]:
    return [*_engine(subject), *_kubectl(subject), *_packages(subject)]


def _engine(subject: Subject) -> Iterator[Finding]:
    try:
        locate(lambda _: None, needs_language_host=True, obtain=False)
    except EngineUnavailable as error:
        yield Finding(
            level="error",
            what=str(error).partition(". Tried:")[0],
            why="without it there is neither a preview nor an update",
            command=".venv/bin/python -m ops engine --language-host",
        )


def _kubectl(subject: Subject) -> Iterator[Finding]:
    try:
        said = json.loads(subject.kubectl.ask("version", "--client", "--output=json"))
    except KubectlError as error:
        store = subject.settings.object_store
        forwarded = isinstance(store, MinioConfig) and store.admin.endpoint is None
        yield Finding(
            level="error" if forwarded else "warning",
            what=f"kubectl can't be used: {error}",
            why="an update reaches the MinIO in the cluster through kubectl port-forward"
            if forwarded
            else "what is in the cluster could not be looked at",
            command="kubectl version --client  # install: https://kubernetes.io/docs/tasks/tools/",
        )
        return
    try:
        server = json.loads(subject.kubectl.ask("get", "--raw=/version"))
    except KubectlError:
        return  # The check of the cluster says so.
    ours, theirs = _minor(said["clientVersion"]), _minor(server)
    if ours is not None and theirs is not None and abs(ours - theirs) > SKEW:
        yield Finding(
            level="warning",
            what=f"kubectl is of Kubernetes 1.{ours}, the cluster of 1.{theirs}",
            why=f"Kubernetes supports {SKEW} minor version of distance",
            command="kubectl version",
        )


def _minor(version: dict[str, str]) -> int | None:
    digits = "".join(filter(str.isdigit, version.get("minor", "")))
    return int(digits) if digits else None


def _packages(subject: Subject) -> Iterator[Finding]:
    installed = subject.project / ".venv" / ".installed-from"
    lock = subject.project / "requirements-dev.txt"
    if not installed.is_file() or installed.read_bytes() != lock.read_bytes():
        yield Finding(
            level="warning",
            what=".venv is not what requirements-dev.txt says",
            why="the program would run with other versions of the SDKs than the ones tested",
            command="make setup",
        )


CHECK: Final = Check(name="tools", run=_check)
