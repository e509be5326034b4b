"""Registers what its configuration lists, so that a test can declare any resource.

An entry: type, name, inputs, and if need be `after` (names it depends on), `provider` (the name of
an earlier entry) and `outputs` (exported as `NAME.OUTPUT`). A string that starts with `secret:` is
passed as a secret.
"""

from typing import Any

import pulumi


def value(given: Any) -> Any:
    """Turn configuration into an input."""
    if isinstance(given, str) and given.startswith("secret:"):
        return pulumi.Output.secret(given)
    if isinstance(given, dict):
        return {key: value(item) for key, item in given.items()}
    if isinstance(given, list):
        return [value(item) for item in given]
    return given


made: dict[str, Any] = {}
for entry in pulumi.Config().require_object("entries"):
    options = pulumi.ResourceOptions(
        depends_on=[made[name] for name in entry.get("after", [])],
        provider=made.get(entry.get("provider", "")),
        ignore_changes=entry.get("ignore", []),
    )
    inputs = value(entry["inputs"])
    if entry["type"].startswith("pulumi:providers:"):
        package = entry["type"].rsplit(":", 1)[-1]
        made[entry["name"]] = pulumi.ProviderResource(package, entry["name"], inputs, options)
        continue
    wanted = dict.fromkeys(entry.get("outputs", []))
    resource = pulumi.CustomResource(entry["type"], entry["name"], {**inputs, **wanted}, options)
    made[entry["name"]] = resource
    for name in wanted:
        pulumi.export(f"{entry['name']}.{name}", getattr(resource, name))
