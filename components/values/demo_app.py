"""The objects of the demo applications: their pods, Services, and the bridge from OpenCensus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from pulumi import Input, Output

from config.demo_app import EmojivotoConfig, HotrodConfig
from config.platform import ComputeResources

from ..contracts import Endpoint, TraceIngest, joined, service_host
from ..network import Network, Peer, Pods, Server, at, connections
from .resources import compute_resources
from .security import CONTAINER, pod_security_context

HTTP_PORT: Final = 8080
"""Where the web servers of both applications listen."""
GRPC_PORT: Final = 8080
METRICS_PORT: Final = 8801
"""The ports that Emojivoto's own manifests give its gRPC services."""
OPENCENSUS_PORT: Final = 55678
HEALTH_CHECK_PORT: Final = 13133

NOBODY: Final = 65534
"""For images that name no user, and so would run as root: their programs write nothing, and are
readable by everybody."""
COLLECTOR_USER: Final = 10001
"""The user of the collector's images."""
BRIDGE_MEMORY_MIB: Final = 128


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port of a workload, and the number under which its Service offers it."""

    name: str
    number: int
    offered: int


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One program of a demo application: a Deployment, and a Service if anybody calls it."""

    name: str
    image: str
    memory: str
    user: int = NOBODY
    command: tuple[str, ...] = ()
    """In place of the image's entry point."""
    args: tuple[str, ...] = ()
    env: Mapping[str, Input[str]] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    service: str | None = None
    calls: tuple[str, ...] = ()
    """Other workloads, by name, that it connects to: the first of their ports."""
    sends_to: Endpoint | None = None
    """Where it sends spans, if not to another workload."""
    probe: Mapping[str, Any] | None = None
    """How the pod is asked whether it is ready and alive; `None` where it answers nobody."""


def workloads(
    settings: EmojivotoConfig | HotrodConfig, namespace: Input[str], traces_to: TraceIngest
) -> tuple[Workload, ...]:
    """The programs of an application; the first one is what people look at."""
    match settings:
        case EmojivotoConfig():
            return _emojivoto(settings, namespace, traces_to)
        case HotrodConfig():
            return (_hotrod(settings, traces_to),)


def pod_labels(app: str, workload: Workload) -> dict[str, str]:
    """The labels of a workload and of its pods.

    Without `app.kubernetes.io/instance`, which Linkerd would take for the name of all of them in
    its spans, in place of each one's own.
    """
    return {"app.kubernetes.io/name": workload.name, "app.kubernetes.io/part-of": app}


def demo_app_network(
    app: str,
    programs: Sequence[Workload],
    namespace: Input[str],
    visitors: Sequence[Peer],
    proxies_send_to: Server | None,
) -> Network:
    """The pods of an application and what they connect to; `visitors` come to the first one, and
    Linkerd's proxies, which are in every pod then, send spans of their own."""
    pods = {
        program.name: Pods(
            role=f"demo-app-{program.name}", namespace=namespace, labels=pod_labels(app, program)
        )
        for program in programs
    }
    servers = {
        program.name: at(pods[program.name], program.ports[0].number)
        for program in programs
        if program.ports
    }
    allowed = [
        connection
        for program in programs
        for connection in connections(
            pods[program.name],
            *(servers[name] for name in program.calls),
            program.sends_to and program.sends_to.server,
            proxies_send_to,
        )
    ]
    for visitor in visitors:
        allowed += connections(visitor, servers[programs[0].name])
    return Network(pods=tuple(pods.values()), connections=tuple(allowed))


def deployment_spec(
    workload: Workload, labels: dict[str, str], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """The `spec` of a workload's Deployment."""
    resources = ComputeResources(cpu="10m", memory=workload.memory)
    container: dict[str, Any] = {
        "name": workload.name,
        "image": workload.image,
        "command": list(workload.command),
        "args": list(workload.args),
        "env": [{"name": name, "value": value} for name, value in workload.env.items()],
        "ports": [{"name": port.name, "containerPort": port.number} for port in workload.ports],
        "resources": compute_resources(resources),
        "securityContext": CONTAINER,
    }
    if workload.probe is not None:
        probe = {**workload.probe, "periodSeconds": 5, "timeoutSeconds": 3}
        container["readinessProbe"] = probe
        container["livenessProbe"] = probe | {"failureThreshold": 6}
    return {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {
                "labels": labels,
                **({"annotations": dict(annotations)} if annotations else {}),
            },
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": pod_security_context(workload.user),
                "containers": [{key: value for key, value in container.items() if value != []}],
            },
        },
    }


