"""How much Tempo a demand takes, by the sizing rules that Tempo publishes.

One MB is 10^6 bytes and one GB 10^9, as in the pages; quantities in Ki, Mi, Gi are powers of 1024.

**The rule.** A page gives, for each workload, the traffic that one replica takes and the CPU and
memory of such a full-size replica. `Rule` holds that, and all that is planned follows from it:

- *load*: how many full-size replicas the demand takes, as an exact fraction;
- *replicas*: the least whole number that is at least the load and at least the number that
  availability asks for;
- *CPU and memory of all replicas*: load times full size, divided over the replicas; but no pod gets
  less than `LEAST_CPU` and the least memory of its workload (the lower end of the published range);
- *disk*: the bytes that lie on the local disks at once, divided in the same way over the replicas;
  no volume is smaller than its least.

The plan is the rule rounded up to a quantity that is read at a glance: CPU to 50m, memory to 128Mi
(above 8Gi to 1Gi), disks, the bucket and Kafka to 1Gi. Each least is so large that this adds no
more than a fifth: replicas are exactly the rule's, all else is between the rule and 1.2 times it.
From a load of 1 on no least of CPU or memory plays a part, unless availability asks for more
replicas: all replicas together then get between 1 and 1.2 times load times full size. The number of
replicas, being whole, is less than load and one: at most 4/3 of a load of 3 or more.

**Ranges.** Where a page gives a range ("3-5 MB/s", "4-20GB"), the end is taken that gives more
capacity: less traffic for each replica, more memory for each. Both at once is a lot, of memory
above all, which depends on the traces ("determined by trace composition"): measure, and override.

**Sources**, beneath https://grafana.com/docs/tempo/<version>/, read in Tempo's repository at tags
v2.10.8 and v3.0.3 (the page on Kafka is younger: commit ad33aa8):

- "Size the cluster", v2.10.x and v3.0.x, `set-up-for-tracing/setup-tempo/plan/size/`;
- "Deployment modes", v3.0.x, `set-up-for-tracing/setup-tempo/plan/deployment-modes/` and, called
  the reference below, `reference-tempo-architecture/deployment-modes/`;
- "Configure a Kafka-compatible backend", next, `set-up-for-tracing/setup-tempo/configure-kafka/`;
- "Partition ring" and "Block-builder", v3.0.x, beneath `reference-tempo-architecture/`;
- "Migrate from Tempo 2.x to 3.0", v3.0.x, `set-up-for-tracing/setup-tempo/migrate-to-3/`;
- "Configuration", v2.10.x and v3.0.x, `configuration/`: the defaults, and how much is stored.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final, get_args

from .demand import FLUSH_SECONDS, Demand, DemandError, ingest_of, queries_of, retention_of
from .profiles import Profile

MB: Final = 10**6
GB: Final = 10**9
MI: Final = 2**20
GI: Final = 2**30

MONOLITHIC_MAX: Final = 25
"""MB/s. "Your trace volume is under 25-35 MB/s" ("Deployment modes"); above the lower end, more
capacity is what a profile with several processes gives."""

LEAST_CPU: Final = Fraction(1, 4)
"""Cores of a pod. An assumption: half of the smallest CPU on "Size the cluster" (0.5)."""

LEAST_VOLUME: Final = 10 * GI
"""Bytes: what the charts give every volume by default (`persistence.size: 10Gi`)."""

LEAST_STORE: Final = 10 * GI
"""Bytes of the bucket and of Kafka's disks. An assumption: less is not worth a plan."""

DISK_HEADROOM: Final = Fraction(5, 4)
"""An assumption: a volume is planned to be four fifths full, for the block that is being completed
beside its write-ahead log, and for a store that is down for a while."""

_COMPACTED_KEPT: Final = 3600
"""Seconds that a block stays in the bucket after it was merged into another one
(`compacted_block_retention`, default 1h)."""

KAFKA_KEPT_SECONDS: Final = 24 * 3600
"""Seconds: "a 24-hour retention period is a sensible starting point" ("Configure a
Kafka-compatible backend")."""

KAFKA_COPIES: Final = 3
""" "Replication factor 3 [...] is a common starting point" (same page)."""

_QUERIERS_PER_QUERY: Final = Fraction(30, 20)
"""Queriers for each query a second. No page says; an assumption from two defaults: a query holds at
least one of a querier's 20 slots (`querier.max_concurrent_queries`), and as long as it may
(`querier.search.query_timeout`, 30s)."""


