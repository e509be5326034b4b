"""Settings of tempo-vulture, which checks from time to time that Tempo gives back what it got."""

from typing import Annotated

from pydantic import Field

from .base import Section
from .kinds import CronSchedule, Duration, Image, StatefulSetName, TenantId
from .platform import ComputeResources
from .scope import PerEnvironment, Promoted


class VultureConfig(Section):
    """A check of Tempo from within the cluster, as a CronJob in Tempo's namespace.

    Each run writes traces to Tempo, asks for each by its id, and fails if one is not there.
    """

    name: PerEnvironment[StatefulSetName] = "tempo-vulture"
    """Name of the CronJob; its Jobs are called `<name>-<time>`."""
    schedule: PerEnvironment[CronSchedule] = "*/15 * * * *"
    """When it runs, in the time zone of the cluster's controllers."""
    suspended: PerEnvironment[bool] = False
    """Run only when somebody asks for it: `kubectl create job --from=cronjob/<name>`."""
    cycles: Promoted[Annotated[int, Field(ge=1, le=1000)]] = 3
    """Traces that each run writes and reads, one a second."""
    timeout: Promoted[Duration] = "5m"
    """How long a run may take before it has failed; more than a second for each cycle."""
    tenant: PerEnvironment[TenantId | None] = None
    """Tenant to write and read as; that of `tracing:tenancy.default` if not given."""
    image: Promoted[Image] = "docker.io/grafana/tempo-vulture:3.0.3"
    """Image of tempo-vulture, pinned by tag or digest; one version checks every Tempo."""
    resources: ComputeResources = ComputeResources(cpu="20m", memory="64Mi")
