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
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Final, TypeVar

from components.release import READY_TIMEOUT_SECONDS
from config.load import sections
from config.object_store import MinioConfig, StoreConfig
from ops import UserError, stack_file
from ops.checks.releases import PENDING
from ops.pulumi_stacks import errors_in
from ops.stack_files import ROOT
from ops.stack_lock import holders, is_alive, lock_directory
from ops.with_forwards import holds, open_forwards

NAME = "recover"
HELP = "after an update that was killed: lock, what was under way, refresh"

Resource = Mapping[str, Any]

_LOCKED: Final = ("stack is currently locked", "Another update is currently in progress")
_HOLDER: Final = re.compile(
    r"created by \S+@(?P<host>\S+) \(pid (?P<pid>\d+)\)(?: at (?P<at>\S+))?"
)
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
    "an update of {0} is running on this machine (process {1}); wait until it has ended, or end it "
    "(kill {1}), and run this again"
)
FORGOTTEN: Final = {
    "minio": "Are bucket, user and policy of {} lost with their server, or left behind on another?",
    "grafana": "Are data sources and dashboards of {} lost, with their Grafana?",
}
"""What is asked before all of a package is forgotten."""
_ATTEMPTS: Final = 3
"""How often recovery begins anew because somebody else wrote the state."""
_HELM_SECONDS: Final = 5
"""How long Helm is given before it is looked at again."""

_T = TypeVar("_T")


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
        if id is not None and _list(resources, _made(resource, id)):
            kept.append(f"{resource['type'].rpartition(':')[2]} {id}")
    rest = {key: value for key, value in deployment.items() if key != "pending_operations"}
    return {**rest, "resources": _in_order(resources)}, kept


