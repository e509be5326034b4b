"""The policy pack, started by the real engine."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import policy
from ops.engine import LANGUAGE_HOST
from ops.stack_files import ROOT, recorded, settings
from sandbox import Policies, Result, Sandbox, SandboxError
from sandbox.box import ANALYZER
from tests.engine.conftest import BoxOf, Objects

PACK = Policies(pack=ROOT / "policy")
PLAIN = {"data": {"password": "in clear"}}
NOTHING = {"data": {"colour": "blue"}}

Kube = Callable[..., dict[str, Any]]


def found(result: Result) -> set[tuple[str, str, str]]:
    """What the engine was told of violations: rule, resource and level."""
    events = [event["policyEvent"] for event in result.events if "policyEvent" in event]
    return {
        (event["policyName"], event["resourceUrn"].rpartition("::")[2], event["enforcementLevel"])
        for event in events
    }


def test_the_pack_finds_in_prod_what_the_rules_find_and_nothing_mandatory(box_of: BoxOf) -> None:
    expected = {
        (each.rule, each.resource, str(each.level))
        for each in policy.violations(
            [
                policy.Resource(
                    type=each.type, name=each.name, properties=each.inputs, protect=each.protect
                )
                for each in recorded("prod").resources
            ],
            "prod",
        )
        # The library knows one level for all that a policy finds: what is excepted is left out.
        if not each.exception
    }
    assert expected
    assert found(box_of("prod").preview(policies=PACK)) == expected


def test_the_pack_names_every_open_hop_with_the_reason_of_the_stack_file(box_of: BoxOf) -> None:
    events = box_of("prod").preview(policies=PACK).events
    told = [event["policyEvent"] for event in events if "policyEvent" in event]
    messages = [each["message"] for each in told if each["resourceUrn"].endswith("::open-hops")]
    reasons = settings("prod")["tracing:allowInsecure"]
    assert len(messages) == len(reasons)
    for hop, reason in reasons.items():
        assert any(f"{hop} is not encrypted: {reason}" in message for message in messages)


def test_a_mandatory_violation_keeps_the_resource_from_being_made(
    objects: Objects, kube: Kube
) -> None:
    objects.set_config("tracing:environment", "prod")
    objects.declare(
        kube("core/v1", "ConfigMap", "good", **NOTHING),
        kube("core/v1", "ConfigMap", "bad", **PLAIN),
    )
    with pytest.raises(SandboxError) as refusal:
        objects.up(policies=PACK)
    assert "data.password is a credential" in str(refusal.value)
    assert refusal.value.result is not None
    assert found(refusal.value.result) == {("no-plaintext-secret", "bad", "mandatory")}
    assert objects.cloud.get("kubernetes", "ConfigMap", "apps/bad") is None


def test_the_same_is_advice_or_nothing_in_another_environment(objects: Objects, kube: Kube) -> None:
    pod = {"containers": [{"name": "web", "image": "web:1"}]}
    spec = {"selector": {}, "template": {"spec": pod}}
    objects.declare(kube("apps/v1", "Deployment", "web", spec=spec))
    rules = {
        environment: {(rule, level) for rule, _, level in _told(objects, environment)}
        for environment in ("dev", "staging", "prod")
    }
    assert rules["dev"] == {("restricted-pods", "advisory")}
    assert rules["staging"] == {
        ("restricted-pods", "mandatory"),
        ("requests-and-limits", "advisory"),
    }
    assert rules["prod"] == {
        ("restricted-pods", "mandatory"),
        ("requests-and-limits", "mandatory"),
        ("images-by-digest", "advisory"),
    }


def test_a_secret_in_clear_is_told_from_an_encrypted_one(
    objects: Objects, entry: Callable[..., dict[str, Any]]
) -> None:
    # An input that the provider's schema does not mark by itself.
    kind, server = "pulumi:providers:minio", {"minioServer": "s3:9000", "minioUser": "a"}
    objects.declare(
        entry(kind, "encrypted", **server, minioPassword="secret: kept"),
        entry(kind, "clear", **server, minioPassword="kept, but by nobody"),
    )
    assert _told(objects, "dev") == {("no-plaintext-secret", "clear", "mandatory")}


def _told(box: Sandbox, environment: str) -> set[tuple[str, str, str]]:
    box.set_config("tracing:environment", environment)
    try:
        result = box.preview(policies=PACK)
    except SandboxError as error:
        if error.result is None:
            raise
        result = error.result
    return found(result)


def test_a_configured_exception_lets_one_resource_pass(
    objects: Objects, kube: Kube, tmp_path: Path
) -> None:
    exception = {"resource": "legacy", "reason": "goes away with the old login in March"}
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"no-plaintext-secret": {"exceptions": [exception]}}), "utf-8")
    excused = Policies(pack=PACK.pack, configuration=file)
    objects.set_config("tracing:environment", "prod")
    objects.declare(kube("core/v1", "ConfigMap", "legacy", **PLAIN))
    assert found(objects.preview(policies=excused)) == set()
    objects.declare(kube("core/v1", "ConfigMap", "another", **PLAIN))
    with pytest.raises(SandboxError, match=r"data\.password is a credential"):
        objects.preview(policies=excused)


def test_an_exception_without_a_reason_is_refused(
    objects: Objects, kube: Kube, tmp_path: Path
) -> None:
    file = tmp_path / "policies.json"
    text = {"no-plaintext-secret": {"exceptions": [{"resource": "legacy"}]}}
    file.write_text(json.dumps(text), "utf-8")
    objects.declare(kube("core/v1", "ConfigMap", "legacy", **NOTHING))
    with pytest.raises(SandboxError, match="reason"):
        objects.preview(policies=Policies(pack=PACK.pack, configuration=file))


def test_a_cli_with_a_language_host_starts_the_pack_by_that(objects: Objects, kube: Kube) -> None:
    if shutil.which(LANGUAGE_HOST) is None:
        pytest.skip(f"no {LANGUAGE_HOST} on PATH")
    # What the sandbox has for a CLI without one would hide that it is not used.
    os.unlink(objects.directory / "bin" / ANALYZER)
    objects.declare(kube("core/v1", "ConfigMap", "bad", **PLAIN))
    with pytest.raises(SandboxError, match=r"data\.password is a credential"):
        objects.preview(policies=PACK)
