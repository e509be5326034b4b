"""The container images of a stack: what a mirror has to hold, and a scanner to look at.

Those of the program's own objects stand in them. Which ones a chart adds is known by its version:
`CHART_IMAGES`, compared in the live tier with what the chart renders.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pulumi import RunError

from config.kinds import split_image
from config.load import PREFIX
from ops import UserError
from ops.registrations import RELEASE, Recorded, Registration, record
from ops.stack_files import ROOT, placeholders, plain_settings

NAME = "images"
HELP = "list the container images of a stack, with their digests where they are pinned"


@dataclass(frozen=True, kw_only=True)
class ChartImage:
    """An image that a chart's pods use unless the chart is told another."""

    reference: str
    switch: str = ""
    """Path of the value that turns it on or off; empty for one that is always there."""
    on: bool = True
    """Whether it is there when the value is not given."""


_MEMCACHED: Final = "memcached.enabled"
_GATEWAY: Final = "gateway.enabled"
_NGINX: Final = "docker.io/nginxinc/nginx-unprivileged:1.31-alpine"

CHART_IMAGES: Final[Mapping[str, tuple[ChartImage, ...]]] = {
    "tempo-2.2.4": (ChartImage(reference="docker.io/grafana/tempo:2.10.8"),),
    "tempo-distributed-2.26.2": (
        ChartImage(reference="docker.io/grafana/tempo:2.10.7"),
        ChartImage(reference="docker.io/memcached:1.6.43-alpine", switch=_MEMCACHED),
        ChartImage(reference=_NGINX, switch=_GATEWAY, on=False),
    ),
    "tempo-distributed-3.3.0": (
        ChartImage(reference="docker.io/grafana/tempo:3.0.3"),
        ChartImage(reference="docker.io/memcached:1.6.45-alpine", switch=_MEMCACHED),
        ChartImage(reference=_NGINX, switch=_GATEWAY, on=False),
    ),
    # Its image is always told to it.
    "opentelemetry-collector-0.170.0": (),
    "traefik-41.3.0": (ChartImage(reference="docker.io/traefik:v3.7.11"),),
    "strimzi-kafka-operator-1.2.0": (ChartImage(reference="quay.io/strimzi/operator:1.2.0"),),
}
"""What each pinned chart runs, with the values that this program gives it."""

CHARTS: Final = f"{PREFIX}charts"

STRIMZI_KAFKA: Final = "quay.io/strimzi/kafka:1.2.0-kafka-{version}"
"""The image that Strimzi 1.2.0 takes for a version of Kafka."""


@dataclass(frozen=True, kw_only=True, order=True)
class Image:
    """An image and who uses it."""

    name: str
    """Registry and repository, such as `docker.io/grafana/tempo`."""
    tag: str
    """Empty for an image that only its digest names."""
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
    if CHARTS in raw:
        # Where the archives of charts are is of no interest here, and they need not be there.
        raw[CHARTS] = {}
    return images_of(record(stack, raw, placeholders(raw)))


def images_of(run: Recorded) -> Images:
    """The images of what a program registered."""
    users: dict[str, list[str]] = {}
    unlisted: dict[str, str] = {}
    for resource in run.resources:
        found, unknown = _of_resource(resource, run)
        for reference in found:
            users.setdefault(reference, []).append(resource.name)
        if unknown:
            unlisted[resource.name] = unknown
    listed = [_image(reference, tuple(sorted(names))) for reference, names in users.items()]
    return Images(listed=tuple(sorted(listed)), unlisted=dict(sorted(unlisted.items())))


def _image(reference: str, used_by: tuple[str, ...]) -> Image:
    parts = split_image(reference)
    return Image(
        name=parts["repository"],
        tag=parts.get("tag", ""),
        digest=parts.get("digest", ""),
        used_by=used_by,
    )


def _of_resource(resource: Registration, run: Recorded) -> tuple[set[str], str]:
    """The images of one resource, or else how to find them out."""
    if resource.type == RELEASE:
        inputs = resource.inputs
        known = CHART_IMAGES.get(f"{inputs['chart']}-{inputs['version']}")
        if known is None:
            return set(), (
                f"helm template {inputs['chart']} --repo "
                f"{(inputs.get('repositoryOpts') or {}).get('repo', 'URL')} "
                f"--version {inputs['version']} --values YOURS | grep image:"
            )
        return set(_of_release(known, inputs["values"])), ""
    if resource.type.endswith(":Kafka") and resource.type.startswith("kubernetes:kafka.strimzi."):
        operators = [r for r in run.resources if r.name.endswith("operator-release")]
        if not operators:
            return set(), "kubectl get pods --all-namespaces --selector strimzi.io/cluster -o yaml"
        return {STRIMZI_KAFKA.format(version=resource.inputs["spec"]["kafka"]["version"])}, ""
    return set(_of_pods(resource.inputs)), ""


def _of_release(known: tuple[ChartImage, ...], values: Mapping[str, Any]) -> Iterator[str]:
    for image in known:
        if not image.switch or _at(values, image.switch, image.on):
            yield image.reference
    told = values.get("image") or {}
    if "repository" in told:
        tag = f":{told['tag']}" if told.get("tag") else ""
        digest = f"@{told['digest']}" if told.get("digest") else ""
        yield f"{told['repository']}{tag}{digest}"


def _at(values: Any, path: str, default: bool) -> bool:
    for key in path.split("."):
        if not isinstance(values, Mapping) or key not in values:
            return default
        values = values[key]
    return bool(values)


def _of_pods(value: Any) -> Iterator[str]:
    """The images of all containers within an object."""
    match value:
        case Mapping():
            for key, item in value.items():
                if key == "image" and isinstance(item, str):
                    yield item
                else:
                    yield from _of_pods(item)
        case list():
            for item in value:
                yield from _of_pods(item)
        case _:
            pass


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack."""
    parser.add_argument("--stack", required=True, help="the stack, such as dev")
    parser.add_argument(
        "--stack-file",
        type=Path,
        metavar="FILE",
        help="its file (default: Pulumi.<stack>.yaml)",
    )
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
