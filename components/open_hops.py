"""Names what of a stack is open: the hops that are not encrypted, or everything. Needs them, each
with its reason."""

from collections.abc import Mapping

import pulumi
from pulumi import ResourceOptions

from config.tls import Hop


class OpenHops(pulumi.ComponentResource):
    """Makes nothing: its inputs are what a preview shows, and what a policy pack can judge.

    Neither sees the stack file, and most open hops are in no value that is handed to a chart.
    """

    def __init__(
        self,
        name: str,
        reasons: Mapping[Hop, str],
        everything: str | None,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Register the hops. `reasons` says of each open hop why it is; empty where the stack need
        not say. `everything` says why all is open that is closed by default; `None` where it is
        not."""
        inputs: dict[str, str] = {} if everything is None else {"everything": everything}
        super().__init__("tracing:index:OpenHops", name, {**inputs, **reasons}, opts)
        self.register_outputs({"hops": [*reasons]})
