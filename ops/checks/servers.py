"""The servers that an update or Tempo talks to: store, Grafana, Kafka."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

import grafana_check
import store_check
from config import StackConfig
from config.errors import ConfigError
from config.grafana import GrafanaApiConfig
from config.object_store import MinioConfig
from config.tempo import Distributed3Config, SaslConfig
from ops.checks import pulumi
from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from ops.hops.cluster import KubectlError
from policy.rules.endpoints import is_inside

CONNECT_SECONDS: Final = 5
_EDIT: Final = "$EDITOR Pulumi.{stack}.yaml"


def _store(subject: Subject) -> list[Finding]:
    store = subject.settings.object_store
    if isinstance(store, MinioConfig):
        return _ready(subject, "statefulset", store.name, store.namespace, "the object store")
    return _asked(subject, store_check.require, "an update asks the store before it begins")


def _grafana(subject: Subject) -> list[Finding]:
    if not isinstance(subject.settings.grafana, GrafanaApiConfig):
        raise Skipped("this stack writes to no Grafana by its API")
    return _asked(subject, grafana_check.require, "an update asks Grafana before it begins")


def _asked(
    subject: Subject,
    require: Callable[[StackConfig, str, Mapping[str, str]], None],
    why: str,
) -> list[Finding]:
    """What the program's own check, which an update begins with, finds now."""
    if subject.mistakes:
        raise Skipped("the settings are refused; see configuration")
    try:
        require(subject.settings, subject.stack, pulumi.secrets(subject))
    except ConfigError as error:
        return [
            Finding(
                level="error",
                what=str(finding),
                why=f"{why}, and would refuse to",
                command=_mending(finding.path, subject.stack),
            )
            for finding in error.findings
        ]
    return []


def _mending(path: str, stack: str) -> str:
    if "." not in path and path != "tracing:grafana":
        return f"pulumi config set --stack {stack} --secret {path}"
    return _EDIT.format(stack=stack) + f"  # {path}"


def _ready(subject: Subject, kind: str, name: str, namespace: str, what: str) -> list[Finding]:
    """Whether all pods of a workload are ready; nothing where it is not there yet."""
    try:
        text = subject.kubectl.ask("get", kind, name, "--output=json", namespace=namespace)
    except KubectlError as error:
        if "NotFound" in str(error):
            raise Skipped(f"{what} is not there yet") from None
        raise Skipped(str(error)) from None
    found = json.loads(text)
    wanted = (found.get("spec") or {}).get("replicas", 1)
    ready = (found.get("status") or {}).get("readyReplicas", 0)
    if ready >= wanted:
        return []
    return [
        Finding(
            level="error",
            what=f"{ready} of {wanted} pods of {what} ({name} in {namespace}) are ready",
            why="bucket, user and policy are inside it, and an update asks it for them",
            command=subject.kubectl.command(namespace, "describe", kind, name),
        )
    ]


def _kafka(subject: Subject) -> list[Finding]:
    tempo, own = subject.settings.tempo, subject.settings.kafka
    if not isinstance(tempo, Distributed3Config):
        raise Skipped("this stack's Tempo needs no Kafka")
    if own is not None:
        return _own_kafka(subject, own.name, own.namespace)
    found = [] if tempo.kafka.sasl is None else _login(subject, tempo.namespace, tempo.kafka.sasl)
    if tempo.kafka.address is not None:
        found += _broker(subject, tempo.kafka.address, tempo.namespace)
    return found


def _own_kafka(subject: Subject, name: str, namespace: str) -> list[Finding]:
    try:
        text = subject.kubectl.ask("get", "kafkas", name, "--output=json", namespace=namespace)
    except KubectlError:
        raise Skipped("the Kafka of this stack is not there yet") from None
    conditions = (json.loads(text).get("status") or {}).get("conditions") or []
    if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
        return []
    said = "; ".join(each.get("message", "") for each in conditions if each["type"] != "Ready")
    return [
        Finding(
            level="error",
            what=f"Kafka {name} in {namespace} is not ready" + (f": {said}" if said else ""),
            why="Tempo keeps nothing without it, and the update waits for it",
            command=subject.kubectl.command(namespace, "describe", "kafka", name),
        )
    ]


def _login(subject: Subject, namespace: str, sasl: SaslConfig) -> list[Finding]:
    template = "go-template={{range $key, $value := .data}}{{$key}} {{end}}"
    try:
        keys = subject.kubectl.ask(
            "get", "secret", sasl.secret_name, f"--output={template}", namespace=namespace
        ).split()
    except KubectlError as error:
        if "NotFound" not in str(error):
            raise Skipped(str(error)) from None
        keys = None
    missing = [key for key in (sasl.username_key, sasl.password_key) if key not in (keys or ())]
    if not missing:
        return []
    if keys is None:
        literals = [f"--from-literal={key}=..." for key in missing]
        command = ("create", "secret", "generic", sasl.secret_name, *literals)
    else:
        patch = json.dumps({"stringData": dict.fromkeys(missing, "...")})
        command = ("patch", "secret", sasl.secret_name, f"--patch='{patch}'")
    return [
        Finding(
            level="error",
            what=f"Secret {sasl.secret_name} in {namespace} has no {' and no '.join(missing)}",
            why="Tempo signs in to Kafka with them: its pods would not start",
            command=subject.kubectl.command(namespace, *command),
        )
    ]


def _broker(subject: Subject, address: str, namespace: str) -> list[Finding]:
    host, _, port = address.rpartition(":")
    if is_inside(host):
        return _service(subject, host, namespace)
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS):
            return []
    except OSError as error:
        return [
            Finding(
                level="warning",
                what=f"{address} does not answer from here: {error}",
                why="if the cluster does not reach it either, Tempo takes no spans",
                command=_EDIT.format(stack=subject.stack) + "  # tracing:tempo.kafka.address",
            )
        ]


def _service(subject: Subject, host: str, tempo: str) -> list[Finding]:
    service, _, rest = host.partition(".")
    namespace = rest.partition(".")[0] or tempo
    selector = f"--selector=kubernetes.io/service-name={service}"
    try:
        text = subject.kubectl.ask(
            "get", "endpointslices", selector, "--output=json", namespace=namespace
        )
    except KubectlError as error:
        raise Skipped(str(error)) from None
    ready = any(_is_ready(each) for piece in json.loads(text)["items"] for each in _in(piece))
    if ready:
        return []
    return [
        Finding(
            level="error",
            what=f"no broker is ready behind the Service {service} in {namespace}",
            why="Tempo takes no spans without Kafka",
            command=subject.kubectl.command(namespace, "get", "service,endpointslices,pods"),
        )
    ]


def _in(piece: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return piece.get("endpoints") or []


def _is_ready(endpoint: Mapping[str, Any]) -> bool:
    return (endpoint.get("conditions") or {}).get("ready") is not False


CHECKS: Final = (
    Check(name="object store", run=_store),
    Check(name="Grafana", run=_grafana),
    Check(name="Kafka", run=_kafka),
)
