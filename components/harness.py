"""Owns the tracing overrides of Harness. Needs where to send spans. Gives values, or a release."""

from dataclasses import dataclass

import pulumi
from pulumi import Input, Output, ResourceOptions

from config.harness import HarnessConfig

from .contracts import ChartRef, TraceIngest
from .network import Network, Outside, connections
from .release import helm_release
from .values.harness import harness_values
from .values.merge import merged
from .values.text import as_yaml


@dataclass(frozen=True, kw_only=True)
class HarnessArgs:
    """What the overrides are made from."""

    settings: HarnessConfig
    namespace: Input[str] | None
    """Namespace of the release; `None` where only values are exported."""
    chart: ChartRef | None
    """The umbrella chart; `None` where only values are exported."""
    traces_to: TraceIngest


class Harness(pulumi.ComponentResource):
    """The overrides that make Harness services send spans."""

    network: Network
    values: Output[str]
    """Text of a values file, for `helm upgrade -f`."""

    def __init__(self, name: str, args: HarnessArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Harness", name, None, opts)
        overrides = harness_values(args.settings, args.traces_to)
        self.values = as_yaml(overrides)
        if args.chart is not None and args.namespace is not None:
            helm_release(
                f"{name}-release",
                chart=args.chart,
                release_name=args.settings.release_name,
                namespace=args.namespace,
                values=merged(args.settings.values, overrides),
                parent=self,
            )
        self.network = _network(args)
        self.register_outputs({"values": self.values})


def _network(args: HarnessArgs) -> Network:
    # In a namespace that is not this stack's: what its services say to each other, and to the
    # clouds and repositories that they deploy from, is not this stack's to close.
    there = Outside(namespaces=(args.settings.namespace,))
    spans_to = args.traces_to.require_otlp_grpc().server
    return Network(connections=connections(there, spans_to))
