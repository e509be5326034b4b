"""Canaries through every secret of a stack: they arrive as they are, and are found nowhere else."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from ops.stack_files import ROOT
from sandbox import Sandbox, SandboxError, StoreRules
from sandbox.cloud import Operation
from tests import reliability
from tests.unit.canaries import ANY, ASCII, Canary, Nest

ROUNDS = 4
"""How often each secret is changed for another one."""

ENDPOINT = "store.example.com:9000"
ROOT_PASSWORD = "tracing:objectStoreRootPassword"
ACCESS_KEY = "tracing:objectStoreAccessKey"
SECRET_KEY = "tracing:objectStoreSecretKey"
GRAFANA_AUTH = "tracing:grafanaAuth"

STORES: dict[str, tuple[dict[str, Any], dict[str, tuple[str, ...]]]] = {
    "a MinIO in the cluster": ({}, {ROOT_PASSWORD: ANY}),
    "a MinIO outside": (
        {"type": "external-minio", "endpoint": ENDPOINT},
        {ROOT_PASSWORD: ANY},
    ),
    "a plain S3": (
        {"type": "s3", "endpoint": ENDPOINT},
        {ACCESS_KEY: ASCII, SECRET_KEY: ANY},
    ),
}
"""Each kind of store, with its secrets and the characters that they may have."""


@dataclass
class Search:
    """A stack with canaries, and every text that it has given so far, by its place."""

    box: Sandbox
    secrets: dict[str, tuple[str, ...]]
    nest: Nest
    given: dict[str, Canary] = field(default_factory=dict)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def rotate(self) -> None:
        """Give every secret a new value."""
        for key, characters in self.secrets.items():
            self.given[key] = self.nest.lay(characters)
            self.box.set_config(key, self.given[key].value, secret=True)

    def look(self, place: str, text: str) -> None:
        """Keep a text to be searched."""
        self.texts.append((place, text))

    def run(self, place: str, *arguments: str) -> str:
        """Run an operation; keep what is shown and the engine's events, also of a failure."""
        try:
            result, said = self.box._operate([*arguments], None), ""
        except SandboxError as error:
            result, said = error.result, str(error)
        self.look(f"error messages of {place}", said)
        if result is not None:
            self.look(place, result.text)
            self.look(f"events of {place}", json.dumps(result.events))
            self.look(f"events of {place}", json.dumps(result.events, ensure_ascii=False))
        return said

    def hits(self) -> set[tuple[str, str]]:
        """Where a canary is found, and in which disguise."""
        files = [(path.name, path.read_text("utf-8", "replace")) for path in self.box.state_files]
        found = set()
        for canary in self.nest.laid:
            for place, text in self.texts + files:
                if disguise := canary.found_in(text):
                    found.add((place, disguise))
        return found


@pytest.fixture(scope="module")
def tally() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()
    yield counted
    reliability.note(counted)


@pytest.fixture(scope="module")
def nest() -> Nest:
    return Nest()


@pytest.fixture(params=STORES)
def search(request: pytest.FixtureRequest, nest: Nest) -> Iterator[Search]:
    settings, secrets = STORES[request.param]
    with Sandbox(ROOT, "dev") as box:
        box.set_config("tracing:objectStore", settings)
        box.set_config("tracing:grafana", {"url": "https://grafana.example.com"})
        box.set_config("tracing:loki", {"url": "http://loki.logging"})
        yield Search(box, secrets | {GRAFANA_AUTH: ASCII}, nest)


def arrived(box: Sandbox) -> set[str]:
    """The secrets as they got to the cluster and to the providers."""
    in_cluster = {
        base64.b64decode(value).decode()
        for secret in box.cloud.objects("kubernetes", "Secret")
        for value in secret.properties["data"].values()
    }
    exported = json.loads(box.command("stack", "export", "--show-secrets"))
    return in_cluster | {
        json.loads(value["plaintext"])
        for resource in exported["deployment"]["resources"]
        if resource["type"].startswith("pulumi:providers:")
        for value in resource.get("inputs", {}).values()
        if isinstance(value, dict) and "plaintext" in value
    }


