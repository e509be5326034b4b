"""Rules on images: what runs in prod is what was reviewed, whatever a tag says by then."""

from collections.abc import Iterator

from ..errors import Finding
from ..images import image_states
from ..platform import Environment
from ..stack import StackConfig
from .registry import needless, rule


@rule(
    "environment",
    "open",
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
    is_asked = environment == "prod" and stack.open is None and "all" not in allowed
    for key, image in images.items():
        if is_asked and not image.by_digest and key not in allowed:
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
    settled = {key: image.by_digest for key, image in images.items()}
    yield from needless(
        "tracing:allowTags", allowed, settled, noun="image", state="named by its digest"
    )
