"""The list of rules: each module beside this one adds its own."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..errors import Finding, shown
from ..platform import Environment
from ..stack import StackConfig

Rule = Callable[[StackConfig, Environment], Iterator[Finding]]

RULES: list[tuple[frozenset[str], Rule]] = []
"""Each rule with the sections that it looks at."""


def rule(*sections: str) -> Callable[[Rule], Rule]:
    """Registers a rule that looks at these sections (fields of `StackConfig`)."""

    def register(rule: Rule) -> Rule:
        RULES.append((frozenset(sections), rule))
        return rule

    return register


def check(
    stack: StackConfig, environment: Environment, invalid: Sequence[str] = ()
) -> list[Finding]:
    """All findings of all rules; `invalid` names the sections (fields) that can't be looked at."""
    return [
        finding
        for sections, rule in RULES
        if sections.isdisjoint(invalid)
        for finding in rule(stack, environment)
    ]


def needless(
    key: str, allowed: Iterable[str], settled: Mapping[str, bool], *, noun: str, state: str
) -> Iterator[Finding]:
    """A finding for each exception, made with a reason under `key`, that nothing needs.

    `settled` says of each that the stack has whether it is in order; `all` stands for every one.
    """
    for name in allowed:
        if name == "all":
            reason = f"every {noun} is {state}" if all(settled.values()) else ""
        elif name not in settled:
            reason = f"this stack has no such {noun}, but {', '.join(settled)}"
        else:
            reason = f"this {noun} is {state}" if settled[name] else ""
        if reason:
            yield Finding(f"{key}.{name}", f"has no effect: {reason}; remove it")


def shared(names: Mapping[str, str], key: str, remedy: str) -> Iterator[Finding]:
    """A finding for each component in the namespace of the one under `key`, if there is that one.

    `names` is the namespaces by key, as `namespaces_of` gives them.
    """
    own = names.get(key)
    for other, name in names.items():
        if other != key and name == own:
            yield Finding(f"tracing:{key}", f"{shown(own)} is also tracing:{other}; {remedy}")


def twice(values: dict[str, str], reason: str) -> Iterator[Finding]:
    """A finding for each key whose value is another key's as well."""
    counts = Counter(values.values())
    for key, value in values.items():
        if counts[value] > 1:
            others = ", ".join(k for k, v in values.items() if v == value and k != key)
            yield Finding(key, f"{shown(value)} is also {others}; {reason}, write another")
