"""The container images of a stack: what a mirror has to hold, and a scanner to look at.

Those of the program's own objects stand in them, those of a chart in what it renders. Where it was
not rendered they are known by its version (`ops/chart_images.py`).
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pulumi import RunError

from config.images import image_states
from config.kinds import split_registry
from config.load import PREFIX, sections
from ops import UserError
from ops.chart_images import images_of_chart
from ops.registrations import RELEASE, Recorded, Registration, record
from ops.stack_files import ROOT, add_stack_file, placeholders, plain_settings

NAME = "images"
HELP = "list the container images of a stack, with their digests where they are pinned"


CHARTS: Final = f"{PREFIX}charts"
ALLOW_TAGS: Final = f"{PREFIX}allowTags"

_REFERENCE: Final = re.compile(
    r"[\w.-]+(?::\d+)?(?:/[\w.-]+)+(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?"
)

STRIMZI_KAFKA: Final = "quay.io/strimzi/kafka:1.2.0-kafka-{version}"
"""The image that Strimzi 1.2.0 takes for a version of Kafka."""


@dataclass(frozen=True, kw_only=True, order=True)
class Image:
    """An image and who uses it."""

    name: str
    """Registry and repository, such as `docker.io/grafana/tempo`."""
    tag: str
    """Empty for an image that only its digest names, or nothing does."""
    digest: str
    """`sha256:...` where it is pinned; empty where only the tag is known."""
    used_by: tuple[str, ...]
    """Logical names of the resources."""

    @property
    def reference(self) -> str:
        """As a registry's client takes it."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images of a stack, as far as they are known."""

    listed: tuple[Image, ...]
    unlisted: Mapping[str, str]
    """Logical names of resources whose images are not known, and how to find them out."""


def images(stack: str, file: Path | None = None) -> Images:
    """The images of a stack by its file, `Pulumi.<stack>.yaml` if none is given.

    Raises UserError where there is no such file, ConfigError where it is refused.
    """
    raw = plain_settings(file or ROOT / f"Pulumi.{stack}.yaml")
    # Which of them a tag may name is of no interest here either.
    state, _, _ = sections(raw, set())
    by_tag = not all(image.by_digest for image in image_states(state).values())
    raw[ALLOW_TAGS] = {"all": "listed"} if by_tag and state.open is None else {}
    if CHARTS in raw:
        # Where the archives of charts are is of no interest here, and they need not be there.
        raw[CHARTS] = {}
    return images_of(record(stack, raw, placeholders(raw)))


def images_of(
    run: Recorded, rendered: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType({})
) -> Images:
    """The images of what a program registered.

    `rendered` is what releases install, by their logical names, as far as that is known.
    """
    users: dict[str, set[str]] = {}
    unlisted: dict[str, str] = {}
    for resource in run.resources:
        if resource.name in rendered:
            found, unknown = set(_of_pods(rendered[resource.name])), ""
        else:
            found, unknown = _of_resource(resource, run)
        for reference in found:
            users.setdefault(qualified(reference), set()).add(resource.name)
        if unknown:
            unlisted[resource.name] = unknown
    listed = [_image(reference, tuple(sorted(names))) for reference, names in users.items()]
    return Images(listed=tuple(sorted(listed)), unlisted=dict(sorted(unlisted.items())))


def qualified(reference: str) -> str:
    """A reference with the registry that it is pulled from."""
    registry, rest = split_registry(reference)
    if registry:
        return reference
    return f"docker.io/{rest}" if "/" in rest else f"docker.io/library/{rest}"


def _image(reference: str, used_by: tuple[str, ...]) -> Image:
    # A chart's own image need not be pinned, as those of the stack file are.
    tagged, _, digest = reference.partition("@")
    path, slash, last = tagged.rpartition("/")
    name, _, tag = last.partition(":")
    return Image(name=f"{path}{slash}{name}", tag=tag, digest=digest, used_by=used_by)


def _of_resource(resource: Registration, run: Recorded) -> tuple[set[str], str]:
    """The images of one resource, or else how to find them out."""
    if resource.type == RELEASE:
        inputs = resource.inputs
        known = images_of_chart(inputs["chart"], inputs["version"], inputs["values"])
        if known is None:
            return set(), (
                f"helm template {inputs['chart']} --repo "
                f"{(inputs.get('repositoryOpts') or {}).get('repo', 'URL')} "
                f"--version {inputs['version']} --values YOURS | grep image:"
            )
        return known, ""
    if resource.type.endswith(":Kafka") and resource.type.startswith("kubernetes:kafka.strimzi."):
        spec = resource.inputs["spec"]
        named = {spec["kafka"].get("image"), spec["entityOperator"]["topicOperator"].get("image")}
        known = {image for image in named if image is not None}
        if any(each.name.endswith("operator-release") for each in run.resources):
            # The other one is of the operator's own image, which its release is listed with.
            if "image" not in spec["kafka"]:
                known.add(STRIMZI_KAFKA.format(version=spec["kafka"]["version"]))
        elif None in named:
            how = "kubectl get pods --all-namespaces --selector strimzi.io/cluster -o yaml"
            return known, how
        return known, ""
    return set(_of_pods(resource.inputs)), ""


def _of_pods(value: Any) -> Iterator[str]:
    """The images of all containers within an object."""
    match value:
        case {"image": str(image), "name": str()}:
            yield image
        case {"name": str(name), "value": str(text)} if "IMAGE" in name:
            # An operator is told by its environment what to run.
            yield from _REFERENCE.findall(text)
        case _:
            pass
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _of_pods(item)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    add_stack_file(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document in place of lines")


def run(arguments: argparse.Namespace) -> None:
    """Print one image a line, as a registry's client takes it."""
    try:
        found = images(arguments.stack, arguments.stack_file)
    except RunError as error:
        raise UserError(str(error)) from None
    if arguments.json:
        document = {
            "images": [asdict(image) | {"reference": image.reference} for image in found.listed],
            "unlisted": found.unlisted,
        }
        print(json.dumps(document, indent=2))
        return
    width = max((len(image.reference) for image in found.listed), default=0)
    for image in found.listed:
        pinned = "" if image.digest else "  (no digest)"
        print(f"{image.reference:{width}}  {', '.join(image.used_by)}{pinned}")
    for name, how in found.unlisted.items():
        print(f"{name}: its images are not known here; {how}")
