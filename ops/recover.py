"""Puts a stack's state in order after an update that did not end: killed, or its machine lost.

Such an update leaves a lock, and in the state what was under way. The engine can only forget what
it was creating; if that exists nevertheless, the next update fails on it ("already exists"). Here
it is written down as created instead, and a refresh finds out whether it is.

With `--adopt` the same is done to everything that the program would create: for answers that were
lost, and for a state that is lost or old.

All questions are asked, and all servers reached, before anything is written. What is written down
without being certain is marked until the refresh has looked: an update in between would try to
mend it, where it would otherwise take it for there and leave it out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from config.load import sections
from config.object_store import MinioConfig, StoreConfig
from ops import UserError, stack_file
from ops.processes import runs
from ops.pulumi_stacks import errors_in
from ops.stack_files import ROOT
from ops.stack_lock import holders, is_alive, lock_directory
from ops.with_forwards import holds, open_forwards

NAME = "recover"
HELP = "after an update that was killed: lock, what was under way, refresh"

Resource = Mapping[str, Any]

_LOCKED: Final = ("stack is currently locked", "Another update is currently in progress")
_HOLDER: Final = re.compile(r"created by \S+@(?P<host>\S+) \(pid (?P<pid>\d+)\)")
_SECRET: Final = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
"""How a deployment marks a secret; with `plaintext`, JSON as text, until it is imported."""
_RELEASE: Final = "kubernetes:helm.sh/v3:Release"


_HIDDEN: Final = ("[secret]", "04da6b54-80e4-46f7-96ec-b56ff0331ba9")
"""What stands in a plan for a secret, and for a value that is known only when it is applied."""
_PROVIDER: Final = "pulumi:providers:"
_BUCKET: Final = "minio:index/s3Bucket:S3Bucket"
_USER: Final = "minio:index/iamUser:IamUser"
_FORMER: Final = "-former-user-"
_OF_STORE: Final = ("parent", "provider", "deletedWith")
"""What everything in an object store has in common."""
_REFERS: Final = ("deletedWith", "viewOf")
_UNCERTAIN: Final = "it is not known yet whether this exists; run make recover"
"""Stands where the engine keeps what went wrong with a resource, which its next update mends."""
_RUNNING: Final = (
    "an update of {} is running on this machine (process {}); wait until it has ended. Nothing was "
    "changed"
)
FORGOTTEN: Final = {
    "minio": "Are bucket, user and policy of {} lost with their server, or left behind on another?",
    "grafana": "Are data sources and dashboards of {} lost, with their Grafana?",
}
"""What is asked before all of a package is forgotten."""
_ATTEMPTS: Final = 3
"""How often recovery begins anew because somebody else wrote the state."""


def physical_id(resource: Resource) -> str | None:
    """The id that a resource has once it exists, from its inputs.

    `None` for what can be made again without harm: values that live in the state alone, and what
    the provider overwrites (users, policies and lifecycles of a MinIO).
    """
    type, inputs = resource["type"], _plain(resource.get("inputs") or {})
    if type == _RELEASE:
        return f"{inputs['namespace']}/{inputs['name']}"
    if type.startswith("kubernetes:"):
        metadata = inputs["metadata"]
        namespace = metadata.get("namespace")
        return f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
    if type == _BUCKET:
        return inputs["bucket"]
    if type.startswith("grafana:"):
        uid = inputs.get("uid") or json.loads(inputs.get("configJson", "{}")).get("uid")
        return f"{inputs.get('orgId', 1)}:{uid}"
    return None


def settled(deployment: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The deployment with nothing under way, and what of it may exist, by type and name.

    A resource that was being created is listed as if it had been: a refresh removes it again if it
    is not there. Whatever was being changed or deleted is listed already.
    """
    resources = [dict(resource) for resource in deployment.get("resources") or []]
    kept = []
    for operation in deployment.get("pending_operations") or []:
        resource = operation["resource"]
        if operation["type"] != "creating" or not resource.get("custom"):
            continue
        id = physical_id(resource)
        if id is None:
            continue
        # Its replacement was under way: the old one goes, or is gone, as the engine does it.
        resources = [
            {**other, "delete": True} if other["urn"] == resource["urn"] else other
            for other in resources
            if not (other["urn"] == resource["urn"] and other.get("pendingReplacement"))
        ]
        resources.append(_made(resource, id))
        kept.append(f"{resource['type'].rpartition(':')[2]} {id}")
    rest = {key: value for key, value in deployment.items() if key != "pending_operations"}
    return {**rest, "resources": resources}, kept


