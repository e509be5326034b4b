"""The cluster that the live tier applies to, as kubectl shows it."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from port_forward import PortForward, PortForwardError
from tests.live.needs import free_port
from tests.live.waiting import POLL_SECONDS

COMMAND_TIMEOUT_SECONDS: Final = 120
REQUEST_TIMEOUT_SECONDS: Final = 10

CLUSTER_WIDE: Final = (
    "namespaces",
    "clusterroles",
    "clusterrolebindings",
    "ingressclasses",
    "priorityclasses",
    "storageclasses",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
)
"""What a chart may leave outside its namespace. Not the custom resource definitions: Helm installs
those of a chart's `crds/` once and never deletes them, for the sake of other users' objects."""


@dataclass(frozen=True)
class Address:
    """A port of a Service, as the stack's outputs name it: by its DNS name in the cluster."""

    service: str
    namespace: str
    port: int

    @classmethod
    def of(cls, url: str) -> Address:
        """The Service behind a URL such as `http://tempo.tracing.svc.cluster.local:3200`."""
        parts = urlsplit(url)
        service, namespace, kind, *_ = (parts.hostname or "").split(".")
        assert kind == "svc", url
        return cls(service, namespace, parts.port or 80)


@dataclass(frozen=True)
class Cluster:
    """One context of the kubeconfig; every command names it."""

    context: str

    def command(self, *arguments: str) -> list[str]:
        return ["kubectl", f"--context={self.context}", *arguments]

    def run(self, *arguments: str, given: str = "") -> str:
        """What a kubectl command prints that is given this to read; it has to succeed."""
        done = subprocess.run(
            self.command(*arguments),
            input=given,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout

    def allows(self, account: str, *what: str) -> bool:
        """Whether an account, named as kubectl's `--as=...`, may do something."""
        asked = self.command("auth", "can-i", account, *what)
        done = subprocess.run(
            asked, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS
        )
        assert done.stdout.strip() in {"yes", "no"}, done.stderr
        return done.stdout.strip() == "yes"

    def objects(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """The objects of a kind, in the namespace or with the labels that the arguments name."""
        return json.loads(self.run("get", kind, "--output=json", *arguments))["items"]

    def create(self, **manifest: Any) -> None:
        """Create an object."""
        self.run("create", "--filename=-", given=json.dumps(manifest))

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """A Secret in clear."""
        found = json.loads(
            self.run("get", "secret", name, f"--namespace={namespace}", "--output=json")
        )
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def releases(self, namespace: str) -> dict[str, str]:
        """What Helm keeps of each revision of its releases: values and manifests, as JSON."""
        return {
            found["metadata"]["name"]: gzip.decompress(
                # Encoded by Helm, and once more as every value of a Secret.
                base64.b64decode(base64.b64decode(found["data"]["release"]))
            ).decode()
            for found in self.objects(
                "secrets", f"--namespace={namespace}", "--selector=owner=helm"
            )
        }

    def unready_pods(self, namespaces: Sequence[str]) -> list[str] | None:
        """The pods that are not Ready; `None` where there are no pods at all.

        Those of Jobs left aside, which end.
        """
        pods = [
            pod
            for namespace in namespaces
            for pod in self.objects("pods", f"--namespace={namespace}")
            if owner(pod) != "Job"
        ]
        return [pod["metadata"]["name"] for pod in pods if not is_ready(pod)] if pods else None

    def cluster_wide(self) -> set[str]:
        """The names of everything that is in no namespace and that a chart may have made."""
        return set(self.run("get", ",".join(CLUSTER_WIDE), "--output=name").split())

    def claimed_volumes(self, namespaces: Sequence[str]) -> list[str]:
        """The volumes that are still bound to a claim in one of the namespaces."""
        return [
            volume["metadata"]["name"]
            for volume in self.objects("persistentvolumes")
            if volume["status"]["phase"] == "Bound"
            and volume["spec"]["claimRef"]["namespace"] in namespaces
        ]

    @contextlib.contextmanager
    def forwarded(self, address: Address, resource: str | None = None) -> Iterator[str]:
        """Reach a Service, or another resource of its namespace, at a local `host:port`.

        Through the API server, so that the tests need no route into the cluster.
        """
        forward = PortForward(remote_port=address.port, context=self.context, kubeconfig=None)
        try:
            with forward.held(address.namespace, resource or f"service/{address.service}") as port:
                yield f"127.0.0.1:{port}"
        except PortForwardError as error:
            # What is waited for may be a pod that can be forwarded to.
            raise AssertionError(str(error)) from None

    @contextlib.contextmanager
    def kept_forward(self, address: Address) -> Iterator[str]:
        """The same, at one `host:port` however often the pod behind it ends."""
        port, over = free_port(), threading.Event()
        command = self.command(
            *("port-forward", f"--namespace={address.namespace}"),
            *(f"service/{address.service}", f"{port}:{address.port}"),
        )

        def keep() -> None:
            while not over.is_set():
                forward = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                while forward.poll() is None and not over.wait(POLL_SECONDS):
                    pass
                forward.terminate()
                forward.wait()

        keeping = threading.Thread(target=keep)
        keeping.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            over.set()
            keeping.join()


def owner(pod: dict[str, Any]) -> str | None:
    """The kind of what made a pod."""
    owners = pod["metadata"].get("ownerReferences") or []
    return owners[0]["kind"] if owners else None


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod says that it is Ready."""
    conditions = pod["status"].get("conditions") or []
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def request(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    trusted: Path | None = None,
) -> tuple[int, bytes]:
    """Status and body of an HTTP answer, whichever status it has.

    `trusted` is a PEM file with a private authority.
    """
    asked = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    # No proxy: everything here is forwarded to this machine.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if trusted is not None:
        context = ssl.create_default_context(cafile=str(trusted))
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(asked, timeout=REQUEST_TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