@dataclass(frozen=True)
class Workload:
    """One of Tempo's microservices: its pods, and the quantities of each pod."""

    replicas: int
    cpu: str
    memory: str
    volume: str | None = None
    """Local disk; None where nothing is kept on it. In chart tempo-distributed 3.3.0 live-stores
    and block-builders have no volume of their own: there it is ephemeral storage of the node."""


@dataclass(frozen=True)
class Plan:
    """What a demand takes."""

    workloads: Mapping[str, Workload]
    """By the name of their section in the stack file; of `monolithic` the one process, `tempo`."""
    partitions: int | None
    """Partitions of Kafka's topic; None where there is no Kafka."""
    kafka_gib: int | None
    """GiB on the disks of all Kafka's brokers together; None where there is no Kafka."""
    bucket_gib: int
    """GiB in the bucket once the first traces reach the end of their retention."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a workload needs, exactly; see the module's docstring for the words."""

    load: Fraction
    """Full-size replicas."""
    cpu: Fraction
    """Cores of a full-size replica."""
    memory: int
    """Bytes of a full-size replica."""
    least_memory: int
    """Bytes that any pod gets."""
    least_replicas: int = 1
    """For availability."""
    disk: Fraction | None = None
    """Bytes on the disks of all replicas together; None: keeps nothing on a disk."""
    least_disk: int = LEAST_VOLUME
    """Bytes that any volume has."""

    @cached_property
    def replicas(self) -> int:
        """Pods."""
        return max(self.least_replicas, math.ceil(self.load))

    @cached_property
    def pod_cpu(self) -> Fraction:
        """Cores of each pod."""
        return max(self.load * self.cpu / self.replicas, LEAST_CPU)

    @cached_property
    def pod_memory(self) -> Fraction:
        """Bytes of each pod."""
        return max(self.load * self.memory / self.replicas, Fraction(self.least_memory))

    @cached_property
    def pod_disk(self) -> Fraction | None:
        """Bytes on the disk of each pod."""
        if self.disk is None:
            return None
        return max(self.disk / self.replicas, Fraction(self.least_disk))


@dataclass(frozen=True)
class Rules:
    """What a demand needs, exactly: a plan before it is rounded."""

    workloads: Mapping[str, Rule]
    partitions: int | None
    kafka: Fraction | None
    """Bytes."""
    bucket: Fraction
    """Bytes."""


def plan(profile: Profile, demand: Demand, *, replication_factor: int) -> Plan:
    """The replicas, resources and stores for a demand: `rules`, rounded up.

    `replication_factor` counts for distributed-2 alone: the others hold each trace once.
    Raises DemandError when the demand is out of range, or too much for the profile.
    """
    needed = rules(profile, demand, replication_factor=replication_factor)
    return Plan(
        workloads={name: _rounded(rule) for name, rule in needed.workloads.items()},
        partitions=needed.partitions,
        kafka_gib=None if needed.kafka is None else math.ceil(needed.kafka / GI),
        bucket_gib=math.ceil(needed.bucket / GI),
    )


def rules(profile: Profile, demand: Demand, *, replication_factor: int) -> Rules:
    """What the demand needs by the published rules; raises DemandError as `plan` does."""
    ingest = ingest_of(demand.ingest_mbps)
    seconds = retention_of(demand.retention)
    by_queries = queries_of(demand.queries_per_second) * _QUERIERS_PER_QUERY
    queriers = max(ingest, by_queries)
    match profile:
        case "distributed-2":
            if not 1 <= replication_factor <= 5:
                raise DemandError("replication_factor", "is out of range; write 1 to 5")
            return Rules(
                workloads=_distributed_2(ingest, queriers, replication_factor),
                partitions=None,
                kafka=None,
                bucket=_bucket(ingest, seconds, replication_factor),
            )
        case "distributed-3":
            workloads = _distributed_3(ingest, queriers)
            return Rules(
                workloads=workloads,
                partitions=_partitions(ingest, workloads),
                kafka=max(ingest * MB * KAFKA_KEPT_SECONDS * KAFKA_COPIES, Fraction(LEAST_STORE)),
                bucket=_bucket(ingest, seconds, 1),
            )
        case "monolithic":
            _fits_one_process(ingest, by_queries)
            return Rules(
                workloads={"tempo": _monolithic(ingest, by_queries)},
                partitions=None,
                kafka=None,
                bucket=_bucket(ingest, seconds, 1),
            )


