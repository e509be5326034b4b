"""Block retention and bucket lifecycle: one decision, so that Tempo always deletes first."""

import math
from typing import Final

from .kinds import duration_seconds
from .object_store import LifecycleConfig
from .tempo import ProfileConfig

LIFECYCLE_MARGIN_DAYS: Final = 5
"""Days between Tempo's block retention and the derived expiry of the bucket's objects: long
enough for a compactor that was down over a weekend to delete first."""

_DAY: Final = 86400


def retention_days(block_retention: str) -> int:
    """Whole days, rounded up, that a block is kept."""
    return math.ceil(duration_seconds(block_retention) / _DAY)


def longest_retention(tempo: ProfileConfig) -> str:
    """The block retention of the tenant whose traces are kept longest."""
    own = [tenant.block_retention for tenant in tempo.tenants.values()]
    return max([tempo.block_retention, *filter(None, own)], key=duration_seconds)


def expire_days(lifecycle: LifecycleConfig, block_retention: str) -> int:
    """Days after which the bucket deletes objects: the given number, or retention plus margin."""
    if lifecycle.expire_days is not None:
        return lifecycle.expire_days
    return retention_days(block_retention) + LIFECYCLE_MARGIN_DAYS


def deletes_live_blocks(lifecycle: LifecycleConfig, block_retention: str) -> bool:
    """Whether the bucket would delete blocks that Tempo still keeps.

    Equal is too short as well: both count from the object's creation, and the server's rule may
    run before the compactor's.
    """
    return expire_days(lifecycle, block_retention) * _DAY <= duration_seconds(block_retention)
