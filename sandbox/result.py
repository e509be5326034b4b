"""What a preview or an update did, out of the engine's event log."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .values import displayed

# A replacement shows up as three events; the one called "replace" stands for it.
_PARTS_OF_REPLACEMENT: Final = ("create-replacement", "delete-replaced")
_COLOURS: Final = re.compile(r"<\{%[^%]*%\}>")
_SAID_AGAIN: Final = "an unhandled error occurred: "
"""The engine repeats what the program has said, with this in front."""
_TRACEBACK: Final = re.compile(r"\n?Traceback \(most recent call last\):.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one resource."""

    op: str
    urn: str
    type: str
    name: str
    diffs: list[str] = field(default_factory=list)
    """The paths of the properties that differ."""
    detailed_diff: dict[str, str] = field(default_factory=dict)
    """The same paths, each with how it differs: `add`, `update-replace`."""
    old_inputs: dict[str, Any] = field(default_factory=dict)
    new_inputs: dict[str, Any] = field(default_factory=dict)
    """Inputs as a display shows them: secrets are `[secret]`, what only an update can tell is
    `[unknown]`."""
    parent: str = ""
    """The URN of the component it belongs to."""
    protect: bool = False
    """Whether the engine refuses to delete it."""

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> "Step":
        """Read one step out of an event."""
        detailed = metadata.get("detailedDiff") or {}
        old, new = metadata.get("old") or {}, metadata.get("new") or {}
        return cls(
            op=metadata["op"],
            urn=metadata["urn"],
            type=metadata["type"],
            name=metadata["urn"].rsplit("::", 1)[-1],
            diffs=sorted(detailed or metadata.get("diffs") or []),
            detailed_diff={path: diff["diffKind"] for path, diff in sorted(detailed.items())},
            old_inputs=displayed(old.get("inputs") or {}),
            new_inputs=displayed(new.get("inputs") or {}),
            parent=(new or old).get("parent") or "",
            protect=bool(new.get("protect")),
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What the engine did, or would do."""

    steps: list[Step]
    text: str
    """What the CLI printed."""
    events: list[dict[str, Any]]
    """The engine's events as it wrote them."""

    @property
    def changes(self) -> dict[str, int]:
        """How many resources each operation meets, those that stay the same left out."""
        return dict(Counter(step.op for step in self.steps if step.op != "same"))

    @property
    def warnings(self) -> list[str]:
        """What the program warns of, each once."""
        return list(_said(self.events, ("warning",)))

    def changed(self) -> list[Step]:
        """List the steps that change something."""
        return [step for step in self.steps if step.op != "same"]


def steps_of(events: Iterable[Mapping[str, Any]]) -> list[Step]:
    """Read the steps out of an event log, in the engine's order."""
    steps = []
    refreshing, refreshed = set(), set()
    for event in events:
        before, after = event.get("resourcePreEvent"), event.get("resOutputsEvent")
        metadata = (before or after or {}).get("metadata")
        if metadata is None or _is_default_provider(metadata["urn"]):
            continue
        # A refresh that runs the program goes over everything once more, to no effect.
        if metadata["urn"] in refreshed:
            continue
        if metadata["op"] == "refresh":
            refreshing.add(metadata["urn"])
        elif after is not None and metadata["urn"] in refreshing:
            # A refresh only knows afterwards what it found.
            refreshing.remove(metadata["urn"])
            refreshed.add(metadata["urn"])
            steps.append(Step.of(_without_empty_update(metadata)))
        elif before is not None and metadata["op"] not in _PARTS_OF_REPLACEMENT:
            steps.append(Step.of(metadata))
    return steps


def diagnostics_of(events: Iterable[Mapping[str, Any]]) -> str:
    """Collect the errors of an event log, each once, with the resource it is about."""
    lines: dict[str, None] = {}
    for event in events:
        violation = event.get("policyEvent")
        if violation is not None and violation["enforcementLevel"] == "mandatory":
            subject = violation["resourceUrn"].rpartition("::")[2]
            message = " ".join(violation["message"].splitlines())
            lines[f"{subject}: {violation['policyName']}: {message}"] = None
        lines |= _said([event], ("error", "info#err"))
    return "\n".join(lines)


def _said(events: Iterable[Mapping[str, Any]], severities: Sequence[str]) -> dict[str, None]:
    """The engine's and the program's words of some severities, each once, in their order."""
    lines: dict[str, None] = {}
    for event in events:
        diagnostic = event.get("diagnosticEvent")
        if diagnostic is None or diagnostic.get("severity") not in severities:
            continue
        message = _COLOURS.sub("", diagnostic["message"]).strip()
        # A bug in a program is reported with its place by the runner; what is left here is the
        # path through the SDK, which says nothing.
        message = _TRACEBACK.sub("", message).strip().removeprefix(_SAID_AGAIN)
        message = message.removeprefix("warning: ")
        urn = diagnostic.get("urn", "")
        subject = f"{urn.rsplit('::', 1)[-1]}: " if urn and "pulumi:pulumi:Stack" not in urn else ""
        lines[subject + message] = None
    return lines


def _without_empty_update(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """A refresh that runs the program calls what has no server (components) updated; nothing is."""
    old, new = metadata.get("old") or {}, metadata.get("new") or {}
    if metadata["op"] == "update" and old.get("outputs") == new.get("outputs"):
        return {**metadata, "op": "same"}
    return metadata


def _is_default_provider(urn: str) -> bool:
    """Tell the providers the engine makes for itself, which the CLI does not count either."""
    return "::pulumi:providers:" in urn and urn.rsplit("::", 1)[-1].startswith("default")
