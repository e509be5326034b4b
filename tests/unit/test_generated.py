"""What is generated from the code is checked in, and not stale."""

import json

import jsonschema
import pytest
import yaml

from ops.config_table import TABLE_FILE, table
from ops.goldens import golden, golden_file
from ops.schema import SCHEMA_FILE, as_text, stack_schema
from ops.stack_files import STACK_FILES
from tests.unit.test_config import REFUSED

STALE = "run: make generate"


def test_the_json_schema_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == as_text(stack_schema()), STALE


def test_the_configuration_table_is_up_to_date() -> None:
    assert TABLE_FILE.read_text(encoding="utf-8") == table(), STALE


def test_every_setting_in_the_table_says_what_it_means() -> None:
    assert [line for line in table().splitlines() if line.endswith("|  |")] == []


@pytest.mark.parametrize("stack", STACK_FILES)
def test_what_a_stack_tells_helm_and_grafana_is_as_it_was_reviewed(stack: str) -> None:
    assert golden_file(stack).read_text(encoding="utf-8") == golden(stack), STALE


@pytest.mark.parametrize("stack", STACK_FILES)
def test_the_schema_accepts_every_stack_file(stack: str) -> None:
    document = yaml.safe_load(STACK_FILES[stack].read_text(encoding="utf-8"))
    jsonschema.validate(document, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "case",
    [
        "an unknown section, with the nearest one",
        "an unknown key deep in a section",
        "text where a number belongs",
        "a duration without a unit",
        "a bad Kubernetes name",
        "an unknown choice, with all of them",
        "a secret in plain text, without showing it",
    ],
)
def test_the_schema_refuses_in_the_editor_what_the_program_refuses(case: str) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"config": REFUSED[case][0]}, schema)
