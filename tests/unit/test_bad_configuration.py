"""Wrong stack files, made from the schema or written by hand: refused, with key and remedy."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import config
from config import ConfigError
from config.errors import Finding, is_collection, sections_of, tag_of
from config.load import sections
from config.rules import registry
from config.secrets import SECRET_KEYS
from config.stack import StackConfig, environment_of
from tests import reliability
from tests.unit.bad_stacks import CANARY, BadStack, bad_stacks
from tests.unit.bad_values import UNKNOWN, Mistake, mistakes

REMEDY = re.compile(
    r"\b(add|did you mean|list it|put|read|remove|run|set|take|upgrade|use|write)\b", re.IGNORECASE
)
"""What a message asks for, in the imperative."""

BY_LEAF: dict[str, list[Mistake]] = {
    leaf: list(group)
    for leaf, group in groupby(sorted(mistakes(), key=lambda m: m.leaf), key=lambda m: m.leaf)
}


@pytest.fixture(scope="module")
def tally() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()
    yield counted
    reliability.note(counted)


def findings(raw: dict[str, Any], stack: str, secret_keys: frozenset[str]) -> tuple[Finding, ...]:
    """What is found wrong with settings as Pulumi hands them on: JSON, or text as it is."""
    handed_on = {k: v if isinstance(v, str) else json.dumps(v) for k, v in raw.items()}
    with pytest.raises(ConfigError) as refused:
        config.parse(handed_on, stack=stack, secret_keys=set(secret_keys))
    assert str(refused.value).count("\n  ") == len(refused.value.findings)
    return refused.value.findings


@pytest.mark.parametrize("leaf", BY_LEAF)
def test_every_wrong_value_of_a_key_is_refused_with_the_key_and_a_remedy(
    leaf: str, tally: Counter[str]
) -> None:
    for mistake in BY_LEAF[leaf]:
        found = findings(mistake.settings, "dev", frozenset())
        messages = {finding.path: finding.message for finding in found}
        assert mistake.key in messages, (mistake.name, messages)
        assert REMEDY.search(messages[mistake.key]), (mistake.name, messages[mistake.key])
        tally["wrong stack files refused, made from the schema"] += 1
        if mistake.right is not None:
            # Without the mistake nobody complains: it is the mistake that was found.
            [key] = mistake.settings
            _, still, _ = sections({key: mistake.right}, set())
            assert mistake.key not in {finding.path for finding in still}, (mistake.name, still)
    tally["keys of the schema with a wrong value"] += not leaf.endswith(UNKNOWN)


KIND = re.compile(r"\([\w-]+\)$")


def leaves(model: type[BaseModel], path: str) -> Iterator[str]:
    """The keys of a section and of those within it, by its type: not by the schema."""
    for name, field in model.model_fields.items():
        key = f"{path}{field.alias or name}"
        yield key
        options = sections_of(field.annotation)
        inner = key
        if options and is_collection(field.annotation):
            inner += "[]" if "tuple" in str(field.annotation) else ".*"
        for option in options:
            kind = f"({tag_of(option)})" if len(options) > 1 else ""
            yield from leaves(option, f"{inner}{kind}.")


def test_every_key_of_every_section_has_a_wrong_value() -> None:
    # `(profile: monolithic)` in the one is `(monolithic)` in the other.
    covered = {re.sub(r"\(\w+: ", "(", leaf).removeprefix("tracing:") for leaf in BY_LEAF}
    # A section that is one of several is wrong as a whole where each of its kinds is.
    covered |= {leaf.removesuffix(match[0]) for leaf in covered if (match := KIND.search(leaf))}
    wanted = set(leaves(StackConfig, ""))
    assert len(wanted) > 300
    assert wanted - covered == set()


def test_every_section_and_the_stack_itself_refuses_a_key_that_it_does_not_know() -> None:
    unknown = {leaf.removesuffix(f".{UNKNOWN}") for leaf in BY_LEAF if leaf.endswith(UNKNOWN)}
    assert len(unknown) > 100
    assert f"tracing:{UNKNOWN}" in unknown


@pytest.mark.parametrize("bad", bad_stacks(), ids=lambda bad: bad.name)
def test_a_wrong_stack_file_is_refused_with_all_that_is_wrong_in_it_and_nothing_else(
    bad: BadStack, tally: Counter[str]
) -> None:
    found = findings(dict(bad.settings), bad.stack, bad.secret_keys)
    assert sorted(finding.path for finding in found) == sorted(key for key, _ in bad.expected)
    for key, part in bad.expected:
        assert any(f.path == key and part in f.message for f in found), (key, part, found)
    for finding in found:
        assert REMEDY.search(finding.message), finding
        assert CANARY not in finding.message
        assert "-in-clear-canary" not in finding.message
    tally["wrong stack files refused, written by hand"] += 1


def rules() -> dict[str, registry.Rule]:
    return {
        f"{rule.__module__.rpartition('.')[2]}.{rule.__name__.strip('_')}": rule
        for _, rule in registry.RULES
    }


@pytest.mark.parametrize("name", rules())
def test_every_rule_refuses_a_stack_file(name: str, tally: Counter[str]) -> None:
    for bad in bad_stacks():
        stack, _, invalid = sections(dict(bad.settings), set(bad.secret_keys))
        if not invalid and list(rules()[name](stack, environment_of(stack, bad.stack))):
            tally["rules between settings that refuse a stack file"] += 1
            return
    raise AssertionError(f"no file of tests/bad_stacks/ breaks {name}; write one")


def test_every_rule_that_is_written_is_registered() -> None:
    written = 0
    directory = Path(registry.__file__).parent
    for file in directory.glob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and len(node.args.args) == 2:
                written += ast.unparse(node.args).startswith("stack: StackConfig")
    assert written == len(registry.RULES) == len(rules())


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_every_secret_is_refused_in_clear_and_never_shown(key: str) -> None:
    found = findings({f"tracing:{key}": CANARY}, "dev", frozenset())
    messages = [f.message for f in found if f.path == f"tracing:{key}"]
    assert any("in plain text" in message for message in messages)
    assert CANARY not in str(found)
