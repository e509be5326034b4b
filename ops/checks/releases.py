"""Helm releases that a killed update left behind: Helm refuses every next change of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from config.platform import KubernetesConfig
from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from ops.hops.cluster import KubectlError

Pending = Literal["pending-install", "pending-upgrade", "pending-rollback"]
PENDING: Final[tuple[Pending, ...]] = ("pending-install", "pending-upgrade", "pending-rollback")

_WORKING: Final = ("deployed", "superseded")
"""What a revision that was once whole is called: the last such one is gone back to."""

_REVISIONS: Final = (
    "jsonpath={range .items[*]}{.metadata.labels.name} {.metadata.labels.version}"
    ' {.metadata.labels.status}{"\\n"}{end}'
)


@dataclass(frozen=True, kw_only=True, order=True)
class Revision:
    """One revision of a release, as Helm keeps it in a Secret of the release's namespace."""

    number: int
    status: str


def stuck(revisions: Sequence[Revision]) -> Pending | None:
    """The state that a release is stuck in; `None` if Helm would change it."""
    if not revisions:
        return None
    last = max(revisions).status
    return next((status for status in PENDING if status == last), None)


def recipe(
    stack: str,
    name: str,
    namespace: str,
    revisions: Sequence[Revision],
    kubernetes: KubernetesConfig,
) -> list[str]:
    """The commands that mend a stuck release, one after the other.

    Back to the last revision that was whole; where there is none, the release is taken away, and
    the next update installs it again. Volumes of its StatefulSets stay.
    """
    whole = [revision.number for revision in revisions if revision.status in _WORKING]
    what = ("rollback", name, str(max(whole))) if whole else ("uninstall", name)
    mend = helm(kubernetes, *what, "--namespace", namespace)
    return [mend, f"make refresh STACK={stack}", f"make up STACK={stack}"]


def helm(kubernetes: KubernetesConfig, *arguments: str) -> str:
    """A command of Helm's on the cluster of a stack, as a person would type it."""
    flags: list[str] = []
    if kubernetes.context is not None:
        flags += ["--kube-context", kubernetes.context]
    if kubernetes.kubeconfig is not None:
        flags += ["--kubeconfig", kubernetes.kubeconfig]
    return shlex.join(["helm", *flags, *arguments])


def _check(subject: Subject) -> list[Finding]:
    wanted = {
        (str(release.inputs["namespace"]), str(release.inputs["name"]))
        for release in subject.releases
    }
    if not wanted:
        raise Skipped("this stack has no Helm release")
    return list(_findings(subject, wanted))


def _findings(subject: Subject, wanted: set[tuple[str, str]]) -> Iterator[Finding]:
    for namespace in sorted({namespace for namespace, _ in wanted}):
        known = revisions_of(subject, namespace)
        for name in sorted(name for where, name in wanted if where == namespace):
            revisions = known.get(name, [])
            if (status := stuck(revisions)) is None:
                continue
            commands = recipe(
                subject.stack, name, namespace, revisions, subject.settings.kubernetes
            )
            yield Finding(
                level="error",
                what=f"release {name} in {namespace} is {status}",
                why="an update was killed while Helm worked, or another one is at it now; Helm"
                " refuses every change of the release (another operation is in progress)",
                command=" && ".join(commands),
            )


def revisions_of(subject: Subject, namespace: str) -> dict[str, list[Revision]]:
    """The revisions of a namespace's releases, by the release's name; raises Skipped."""
    try:
        listed = subject.kubectl.ask(
            "get", "secrets", "--selector=owner=helm", f"--output={_REVISIONS}", namespace=namespace
        )
    except KubectlError as error:
        raise Skipped(f"Helm's Secrets in {namespace} can't be read: {error}") from None
    found: dict[str, list[Revision]] = {}
    for line in filter(None, listed.splitlines()):
        name, number, status = line.split()
        found.setdefault(name, []).append(Revision(number=int(number), status=status))
    return found


CHECK: Final = Check(name="releases", run=_check)