def adopted(
    deployment: Mapping[str, Any], plan: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    """The deployment with all that a plan would create, and what of it may exist.

    Left out is what can be made again without harm, and what belongs to a provider that can't be
    asked yet, because its password is not known to a plan.
    """
    resources = [dict(resource) for resource in deployment.get("resources") or []]
    listed = {resource["urn"] for resource in resources}
    providers = {r["urn"]: r["id"] for r in resources if r["type"].startswith(_PROVIDER)}
    kept = []
    for step in plan:
        resource = {**step.get("newState", {})}
        if step["op"] != "create" or resource["urn"] in listed:
            continue
        inputs = resource.get("inputs") or {}
        known = _known(inputs)
        if resource["type"].startswith(_PROVIDER):
            if known != inputs:
                continue
            id = providers[resource["urn"]] = str(uuid.uuid4())
        elif not resource.get("custom"):
            id = None
        else:
            provider = resource["provider"].rpartition("::")[0]
            id = physical_id({**resource, "inputs": known})
            if id is None or provider not in providers:
                continue
            resource["provider"] = f"{provider}::{providers[provider]}"
            kept.append(f"{resource['type'].rpartition(':')[2]} {id}")
        resource = {**_referring_to(resource, listed), "inputs": known}
        resources.append(_made(resource, id) if id is not None else resource)
        listed.add(resource["urn"])
    return {**deployment, "resources": resources}, kept


def without(deployment: Mapping[str, Any], package: str) -> dict[str, Any]:
    """The deployment without all that is in a server that is lost (`minio`, `grafana`).

    A refresh can't find that out: the provider fails on a policy that is gone, and has no server
    to ask before the next update has made it.
    """
    every = deployment.get("resources") or []
    kept = [resource for resource in every if not resource["type"].startswith(f"{package}:")]
    urns = {resource["urn"] for resource in kept}
    return {**deployment, "resources": [_referring_to(resource, urns) for resource in kept]}


def with_former_users(deployment: Mapping[str, Any], store: StoreConfig) -> dict[str, Any]:
    """The deployment with the users that Tempo has, or had, under other versions of its key.

    A refresh takes out those that do not exist, and the next update deletes the others. Of a
    destroy that ended halfway: the engine drops what is in the store with its server, and where
    the key is replaced then, the volume would keep the former user, whose key stays valid.
    """
    resources = [dict(resource) for resource in deployment.get("resources") or []]
    buckets = [resource for resource in resources if resource["type"] == _BUCKET]
    if not isinstance(store, MinioConfig) or not buckets:
        return {**deployment, "resources": resources}
    listed = {resource.get("id") for resource in resources if resource["type"] == _USER}
    scope, _, bucket = buckets[0]["urn"].rpartition("::")
    for version in store.other_key_versions:
        user = store.access_key_of(version)
        if user in listed:
            continue
        resources.append(
            {
                "urn": f"{scope.removesuffix(_BUCKET)}{_USER}::{bucket}{_FORMER}{version}",
                "type": _USER,
                "custom": True,
                "id": user,
                "inputs": {"name": user},
                "outputs": {"name": user},
                **{key: buckets[0][key] for key in _OF_STORE if key in buckets[0]},
            }
        )
    return {**deployment, "resources": resources}


def _referring_to(resource: Resource, urns: Collection[str]) -> dict[str, Any]:
    """A resource without references to what is not listed."""
    result = {**resource}
    result["dependencies"] = [urn for urn in result.get("dependencies") or [] if urn in urns]
    result["propertyDependencies"] = {
        name: [urn for urn in of or [] if urn in urns]
        for name, of in (result.get("propertyDependencies") or {}).items()
    }
    for name in _REFERS:
        if result.get(name) not in urns:
            result.pop(name, None)
    return result


def _made(resource: Resource, id: str) -> dict[str, Any]:
    """A resource as it is listed once it has been created, as far as its inputs tell."""
    inputs = resource.get("inputs") or {}
    outputs = {**inputs}
    if resource["type"] == _RELEASE:
        # Otherwise the provider takes the release for one to import, and keeps the chart's own
        # name where the program says a path.
        outputs["__inputs"] = {**_SECRET, "plaintext": json.dumps(_plain(inputs))}
    # A provider is nothing that a refresh would look for.
    doubt = {} if resource["type"].startswith(_PROVIDER) else {"initErrors": [_UNCERTAIN]}
    return {**resource, "id": id, "outputs": outputs, **doubt}


def _known(value: Any) -> Any:
    """A value without what a plan hides."""
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items() if item not in _HIDDEN}
    if isinstance(value, list):
        return [_known(item) for item in value if item not in _HIDDEN]
    return value


