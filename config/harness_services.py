"""What Harness' umbrella chart has of the services that can be traced, by its version.

From the sources of the umbrella (harness/helm-charts: `src/harness/values.yaml` and
`src/modules/*/Chart.yaml` at every tag from harness-0.27.0 to harness-0.44.1) and of the library
chart that its services share (harness/helm-common: `harnesscommon.monitoring.config`, which reads
`monitoring.otel` of a service and `global.monitoring.otel` since 1.3.79). The charts of the
services themselves are published as archives only, so that a chart of a service which is a mere
dependency here may ignore the key; nothing in the umbrella says so or denies it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

ServiceName = Literal[
    "access-control",
    "harness-manager",
    "ng-manager",
    "platform-service",
    "pipeline-service",
    "ci-manager",
    "sto-manager",
    "cv-nextgen",
    "iacm-manager",
    "audit-event-streaming",
    "debezium-service",
    "template-service",
    "idp-service",
    "ssca-manager",
]
"""The services that Harness documents as traced, in its order."""

FIRST_MINOR: Final = 27
"""0.27.0 is the first minor version all of whose releases lock a library that reads the key."""

LAST_MINOR: Final = 44
"""The newest minor version that this table was made from."""

GLOBAL_SECTION: Final = "global.monitoring.otel"
"""The section that every service reads."""

GLOBAL_KEY: Final = f"{GLOBAL_SECTION}.enabled"
"""The key that turns tracing on for every service at once."""


class Proof(StrEnum):
    """What the umbrella chart shows of a service."""

    VALUES = "values"
    """Its values configure the service."""
    DEPENDENCY = "dependency"
    """One of its module charts depends on the service's chart, and no more."""
    ABSENT = "absent"
    """It does not have the service."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service, and where the umbrella chart has it."""

    name: ServiceName
    module: str
    """The module chart within the umbrella that depends on the service's chart."""
    in_values: bool
    """Whether the umbrella's values have a section for it."""
    conditions: tuple[str, ...] = ()
    """The switches of the umbrella without which the service is not installed."""
    first: int = FIRST_MINOR
    """The minor version of the umbrella with which it came, as far back as the table goes."""
    last: int = LAST_MINOR
    """The last minor version that has it."""

    def proof(self, minor: int) -> Proof:
        """What the umbrella of this minor version shows of it."""
        if not self.first <= minor <= self.last:
            return Proof.ABSENT
        return Proof.VALUES if self.in_values else Proof.DEPENDENCY

    def absence(self, minor: int) -> str:
        """Since or until when the umbrella of this minor version does not have it."""
        return f"came with 0.{self.first}.0" if minor < self.first else f"left after 0.{self.last}"


_NG: Final = "global.ng.enabled"

SERVICES: Final = (
    Service(name="access-control", module="platform", in_values=True, conditions=(_NG,)),
    Service(name="harness-manager", module="platform", in_values=True),
    Service(name="ng-manager", module="platform", in_values=True, conditions=(_NG,)),
    Service(name="platform-service", module="platform", in_values=True, conditions=(_NG,)),
    Service(name="pipeline-service", module="platform", in_values=True, conditions=(_NG,)),
    Service(name="ci-manager", module="ci", in_values=True, conditions=("global.ci.enabled",)),
    # What runs of STO since then is sto-core, which Harness does not document as traced.
    Service(
        name="sto-manager",
        module="sto",
        in_values=True,
        conditions=("global.sto.enabled",),
        last=34,
    ),
    Service(name="cv-nextgen", module="srm", in_values=True, conditions=("global.cd.enabled", _NG)),
    Service(
        name="iacm-manager", module="iacm", in_values=True, conditions=("global.iacm.enabled",)
    ),
    Service(name="audit-event-streaming", module="platform", in_values=False, conditions=(_NG,)),
    Service(
        name="debezium-service",
        module="platform",
        in_values=False,
        conditions=("global.ssca.enabled",),
    ),
    Service(name="template-service", module="platform", in_values=True, conditions=(_NG,)),
    Service(
        name="idp-service",
        module="idp",
        in_values=False,
        conditions=("global.idp.enabled",),
        first=32,
        last=39,
    ),
    Service(
        name="ssca-manager", module="ssca", in_values=False, conditions=("global.ssca.enabled",)
    ),
)
"""Every service of `ServiceName`, in its order."""

_VERSION: Final = re.compile(r"0\.(\d+)\.\d+")


def minor_version(chart_version: str) -> int:
    """The minor version of an umbrella chart that the table knows.

    Raises ValueError, with what to do, for any other.
    """
    match = _VERSION.fullmatch(chart_version)
    if match is None:
        raise ValueError("is not a version of the umbrella chart; write one such as 0.44.1")
    minor = int(match[1])
    if minor < FIRST_MINOR:
        raise ValueError(
            f"has no key that turns tracing on (its services read {GLOBAL_KEY} since "
            f"0.{FIRST_MINOR}.0); upgrade Harness to 0.{FIRST_MINOR}.0 or newer"
        )
    if minor > LAST_MINOR:
        raise ValueError(
            f"is newer than 0.{LAST_MINOR}, the last one whose services this program knows; write "
            f"0.{LAST_MINOR}.x, or add the version to config/harness_services.py "
            "(docs/sources.md says how)"
        )
    return minor


def service(name: ServiceName) -> Service:
    """The service of that name."""
    return next(each for each in SERVICES if each.name == name)
