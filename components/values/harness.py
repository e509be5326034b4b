"""Values of the Harness umbrella chart that turn tracing on for every service."""

from typing import Any

from ..contracts import TraceIngest


def harness_values(traces_to: TraceIngest) -> dict[str, Any]:
    """The overrides that Harness documents: one global switch and one endpoint."""
    return {
        "global": {
            "monitoring": {
                "otel": {
                    "enabled": True,
                    "collectorEndpoint": traces_to.require_otlp_grpc().url("/"),
                }
            }
        }
    }
