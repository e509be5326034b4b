"""Settings of Harness Self-Managed Enterprise Edition."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from .base import Section
from .harness_services import ServiceName, minor_version
from .kinds import DnsLabel, ReleaseName
from .scope import PerEnvironment, Promoted

CHART_VERSION: Final = "0.44.1"
"""The umbrella chart's version where the stack file names none; `charts.py` pins it."""


def _known_version(text: str) -> str:
    minor_version(text)
    return text


class HarnessConfig(Section):
    """Tracing of Harness services."""

    install: PerEnvironment[Literal["values", "release"]] = "values"
    """`values`: the overrides are the stack output `harnessValues`, for `helm upgrade -f`.
    `release`: this stack manages the umbrella chart's release."""
    namespace: PerEnvironment[DnsLabel] = "harness"
    """Namespace that Harness runs in, all of it: the umbrella chart knows no other than its
    release's. With `install: release` the release is put there; it has to be there already,
    and no other component's."""
    release_name: PerEnvironment[ReleaseName] = "harness"
    """Name of the umbrella chart's release. Only for `install: release`."""
    chart_version: Promoted[
        Annotated[
            str,
            AfterValidator(_known_version),
            WithJsonSchema({"type": "string", "pattern": r"^0\.\d+\.\d+$"}),
        ]
    ] = CHART_VERSION
    """Version of the umbrella chart, 0.27.0 or newer: of the release, or of the one that you
    upgrade with the values. Which services it has: `python -m ops harness`."""
    services: Promoted[Annotated[tuple[ServiceName, ...], Field(min_length=1)] | None] = None
    """Trace these services only; all that the umbrella chart has if not given."""
    values: PerEnvironment[dict[str, Any]] = Field(default_factory=dict)
    """Your own values of the umbrella chart, merged beneath the tracing overrides. Only for
    `install: release`."""
