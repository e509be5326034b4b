"""One stack at both revisions in the sandbox: base applied, head previewed by the real engine."""

from __future__ import annotations

import json
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pulumi.automation import PulumiCommand

from ops import UserError
from ops.review.comparison import Comparison
from sandbox import Result, Sandbox, SandboxError, Step
from sandbox.values import displayed


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What the engine said of a stack. Plain data, as it comes out of another process."""

    stack: str
    new: bool = False
    """The head was previewed without a base: all of it is new."""
    base_error: str | None = None
    """Why the base could not be applied; the head is all new then."""
    head_error: str | None = None
    """Why the preview of the head failed; the steps are those that came before."""
    steps: tuple[Step, ...] = ()
    dependencies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """URNs that a resource waits for, by its URN."""
    old_outputs: dict[str, Any] = field(default_factory=dict)
    new_outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's outputs, secrets as `[secret]`."""
    old_settings: dict[str, Any] = field(default_factory=dict)
    new_settings: dict[str, Any] = field(default_factory=dict)
    """What the stack files say, secrets as `{secure: ciphertext}`."""
    placeholders: tuple[str, ...] = ()
    """Settings whose value is a placeholder: they can't be decrypted, or are not in the file."""
    text: str = ""
    """What the engine printed of the preview."""


def compare(what: Comparison, cli: PulumiCommand) -> Sides:
    """Run both sides on this engine; an error is part of what comes back."""
    base_error = None
    with tempfile.TemporaryDirectory(prefix="report-") as directory:
        kept = Path(directory) / "applied"
        dependencies: dict[str, tuple[str, ...]] = {}
        if what.base is not None:
            try:
                with Sandbox(
                    what.base.project,
                    what.stack,
                    kept,
                    stack_file=what.base.stack_file,
                    cli=cli,
                    checkpoints=False,
                ) as box:
                    box.up()
                    dependencies = _waits(box.resources())
            except Exception as error:
                # An older program may be broken in any way: whatever it is, the head is shown.
                base_error = _said(error, what.base.project)
                kept = Path(directory) / "empty"
        result, head_error, planned, placeholders = _preview(what, kept, cli)
    old_outputs, new_outputs = _outputs(result)
    applied = what.base is not None and base_error is None
    return Sides(
        stack=what.stack,
        new=not applied,
        base_error=base_error,
        head_error=head_error,
        steps=tuple(result.steps),
        dependencies=dependencies | planned,
        old_outputs=old_outputs,
        new_outputs=new_outputs,
        old_settings=_settings(what.base.stack_file) if what.base and applied else {},
        new_settings=_settings(what.head.stack_file),
        placeholders=placeholders,
        text=result.text,
    )


def _preview(
    what: Comparison, directory: Path, cli: PulumiCommand
) -> tuple[Result, str | None, dict[str, tuple[str, ...]], tuple[str, ...]]:
    plan = directory.with_suffix(".plan")
    placeholders: tuple[str, ...] = ()
    try:
        with Sandbox(
            what.head.project,
            what.stack,
            directory,
            stack_file=what.head.stack_file,
            cli=cli,
        ) as box:
            placeholders = _secrets_of(box.config)
            result = box.preview(plan=plan)
        planned = json.loads(plan.read_text("utf-8"))["resourcePlans"]
        goals = {urn: entry.get("goal") or {} for urn, entry in planned.items()}
        return (
            result,
            None,
            {urn: _sorted(goal) for urn, goal in goals.items() if goal},
            placeholders,
        )
    except (SandboxError, UserError) as error:
        reached = error.result if isinstance(error, SandboxError) else None
        return reached or Result([], "", []), str(error), {}, placeholders
    except Exception as error:
        return Result([], "", []), _said(error, what.head.project), {}, placeholders


def _secrets_of(settings: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(key for key, value in settings.items() if _holds_ciphertext(value)))


def _holds_ciphertext(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(map(_holds_ciphertext, value.values()))
    return isinstance(value, list) and any(map(_holds_ciphertext, value))


def _waits(resources: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    return {entry["urn"]: _sorted(entry) for entry in resources}


def _sorted(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(entry.get("dependencies") or []))


def _outputs(result: Result) -> tuple[dict[str, Any], dict[str, Any]]:
    """The stack's outputs before and after: the last that the engine says of the stack itself."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for event in result.events:
        metadata = (event.get("resOutputsEvent") or {}).get("metadata") or {}
        if metadata.get("type") == "pulumi:pulumi:Stack":
            old = (metadata.get("old") or {}).get("outputs") or {}
            new = (metadata.get("new") or {}).get("outputs") or {}
    return displayed(old), displayed(new)


def _settings(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text("utf-8")) or {}
    except (OSError, yaml.YAMLError):
        # What is wrong with it has been said by the sandbox already.
        return {}
    return content.get("config") or {} if isinstance(content, dict) else {}


def _said(error: Exception, project: Path) -> str:
    """An error as a person reads it: of a bug also where it is, without a temporary path."""
    if isinstance(error, SandboxError | UserError):
        return str(error)
    places = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(project)
    ]
    where = f" ({Path(places[-1].filename).name}:{places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {error}{where}"
