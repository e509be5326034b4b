"""From what was observed to likely causes: each named with the evidence that speaks for it.

The order is that of how much a cause explains: what was scaled to nothing comes before what
crashes, that before what is not ready, and that before what is merely logged; within each, the
order in which a span passes the parts, but for keys that the store refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

from ops.hops.cluster import WORKLOADS, Kubectl, Observation
from ops.hops.hop import Finding

_SHOWN: Final = 220
"""Characters of a log line that are quoted."""


class _Rank(IntEnum):
    UNSEEN = 0
    SCALED_TO_ZERO = 1
    CANT_START = 2
    CRASHES = 3
    NOT_READY = 4
    LOGGED = 5


_REFUSED_KEYS: Final = re.compile(
    r"InvalidAccessKeyId|Access Key Id you provided does not exist|SignatureDoesNotMatch"
    r"|request signature we calculated does not match|AccessDenied|Access Denied"
)
_NO_BUCKET: Final = re.compile(r"NoSuchBucket|specified bucket does not exist")
_LOGGED: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    (re.compile(r"x509: |tls: failed to verify"), "does not trust a certificate"),
    (re.compile(r"no such host"), "does not find a host by its name"),
    (
        re.compile(r"connection refused|no route to host|i/o timeout|connection reset by peer"),
        "does not reach what it connects to",
    ),
    (
        re.compile(r"RATE_LIMITED|LIVE_TRACES_EXCEEDED|TRACE_TOO_LARGE|ResourceExhausted"),
        "hits a limit",
    ),
    (re.compile(r"Unauthenticated|PermissionDenied|no org id"), "is not let in"),
    (
        re.compile(r"too many unhealthy instances|InstancesCount <= 0|empty ring"),
        "misses members of Tempo's ring",
    ),
)
"""What a line of a log looks like, and what it says of who wrote it."""

_TROUBLE: Final = re.compile(
    r"level=(error|warn)|\"level\":\"(error|warn)|\t(error|warn)\t|Exporting failed"
)
"""A line that complains: Tempo's, and the collector's, which says at level info that it can't hand
on what it has and will try again."""


def diagnose(observed: Sequence[Observation], kubectl: Kubectl) -> list[Finding]:
    """The causes that the observations speak for, the likeliest first."""
    ranked = [found for observation in observed for found in _findings(observation, kubectl)]
    return _unique([finding for _, finding in sorted(ranked, key=lambda found: found[0])])


def _findings(seen: Observation, kubectl: Kubectl) -> Iterator[tuple[_Rank, Finding]]:
    part = seen.part
    look = kubectl.command(part.namespace, "get", "pods", f"--selector={part.selector}")
    if seen.problem is not None:
        cause = f"the {part.role} could not be looked at: {seen.problem}"
        yield _Rank.UNSEEN, Finding(cause=cause, commands=(look,))
        return
    workloads = seen.of(*WORKLOADS)
    if not workloads:
        cause = (
            f"namespace {part.namespace} has no workload with the label {part.selector}: the "
            f"{part.role} is not installed there (is the stack applied?)"
        )
        yield _Rank.SCALED_TO_ZERO, Finding(cause=cause, commands=(look,))
    for workload in workloads:
        yield from _of_workload(seen, workload, kubectl)
    for pod in seen.of("Pod"):
        yield from _of_pod(seen, pod, kubectl)
    for (pod_name, container), log in seen.logs.items():
        yield from _of_log(seen, pod_name, container, log, kubectl)


def _of_workload(
    seen: Observation, workload: Mapping[str, Any], kubectl: Kubectl
) -> Iterator[tuple[_Rank, Finding]]:
    kind, name = workload["kind"], workload["metadata"]["name"]
    namespace, status = seen.part.namespace, workload.get("status", {})
    describe = kubectl.command(namespace, "describe", f"{kind.lower()}/{name}")
    title = f"{kind} {namespace}/{name}"
    if kind == "DaemonSet":
        wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
        nothing = "is wanted on no node"
    else:
        wanted, ready = workload["spec"].get("replicas", 1), status.get("readyReplicas", 0)
        nothing = "is scaled to 0"
    if wanted == 0:
        yield _Rank.SCALED_TO_ZERO, Finding(cause=f"{title} {nothing}", commands=(describe,))
    elif ready < wanted:
        pods = kubectl.command(namespace, "get", "pods", f"--selector={seen.part.selector}")
        without = _empty_services(seen, workload)
        cause = f"{title} has {ready} of {wanted} pods ready{without}"
        yield _Rank.NOT_READY, Finding(cause=cause, commands=(pods, describe))


def _empty_services(seen: Observation, workload: Mapping[str, Any]) -> str:
    """The Services of a workload that lead nowhere, by their endpoints."""
    name = workload["metadata"]["name"]
    empty = sorted(
        {
            service
            for found in seen.of("EndpointSlice")
            if (service := found["metadata"].get("labels", {}).get("kubernetes.io/service-name"))
            and service.startswith(name)
            and not any(
                endpoint.get("conditions", {}).get("ready")
                for endpoint in found.get("endpoints") or []
            )
        }
    )
    return f"; Service {', '.join(empty)} has no ready endpoint" if empty else ""


_NOT_STARTED: Final = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "RunContainerError",
}


def _of_pod(
    seen: Observation, pod: Mapping[str, Any], kubectl: Kubectl
) -> Iterator[tuple[_Rank, Finding]]:
    name, namespace = pod["metadata"]["name"], seen.part.namespace
    describe = kubectl.command(namespace, "describe", f"pod/{name}")
    status = pod["status"]
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            cause = f"pod {namespace}/{name} finds no node: {condition.get('message', '')}"
            yield _Rank.CANT_START, Finding(cause=cause, commands=(describe,))
    containers = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    for container in containers:
        title = f"container {container['name']} of pod {namespace}/{name}"
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _NOT_STARTED:
            cause = f"{title} can't start ({waiting['reason']}): {waiting.get('message', '')}"
            yield _Rank.CANT_START, Finding(cause=cause, commands=(describe,))
        elif not container["ready"] and _crashed(container):
            yield _Rank.CRASHES, _crash(seen, name, container, title, kubectl)


def _crashed(container: Mapping[str, Any]) -> bool:
    """Whether it ended by itself, with an error, at least once."""
    ends = [(container.get(when) or {}).get("terminated") for when in ("state", "lastState")]
    return any(end is not None and end.get("exitCode") != 0 for end in ends)


def _crash(
    seen: Observation, pod: str, container: Mapping[str, Any], title: str, kubectl: Kubectl
) -> Finding:
    logs = kubectl.command(
        seen.part.namespace, "logs", pod, f"--container={container['name']}", "--previous"
    )
    last = (container.get("lastState") or {}).get("terminated") or {}
    lines = seen.logs.get((pod, container["name"]), "").splitlines()
    if last.get("reason") == "OOMKilled":
        return Finding(cause=f"{title} was killed for want of memory", commands=(logs,))
    if refused := _refused(seen, lines, title, kubectl, logs):
        return refused
    telling = [line for line in lines if any(pattern.search(line) for pattern, _ in _LOGGED)]
    said = telling or [line for line in lines if _TROUBLE.search(line)] or lines
    what = f": {_quoted(said[-1])}" if said else ""
    return Finding(cause=f"{title} crashes again and again{what}", commands=(logs,))


def _of_log(
    seen: Observation, pod: str, container: str, log: str, kubectl: Kubectl
) -> Iterator[tuple[_Rank, Finding]]:
    """What a container that runs complains of."""
    crashing = {
        (found["metadata"]["name"], status["name"])
        for found in seen.of("Pod")
        for status in found["status"].get("containerStatuses") or []
        if not status["ready"] and _crashed(status)
    }
    if (pod, container) in crashing:
        return
    lines = [line for line in log.splitlines() if _TROUBLE.search(line)]
    title = f"pod {seen.part.namespace}/{pod}"
    command = kubectl.command(
        seen.part.namespace, "logs", pod, f"--container={container}", "--since=10m"
    )
    if refused := _refused(seen, lines, title, kubectl, command):
        yield _Rank.CRASHES, refused
        return
    for pattern, meaning in _LOGGED:
        found = [line for line in lines if pattern.search(line)]
        if found:
            cause = f"{title} {meaning}: {_quoted(found[-1])}"
            yield _Rank.LOGGED, Finding(cause=cause, commands=(command,))
            return


def _refused(
    seen: Observation, lines: Sequence[str], title: str, kubectl: Kubectl, logs: str
) -> Finding | None:
    """What the store refuses to somebody who has keys to it."""
    keys = seen.part.keys
    if keys is None:
        return None
    for line in reversed(lines):
        if _REFUSED_KEYS.search(line):
            namespace, _, secret = keys.split()[1].partition("/")
            return Finding(
                cause=f"the store refuses the keys of {title}, which are those of {keys}: "
                + _quoted(line),
                commands=(logs, kubectl.command(namespace, "describe", f"secret/{secret}")),
            )
        if _NO_BUCKET.search(line):
            return Finding(cause=f"{title} finds no bucket: {_quoted(line)}", commands=(logs,))
    return None


def _quoted(line: str) -> str:
    line = " ".join(line.split())
    found = re.search(r"\b(?:err|error)=", line) or re.search(r"\"error\": ?", line)
    # Of a long line the error, which comes last, rather than its beginning.
    start = found.start() if found is not None and len(line) > _SHOWN else 0
    return line[start : start + _SHOWN]


def _unique(findings: Sequence[Finding]) -> list[Finding]:
    return list({finding.cause: finding for finding in findings}.values())


_WORDS: Final[Sequence[tuple[re.Pattern[str], str, str]]] = (
    (
        re.compile(r"certificate.verify.failed|unable to get local issuer", re.I),
        "the certificate is not signed by an authority that is trusted here",
        "--ca-file FILE",
    ),
    (
        re.compile(r"no org id|Unauthenticated", re.I),
        "a tenant is wanted",
        "--tenant TENANT",
    ),
    (
        re.compile(r"Grafana answered 40[13]"),
        "Grafana does not accept the credential, or it lacks the right to query data sources",
        "",
    ),
    (
        re.compile(r"refused|Failed to connect|UNAVAILABLE|timed out|Name or service", re.I),
        "nothing answers at that address from here",
        "",
    ),
)
"""What a failure says by itself, where nothing of the cluster is seen, and the argument that
helps."""


def by_words(failure: str, stack: str | None, look: Sequence[str]) -> list[Finding]:
    """The cause that the failure's own text speaks for, where nothing of the cluster does.

    `look` are the commands to look further.
    """
    again = "python -m ops smoke" + ("" if stack is None else f" --stack {stack}")
    for pattern, cause, argument in _WORDS:
        if pattern.search(failure):
            tried = (f"{again} {argument}",) if argument else ()
            return [Finding(cause=cause, commands=(*look, *tried))]
    return [Finding(cause="not seen; only what the hop itself says is known", commands=(*look,))]
