"""Rules on tempo-vulture."""

from collections.abc import Iterator

from ..errors import Finding, shown
from ..kinds import duration_seconds, go_duration
from ..platform import Environment
from ..stack import StackConfig
from .registry import rule


@rule("vulture")
def _a_run_has_time_for_its_cycles(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.vulture is None:
        return
    timeout, cycles = stack.vulture.timeout, stack.vulture.cycles
    if go_duration(timeout).endswith("ms"):
        yield Finding(
            "tracing:vulture.timeout",
            f"{shown(timeout)} is finer than a second; write seconds or minutes",
        )
    elif duration_seconds(timeout) <= cycles:
        yield Finding(
            "tracing:vulture.timeout",
            f"{shown(timeout)} is too short for tracing:vulture.cycles {cycles}, one a second; "
            f"write more than {cycles}s",
        )
