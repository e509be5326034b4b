"""The hops of a stack that are not encrypted: all of them, and what a change does to each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ops.review.change import OpenHop
from ops.review.labels import OPEN_HOPS
from sandbox import Step


def open_hops(steps: Iterable[Step]) -> tuple[OpenHop, ...]:
    """Those that the stack names, by what the engine said of the resource that names them.

    None where there is no such resource: a program before it, or a preview that failed earlier.
    """
    for step in steps:
        if step.type == OPEN_HOPS and step.op != "delete":
            # A base without the resource had open hops too: none is known to be new.
            old = step.new_inputs if step.op == "create" else step.old_inputs
            return tuple(_compared(old, step.new_inputs))
    return ()


def _compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[OpenHop]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield OpenHop(name=name, operation="delete", old_reason=old[name])
        elif name not in old:
            yield OpenHop(name=name, operation="create", reason=new[name])
        elif old[name] != new[name]:
            yield OpenHop(name=name, operation="update", reason=new[name], old_reason=old[name])
        else:
            yield OpenHop(name=name, operation="same", reason=new[name])
