"""A report as JSON, for machines; what it has is described in docs/reviewing.md."""

from __future__ import annotations

from typing import Any, Final

from ops.review.change import (
    MISSING,
    OpenHop,
    PropertyChange,
    RenderedObject,
    Report,
    Resource,
    StackReport,
)
from policy import Violation

VERSION: Final = 1
"""Counts up when a key goes or means something else; a new key is no new version."""


def document(report: Report) -> dict[str, Any]:
    """The whole report."""
    return {
        "version": VERSION,
        "base": report.base,
        "head": report.head,
        "exitCode": report.exit_code,
        "error": report.error,
        "notes": list(report.notes),
        "stacks": [_stack(stack) for stack in report.stacks],
    }


def _stack(stack: StackReport) -> dict[str, Any]:
    return {
        "stack": stack.stack,
        "error": stack.error,
        "notes": list(stack.notes),
        "counts": stack.counts,
        "labels": list(stack.labels),
        "settings": [_property(change) for change in stack.settings],
        "openHops": [_hop(hop) for hop in stack.open_hops],
        "outputs": [_property(change) for change in stack.outputs],
        "resources": [_resource(resource) for resource in stack.resources],
        "violations": [_violation(found) for found in stack.violations],
        "engineDiff": stack.engine_diff,
    }


def _hop(hop: OpenHop) -> dict[str, Any]:
    return {
        "hop": hop.name,
        "operation": hop.operation,
        "reason": hop.reason,
        "oldReason": hop.old_reason,
    }


def _violation(found: Violation) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "level": found.level,
        "resource": found.resource,
        "message": found.message,
        "remedy": found.remedy,
        "exception": found.exception,
    }


def _resource(resource: Resource) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "urn": resource.urn,
        "name": resource.name,
        "type": resource.type,
        "component": resource.component,
        "operation": resource.operation,
        "labels": list(resource.labels),
        "properties": [
            # Of what is created every property would be one; they are the new inputs.
            _property(change)
            for change in resource.properties
            if resource.operation != "create"
        ],
        "dependsOn": list(resource.depends_on),
        "old": resource.old_inputs,
        "new": resource.new_inputs,
    }
    if resource.rendered is not None:
        entry["rendered"] = [_object(rendered) for rendered in resource.rendered.objects]
    return entry


def _object(rendered: RenderedObject) -> dict[str, Any]:
    return {
        "kind": rendered.kind,
        "name": rendered.name,
        "operation": rendered.operation,
        "restarts": rendered.restarts,
        "properties": [_property(change) for change in rendered.properties],
    }


def _property(change: PropertyChange) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "path": change.path,
        "replaces": change.replaces,
        "exposed": change.exposed,
        "labels": list(change.labels),
    }
    # A side without the property has no key, which is another thing than null.
    if change.old is not MISSING:
        entry["old"] = change.old
    if change.new is not MISSING:
        entry["new"] = change.new
    return entry
