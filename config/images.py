"""Which images a stack runs, and which of them nothing but a tag names."""

from collections.abc import Mapping
from dataclasses import dataclass

from .object_store import MinioConfig
from .platform import ImageKey
from .stack import StackConfig
from .tempo import DistributedConfig


@dataclass(frozen=True, kw_only=True)
class ImageState:
    """One image of a stack."""

    named: str | None
    """As the stack file or a default of this program names it; `None` where a chart does."""
    nameable: bool = True
    """Whether the stack file can name it, under the image's key."""

    @property
    def by_digest(self) -> bool:
        """Whether it stays the same image, wherever its tag is moved."""
        return self.named is not None and "@sha256:" in self.named


def image_states(stack: StackConfig) -> Mapping[ImageKey, ImageState]:
    """Every image that this stack runs; of the demo applications, which prod refuses, none."""
    images: dict[ImageKey, ImageState] = {"tempo.image": ImageState(named=stack.tempo.image)}
    if isinstance(stack.tempo, DistributedConfig):
        if stack.tempo.gateway is not None:
            images["tempo.gateway.image"] = ImageState(named=stack.tempo.gateway.image)
        if stack.tempo.memcached:
            images["tempo.memcachedImage"] = ImageState(named=stack.tempo.memcached_image)
    if isinstance(stack.object_store, MinioConfig):
        images["objectStore.image"] = ImageState(named=stack.object_store.image)
    if stack.collector is not None:
        images["collector.image"] = ImageState(named=stack.collector.image)
    if stack.traefik is not None and stack.traefik.install == "release":
        images["traefik.image"] = ImageState(named=stack.traefik.image)
    if stack.vulture is not None:
        images["vulture.image"] = ImageState(named=stack.vulture.image)
    if stack.kafka is not None:
        images["kafka.image"] = ImageState(named=stack.kafka.image)
        images["kafka.operatorImage"] = ImageState(named=stack.kafka.operator_image)
    if stack.harness is not None and stack.harness.install == "release":
        images["harness"] = ImageState(named=None, nameable=False)
    return images
