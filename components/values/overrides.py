"""Limits of Tempo's tenants, as Tempo's `overrides` has them (the scoped form, which 3.x wants)."""

from typing import Any, Final

from config.kinds import go_duration
from config.tempo import Distributed3Config, LimitsConfig, ProfileConfig

MEGABYTE: Final = 1_000_000


def default_overrides(settings: ProfileConfig) -> dict[str, Any]:
    """The limits of every tenant that has none of its own.

    Where nothing is said Tempo's own hold, but for one: it acknowledges a trace too many and then
    drops it. Those that waited for it in a collector's queue come at once, and are many.
    """
    if settings.limits is not None:
        return _overrides(settings, settings.limits)
    return {"ingestion": {"max_traces_per_user": 0}, **_overrides(settings, None)}


def tenant_overrides(settings: ProfileConfig) -> dict[str, Any]:
    """The limits of single tenants, by id.

    Tempo takes nothing from the defaults for a tenant that is named here, so that each has all.
    """
    return {
        tenant: _overrides(settings, own, own.block_retention)
        for tenant, own in settings.tenants.items()
    }


def _overrides(
    settings: ProfileConfig, limits: LimitsConfig | None, retention: str | None = None
) -> dict[str, Any]:
    overrides: dict[str, Any] = {}
    compaction: dict[str, Any] = {}
    if limits is not None:
        overrides["ingestion"] = {
            "rate_strategy": "global",
            "rate_limit_bytes": limits.rate_mb_per_second * MEGABYTE,
            "burst_size_bytes": limits.burst_mb * MEGABYTE,
            "max_traces_per_user": limits.max_live_traces,
        }
        overrides["global"] = {"max_bytes_per_trace": limits.max_trace_mb * MEGABYTE}
    if retention is not None:
        compaction["block_retention"] = go_duration(retention)
    if isinstance(settings, Distributed3Config) and not settings.compaction:
        compaction["compaction_disabled"] = True
    if compaction:
        overrides["compaction"] = compaction
    if (generator := settings.metrics_generator) is not None:
        overrides["metrics_generator"] = {
            "processors": list(generator.processors),
            "max_active_series": generator.max_active_series,
        }
    return overrides
