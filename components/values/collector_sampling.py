"""What the collector leaves out: its sampling processors."""

from typing import Any

from config.collector import (
    AttributePolicy,
    ErrorsPolicy,
    ProbabilisticPolicy,
    ProbabilisticSampling,
    Sampling,
    ServicePolicy,
    SlowPolicy,
    TailPolicy,
    TailSampling,
)
from config.collector_tiers import Tier
from config.kinds import duration_seconds, go_duration


def sampling_processor(sampling: Sampling | None, tier: Tier) -> dict[str, Any]:
    """The processor that leaves traces out, by its name; none where all are kept."""
    match sampling:
        case None:
            return {}
        case ProbabilisticSampling(sample_rate=rate):
            return {"probabilistic_sampler": {"sampling_percentage": _percent(rate)}}
        case TailSampling() as tail:
            return {"tail_sampling": _tail_sampling(tail, tier)}


def _percent(rate: float) -> float:
    # Not 28.999999999999996 for 0.29.
    return round(rate * 100, 10)


def _tail_sampling(tail: TailSampling, tier: Tier) -> dict[str, Any]:
    wait = duration_seconds(tail.decision_wait)
    # Traces are spread by their id, evenly to a few percent.
    rate = -(-tail.traces_per_second // tier.replicas)
    return {
        "decision_wait": go_duration(tail.decision_wait),
        # Twice what arrives until the decision: a trace that is pushed out is decided on too soon.
        "num_traces": max(1000, int(2 * rate * wait)),
        "expected_new_traces_per_sec": rate,
        # Spans that come after the decision follow it, for a while.
        "decision_cache": {
            "sampled_cache_size": max(10_000, int(10 * rate * wait)),
            "non_sampled_cache_size": max(10_000, int(10 * rate * wait)),
        },
        "policies": [_policy(f"{i}-{p.type}", p) for i, p in enumerate(tail.policies)],
    }


def _policy(name: str, policy: TailPolicy) -> dict[str, Any]:
    match policy:
        case ErrorsPolicy():
            return {
                "name": name,
                "type": "status_code",
                "status_code": {"status_codes": ["ERROR"]},
            }
        case SlowPolicy(threshold=threshold):
            milliseconds = int(duration_seconds(threshold) * 1000)
            return {"name": name, "type": "latency", "latency": {"threshold_ms": milliseconds}}
        case ServicePolicy(service=service, sample_rate=rate):
            return _part(name, "service.name", (service,), rate)
        case AttributePolicy(key=key, values=values, sample_rate=rate):
            return _part(name, key, values, rate)
        case ProbabilisticPolicy(sample_rate=rate):
            return {"name": name, **_probabilistic(rate)}


def _part(name: str, key: str, values: tuple[str, ...], rate: float) -> dict[str, Any]:
    match_policy = {
        "type": "string_attribute",
        "string_attribute": {"key": literal(key), "values": [literal(v) for v in values]},
    }
    if rate == 1:
        return {"name": name, **match_policy}
    parts = [{"name": "which", **match_policy}, {"name": "part", **_probabilistic(rate)}]
    return {"name": name, "type": "and", "and": {"and_sub_policy": parts}}


def _probabilistic(rate: float) -> dict[str, Any]:
    return {"type": "probabilistic", "probabilistic": {"sampling_percentage": _percent(rate)}}


def literal(text: str) -> str:
    """A text of the user's, in which the collector is to see no variable of its environment."""
    return text.replace("$", "$$")