def service_spec(workload: Workload, labels: dict[str, str]) -> dict[str, Any]:
    """The `spec` of a workload's Service."""
    return {
        "selector": labels,
        "ports": [
            {"name": port.name, "port": port.offered, "targetPort": port.name}
            for port in workload.ports
        ],
    }


def bridge_config(to: Endpoint) -> dict[str, Any]:
    """The configuration of the collector that takes OpenCensus and sends OTLP.

    In the names of its own version: the exporter is called otlp_grpc since 0.144.
    """
    return {
        "extensions": {"health_check": {"endpoint": f"0.0.0.0:{HEALTH_CHECK_PORT}"}},
        "receivers": {"opencensus": {"endpoint": f"0.0.0.0:{OPENCENSUS_PORT}"}},
        "processors": {
            "memory_limiter": {
                "check_interval": "1s",
                "limit_percentage": 80,
                "spike_limit_percentage": 20,
            },
            "batch": {},
        },
        "exporters": {"otlp": {"endpoint": to.authority, "tls": {"insecure": not to.tls}}},
        "service": {
            "extensions": ["health_check"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                "traces": {
                    "receivers": ["opencensus"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["otlp"],
                }
            },
        },
    }


def _emojivoto(
    settings: EmojivotoConfig, namespace: Input[str], traces_to: TraceIngest
) -> tuple[Workload, ...]:
    images = settings.images

    def address(service: str, port: int) -> Input[str]:
        return joined(service_host(service, namespace), ":", port)

    agent = {"OC_AGENT_HOST": address("bridge", OPENCENSUS_PORT)}
    grpc = (
        Port(name="grpc", number=GRPC_PORT, offered=GRPC_PORT),
        Port(name="metrics", number=METRICS_PORT, offered=METRICS_PORT),
    )

    def service(name: str, image: str) -> Workload:
        return Workload(
            name=name,
            image=image,
            memory="64Mi",
            env={"GRPC_PORT": str(GRPC_PORT), "PROM_PORT": str(METRICS_PORT), **agent},
            ports=grpc,
            service=f"{name}-svc",
            calls=("bridge",),
            # It has no health service of gRPC's.
            probe={"tcpSocket": {"port": "grpc"}},
        )

    web = Workload(
        name="web",
        image=images.web,
        memory="64Mi",
        env={
            "WEB_PORT": str(HTTP_PORT),
            "EMOJISVC_HOST": address("emoji-svc", GRPC_PORT),
            "VOTINGSVC_HOST": address("voting-svc", GRPC_PORT),
            "INDEX_BUNDLE": "dist/index_bundle.js",
            **agent,
        },
        ports=(Port(name="http", number=HTTP_PORT, offered=80),),
        service="web-svc",
        calls=("emoji", "voting", "bridge"),
        probe={"httpGet": {"path": "/", "port": "http"}},
    )
    bot = Workload(
        name="vote-bot",
        image=images.web,
        memory="32Mi",
        command=("emojivoto-vote-bot",),
        env={"WEB_HOST": address("web-svc", 80), **agent},
        calls=("web", "bridge"),
    )
    return (
        web,
        service("emoji", images.emoji),
        service("voting", images.voting),
        *([bot] if settings.vote_bot else []),
        _bridge(images.bridge, traces_to),
    )


def _bridge(image: str, traces_to: TraceIngest) -> Workload:
    to = traces_to.require_otlp_grpc()
    config = Output.from_input(bridge_config(to))
    return Workload(
        name="bridge",
        image=image,
        memory=f"{BRIDGE_MEMORY_MIB}Mi",
        user=COLLECTOR_USER,
        # Not a ConfigMap: a changed variable restarts the pod, a changed ConfigMap does not.
        args=("--config=env:BRIDGE_CONFIG",),
        env={
            "BRIDGE_CONFIG": config.apply(lambda plain: yaml.safe_dump(plain, sort_keys=False)),
            "GOMEMLIMIT": f"{BRIDGE_MEMORY_MIB * 8 // 10}MiB",
        },
        ports=(Port(name="opencensus", number=OPENCENSUS_PORT, offered=OPENCENSUS_PORT),),
        service="bridge",
        sends_to=to,
        probe={"httpGet": {"path": "/", "port": HEALTH_CHECK_PORT}},
    )


def _hotrod(settings: HotrodConfig, traces_to: TraceIngest) -> Workload:
    to = traces_to.require_otlp_http()
    return Workload(
        name="hotrod",
        image=settings.image,
        memory="128Mi",
        args=("all",),
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": to.url()},
        ports=(Port(name="http", number=HTTP_PORT, offered=80),),
        service="hotrod",
        sends_to=to,
        # It traces every request, those of probes as well.
        probe={"tcpSocket": {"port": "http"}},
    )
