"""Owns the check of Tempo by tempo-vulture. Needs where Tempo takes spans, and where it answers."""

from dataclasses import dataclass

import pulumi
from pulumi import Input, ResourceOptions

from config.vulture import VultureConfig

from .ca_bundle import ca_bundle
from .contracts import TraceIngest, TraceQuery
from .kubernetes_object import KubernetesObject, object_metadata
from .network import Network, Pods, connections
from .values.vulture import LABELS, cron_job_spec


@dataclass(frozen=True, kw_only=True)
class VultureArgs:
    """What the check is made from."""

    settings: VultureConfig
    namespace: Input[str]
    traces_to: TraceIngest
    """Tempo's own receivers: a collector would still be holding what is asked for at once."""
    query: TraceQuery


class Vulture(pulumi.ComponentResource):
    """A CronJob. Its Jobs are nobody's resources: an update that waited for one, and a state that
    kept one that Kubernetes removes, would be in everybody's way."""

    network: Network

    def __init__(self, name: str, args: VultureArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Vulture", name, None, opts)
        ca = None
        if args.query.ca_certificate is not None:
            ca = ca_bundle(
                f"{name}-ca",
                object_name=f"{args.settings.name}-ca",
                namespace=args.namespace,
                certificate=args.query.ca_certificate,
                opts=ResourceOptions(parent=self),
            )
        pods = Pods(role="vulture", namespace=args.namespace, labels=LABELS)
        spans_to = args.traces_to.require_otlp_grpc().server
        self.network = Network(
            pods=(pods,), connections=connections(pods, spans_to, args.query.server)
        )
        job = KubernetesObject(
            f"{name}-schedule",
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "metadata": object_metadata(args.settings.name, args.namespace),
                "spec": cron_job_spec(args.settings, args.traces_to, args.query, ca),
            },
            ResourceOptions(parent=self),
        )
        self.register_outputs({"cronJob": job.physical_name})