def test_secrets_arrive_as_they_are_and_stand_nowhere_in_clear(
    search: Search, tmp_path: Path, tally: Counter[str]
) -> None:
    box = search.box
    laid = len(search.nest.laid)
    for round in range(ROUNDS):
        search.rotate()
        if round == 1:
            search.run("preview", "preview", "--diff", "--stack", "dev")
            search.run("preview --json", "preview", "--json", "--stack", "dev")
            plan = tmp_path / "plan.json"
            search.run("preview --save-plan", "preview", "--save-plan", str(plan))
            search.look("plan file", plan.read_text("utf-8"))
        said = search.run("up", "up", "--yes", *(["--debug"] if round == 1 else ["--skip-preview"]))
        assert said == ""
        # Some go to the cluster, some to a provider, some to both.
        assert {canary.value for canary in search.given.values()} <= arrived(box)
        tally["secrets with special characters that arrived as they are"] += len(search.given)
    search.run("refresh", "refresh", "--yes", "--run-program")
    for arguments in (
        ("config", "--json"),
        ("stack", "--show-urns"),
        ("stack", "output", "--json"),
        ("stack", "export"),
        ("stack", "history"),
    ):
        search.look(" ".join(arguments), box.command(*arguments))
    box.set_config("tracing:deleteData", True)
    search.run("up", "up", "--yes", "--skip-preview")
    search.run("destroy", "destroy", "--yes", "--skip-preview")
    assert search.hits() == set()
    tally["canaries"] += len(search.nest.laid) - laid
    tally["places searched"] = max(tally["places searched"], len({p for p, _ in search.texts}))
    tally["texts and files searched"] += len(search.texts) + len(box.state_files)


FAULTS: tuple[tuple[Operation, str], ...] = (
    ("create", "Secret"),
    ("create", "IamUser"),
    ("create", "DataSource"),
    ("update", "Secret"),
)
"""Operations whose provider answers with all that it was sent."""


def test_an_error_that_repeats_what_a_provider_was_sent_shows_no_secret_that_was_given(
    search: Search, tally: Counter[str]
) -> None:
    laid = len(search.nest.laid)
    for operation, kind in FAULTS:
        if operation == "update" or not search.given:
            search.rotate()
        fault = search.box.cloud.fail(
            operation, kind, echo=True, code=grpc.StatusCode.INVALID_ARGUMENT
        )
        search.run(f"up with a failed {operation} of a {kind}", "up", "--yes", "--skip-preview")
        tally["errors that repeat what a provider was sent"] += fault.seen
    # Raw: it is the engine that masks them, in no other form.
    raw = {canary.value for canary in search.nest.laid}
    shown = [text for _, text in search.texts]
    assert not [value for value in raw for text in shown if value in text]
    tally["canaries"] += len(search.nest.laid) - laid


REFUSALS = (
    StoreRules(down=True),
    StoreRules(untrusted=True),
    StoreRules(access_key="another"),
    StoreRules(secret_key="another"),
    StoreRules(denied=("tempo",)),
)


@pytest.mark.parametrize("store", [name for name in STORES if name != "a MinIO in the cluster"])
def test_a_store_that_refuses_its_keys_is_reported_without_them(
    store: str, nest: Nest, tally: Counter[str]
) -> None:
    settings, secrets = STORES[store]
    laid = len(nest.laid)
    with Sandbox(ROOT, "dev") as box:
        box.set_config("tracing:objectStore", settings)
        search = Search(box, secrets, nest)
        for rules in REFUSALS:
            search.rotate()
            box.cloud.set_store(ENDPOINT, rules)
            assert "nothing was changed" in search.run("up", "up", "--yes", "--skip-preview")
        assert search.hits() == set()
    tally["canaries"] += len(nest.laid) - laid
