"""What exists in the simulated clouds: the truth behind Read, duplicates, orphans and drift.

Everything the simulated providers make lives here, and nowhere else; the engine's state is only
what the engine believes. With a path, the cloud outlives the process, as a real one does.
"""

import copy
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import grpc

from .differences import changed_at

Operation = Literal["create", "read", "update", "delete"]
_FOREIGN = "sandbox/foreign"
# before: refused, nothing happened. after: done, but the answer was lost. partial: done, and
# reported as created without becoming ready.
When = Literal["before", "after", "partial"]


@dataclass(frozen=True, slots=True)
class CloudObject:
    """One thing that exists: `kubernetes` `Service` `tempo/tempo-gateway`."""

    provider: str
    kind: str
    id: str
    properties: dict[str, Any]

    @property
    def foreign(self) -> bool:
        """Whether it was there before the stack, as `Cloud.add_namespace` makes it."""
        return self.properties.get(_FOREIGN, False)


@dataclass(slots=True)
class Fault:
    """An operation that is to go wrong, once."""

    operation: Operation | None
    """Any if `None`; so for kind and id."""
    kind: str | None
    id: str | None
    nth: int
    message: str
    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    when: When = "before"
    echo: bool = False
    """The message repeats what the provider was sent: inputs, and its own configuration."""
    act: Callable[[str], object] | None = None
    """Called at its moment, with the provider's name: what goes wrong besides the answer."""
    seen: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class StoreRules:
    """How a store outside the cluster, which the sandbox does not make, answers."""

    down: bool = False
    untrusted: bool = False
    """Its certificate is signed by none of the authorities that are asked for."""
    access_key: str | None = None
    secret_key: str | None = None
    """The keys that it takes; any if `None`."""
    denied: tuple[str, ...] = ()
    """Buckets of somebody else."""
    missing: tuple[str, ...] = ()


class Cloud:
    """The objects of all simulated providers."""

    def __init__(self, path: Path | None = None) -> None:
        """Start empty, or with what an earlier run left at the path."""
        self.log: list[tuple[str, str, str]] = []
        self._path = path
        self._lock = threading.RLock()
        self._changed = threading.Condition()
        self._under_way = 0
        self._faults: list[Fault] = []
        self._stores: dict[str, StoreRules] = {}
        self._objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        if path is not None and path.exists():
            for entry in json.loads(path.read_text("utf-8")):
                known = CloudObject(**entry)
                self._objects[known.provider, known.kind, known.id] = known.properties

    @contextmanager
    def operation(self, name: str, kind: str, label: str) -> Iterator[Fault | None]:
        """Run one operation at a time, noted in the log, with the fault that waits for it."""
        with self._changed:
            self._under_way += 1
        try:
            with self._lock:
                self.log.append((name, kind, label))
                yield self._next_fault(name, kind, label)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def settle(self) -> None:
        """Wait until nothing is under way: what was asked for is done, though the asker be gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way == 0)

    def objects(self, provider: str | None = None, kind: str | None = None) -> list[CloudObject]:
        """List what exists, sorted, copied."""
        with self._lock:
            return [
                CloudObject(*key, copy.deepcopy(properties))
                for key, properties in sorted(self._objects.items())
                if provider in (None, key[0]) and kind in (None, key[1])
            ]

    def get(self, provider: str, kind: str, id: str) -> dict[str, Any] | None:
        """Return a copy of one object's properties, or None when there is no such object."""
        with self._lock:
            return copy.deepcopy(self._objects.get((provider, kind, id)))

    def put(self, provider: str, kind: str, id: str, properties: dict[str, Any]) -> None:
        """Create or overwrite an object, as a provider does or as someone else would."""
        with self._lock:
            self._objects[provider, kind, id] = copy.deepcopy(properties)
            self._save()

    def remove(self, provider: str, kind: str, id: str) -> None:
        """Remove an object; one that is not there is an error of the caller."""
        with self._lock:
            if (provider, kind, id) not in self._objects:
                raise KeyError(f"no {provider} {kind} {id!r} exists in the sandbox's cloud")
            del self._objects[provider, kind, id]
            self._save()

    def drift(self, provider: str, kind: str, id: str, path: str, value: Any) -> None:
        """Change one property behind the engine's back, at a dotted path."""
        with self._lock:
            properties = self.get(provider, kind, id)
            if properties is None:
                raise KeyError(f"no {provider} {kind} {id!r} exists in the sandbox's cloud")
            self.put(provider, kind, id, changed_at(properties, path, lambda _: value))

    def add_namespace(self, name: str) -> None:
        """Let a Kubernetes namespace exist that no stack owns."""
        properties = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.put("kubernetes", "Namespace", name, {**properties, _FOREIGN: True})

    def set_store(self, endpoint: str, rules: StoreRules) -> None:
        """Let the store at `host:port` answer so from now on."""
        self._stores[endpoint] = rules

    def store(self, endpoint: str) -> StoreRules:
        """How the store at `host:port` answers; well, unless something else was said."""
        return self._stores.get(endpoint, StoreRules())

    def fail(
        self,
        operation: Operation | None = None,
        kind: str | None = None,
        id: str | None = None,
        *,
        nth: int = 1,
        message: str = "the server is currently unable to handle the request",
        code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
        when: When = "before",
        echo: bool = False,
        act: Callable[[str], object] | None = None,
    ) -> Fault:
        """Let the nth matching operation from now on go wrong, once.

        A kind is `Service`, `S3Bucket`; an id is the object's, or at creation the resource's name.
        `act` is what goes wrong besides: `Sandbox.kill`, `crash` or `hang`.
        """
        fault = Fault(operation, kind, id, nth, message, code, when, echo, act)
        with self._lock:
            self._faults.append(fault)
        return fault

    def forget_faults(self) -> None:
        """Let nothing go wrong any more that has not yet."""
        with self._lock:
            self._faults.clear()

    def _next_fault(self, name: str, kind: str, label: str) -> Fault | None:
        for fault in list(self._faults):
            if fault.operation not in (None, name) or fault.kind not in (None, kind):
                continue
            if fault.id not in (None, label):
                continue
            fault.seen += 1
            if fault.seen == fault.nth:
                self._faults.remove(fault)
                return fault
        return None

    def _save(self) -> None:
        if self._path is None:
            return
        text = json.dumps([asdict(known) for known in self.objects()], indent=1)
        # Written aside and moved, so that a killed process leaves the old file or the new one;
        # readable by its owner alone, because Secrets are in it as they are in a cluster.
        aside = self._path.with_suffix(".tmp")
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        aside.replace(self._path)
