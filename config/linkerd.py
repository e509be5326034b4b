"""Settings of Linkerd's control-plane tracing."""

from pydantic import Field

from .base import Section
from .kinds import NonEmpty


class LinkerdConfig(Section):
    """Tracing of Linkerd's proxies and controllers.

    The values are the stack output `linkerdValues`, for `helm upgrade -f` of linkerd-control-plane.
    """

    trace_service_name: NonEmpty = "linkerd-proxy"
    """Service name that the proxies' spans carry."""
    labels: dict[NonEmpty, str] = Field(default_factory=dict)
    """Attributes added to each proxy span."""
    controller: bool = True
    """Trace the control plane's own components as well."""