def _distributed_2(ingest: Fraction, queriers: Fraction, copies: int) -> dict[str, Rule]:
    """Tempo 2: "Size the cluster", v2.10.x."""
    return {
        "distributor": _distributor(ingest),
        # 1 for 3-5 MB/s, 2.5 cores, 4-20 GB. The page does not say for how many copies of each
        # trace. Its own configuration has three; for five the load would be 5/3 of that, which is
        # just what lies between the ends of the range.
        "ingester": Rule(
            load=ingest / 3,
            cpu=Fraction(5, 2),
            memory=20 * GB,
            least_memory=4 * GB,
            least_replicas=copies,
            disk=ingest * MB * copies * FLUSH_SECONDS * DISK_HEADROOM,
        ),
        "querier": _querier(queriers),
        "queryFrontend": _query_frontend(queriers, 2),
        # 1 for 3-5 MB/s, 1 core, 4-20 GB.
        "compactor": Rule(load=ingest / 3, cpu=Fraction(1), memory=20 * GB, least_memory=4 * GB),
    }


def _distributed_3(ingest: Fraction, queriers: Fraction) -> dict[str, Rule]:
    """Tempo 3: "Size the cluster", v3.0.x.

    A live-store owns one partition: that of its ordinal. Availability zones would double the
    live-stores ("each partition is owned by one live-store per zone"), not the partitions; the
    chart has one StatefulSet of them, so one zone is planned.
    """
    return {
        "distributor": _distributor(ingest),
        # "1 replica per partition", 0.5 cores, 5-10 GB; a partition carries what its live-store
        # takes. The disk holds "at least one full consumption cycle's worth of data"
        # (`consume_cycle_duration`, 5m), and behind on its work a cycle goes up to
        # `max_consuming_bytes`, 5 GB.
        "blockBuilder": Rule(
            load=_live_stores(ingest),
            cpu=Fraction(1, 2),
            memory=10 * GB,
            least_memory=5 * GB,
            disk=ingest * MB * 300 * DISK_HEADROOM,
            least_disk=math.ceil(5 * GB * DISK_HEADROOM),
        ),
        # 1 for 6-10 MB/s, 1 core, 4-20 GB. On disk: `complete_block_timeout` 20m, twice of which a
        # restart may replay; the block that is being filled (`max_block_duration`, 30s), and those
        # that are about to be removed (`block_reclaim_grace`, 2m).
        "liveStore": Rule(
            load=_live_stores(ingest),
            cpu=Fraction(1),
            memory=20 * GB,
            least_memory=4 * GB,
            disk=ingest * MB * (2 * 1200 + 30 + 120) * DISK_HEADROOM,
        ),
        "querier": _querier(queriers),
        "queryFrontend": _query_frontend(queriers, 2),
        "backendScheduler": _backend_scheduler(),
        "backendWorker": _backend_worker(ingest),
    }


def _monolithic(ingest: Fraction, by_queries: Fraction) -> Rule:
    """One process: the sum of what its parts need.

    No page gives a size, only what memory goes to: "the live-store's in-memory trace buffer, the
    querier's concurrent job execution, and the backend worker's memory" ("Deployment modes",
    reference). Parts that carry the traffic are taken by the traffic, from the page of Tempo 3:
    like a live-store, and unlike Tempo 2's ingesters, one process holds each trace once. Of the
    querier there is one, as long as no more queries come than one answers. The disk is that of
    Tempo 2's ingester, which keeps more than the live-store does.
    """
    parts = (
        _distributor(ingest),
        Rule(load=_live_stores(ingest), cpu=Fraction(1), memory=20 * GB, least_memory=4 * GB),
        _querier(max(min(ingest, Fraction(1)), by_queries)),
        _query_frontend(max(ingest, by_queries), 1),
        _backend_scheduler(),
        _backend_worker(ingest),
    )
    return Rule(
        load=Fraction(1),
        cpu=sum((part.load * part.cpu for part in parts), Fraction(0)),
        memory=math.ceil(sum(part.load * part.memory for part in parts)),
        least_memory=GB,
        disk=ingest * MB * FLUSH_SECONDS * DISK_HEADROOM,
    )


def _distributor(ingest: Fraction) -> Rule:
    """1 for 10 MB/s, 2 cores, 2 GB; the least memory is the smallest on the page."""
    return Rule(load=ingest / 10, cpu=Fraction(2), memory=2 * GB, least_memory=GB)


