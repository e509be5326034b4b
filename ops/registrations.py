"""What a stack's program registers, recorded without an engine, a cluster or credentials.

Pulumi's own mocks answer every registration; each resource's outputs are its inputs. For what
needs no engine: the Helm values of a stack as files, goldens, and tests over all components.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import config as pulumi_config
from pulumi.runtime import mocks, settings, sync_await

PROGRAM: Final = Path(__file__).resolve().parent.parent / "__main__.py"

RELEASE: Final = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One resource as the program hands it to the engine."""

    type: str
    name: str
    parent: str
    """Name of the parent; empty for the stack's own children."""
    inputs: dict[str, Any]
    """As they travel: a secret is a mapping with the engine's mark (`SECRET_MARK`)."""
    depends_on: frozenset[str]
    """Names of the resources that it waits for."""
    protect: bool
    """Whether the engine refuses to delete it."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """All that one run of the program registered."""

    resources: tuple[Registration, ...]
    outputs: dict[str, Any]
    """The stack's outputs; a secret one is a mapping with the engine's mark."""
    component_outputs: dict[str, dict[str, Any]]
    """What each component registered as its outputs, by the component's name."""

    def one(self, name: str) -> Registration:
        """The resource of that name; raises KeyError if there is not exactly one."""
        found = [resource for resource in self.resources if resource.name == name]
        if len(found) != 1:
            raise KeyError(f"{len(found)} resources named {name}")
        return found[0]

    def helm_values(self) -> dict[str, dict[str, Any]]:
        """The values of each Helm release, by its name without the end that says that it is one:
        that of its component, or of the component and a role in it."""
        return {
            resource.name.removesuffix("-release"): resource.inputs["values"]
            for resource in self.resources
            if resource.type == RELEASE
        }


SECRET_MARK: Final = "4dabf18193072939515e22adb298388d"
"""Key by which the engine's wire format marks special values, secrets among them."""


def clear(value: Any) -> Any:
    """A value without the engine's marks of secrets: what is beneath is a placeholder here."""
    match value:
        case dict() if SECRET_MARK in value:
            # On the wire it stands beside the mark, in an output as the mark's own value.
            return clear(value["value"] if "value" in value else value[SECRET_MARK])
        case dict():
            return {key: clear(item) for key, item in value.items()}
        case list():
            return [clear(item) for item in value]
        case _:
            return value


class _Monitor(mocks.MockMonitor):
    """Keeps the requests themselves: mocks are told neither parent nor dependencies."""

    def __init__(self) -> None:
        super().__init__(_Echo())
        self.requests: list[Any] = []
        self.outputs: dict[str, dict[str, Any]] = {}

    def RegisterResource(self, request: Any) -> Any:
        """Record, then answer as mocks do."""
        if request.type != "pulumi:pulumi:Stack":
            self.requests.append(request)
        return super().RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        """Record what a component says of itself once its resources are registered."""
        self.outputs[_name(request.urn)] = MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)


class _Echo(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        generated = {"result": f"generated-{args.name}"} if args.typ.startswith("random:") else {}
        return f"{args.name}-id", args.inputs | generated

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(f"the program calls {args.token}; a preview without credentials fails")


def record(stack: str, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Recorded:
    """Runs the program for a stack with this configuration (full keys) and these secrets."""
    # Pulumi's runtime keeps its settings in context variables: a context of its own keeps one run
    # from seeing the other's root resource and configuration.
    return contextvars.copy_context().run(_record, stack, config, secrets)


def _record(stack: str, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Recorded:
    try:
        asyncio.get_event_loop()
    except RuntimeError:
        # Whoever used `asyncio.run` in this process before has left none, and the SDK asks for one.
        asyncio.set_event_loop(asyncio.new_event_loop())
    values = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
    }
    pulumi_config.set_all_config(values | dict(secrets), list(secrets))
    monitor = _Monitor()
    outputs: dict[str, Any] = {}
    settings.ROOT.set(None)
    mocks.set_mocks(_Echo(), project="tracing", stack=stack, preview=True, monitor=monitor)

    @mocks.test
    def program() -> None:
        runpy.run_path(str(PROGRAM))

    program()
    root = settings.get_root_resource()
    assert isinstance(root, pulumi.runtime.stack.Stack)
    for name, output in root.outputs.items():
        outputs[name] = _plain(pulumi.Output.from_input(output))
    return Recorded(
        resources=tuple(_registration(request) for request in monitor.requests),
        outputs=outputs,
        component_outputs=monitor.outputs,
    )


def _plain(output: pulumi.Output[Any]) -> Any:
    async def value() -> Any:
        plain = await output.future()
        return {SECRET_MARK: plain} if await output.is_secret() else plain

    return sync_await._sync_await(asyncio.ensure_future(value()))


def _registration(request: Any) -> Registration:
    return Registration(
        type=request.type,
        name=request.name,
        parent="" if "::pulumi:pulumi:Stack::" in request.parent else _name(request.parent),
        inputs=_numbers(MessageToDict(request.object)),
        depends_on=frozenset(map(_name, request.dependencies)),
        protect=request.protect,
    )


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _numbers(value: Any) -> Any:
    """Whole numbers as such: on the wire every number is a float."""
    match value:
        case dict():
            return {key: _numbers(item) for key, item in value.items()}
        case list():
            return [_numbers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
