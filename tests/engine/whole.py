"""Whether a stack is whole: what exists is in the state, once, and nothing is left to do."""

import base64
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ops.reliability import FULL
from sandbox import Sandbox

OPERATIONS = {"up": 31, "rotation": 10, "replacement": 15, "destroy": 26}
"""How many operations on resources each update of the dev stack has; `test_kills` counts them."""

_ONLY_IN_THE_STATE = ("random:", "pulumi:", "minio:index/iamUserPolicyAttachment:")
"""Types of which the cloud lists no object: generated values, providers, a line in a user."""


def full_run() -> bool:
    """Whether all cases are to run, as `python -m ops reliability --measure` wants it."""
    return os.environ.get(FULL) == "full"


def recorded(box: Sandbox) -> Counter[tuple[str, str]]:
    """What the state says there is, by kind and id."""
    return Counter(
        (resource["type"].rpartition(":")[2], resource["id"])
        for resource in box.resources()
        if resource["custom"] and not resource["type"].startswith(_ONLY_IN_THE_STATE)
    )


def existing(box: Sandbox) -> Counter[tuple[str, str]]:
    """What there is, but for what was there before the stack."""
    return Counter((found.kind, found.id) for found in box.cloud.objects() if not found.foreign)


def assert_valid(box: Sandbox) -> None:
    """The state is one that the engine takes: every URN once, and nothing without its parent."""
    live = [r["urn"] for r in box.resources() if not r.get("delete")]
    assert len(live) == len(set(live))
    known: set[str] = set()
    for resource in box.resources():
        needed: Iterable[Any] = [resource.get("parent"), *resource.get("dependencies", [])]
        assert not [urn for urn in needed if urn is not None and urn not in known]
        known.add(resource["urn"])


def assert_whole(box: Sandbox) -> None:
    """No orphan, no duplicate, nothing pending, valid keys, and the next preview is empty."""
    assert_valid(box)
    assert recorded(box) == existing(box)
    assert not [r["urn"] for r in box.resources() if r.get("delete")]
    assert box.state().get("pending_operations", []) == []
    for user in box.cloud.objects("minio", "IamUser"):
        secret = box.cloud.get("kubernetes", "Secret", "tempo/tempo-minio-secret")
        assert secret is not None
        keys = {key: base64.b64decode(text).decode() for key, text in secret["data"].items()}
        assert keys["MINIO_ACCESS_KEY_ID"] == user.id
        assert keys["MINIO_SECRET_ACCESS_KEY"] == user.properties["secret"]
        assert user.properties["policies"]
    assert box.preview().changes == {}
