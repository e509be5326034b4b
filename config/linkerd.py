"""Settings of Linkerd's control-plane tracing."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from .base import Section
from .kinds import HostPort, NonEmpty
from .scope import PerEnvironment, Promoted


class LinkerdConfig(Section):
    """Tracing of Linkerd's proxies, and of its controllers where something receives OpenCensus.

    The values are the stack output `linkerdValues`, for `helm upgrade -f` of linkerd-control-plane
    (2.19 or newer).
    """

    refused: ClassVar[Mapping[str, str]] = {
        "controller": "would send OpenCensus, all that Linkerd's controllers speak, to a receiver "
        "of OTLP; remove it, or write controllerEndpoint, the host:port of an OpenCensus receiver",
    }

    trace_service_name: Promoted[NonEmpty] = "linkerd-proxy"
    """Service name that the proxies' spans carry."""
    labels: PerEnvironment[dict[NonEmpty, str]] = Field(default_factory=dict)
    """Attributes added to each proxy span, beside the pod's address, uid and container that the
    chart adds."""
    controller_endpoint: PerEnvironment[HostPort | None] = None
    """`host:port` of an OpenCensus receiver (not this stack's collector, nor Tempo) to which the
    control plane's own components send spans; they are not traced if not given."""
