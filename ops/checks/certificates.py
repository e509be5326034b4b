"""Certificates: whether the processes that read theirs once have read the newest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from ops.hops.cluster import KubectlError
from ops.hops.target import INSTANCE

GOSSIP: Final = "app.kubernetes.io/part-of=memberlist"
"""The label that the chart gives the pods of Tempo that gossip."""


def _check(subject: Subject) -> list[Finding]:
    tempo = subject.settings.tempo
    if tempo.tls is None or tempo.tls.secret_name is not None:
        raise Skipped("no certificate of Tempo's is made by an issuer")
    try:
        certificate = json.loads(
            subject.kubectl.ask(
                "get",
                f"certificates.cert-manager.io/{tempo.certificate_name}",
                "--output=json",
                namespace=tempo.namespace,
            )
        )
        pods = json.loads(
            subject.kubectl.ask(
                "get",
                "pods",
                f"--selector={INSTANCE}={tempo.release_name},{GOSSIP}",
                "--output=json",
                namespace=tempo.namespace,
            )
        )["items"]
    except KubectlError as error:
        raise Skipped(str(error)) from None
    issued = (certificate.get("status") or {}).get("notBefore")
    if issued is None:
        raise Skipped("Tempo has no certificate yet")
    former = [pod["metadata"]["name"] for pod in pods if _began(pod, before=_time(issued))]
    if not former:
        return []
    return [
        Finding(
            level="warning",
            what=f"{', '.join(sorted(former))}: began before Tempo's certificate was renewed "
            f"({issued})",
            why="Tempo reads the certificate of its gossip once: pods that show the former one no"
            " longer find each other when that expires",
            command=subject.kubectl.line(
                "rollout",
                "restart",
                "deployments,statefulsets",
                f"--selector={INSTANCE}={tempo.release_name}",
                f"--namespace={tempo.namespace}",
            ),
        )
    ]


def _began(pod: dict[str, Any], *, before: datetime) -> bool:
    """Whether a container that runs began before."""
    return any(started < before for started in _starts(pod))


def _starts(pod: dict[str, Any]) -> Iterator[datetime]:
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        running = (status.get("state") or {}).get("running")
        if running is not None:
            yield _time(running["startedAt"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


CHECK: Final = Check(name="certificates", run=_check)
