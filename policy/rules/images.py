"""Images by digest: what runs is what was reviewed, whatever a tag says by then."""

from collections.abc import Iterator, Mapping

from ..judged import Finding, Resource, Rule, helm_values
from ..marks import is_unknown, mappings, shown
from ..workloads import containers, pod_spec

_REMEDY = "Add the digest to the image in the stack file: repository:tag@sha256:..."


def _check(resource: Resource) -> Iterator[Finding]:
    if (pod := pod_spec(resource)) is not None:
        for name, container in containers(pod):
            image = container.get("image")
            if isinstance(image, str) and not is_unknown(image) and "@sha256:" not in image:
                yield Finding(
                    resource=resource,
                    message=f"the image {image} of container {name} has no digest",
                    remedy=_REMEDY,
                )
    for values in helm_values(resource):
        for path, mapping in mappings(values, ("values",)):
            image = mapping.get("image")
            if (text := _by_tag(image)) is not None:
                yield Finding(
                    resource=resource,
                    message=f"{shown((*path, 'image'))}, {text}, has no digest",
                    remedy=_REMEDY,
                )


def _by_tag(image: object) -> str | None:
    """An image without a digest; `None` if it has one, or none is said at all."""
    if isinstance(image, str):
        return None if "@sha256:" in image or not image or is_unknown(image) else image
    if isinstance(image, Mapping) and isinstance(image.get("repository"), str):
        parts = [str(image.get(key) or "") for key in ("registry", "repository", "tag")]
        digest = image.get("digest") or image.get("sha")
        if digest or any("@sha256:" in part for part in parts):
            return None
        registry, repository, tag = parts
        return f"{registry}/{repository}:{tag}".strip("/:")
    return None


RULE = Rule(
    name="images-by-digest",
    description="Images are named by digest.",
    of_resource=_check,
)