def _live_stores(ingest: Fraction) -> Fraction:
    """1 for 6-10 MB/s."""
    return ingest / 6


def _querier(load: Fraction) -> Rule:
    """1 for 1-2 MB/s, "CPU: dependent on trace size and queries", 4-20 GB.

    The core is that of Tempo's own jsonnet (`operations/jsonnet/microservices/config.libsonnet`:
    500m requested, 1 at most).
    """
    return Rule(load=load, cpu=Fraction(1), memory=20 * GB, least_memory=4 * GB)


def _query_frontend(queriers: Fraction, replicas: int) -> Rule:
    """2, "for high availability", "dependent on trace size and queries", 4-20 GB; CPU as querier.

    "Keep to 2 replicas. Scale up CPU/RAM rather than adding replicas" ("Deployment modes",
    reference). From what on it takes the upper end no page says; an assumption: from as many
    queriers on as there are where one process ends (25), and below in proportion.
    """
    return Rule(
        load=replicas * min(queriers / MONOLITHIC_MAX, Fraction(1)),
        cpu=Fraction(1),
        memory=20 * GB,
        least_memory=4 * GB,
        least_replicas=replicas,
    )


def _backend_scheduler() -> Rule:
    """1, "only one scheduler should be running at a time", 0.5 cores, 1-2 GB."""
    return Rule(load=Fraction(1), cpu=Fraction(1, 2), memory=2 * GB, least_memory=GB)


def _backend_worker(ingest: Fraction) -> Rule:
    """0.5 cores, 1-2 GB; how many is "to be determined based on compaction workload".

    An assumption: as many as Tempo 2 has compactors, which do the same work.
    """
    return Rule(load=ingest / 3, cpu=Fraction(1, 2), memory=2 * GB, least_memory=GB)


def _partitions(ingest: Fraction, workloads: Mapping[str, Rule]) -> int:
    """10 MB/s each, and "at least as many partitions as the maximum live-store replica count".

    A live-store that takes less than 10 MB/s makes it the second ("Configure a Kafka-compatible
    backend"); block-builders, one for each, track the live-stores.
    """
    return max(math.ceil(ingest / 10), workloads["liveStore"].replicas)


def _bucket(ingest: Fraction, retention: Fraction, copies: int) -> Fraction:
    """Bytes: "ingested bytes per day times retention days = stored bytes" ("Configuration").

    So the ratio of stored to ingested bytes is 1, although blocks are compressed: what that saves
    depends on the traces. A trace is stored once: compaction removes the other copies of Tempo 2.
    Until then they are there, and for as long as merged blocks are kept.
    """
    return max(ingest * MB * (retention + copies * _COMPACTED_KEPT), Fraction(LEAST_STORE))


def _fits_one_process(ingest: Fraction, by_queries: Fraction) -> None:
    others = " or ".join(name for name in get_args(Profile) if name != "monolithic")
    if ingest > MONOLITHIC_MAX:
        raise DemandError(
            "ingest_mbps",
            f"is more than one process takes ({MONOLITHIC_MAX} MB/s); write a profile of several, "
            f"{others}, instead of monolithic",
        )
    # A querier for each MB/s is published, so the limit in MB/s is one in queriers, too.
    if by_queries > MONOLITHIC_MAX:
        most = math.floor(MONOLITHIC_MAX / _QUERIERS_PER_QUERY)
        raise DemandError(
            "queries_per_second",
            f"is more than one process answers ({most} a second); write a profile of several, "
            f"{others}, instead of monolithic",
        )


def _rounded(rule: Rule) -> Workload:
    disk = rule.pod_disk
    return Workload(
        replicas=rule.replicas,
        cpu=_cores(rule.pod_cpu),
        memory=_size(rule.pod_memory),
        volume=None if disk is None else f"{math.ceil(disk / GI)}Gi",
    )


def _cores(cores: Fraction) -> str:
    """Up to the next 50m."""
    millis = 50 * math.ceil(cores * 1000 / 50)
    return f"{millis // 1000}" if millis % 1000 == 0 else f"{millis}m"


def _size(size: Fraction) -> str:
    """Up to the next 128Mi, above 8Gi to the next 1Gi."""
    step = 128 if size <= 8 * GI else 1024
    mebi = step * math.ceil(size / MI / step)
    return f"{mebi // 1024}Gi" if mebi % 1024 == 0 else f"{mebi}Mi"
