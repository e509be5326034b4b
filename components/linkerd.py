"""Owns the tracing values of Linkerd's control plane. Needs where to send spans."""

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions

from config.linkerd import LinkerdConfig

from .contracts import TraceIngest
from .values.linkerd import linkerd_values
from .values.text import as_yaml


@dataclass(frozen=True, kw_only=True)
class LinkerdArgs:
    """What the values are made from."""

    settings: LinkerdConfig
    traces_to: TraceIngest


class Linkerd(pulumi.ComponentResource):
    """The values that make Linkerd's proxies and controllers send spans."""

    values: Output[str]
    """Text of a values file, for `helm upgrade -f`."""

    def __init__(self, name: str, args: LinkerdArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Linkerd", name, None, opts)
        self.values = as_yaml(linkerd_values(args.settings, args.traces_to))
        self.register_outputs({"values": self.values})
