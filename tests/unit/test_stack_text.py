"""A setting in a stack file is changed, and nothing else in it."""

from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ops import UserError
from ops.stack_files import STACK_FILES
from ops.stack_text import with_setting, without_setting

FILE = """\
# Of the file.
encryptionsalt: v1:abc=:v1:def  # of the salt
config:
  # Of Tempo.
  tracing:tempo:
    blockRetention: 48h   # two days
    # Of the ingester.
    ingester:
      replicas: 1
      resources:
        cpu: "2"

  # Of the collector.
  tracing:collector: {}
  tracing:grafanaAuth:
    secure: v1:1234:xyz+/=
  tracing:loki:
  # Of Traefik.
  tracing:traefik: {serviceType: ClusterIP, sampleRate: 1.0}
  # At the end.
"""


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went and those that came."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return old, new


@pytest.mark.parametrize(
    ("path", "value", "went", "came"),
    [
        (
            ["tracing:tempo", "blockRetention"],
            "7d",
            ["    blockRetention: 48h   # two days"],
            ["    blockRetention: 7d   # two days"],
        ),
        (
            ["tracing:tempo", "ingester", "resources", "cpu"],
            "500m",
            ['        cpu: "2"'],
            ["        cpu: 500m"],
        ),
        (
            ["tracing:tempo", "ingester", "resources", "memory"],
            "1Gi",
            [],
            ["        memory: 1Gi"],
        ),
        (["tracing:tempo", "streaming"], True, [], ["    streaming: true"]),
        (
            ["tracing:collector", "sampling"],
            {"type": "tail", "policies": [{"type": "errors"}]},
            ["  tracing:collector: {}"],
            [
                "  tracing:collector:",
                "    sampling:",
                "      type: tail",
                "      policies:",
                "        - type: errors",
            ],
        ),
        (
            ["tracing:loki", "url"],
            "http://loki",
            [],
            ["    url: http://loki"],
        ),
        (
            ["tracing:traefik", "sampleRate"],
            0.5,
            ["  tracing:traefik: {serviceType: ClusterIP, sampleRate: 1.0}"],
            ["  tracing:traefik: {serviceType: ClusterIP, sampleRate: 0.5}"],
        ),
        (
            ["tracing:traefik"],
            {"propagators": ["b3", "b3multi"]},
            ["  tracing:traefik: {serviceType: ClusterIP, sampleRate: 1.0}"],
            ["  tracing:traefik:", "    propagators: [b3, b3multi]"],
        ),
        (
            ["tracing:tempo", "ingester"],
            {},
            ["    ingester:", "      replicas: 1", "      resources:", '        cpu: "2"'],
            ["    ingester: {}"],
        ),
        (["tracing:harness"], {}, [], ["  tracing:harness: {}"]),
    ],
)
def test_one_setting_is_set_and_only_its_lines_change(
    path: list[str], value: Any, went: list[str], came: list[str]
) -> None:
    assert changed_lines(FILE, with_setting(FILE, path, value)) == (went, came)


@pytest.mark.parametrize(
    ("path", "went", "came"),
    [
        (["tracing:tempo", "blockRetention"], ["    blockRetention: 48h   # two days"], []),
        (
            ["tracing:tempo", "ingester", "resources"],
            ["      resources:", '        cpu: "2"'],
            [],
        ),
        (
            ["tracing:tempo", "ingester", "resources", "cpu"],
            ["      resources:", '        cpu: "2"'],
            ["      resources: {}"],
        ),
        (["tracing:collector"], ["  tracing:collector: {}"], []),
        (["tracing:loki"], ["  tracing:loki:"], []),
        (
            ["tracing:traefik", "serviceType"],
            ["  tracing:traefik: {serviceType: ClusterIP, sampleRate: 1.0}"],
            ["  tracing:traefik: {sampleRate: 1.0}"],
        ),
        (["tracing:tempo", "querier"], [], []),
    ],
)
def test_one_setting_is_removed_and_the_comments_around_it_stay(
    path: list[str], went: list[str], came: list[str]
) -> None:
    assert changed_lines(FILE, without_setting(FILE, path)) == (went, came)


BLOCK = """\
config:
  tracing:harness:
    values:
      note: |
        one
        two

  # Of Linkerd.
  tracing:linkerd: {}
"""


