"""The policy pack: levels, exceptions, what it has against the stacks here, and how it runs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import policy
from config.platform import Environment
from ops.registrations import Recorded
from ops.stack_files import ROOT, recorded
from policy.exceptions import BUILT_IN
from policy.marks import UNKNOWN
from tests.unit.policy_resources import (
    TEMPO_2,
    deployment,
    lifecycle,
    namespace,
    release,
    store,
)

STRICT: Environment = "prod"


def test_the_documented_levels_are_those_of_the_table() -> None:
    text = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    documented = {
        row[1].strip(" `"): [cell.strip() or "disabled" for cell in row[2:5]] for row in rows
    }
    assert documented == {
        rule: [str(levels[each]) for each in ("dev", "staging", "prod")]
        for rule, levels in policy.LEVELS.items()
    }


def test_a_violation_says_what_is_wrong_with_which_resource_how_bad_it_is_and_what_to_do() -> None:
    [found] = [
        each
        for each in policy.violations([deployment(resources={})], "prod")
        if each.rule == "requests-and-limits"
    ]
    assert found.level is policy.Level.MANDATORY
    assert (found.resource, found.type) == ("it", "kubernetes:apps/v1:Deployment")
    assert str(found).startswith("it: container web has no requests.cpu")
    assert found.remedy in str(found)


def test_what_is_refused_in_prod_may_be_advice_elsewhere_or_nothing() -> None:
    def level(environment: Environment) -> list[policy.Level]:
        found = policy.violations([deployment(resources={})], environment)
        return [each.level for each in found if each.rule == "requests-and-limits"]

    assert level("staging") == [policy.Level.ADVISORY]
    assert level("dev") == []


def test_mandatory_violations_come_first() -> None:
    found = policy.violations([namespace(), deployment(resources={}, image="web:1")], STRICT)
    levels = [each.level for each in found]
    assert set(levels) == {policy.Level.MANDATORY, policy.Level.ADVISORY}
    assert levels == sorted(levels, key=lambda level: level is not policy.Level.MANDATORY)


def test_an_exception_makes_its_violation_advisory_and_gives_the_reason() -> None:
    bad = deployment(resources={})
    excused = policy.Exemption(rule="requests-and-limits", resource="it", reason="a trial")
    [found] = policy.violations([bad], STRICT, [excused])
    assert (found.level, found.exception) == (policy.Level.ADVISORY, "a trial")
    assert str(found).endswith("Excepted: a trial")
    other = policy.Exemption(rule="requests-and-limits", resource="another", reason="a trial")
    [found] = policy.violations([bad], STRICT, [other])
    assert (found.level, found.exception) == (policy.Level.MANDATORY, "")


def of_stack(run: Recorded) -> list[policy.Resource]:
    return [
        policy.Resource(
            type=each.type, name=each.name, properties=each.inputs, protect=each.protect
        )
        for each in run.resources
    ]


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_the_projects_own_stacks_keep_every_mandatory_rule(stack: Environment) -> None:
    found = policy.violations(of_stack(recorded(stack)), stack)
    assert [str(each) for each in found if each.level is policy.Level.MANDATORY] == []


def test_every_built_in_exception_is_one_that_some_stack_of_the_project_needs() -> None:
    needed = {
        each.exception
        for stack in ("prod", "strimzi")
        for each in policy.violations(of_stack(recorded(stack)), STRICT)
        if each.exception
    }
    installed = release("harness-release", **{"global": {"monitoring": {}}})
    needed |= {each.exception for each in policy.violations([installed], STRICT)} - {""}
    assert needed == {exemption.reason for exemption in BUILT_IN}


def test_what_is_unknown_in_a_preview_is_not_held_against_a_resource() -> None:
    unknown = deployment(image=UNKNOWN, args=[UNKNOWN], env=[{"name": "TOKEN", "value": UNKNOWN}])
    found = policy.violations([unknown, lifecycle(UNKNOWN), TEMPO_2, store(minioSsl=True)], STRICT)
    assert [each.rule for each in found if each.resource == "it"] == []


def test_the_rules_need_no_library_of_the_engines() -> None:
    program = "import sys, policy; print(*(n for n in sys.modules if n == 'pulumi_policy'))"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == ""


def test_the_pack_runs_in_the_programs_virtual_environment() -> None:
    options = yaml.safe_load((ROOT / "Pulumi.yaml").read_text("utf-8"))["runtime"]["options"]
    pack = yaml.safe_load((ROOT / "policy/PulumiPolicy.yaml").read_text("utf-8"))["runtime"]
    assert pack["options"] == options | {"virtualenv": f"../{options['virtualenv']}"}


def test_no_module_of_the_pack_hides_one_of_pythons() -> None:
    # The engine starts the pack with its directory first on the path.
    modules = {path.stem for path in (ROOT / "policy").glob("*.py")} - {"__init__", "__main__"}
    assert modules & sys.stdlib_module_names == set()
    assert not (Path(ROOT) / "policy" / "config").exists()
