"""Asks the registries which images a stack's tags name, and says how to pin them.

Only a registry knows: a tag is moved, and of an image for several architectures there is one digest
for each of them and one for all, which is the one that a stack needs.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests
from dxf import DXF, DXFBase
from dxf.exceptions import DXFError, DXFUnauthorizedError

from config.images import image_states
from config.kinds import split_image, split_registry
from config.load import PREFIX, sections
from config.platform import ImageKey
from ops import UserError
from ops.images import images, qualified
from ops.stack_files import add_stack_file, file_of, plain_settings

NAME = "pin-images"
HELP = "ask the registries for the digests of a stack's images, and print how to name them"

TIMEOUT_SECONDS: Final = 30
HOSTS: Final = {"docker.io": "registry-1.docker.io"}
"""Where the registry is that images of a name come from, if not at that name."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_OF_CHARTS: Final[dict[ImageKey, str]] = {
    "tempo.image": "tempo",
    "tempo.gateway.image": "nginx-unprivileged",
    "tempo.memcachedImage": "memcached",
    "traefik.image": "traefik",
    "kafka.image": "kafka",
    "kafka.operatorImage": "operator",
}
"""Last part of the repositories that charts choose where the stack names none."""


@dataclass(frozen=True, kw_only=True)
class Unpinned:
    """An image that only a tag names."""

    key: ImageKey
    repository: str
    """With its registry; empty where nothing here knows the image."""
    tag: str


def unpinned(stack: str, file: Path) -> Iterator[Unpinned]:
    """The images of a stack that have no digest; raises UserError, ConfigError as `images` does."""
    state, _, _ = sections(plain_settings(file), set())
    listed = {image.name.rpartition("/")[2]: image for image in images(stack, file).listed}
    for key, image in image_states(state).items():
        if image.by_digest:
            continue
        if image.named is not None:
            parts = split_image(qualified(image.named))
            yield Unpinned(key=key, repository=parts["repository"], tag=parts["tag"])
        elif (of_chart := listed.get(_OF_CHARTS.get(key, ""))) is not None:
            yield Unpinned(key=key, repository=of_chart.name, tag=of_chart.tag)
        else:
            yield Unpinned(key=key, repository="", tag="")


def digest_of(repository: str, tag: str) -> str:
    """The digest of what a tag names now, of all architectures (`sha256:...`); asks as nobody.

    Raises UserError.
    """
    registry, path = split_registry(repository)

    def as_nobody(client: DXFBase, answer: requests.Response) -> None:
        client.authenticate(response=answer)

    client = DXF(HOSTS.get(registry, registry), path, as_nobody, timeout=TIMEOUT_SECONDS)
    try:
        digest, _ = client.head_manifest_and_response(tag)
    except DXFUnauthorizedError:
        raise UserError(
            f"{registry} shows {path} to nobody without credentials; ask it with a client that has "
            f"them, such as: docker buildx imagetools inspect {repository}:{tag}"
        ) from None
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else None
        said = f"does not know {path}:{tag}" if status == 404 else f"answers {status}"
        raise UserError(f"{registry} {said}") from None
    except requests.RequestException as error:
        raise UserError(
            f"{registry} does not answer ({type(error).__name__}); run this where it can be "
            "reached, with HTTPS_PROXY or REQUESTS_CA_BUNDLE if it takes those"
        ) from None
    except (DXFError, KeyError, ValueError) as error:
        raise UserError(f"{registry} answers otherwise than a registry does: {error!r}") from None
    if digest is None or not _DIGEST.fullmatch(digest):
        raise UserError(f"{registry} does not say which image {path}:{tag} is")
    return digest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stack."""
    parser.add_argument("--stack", required=True, help="the stack, such as prod")
    add_stack_file(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print a command for each image; 1 if a registry did not say."""
    stack = arguments.stack
    failed = False
    for image in unpinned(stack, arguments.stack_file or file_of(stack)):
        if not image.repository:
            find = f"python -m ops images --stack {stack} says how to find it out"
            print(f"# {image.key}: the image is not known here; {find}", flush=True)
            continue
        tagged = f"{image.repository}:{image.tag}"
        try:
            digest = digest_of(image.repository, image.tag)
        except UserError as error:
            print(f"{PREFIX}{image.key}: {tagged}: {error}", file=sys.stderr)
            failed = True
            continue
        setting = f"--path '{PREFIX}{image.key}' {tagged}@{digest}"
        print(f"pulumi config set --stack {stack} {setting}", flush=True)
    return int(failed)
