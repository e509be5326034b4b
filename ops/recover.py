"""Puts a stack's state in order after an update that did not end: killed, or its machine lost.

Such an update leaves a lock, and in the state what was under way. The engine can only forget what
it was creating; if that exists nevertheless, the next update fails on it ("already exists"). Here
it is written down as created instead, and a refresh finds out whether it is.

With `--adopt` the same is done to everything that the program would create: for answers that were
lost, and for a state that is lost or old.

All questions are asked, and all servers reached, before anything is written.
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
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Final, TypeVar

from components.release import READY_TIMEOUT_SECONDS
from config.load import sections
from ops import UserError, stack_file
from ops.deployment import (
    FORMER,
    adopted,
    settled,
    unfinished_releases,
    with_former_users,
    without,
)
from ops.pulumi_stacks import errors_in
from ops.stack_files import ROOT
from ops.stack_lock import holders, is_alive, lock_directory
from ops.with_forwards import holds, open_forwards

NAME = "recover"
HELP = "after an update that was killed: lock, what was under way, refresh"

_LOCKED: Final = ("stack is currently locked", "Another update is currently in progress")
_HOLDER: Final = re.compile(
    r"created by \S+@(?P<host>\S+) \(pid (?P<pid>\d+)\)(?: at (?P<at>\S+))?"
)
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
        """Bring the state up to what exists."""
        self._unlocked(lambda: self._run("refresh", "--yes", "--skip-preview", shown=True))

    def wait_for_helm(self) -> None:
        """Refresh until Helm has done with every release.

        Killed is the engine alone: its provider, and so Helm, goes on with what it was at. Read
        meanwhile, a release would pass for one that has the new values, and nobody would look
        whether it ever got them. Raises UserError for one that stays as it is.
        """
        end = time.monotonic() + READY_TIMEOUT_SECONDS
        while unfinished := "; ".join(unfinished_releases(self.export().get("deployment") or {})):
            if time.monotonic() > end:
                raise UserError(
                    f"{unfinished}, and Helm is at it no more. What mends it: make doctor "
                    f"STACK={self._name}"
                )
            print(f"{unfinished}: waiting for Helm to end", flush=True)
            time.sleep(_HELM_SECONDS)
            self.refresh()

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
        stack.wait_for_helm()
    if looked_for != deployment:
        after = stack.export()["deployment"].get("resources") or []
        former = [resource["id"] for resource in after if FORMER in resource["urn"]]
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
