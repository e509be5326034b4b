"""Owns a demo application. Needs where to send spans."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import Input, ResourceOptions

from config.demo_app import EmojivotoConfig, HotrodConfig

from .contracts import TraceIngest
from .kubernetes_object import SKIP_AWAIT, KubernetesObject, object_metadata
from .network import Network, Surroundings
from .values.demo_app import (
    demo_app_network,
    deployment_spec,
    pod_labels,
    service_spec,
    workloads,
)
from .values.ingress import ingress_spec

INJECT = {"linkerd.io/inject": "enabled"}


@dataclass(frozen=True, kw_only=True)
class DemoAppArgs:
    """What a demo application is made from."""

    settings: EmojivotoConfig | HotrodConfig
    namespace: Input[str]
    traces_to: TraceIngest
    surroundings: Surroundings
    proxies_send: bool
    """Whether Linkerd's proxies are told to send spans."""


class DemoApp(pulumi.ComponentResource):
    """Emojivoto or HotROD: Deployments, Services, and an Ingress if it is to be had outside."""

    network: Network

    def __init__(self, name: str, args: DemoAppArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:DemoApp", name, None, opts)

        def add(
            role: str,
            kind: str,
            object_name: str,
            spec: dict[str, Any],
            *,
            api_version: str = "v1",
            labels: Mapping[str, str] | None = None,
            annotations: Mapping[str, str] | None = None,
        ) -> None:
            metadata = object_metadata(object_name, args.namespace, labels, annotations)
            manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
            KubernetesObject(f"{name}-{role}", manifest, ResourceOptions(parent=self))

        settings = args.settings
        programs = workloads(settings, args.namespace, args.traces_to)
        for program in programs:
            labels = pod_labels(settings.app, program)
            add(
                program.name,
                "Deployment",
                program.name,
                deployment_spec(program, labels, INJECT if settings.linkerd else {}),
                api_version="apps/v1",
                labels=labels,
            )
            if program.service is not None:
                spec = service_spec(program, labels)
                add(f"{program.name}-service", "Service", program.service, spec, labels=labels)
        self.network = demo_app_network(
            settings.app,
            programs,
            args.namespace,
            args.surroundings.controllers("demoApp") if settings.ingress is not None else (),
            (
                args.traces_to.require_otlp_grpc().server
                if args.proxies_send and settings.linkerd
                else None
            ),
        )
        front = programs[0].service
        assert front is not None
        if settings.ingress is not None:
            add(
                "ingress",
                "Ingress",
                settings.app,
                ingress_spec(settings.ingress, front, "http"),
                api_version="networking.k8s.io/v1",
                # Its address comes from a controller that is not this stack's to wait for.
                annotations={**SKIP_AWAIT, **settings.ingress.annotations},
            )
        self.register_outputs({"app": settings.app, "service": front})
