"""How two stacks differ, as a person and as a machine reads it."""

import json

import pytest

from ops.commands import main
from tests.unit.stacks import DEV, PROD, Stacks, stacks

__all__ = ["stacks"]

Capture = pytest.CaptureFixture[str]


def diff(*arguments: str) -> int:
    return main(["diff", *arguments])


def document(capsys: Capture, *arguments: str) -> dict[str, tuple[str, list[object]]]:
    assert diff(*arguments, "--json") in (0, 2)
    found = json.loads(capsys.readouterr().out)["differences"]
    return {each["key"]: (each["scope"], each["values"]) for each in found}


def test_what_is_promoted_and_what_is_the_environments_stand_apart(
    stacks: Stacks, capsys: Capture
) -> None:
    assert diff("dev", "prod") == 2
    promoted, _, environment = capsys.readouterr().out.partition("Of the environment")
    assert "tracing:collector.image" in promoted
    assert "tracing:collector.replicas" not in promoted
    assert "tracing:collector.replicas" in environment
    assert "tracing:tempo.blockRetention" in environment


def test_defaults_are_filled_in(stacks: Stacks, capsys: Capture) -> None:
    found = document(capsys, "dev", "prod")
    assert found["tracing:tempo.blockRetention"] == ("environment", ["48h", "14d"])
    assert found["tracing:environment"] == ("environment", ["dev", "prod"])
    # Said in one file and left to the default in the other.
    stacks.write(prod=PROD.replace("blockRetention: 14d", "blockRetention: 48h"))
    assert "tracing:tempo.blockRetention" not in document(capsys, "dev", "prod")


def test_a_section_that_only_one_has_is_listed_with_what_it_says(
    stacks: Stacks, capsys: Capture
) -> None:
    stacks.write(prod=PROD + "  tracing:traefik: {sampleRate: 0.5, routeNamespaces: [shop]}\n")
    found = document(capsys, "dev", "prod")
    assert found["tracing:traefik"] == ("promoted", [None, {}])
    assert found["tracing:traefik.sampleRate"] == ("promoted", [None, 0.5])
    assert "tracing:traefik.serviceName" not in found


def test_sections_of_two_kinds_are_compared_by_what_both_have(
    stacks: Stacks, capsys: Capture
) -> None:
    store = "  tracing:objectStore: {type: external-minio, endpoint: 'm:9000', bucket: traces}\n"
    stacks.write(prod=PROD + store)
    found = document(capsys, "dev", "prod")
    assert found["tracing:objectStore.type"] == ("environment", ["minio", "external-minio"])
    assert found["tracing:objectStore.bucket"] == ("environment", ["tempo", "traces"])
    assert found["tracing:objectStore.endpoint"] == ("environment", [None, "m:9000"])
    # What dev's kind has by default and prod's can't have at all is no difference.
    assert "tracing:objectStore.volumeSize" not in found


def test_stacks_that_do_not_differ_are_said_to_be_alike(stacks: Stacks, capsys: Capture) -> None:
    assert diff("prod", "prod") == 0
    assert capsys.readouterr().out == "prod and prod do not differ\n"


def test_no_secret_is_shown_only_whether_there_is_one(stacks: Stacks, capsys: Capture) -> None:
    secret = "  tracing:objectStoreRootPassword: {secure: v1:hidden-%s}\n"
    stacks.write(dev=DEV + secret % 1)
    assert diff("dev", "prod") == 2
    shown = capsys.readouterr().out
    assert "tracing:objectStoreRootPassword" in shown
    assert "[secret]" in shown
    assert "hidden" not in shown
    stacks.write(prod=PROD + secret % 2)
    diff("dev", "prod")
    shown = capsys.readouterr().out
    assert "Both have tracing:objectStoreRootPassword: encrypted, and so not compared" in shown


def test_a_secret_in_plain_text_is_refused_and_not_shown(stacks: Stacks, capsys: Capture) -> None:
    stacks.write(dev=DEV + "  tracing:objectStoreRootPassword: hunter2hunter2\n")
    assert diff("dev", "prod") == 1
    shown = capsys.readouterr().err
    assert "tracing:objectStoreRootPassword: stands in the stack file in plain text" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("config:\n  tracing:tempoo: {}\n", "tracing:tempoo: is not a known key"),
        ("config: [1]\n", "no stack file"),
        ("config: {\n", "is not YAML"),
        ("- a\n", "no stack file"),
    ],
)
def test_a_file_that_is_refused_is_an_error_and_no_difference(
    stacks: Stacks, capsys: Capture, text: str, complaint: str
) -> None:
    stacks.write(dev=text)
    assert diff("dev", "prod") == 1
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["dev"], ["dev", "nope"], ["dev", "prod", "--nope"]])
def test_wrong_arguments_do_not_look_like_a_difference(
    stacks: Stacks, capsys: Capture, arguments: list[str]
) -> None:
    assert diff(*arguments) == 1
    assert capsys.readouterr().err.startswith("error: ")
