"""A real API server, asked what it thinks of manifests: nothing is applied."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any


class Judge:
    """The API server of a context."""

    def __init__(self, context: str) -> None:
        self._kubectl = ["kubectl", f"--context={context}"]
        listed = self._run("get", "--raw=/apis")
        assert listed.returncode == 0, listed.stderr
        # What has no group was there before groups were.
        self._groups = {group["name"] for group in json.loads(listed.stdout)["groups"]} | {""}

    def knows(self, group: str) -> bool:
        """Whether the cluster has kinds of an API group, such as those of an operator."""
        return group in self._groups

    def known(self, manifests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The manifests that it can judge."""
        return [manifest for manifest in manifests if self.knows(group_of(manifest))]

    def complaints(self, manifests: Sequence[dict[str, Any]]) -> str:
        """What it has against them, fields that it does not know among it.

        Asked as if their namespace were one that is there.
        """
        placed = [_placed(manifest) for manifest in manifests]
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": placed})
        asked = self._run(
            *("apply", "--dry-run=server", "--validate=strict", "--filename=-"), given=given
        )
        return asked.stderr if asked.returncode else ""

    def _run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._kubectl, *arguments], input=given, capture_output=True, text=True, check=False
        )


def group_of(manifest: dict[str, Any]) -> str:
    """The API group of a manifest's kind; empty for the oldest."""
    return manifest["apiVersion"].rpartition("/")[0]


def _placed(manifest: dict[str, Any]) -> dict[str, Any]:
    if "namespace" not in manifest["metadata"]:
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": "default"}}
