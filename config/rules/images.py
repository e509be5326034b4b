"""Rules on images: what runs in prod is what was reviewed, whatever a tag says by then."""

from collections.abc import Iterator

from ..errors import Finding
from ..images import image_states
from ..platform import Environment
from ..stack import StackConfig
from .registry import rule


@rule(
    "environment",
    "allow_tags",
    "tempo",
    "object_store",
    "collector",
    "traefik",
    "vulture",
    "kafka",
    "harness",
)
def _prod_names_images_by_digest(stack: StackConfig, environment: Environment) -> Iterator[Finding]:
    images = image_states(stack)
    allowed = stack.allow_tags
    for key, image in images.items():
        if environment == "prod" and not image.by_digest and not {key, "all"} & allowed.keys():
            mended = (
                f"write tracing:{key} as repository:tag@sha256:... (python -m ops pin-images "
                "asks its registry), or write"
                if image.nameable
                else "its chart names it; write"
            )
            yield Finding(
                f"tracing:allowTags.{key}",
                "is missing, and nothing but a tag names this image, which can be moved to "
                f"another one; {mended} here why a tag will do: {key}: the reason",
            )
    for name in allowed:
        if name == "all":
            if all(image.by_digest for image in images.values()):
                yield Finding(
                    "tracing:allowTags.all",
                    "has no effect: every image is named by its digest; remove it",
                )
        elif name not in images:
            yield Finding(
                f"tracing:allowTags.{name}",
                f"has no effect: this stack has no such image, but {', '.join(images)}; remove it",
            )
        elif images[name].by_digest:
            yield Finding(
                f"tracing:allowTags.{name}",
                "says that a tag will do, and the image is named by its digest; remove it",
            )
