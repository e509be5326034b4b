"""The container images that a stack runs, from its manifests, or from its values without them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ops.rendering import Rendering

_REFERENCE: Final = re.compile(
    r"[\w.-]+(?::\d+)?(?:/[\w.-]+)+(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?"
)


def images(rendering: Rendering) -> list[str]:
    """References of all images, with their registry, and with digests where they are pinned so.

    Of releases that could not be rendered only what the values name.
    """
    found: set[str] = set()
    for manifest in rendering.objects:
        found |= set(_of_manifest(manifest))
    for release in rendering.releases:
        if release.objects is None:
            found |= set(_of_values(release.values))
        for manifest in release.objects or ():
            found |= set(_of_manifest(manifest))
    return sorted(map(qualified, found))


def qualified(image: str) -> str:
    """A reference with the registry that it is pulled from."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def _of_manifest(value: Any) -> Iterator[str]:
    match value:
        case {"image": str(image), "name": str()}:
            yield image
        case {"name": str(name), "value": str(text)} if "IMAGE" in name:
            # An operator is told by its environment what to run.
            yield from _REFERENCE.findall(text)
        case _:
            pass
    yield from _within(value, _of_manifest)


def _of_values(value: Any) -> Iterator[str]:
    match value:
        case {"image": {"repository": str(repository), **image}}:
            registry = f"{image['registry']}/" if image.get("registry") else ""
            tag = f":{image['tag']}" if image.get("tag") else ""
            digest = f"@{image['digest']}" if image.get("digest") else ""
            if tag or digest:
                yield f"{registry}{repository}{tag}{digest}"
        case _:
            pass
    yield from _within(value, _of_values)


def _within(value: Any, of: Any) -> Iterator[str]:
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list):
        for item in inner:
            yield from of(item)
