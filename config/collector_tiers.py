"""The collector's tiers: which there are, and how much each pod's queue has to hold.

**Tiers.** Applications always send to the first one. A second one, the gateway, is there when asked
for, or when every span of a trace has to be on one pod and there are several.

**The queue.** What arrives in the outage budget, at peak, divided over the pods and times
`HEADROOM`. It lies on a volume, in a bbolt file; `DISK_FACTOR` is how much larger the file gets.
Agents with a gateway behind them have none: what they would keep goes with their pods.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

from .collector import CollectorConfig, TailSampling
from .kinds import quantity
from .platform import AutoscalingConfig, ComputeResources

MB: Final = 10**6
MI: Final = 2**20
GI: Final = 2**30

INGEST_DEFAULT: Final = 1.0
"""MB a second, where nobody says. An assumption: about 2,300 spans a second, at 440 bytes each."""

HEADROOM: Final = 1.5
"""A queue is this much larger than an even share of what arrives. An assumption: senders are spread
over pods by connection, not by bytes, and Kubernetes attributes make spans larger."""

DISK_FACTOR: Final = 2.0
"""Bytes of the file for a byte in the queue. Measured with collector 0.158.0: 1.05 to 1.25 for
requests above 40 kB, 1.7 for those just above a page (4 kB), less than 2 for single spans."""

FILL: Final = 0.9
"""Part of a volume that the file may take; the rest is the file system's, and for compaction, which
copies at most 10 MiB."""

VOLUME_LEAST: Final = 128 * MI
"""Bytes; the file is made small again from 100 MiB on, and has to be allowed to get there."""

GATEWAY_SUFFIX: Final = "-gateway"


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Where each pod of a tier keeps what it has acknowledged."""

    capacity_bytes: int
    """What each queue takes."""
    volume_bytes: int
    """Each pod's volume."""
    volume_needed: int
    """The least volume that holds the queues, in bytes."""
    number: int = 1
    """Queues in each pod: of the last tier one for each tenant, so that no tenant's outage takes
    the room of another."""

    @property
    def file_bytes(self) -> int:
        """What each queue's file may grow to."""
        return int(self.volume_bytes * FILL / self.number)


@dataclass(frozen=True, kw_only=True)
class Tier:
    """Pods of one kind, one Helm release."""

    is_first: bool
    """Whether applications send to it."""
    is_last: bool
    """Whether it sends to Tempo."""
    release_name: str
    workload: Literal["statefulset", "daemonset"]
    replicas: int
    """Pods at least; of a daemonset the nodes that are counted on."""
    autoscaling: AutoscalingConfig | None
    resources: ComputeResources
    queue: Queue | None
    """`None` for agents with a gateway behind them: they acknowledge what the gateway has."""

    @property
    def max_replicas(self) -> int:
        """Pods at most."""
        return self.autoscaling.max_replicas if self.autoscaling else self.replicas


def needs_whole_traces(settings: CollectorConfig) -> bool:
    """Whether something looks at all spans of a trace at once."""
    graphs = settings.metrics is not None and "service-graphs" in settings.metrics.processors
    return graphs or isinstance(settings.sampling, TailSampling)


def first_tier(settings: CollectorConfig, tenants: int = 1) -> Tier:
    """The pods that applications send to."""
    return tiers(settings, tenants)[0]


def gateway_tier(settings: CollectorConfig, tenants: int = 1) -> Tier | None:
    """The pods between those and Tempo; `None` where there are none."""
    return next((tier for tier in tiers(settings, tenants) if not tier.is_first), None)


def tiers(settings: CollectorConfig, tenants: int = 1) -> tuple[Tier, ...]:
    """All tiers, in the order in which spans go through them."""
    node = settings.mode != "deployment"
    scaling = None if node else settings.autoscaling
    several = node or (scaling.max_replicas if scaling else settings.replicas) > 1
    two = settings.mode == "agent-gateway" or (several and needs_whole_traces(settings))
    replicas = settings.queue.nodes or 1 if node else _pods(settings.replicas, scaling)
    first = Tier(
        is_first=True,
        is_last=not two,
        release_name=settings.release_name,
        workload="daemonset" if node else "statefulset",
        replicas=replicas,
        autoscaling=scaling,
        resources=settings.resources,
        queue=None if node and two else _queue(settings, replicas, 1 if two else tenants),
    )
    if not two:
        return (first,)
    gateway = settings.gateway
    replicas = _pods(gateway.replicas, gateway.autoscaling)
    second = Tier(
        is_first=False,
        is_last=True,
        release_name=f"{settings.release_name}{GATEWAY_SUFFIX}",
        workload="statefulset",
        replicas=replicas,
        autoscaling=gateway.autoscaling,
        resources=gateway.resources,
        queue=_queue(settings, replicas, tenants),
    )
    return (first, second)


def size(needed: int) -> str:
    """A quantity that is read at a glance and holds so many bytes."""
    rounded = _rounded(needed)
    return f"{rounded // GI}Gi" if rounded % GI == 0 else f"{rounded // MI}Mi"


def _rounded(needed: int) -> int:
    unit = GI if needed > GI else 128 * MI
    return math.ceil(needed / unit) * unit


def ingest_mbps(settings: CollectorConfig) -> float:
    """What arrives at all pods together, in MB a second."""
    return settings.queue.ingest_mbps or INGEST_DEFAULT


def _pods(replicas: int, autoscaling: AutoscalingConfig | None) -> int:
    return autoscaling.min_replicas if autoscaling else replicas


def _queue(settings: CollectorConfig, replicas: int, number: int) -> Queue:
    arriving = ingest_mbps(settings) * MB * settings.queue.outage_minutes * 60
    capacity = math.ceil(arriving / replicas * HEADROOM)
    # Nobody knows who will send how much: each tenant's queue holds what all of them may send.
    needed = max(math.ceil(capacity * DISK_FACTOR / FILL), VOLUME_LEAST) * number
    given = settings.queue.volume_size
    return Queue(
        number=number,
        capacity_bytes=capacity,
        volume_bytes=_rounded(needed) if given is None else int(quantity(given)),
        volume_needed=needed,
    )