def _plain(value: Any) -> Any:
    """A value without the marks of secrets."""
    if isinstance(value, Mapping):
        if _SECRET.items() <= value.items():
            return _plain(json.loads(value["plaintext"]))
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


class Stack:
    """The engine's commands on one stack."""

    def __init__(self, name: str, confirm: Callable[[str], None]) -> None:
        """`confirm` asks, and raises UserError where the answer is no."""
        self._name = name
        self._confirm = confirm

    def export(self) -> dict[str, Any]:
        """The state, with its secrets in clear: not to be written anywhere."""
        return json.loads(self._run("stack", "export", "--show-secrets"))

    def replace_state(self, exported: Mapping[str, Any], deployment: Mapping[str, Any]) -> bool:
        """Write another deployment in place of the one that was exported, its secrets encrypted.

        `False`, and nothing is written, if the state is another one meanwhile, or may be: an
        export takes no lock, and who held it may have ended while somebody was asked.
        """
        if self.export() != exported:
            return False
        text = json.dumps({**exported, "deployment": deployment})
        try:
            self._run("stack", "import", text=text)
        except UserError as error:
            self._unlock(error)
            return False
        return True

    def plan(self) -> list[Mapping[str, Any]]:
        """The steps of the next update."""
        # With this the provider takes an object that is there for no error.
        upsert = {"PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true"}
        return json.loads(self._run("preview", "--json", environment=upsert)).get("steps") or []

    def refresh(self) -> None:
        """Bring the state up to what exists."""
        command = ("refresh", "--yes", "--skip-preview")
        try:
            self._run(*command, shown=True)
        except UserError as error:
            self._unlock(error)
            self._run(*command, shown=True)

    def _unlock(self, error: UserError) -> None:
        """Remove the lock that a command failed on; raises what it failed on if that is no lock."""
        complaint = str(error)
        if not any(said in complaint for said in _LOCKED):
            raise error
        for holder in _HOLDER.finditer(complaint):
            if holder["host"] == socket.gethostname() and runs(int(holder["pid"])):
                raise UserError(_RUNNING.format(self._name, holder["pid"]))
        self._confirm(f"{complaint}\nIs it certain that this update does not run any more?")
        self._run("cancel", "--yes")
        print("lock removed", flush=True)

    def _run(
        self,
        *arguments: str,
        text: str | None = None,
        shown: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        stack = [self._name] if arguments[0] == "cancel" else ["--stack", self._name]
        command = ["pulumi", *arguments, *stack, "--non-interactive"]
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            check=False,
        )
        if shown:
            print(done.stdout, end="", flush=True)
        if done.returncode:
            # What it was given and what it gave stay out of the message: there are secrets in them.
            # A preview in JSON says there what went wrong.
            said = done.stderr.strip() or (
                done.stdout.strip() if shown else "\n".join(errors_in(done.stdout))
            )
            raise UserError(f"pulumi {' '.join(arguments[:2])} failed: {said}")
        return done.stdout


def _refuse_if_running(name: str) -> None:
    """Before anything is reached: who runs has the forwards, too. What can't be told from here is
    told by the engine, when the state is to be written."""
    directory = lock_directory(name)
    for holder in holders(directory) if directory is not None else ():
        if is_alive(holder):
            raise UserError(_RUNNING.format(name, holder["pid"]))


