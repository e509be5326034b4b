"""The newcomer's demonstration: the life of a stack, in five steps, without a cluster."""

from typing import Any, Final

from rich.console import Console

from . import show
from .box import Sandbox
from .errors import SandboxError

SETTING: Final = "tracing:tempo.blockRetention"
"""How long Tempo keeps traces: a setting that every stack has."""

ALLOWED: Final = "tracing:deleteData"
"""Without it what holds traces is protected."""


def run(to: Console, box: Sandbox, changed: dict[str, Any]) -> None:
    """Preview, apply, preview again, change a setting, destroy: each told before it is shown."""
    show.heading(
        to,
        "1. Preview: what would be created",
        "The real Pulumi engine runs the program and compares it with what exists, which is "
        "nothing yet.\nLook for: one branch for each component, and below it the resources it "
        "owns.",
    )
    with show.working(to, "previewing (the first run loads the SDKs, some seconds)") as tell:
        first = box.preview(tell)
    show.planned(to, first)

    show.heading(
        to,
        "2. Up: apply it",
        "Everything is created, in the order of its dependencies, on simulated clouds.\n"
        "Look for: the outputs, which is how others find the platform. Secrets stay hidden.",
    )
    with show.working(to, "applying") as tell:
        applied = box.up(tell)
    to.print(f"created {applied.changes.get('create', 0)} resources; the outputs:\n")
    show.outputs(to, box.outputs())

    show.heading(
        to,
        "3. Preview again: nothing to do",
        "A program that describes what exists changes nothing, however often it runs.\n"
        "Look for: no changes.",
    )
    with show.working(to, "previewing") as tell:
        second = box.preview(tell)
    show.changes(to, second)
    if second.changed():
        raise SandboxError("the second preview shows changes: the program is not stable")

    wanted = changed or {SETTING: _other_retention(box)}
    told = ", ".join(f"{key} = {value}" for key, value in wanted.items())
    show.heading(
        to,
        "4. Change a setting: see its reach",
        f"Now with {told}.\n"
        "Look for: only what the setting reaches is changed, and the old and new values.",
    )
    for key, value in wanted.items():
        box.set_config(key, value)
    with show.working(to, "previewing") as tell:
        show.changes(to, box.preview(tell))

    show.heading(
        to,
        "5. Destroy: nothing stays behind",
        "A stack that holds traces can't be destroyed unless it says so "
        f"({ALLOWED}: true, applied first).\n"
        "Everything is removed again, in the opposite order.\n"
        "Look for: what is left in the simulated clouds.",
    )
    if not box.config.get(ALLOWED):
        box.set_config(ALLOWED, True)
        with show.working(to, f"applying {ALLOWED}") as tell:
            box.up(tell)
    with show.working(to, "destroying") as tell:
        gone = box.destroy(tell)
    to.print(f"deleted {gone.changes.get('delete', 0)} resources")
    left = [known for known in box.cloud.objects() if not known.foreign]
    for remaining in left:
        to.print(f"left: {remaining.provider} {remaining.kind} {remaining.id}")
    to.print("left in the clouds: " + (f"{len(left)} objects" if left else "[green]nothing[/]"))
    to.print()
    to.print(
        "That was the real engine on simulated clouds. For a real cluster see the README; "
        f"for one step alone: [bold].venv/bin/python -m sandbox preview --stack {box.stack}[/]"
    )


def _other_retention(box: Sandbox) -> str:
    settings = box.config.get("tracing:tempo") or {}
    return "24h" if settings.get("blockRetention") != "24h" else "36h"
