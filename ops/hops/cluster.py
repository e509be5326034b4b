"""What kubectl shows of the parts of a stack: read, never changed."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from config.platform import KubernetesConfig
from ops.hops.target import Part

COMMAND_SECONDS: Final = 20
LOG_LINES: Final = 200
WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet")
_KINDS: Final = "deployments,statefulsets,daemonsets,pods,endpointslices"


class KubectlError(Exception):
    """kubectl did not do what it was asked; the text is its own."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One part of a stack at one moment, as kubectl's JSON has it."""

    part: Part
    objects: Sequence[Mapping[str, Any]] = ()
    logs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The last lines of containers, by pod and container: of one that crashes what it said before,
    of another what it said since the smoke test began."""
    problem: str | None = None
    """Why nothing could be seen."""

    def of(self, *kinds: str) -> list[Mapping[str, Any]]:
        """The objects of some kinds."""
        return [found for found in self.objects if found["kind"] in kinds]


class Kubectl:
    """kubectl on the cluster of a stack."""

    def __init__(self, kubernetes: KubernetesConfig) -> None:
        self._flags: list[str] = []
        if kubernetes.context is not None:
            self._flags.append(f"--context={kubernetes.context}")
        if kubernetes.kubeconfig is not None:
            self._flags.append(f"--kubeconfig={kubernetes.kubeconfig}")

    def command(self, namespace: str, *arguments: str) -> str:
        """A command as a person would type it."""
        return self.line(f"--namespace={namespace}", *arguments)

    def line(self, *arguments: str) -> str:
        """A command that is for no namespace, as a person would type it."""
        # The arguments are quoted where they need it.
        return " ".join(["kubectl", *map(shlex.quote, self._flags), *arguments])

    def logs_of(self, part: Part) -> str:
        """The command that shows what all pods of a part say."""
        arguments = ("--prefix", "--tail=50", "--max-log-requests=50")
        return self.command(part.namespace, "logs", f"--selector={part.selector}", *arguments)

    def observe(self, part: Part, since_seconds: float) -> Observation:
        """What there is of a part now, and what its pods said in these last seconds."""
        try:
            listed = self._run(
                part.namespace, "get", _KINDS, f"--selector={part.selector}", "--output=json"
            )
            objects = json.loads(listed)["items"]
        except KubectlError as error:
            return Observation(part=part, problem=str(error))
        observed = Observation(part=part, objects=objects)
        return Observation(
            part=part, objects=objects, logs=self._logs(observed, int(since_seconds) + 1)
        )

    def pods(self, namespace: str, selector: str) -> list[str]:
        """The names of the pods with some labels; raises KubectlError."""
        listed = self._run(namespace, "get", "pods", f"--selector={selector}", "--output=json")
        return sorted(pod["metadata"]["name"] for pod in json.loads(listed)["items"])

    def ask(self, *arguments: str, namespace: str | None = None, given: str | None = None) -> str:
        """What kubectl answers to a command; raises KubectlError.

        `given` is what the command reads from its standard input.
        """
        if namespace is not None:
            arguments = (f"--namespace={namespace}", *arguments)
        return self._ran([*self._flags, *arguments], given)

    def _logs(self, observed: Observation, since: int) -> dict[tuple[str, str], str]:
        logs = {}
        for pod in observed.of("Pod"):
            name = pod["metadata"]["name"]
            for status in pod["status"].get("containerStatuses") or []:
                crashed = "terminated" in (status.get("lastState") or {}) and not status["ready"]
                which = "--previous" if crashed else f"--since={since}s"
                try:
                    logs[name, status["name"]] = self._run(
                        observed.part.namespace,
                        "logs",
                        name,
                        f"--container={status['name']}",
                        f"--tail={LOG_LINES}",
                        which,
                    )
                except KubectlError:
                    # A container that never started has no log, which its state says as well.
                    continue
        return logs

    def _run(self, namespace: str, *arguments: str) -> str:
        return self._ran([*self._flags, f"--namespace={namespace}", *arguments])

    @staticmethod
    def _ran(arguments: Sequence[str], given: str | None = None) -> str:
        try:
            done = subprocess.run(
                ["kubectl", *arguments],
                # Nothing at all, in place of a terminal that it would wait for.
                input=given or "",
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
            )
        except FileNotFoundError:
            raise KubectlError("kubectl is not installed or not on PATH") from None
        except subprocess.TimeoutExpired:
            raise KubectlError(f"kubectl did not answer within {COMMAND_SECONDS} s") from None
        if done.returncode != 0:
            raise KubectlError(" ".join(done.stderr.split()))
        return done.stdout
