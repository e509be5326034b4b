"""Settings of Harness Self-Managed Enterprise Edition."""

from typing import Any, Literal

from pydantic import Field, model_validator

from .base import Section
from .kinds import DnsLabel, NonEmpty, ReleaseName


class HarnessConfig(Section):
    """Tracing of Harness services."""

    install: Literal["values", "release"] = "values"
    """`values`: the overrides are the stack output `harnessValues`, for `helm upgrade -f`.
    `release`: this stack manages the umbrella chart's release."""
    namespace: DnsLabel = "harness"
    """Namespace of the release. Only for `install: release`."""
    release_name: ReleaseName = "harness"
    """Name of the umbrella chart's release. Only for `install: release`."""
    chart_version: NonEmpty | None = None
    """Version of the umbrella chart; the pinned one if not given. Only for `install: release`."""
    values: dict[str, Any] = Field(default_factory=dict)
    """Your own values of the umbrella chart, merged beneath the tracing overrides. Only for
    `install: release`."""

    @model_validator(mode="after")
    def _release_keys(self) -> "HarnessConfig":
        if self.install == "values" and (self.chart_version or self.values):
            raise ValueError(
                "has chartVersion or values, which only count with install: release; "
                "write install: release, or remove them"
            )
        return self
