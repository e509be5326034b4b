"""Merging Helm values."""

from collections.abc import Mapping
from typing import Any


def merged(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `overrides` over it: mappings are merged, anything else is replaced."""
    result = dict(base)
    for key, value in overrides.items():
        under = result.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            result[key] = merged(under, value)
        else:
            result[key] = value
    return result
