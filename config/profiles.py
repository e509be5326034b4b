"""What each profile of Tempo has: one table, for the errors and the docs."""

from collections.abc import Mapping
from typing import Final, Literal

Profile = Literal["distributed-2", "distributed-3", "monolithic"]

KEYS: Final[Mapping[str, tuple[Profile, ...]]] = {
    "distributor": ("distributed-2", "distributed-3"),
    "querier": ("distributed-2", "distributed-3"),
    "queryFrontend": ("distributed-2", "distributed-3"),
    "gateway": ("distributed-2", "distributed-3"),
    "memcached": ("distributed-2", "distributed-3"),
    "ingester": ("distributed-2",),
    "compactor": ("distributed-2",),
    "kafka": ("distributed-3",),
    "compaction": ("distributed-3",),
    "blockBuilder": ("distributed-3",),
    "liveStore": ("distributed-3",),
    "backendScheduler": ("distributed-3",),
    "backendWorker": ("distributed-3",),
    "acknowledgeNoDowngrade": ("distributed-3",),
    "resources": ("monolithic",),
    "volumeSize": ("monolithic",),
}
"""The keys of `tracing:tempo` that not every profile has, and the profiles that have them.

Tempo 2 keeps the newest traces in ingesters and shrinks blocks with a compactor. In Tempo 3 Kafka,
block-builders and live-stores take the ingesters' place, a backend scheduler with its workers the
compactor's. A monolithic Tempo is one process.
"""


def refused_keys(profile: Profile) -> dict[str, str]:
    """The keys that a profile does not have, each with the profile that has it."""
    return {
        key: f"is not part of the profile {profile}; remove it, or use the profile "
        f"{' or '.join(owners)}, which has it"
        for key, owners in KEYS.items()
        if profile not in owners
    }