def test_a_text_of_several_lines_ends_where_its_last_line_does() -> None:
    note = ["tracing:harness", "values", "note"]
    went = ["      note: |", "        one", "        two"]
    # PyYAML has it end behind the empty line, right before what is of the next section.
    assert changed_lines(BLOCK, with_setting(BLOCK, note, "short")) == (went, ["      note: short"])
    added = with_setting(BLOCK, ["tracing:harness", "values", "more"], 1)
    assert changed_lines(BLOCK, added) == ([], ["      more: 1"])
    assert changed_lines(BLOCK, without_setting(BLOCK, ["tracing:harness"])) == (
        ["  tracing:harness:", "    values:", *went],
        [],
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "encryptionsalt: v1:a:b", "config:\n"])
def test_a_file_without_settings_gets_its_first_one(text: str) -> None:
    after = with_setting(text, ["tracing:tempo", "streaming"], True)
    assert yaml.safe_load(after)["config"] == {"tracing:tempo": {"streaming": True}}
    assert after.startswith(text)


def test_a_file_without_a_last_line_end_is_no_trap() -> None:
    text = "config:\n  tracing:tempo:\n    streaming: true"
    assert with_setting(text, ["tracing:collector"], {}) == text + "\n  tracing:collector: {}\n"


def test_line_ends_of_windows_stay_and_new_lines_have_them_too() -> None:
    text = FILE.replace("\n", "\r\n")
    after = with_setting(text, ["tracing:tempo", "ingester", "replicas"], 3)
    after = with_setting(after, ["tracing:collector", "queue"], {"nodes": 3})
    assert after.count("\n") == after.count("\r\n") == FILE.count("\n") + 2


@pytest.mark.parametrize(
    "text",
    [
        "config:\n  tracing:tempo: &t\n    a: 1\n  tracing:collector: *t\n",
        "config:\n  tracing:tempo: {a: 1,\n    # why\n    b: 2}\n",
        """config:\n  tracing:tempo: '{"a": 1, "b": 2}'\n""",
    ],
)
def test_what_would_reach_further_is_refused_with_the_key(text: str) -> None:
    with pytest.raises(UserError, match=r"tracing:tempo\.a can't be changed.*by hand"):
        with_setting(text, ["tracing:tempo", "a"], 3)


@pytest.mark.parametrize("stack", ["dev", "staging", "picluster"])
def test_every_setting_of_every_stack_file_can_be_changed_and_removed(stack: str) -> None:
    text = STACK_FILES[stack].read_text(encoding="utf-8")
    comments = [line for line in text.splitlines() if line.strip().startswith("#")]

    def paths(value: Any, path: tuple[str, ...] = ()) -> Any:
        for key, item in value.items() if isinstance(value, dict) else ():
            yield (*path, key)
            yield from paths(item, (*path, key))

    for path in paths(yaml.safe_load(text)["config"]):
        # Both check that the text says afterwards what it is to say.
        changed = with_setting(text, path, "another")
        assert len(changed.splitlines()) <= len(text.splitlines())
        removed = without_setting(text, path)
        within = [line for line in comments if line not in removed.splitlines()]
        # Only what a section says within itself goes with it.
        assert all(line.startswith("    ") for line in within), path


KEYS = st.sampled_from(["a", "b", "c d", "e.f", "1"])
# Without control characters, which are refused where they would not be read back (see below).
PRINTED = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=8)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), PRINTED, st.sampled_from(["v1:a#b", "*"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    before=st.dictionaries(KEYS, VALUES, min_size=1, max_size=4),
    path=st.lists(KEYS, min_size=1, max_size=3),
    value=VALUES,
)
def test_whatever_the_settings_are_the_one_that_was_set_is_read_back(
    before: dict[str, Any], path: list[str], value: Any
) -> None:
    text = yaml.safe_dump({"config": before}, default_flow_style=False)
    # It raises where the text would say anything else than before with this one setting.
    section: Any = before
    for key in path[:-1]:
        section = section.get(key, {})
        assume(isinstance(section, dict))
    found = yaml.safe_load(with_setting(text, path, value))["config"]
    for key in path:
        found = found[key]
    assert found == value
    without_setting(text, path)


def test_a_line_break_that_would_not_be_read_back_is_refused() -> None:
    with pytest.raises(UserError, match="change it by hand"):
        with_setting("config:\n  a: {}\n", ["a"], "\x85")