def adopted(
    deployment: Mapping[str, Any], plan: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    """The deployment with all that a plan would create, and what of it may exist.

    Left out is what can be made again without harm, and what belongs to a provider that can't be
    asked yet, because its password is not known to a plan.
    """
    resources = [dict(resource) for resource in deployment.get("resources") or []]
    listed = {resource["urn"] for resource in resources if _is_live(resource)}
    providers = {r["urn"]: r["id"] for r in resources if r["type"].startswith(_PROVIDER)}
    kept = []
    for step in plan:
        resource = {**step.get("newState", {})}
        creates = step["op"] == "create" and resource["urn"] not in listed
        if not creates and step["op"] != "replace":
            continue
        inputs = resource.get("inputs") or {}
        known = _known(inputs)
        if resource["type"].startswith(_PROVIDER):
            if known != inputs or not creates:
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
        resource = {**_referring_to(resource, listed), "inputs": known}
        made = resource if id is None else _made(resource, id)
        if not _list(resources, made):
            continue
        if id is not None and not resource["type"].startswith(_PROVIDER):
            kept.append(f"{resource['type'].rpartition(':')[2]} {id}")
        listed.add(resource["urn"])
    return {**deployment, "resources": _in_order(resources)}, kept


def _is_live(resource: Resource) -> bool:
    """Whether an entry is of what there is to be, not of what it replaced or is to replace."""
    return not resource.get("delete") and not resource.get("pendingReplacement")


def _list(resources: list[dict[str, Any]], made: dict[str, Any]) -> bool:
    """Put a resource in the place of the one that it replaces, which is left to be deleted, or is
    gone, as the engine does it; `False` if it is listed already.

    That is of an operation that a later update ended, and which the engine still has for one under
    way: listed twice, with the id of what is there, that would be deleted.
    """
    same = [other for other in resources if other["urn"] == made["urn"]]
    if any(_is_live(other) and other.get("id") == made.get("id") for other in same):
        return False
    place = resources.index(same[0]) if same else len(resources)
    replaced = [
        {**other, "delete": True}
        for other in same
        # Of the same id it is the same thing, whichever of them made it.
        if not other.get("pendingReplacement") and other.get("id") != made.get("id")
    ]
    rest = [other for other in resources[place:] if other["urn"] != made["urn"]]
    resources[place:] = [made, *replaced, *rest]
    return True


def _in_order(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources, each after all that it refers to: the engine refuses any other order."""
    by_urn: dict[str, dict[str, Any]] = {}
    for resource in sorted(resources, key=lambda entry: not _is_live(entry)):
        by_urn.setdefault(resource["urn"], resource)
    ordered: list[dict[str, Any]] = []
    met: set[int] = set()

    def put(resource: dict[str, Any]) -> None:
        if id(resource) in met:
            return
        met.add(id(resource))
        for urn in _references(resource):
            if urn in by_urn:
                put(by_urn[urn])
        ordered.append(resource)

    for resource in resources:
        put(resource)
    return ordered


def _references(resource: Resource) -> Iterator[str]:
    provider = resource.get("provider") or ""
    yield from filter(None, [resource.get("parent"), provider.rpartition("::")[0]])
    yield from resource.get("dependencies") or []
    for of in (resource.get("propertyDependencies") or {}).values():
        yield from of or []
    yield from filter(None, (resource.get(name) for name in _REFERS))


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

        `False`, and nothing is written, if the state is another one meanwhile: an export takes no
        lock, and who held it may have ended while somebody was asked.
        """

        def write() -> bool:
            if self.export() != exported:
                return False
            text = json.dumps({**exported, "deployment": deployment})
            self._run("stack", "import", text=text)
            return True

        return self._unlocked(write)

    def plan(self) -> list[Mapping[str, Any]]:
        """The steps of the next update."""
        # With this the provider takes an object that is there for no error.
        upsert = {"PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true"}
        return json.loads(self._run("preview", "--json", environment=upsert)).get("steps") or []

    def refresh(self) -> None:
        """Bring the state up to what exists, and to what Helm is still at.

        Killed is the engine alone: its provider, and so Helm, goes on with what it was at. Read
        meanwhile, a release would pass for one that has the new values, and nobody would look
        whether it ever got them. Raises UserError for one that stays as it is.
        """
        end = time.monotonic() + READY_TIMEOUT_SECONDS
        while True:
            self._unlocked(lambda: self._run("refresh", "--yes", "--skip-preview", shown=True))
            unfinished = list(_unfinished(self.export().get("deployment") or {}))
            if not unfinished:
                return
            if time.monotonic() > end:
                raise UserError(
                    f"{'; '.join(unfinished)}, and Helm is at it no more. What mends it: make "
                    f"doctor STACK={self._name}"
                )
            print(f"{'; '.join(unfinished)}: waiting for Helm to end", flush=True)
            time.sleep(_HELM_SECONDS)

    def _unlocked(self, command: Callable[[], _T]) -> _T:
        """What a command gives, once the lock that it fails on is removed.

        A lock is asked about, and then only that one is removed: who held it may have ended while
        somebody thought about the answer, and another update begun.
        """
        asked_about = ""
        for _ in range(2 * _ATTEMPTS):
            try:
                return command()
            except UserError as error:
                complaint = str(error)
                if not any(said in complaint for said in _LOCKED):
                    raise
            for holder in _HOLDER.finditer(complaint):
                pid = int(holder["pid"])
                lock = {"hostname": holder["host"], "pid": pid, "timestamp": holder["at"]}
                if is_alive(lock):
                    raise UserError(_RUNNING.format(self._name, pid))
            if complaint == asked_about:
                self._run("cancel", "--yes")
                print("lock removed", flush=True)
                asked_about = ""
            else:
                self._confirm(f"{complaint}\nIs it certain that this update does not run any more?")
                asked_about = complaint
        raise UserError(f"{self._name} is locked again and again; wait until nobody updates it")

    def _run(
        self,
        *arguments: str,
        text: str | None = None,
        shown: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        stack = [self._name] if arguments[0] == "cancel" else ["--stack", self._name]
        command = ["pulumi", *arguments, *stack, "--non-interactive"]
        # What it is given goes through a pipe: there are secrets in it.
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
            ) as process,
        ):
            output = _read(process, text, shown=shown)
            errors.seek(0)
            complaint = errors.read().strip()
        if process.returncode:
            # What it was given and what it gave stay out of the message: there are secrets in them.
            # A preview in JSON says there what went wrong.
            said = complaint or (output.strip() if shown else "\n".join(errors_in(output)))
            raise UserError(f"pulumi {' '.join(arguments[:2])} failed: {said}")
        return output


def _read(process: subprocess.Popen[str], text: str | None, *, shown: bool) -> str:
    """What a command says, which is given a text; shown while it comes, if that is wanted.

    Ctrl-C reaches the command as well, and Pulumi takes its time to stop in good order: killed
    meanwhile, it leaves its lock behind. Raises KeyboardInterrupt once it has ended.
    """
    said: list[str] = []
    # Not here: a line that comes with the signal would be lost.
    reader = threading.Thread(target=_copy, args=(process.stdout, said), daemon=True)
    if shown:
        reader.start()
    interrupted = False
    while True:
        try:
            if not shown:
                said = [process.communicate(None if interrupted else text)[0]]
            process.wait()
            break
        except KeyboardInterrupt:
            interrupted = True
    if shown:
        reader.join()
    if interrupted:
        raise KeyboardInterrupt
    return "".join(said)


def _copy(output: Iterable[str] | None, said: list[str]) -> None:
    for line in output or ():
        print(line, end="", flush=True)
        said.append(line)


def _unfinished(deployment: Mapping[str, Any]) -> Iterator[str]:
    """The releases that Helm had not done with when they were looked at."""
    for resource in deployment.get("resources") or []:
        status = ((resource.get("outputs") or {}).get("status") or {}) if _is_live(resource) else {}
        if resource["type"] == _RELEASE and status.get("status") in PENDING:
            yield f"release {resource['id']} is {status['status']}"


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
        except (UserError, KeyboardInterrupt) as error:
            if not writes:
                raise
            raise UserError(
                f"{error or 'interrupted'}\nThe state now lists what may not exist: make recover "
                f"STACK={name} once more, before anything else"
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


def _confirmed(again: str, question: str) -> None:
    if not sys.stdin.isatty():
        raise UserError(f"{question} Say so with --yes: {again}")
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
    options = ["--adopt"] if arguments.adopt else []
    options += [f"--forget-{'store' if each == 'minio' else each}" for each in arguments.forget]
    again = f'make recover STACK={arguments.stack} ARGS="{" ".join([*options, "--yes"])}"'
    said_yes = arguments.yes or os.environ.get("PULUMI_SKIP_CONFIRMATIONS") == "true"
    recover(
        arguments.stack,
        (lambda _: None) if said_yes else partial(_confirmed, again),
        adopt=arguments.adopt,
        forget=arguments.forget,
    )