def _asked_once(confirm: Callable[[str], None]) -> Callable[[str], None]:
    """The same, but for questions that were answered before."""
    answered: set[str] = set()

    def ask(question: str) -> None:
        if question not in answered:
            confirm(question)
            answered.add(question)

    return ask


def recover(
    name: str, confirm: Callable[[str], None], *, adopt: bool = False, forget: Collection[str] = ()
) -> None:
    """Put the state in order; raises UserError where that can't be done.

    `confirm` asks, and raises UserError where the answer is no; `forget` is of `FORGOTTEN`.
    """
    file = ROOT / f"Pulumi.{name}.yaml"
    store = sections(stack_file.read(file), set())[0].object_store
    _refuse_if_running(name)
    ask = _asked_once(confirm)
    stack = Stack(name, ask)
    with ExitStack() as held:
        for _ in range(_ATTEMPTS):
            # Of the attempt before.
            held.close()
            exported = stack.export()
            found = exported.get("deployment") or {}
            deployment, kept = settled(found)
            for package in forget:
                ask(FORGOTTEN[package].format(name))
                deployment = without(deployment, package)
            if adopt:
                deployment, more = adopted(deployment, stack.plan())
                if more:
                    listed = "\n  ".join(more)
                    ask(f"If these exist, they are from now on {name}'s:\n  {listed}\nAre they?")
                    kept += more
            # A server that is not there (any more) has nothing in it to ask for either.
            open_forwards(name, held, partial(holds, deployment))
            looked_for = with_former_users(deployment, store)
            pending = len(found.get("pending_operations") or [])
            writes = bool(pending) or looked_for["resources"] != (found.get("resources") or [])
            if not writes or stack.replace_state(exported, looked_for):
                break
        else:
            raise UserError(f"the state of {name} is being written; wait until that has ended")
        if pending:
            print(f"{pending} under way", flush=True)
        if kept:
            print("\n  ".join(["may exist:", *kept]), flush=True)
        try:
            stack.refresh()
        except UserError as error:
            if not writes:
                raise
            raise UserError(
                f"{error}\nThe state now lists what may not exist: make recover STACK={name} once "
                "more, before anything else"
            ) from None
    if looked_for != deployment:
        after = stack.export()["deployment"].get("resources") or []
        former = [resource["id"] for resource in after if _FORMER in resource["urn"]]
        if former:
            print(
                f"the store has users of Tempo under other versions of its key, which the next "
                f"update deletes: {', '.join(former)}"
            )
    print(f"the state of {name} is in order; next: make up STACK={name}")


def _confirmed(question: str) -> None:
    if not sys.stdin.isatty():
        raise UserError(f"{question} Say so with --yes (make recover ARGS=--yes)")
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        raise UserError("not confirmed; the state was not changed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack, and whether to ask."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    parser.add_argument(
        "--adopt",
        action="store_true",
        help="also take over what exists under the names of what the program would create",
    )
    parser.add_argument(
        "--forget-store",
        dest="forget",
        action="append_const",
        const="minio",
        default=[],
        help="what is in the object store is lost with its volume: the next update makes it anew",
    )
    parser.add_argument(
        "--forget-grafana",
        dest="forget",
        action="append_const",
        const="grafana",
        help="data sources and dashboards are lost with their Grafana",
    )
    parser.add_argument(
        "--yes", action="store_true", help="no update of the stack runs any more; don't ask"
    )


def run(arguments: argparse.Namespace) -> None:
    """Put the state in order."""
    if not (ROOT / f"Pulumi.{arguments.stack}.yaml").is_file():
        raise UserError(f"there is no Pulumi.{arguments.stack}.yaml; name one of the stacks here")
    if shutil.which("pulumi") is None:
        raise UserError("pulumi is not on PATH; `make recover STACK=...` finds it")
    said_yes = arguments.yes or os.environ.get("PULUMI_SKIP_CONFIRMATIONS") == "true"
    recover(
        arguments.stack,
        (lambda _: None) if said_yes else _confirmed,
        adopt=arguments.adopt,
        forget=arguments.forget,
    )
