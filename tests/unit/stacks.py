"""A directory of stack files in place of the repository's, for the commands that read them."""

from pathlib import Path

import pytest

from ops import stack_files

DEV = """\
config:
  tracing:collector:
    image: docker.io/otel/opentelemetry-collector-contrib:0.158.0
"""
PROD = """\
# Ours.
encryptionsalt: v1:abc=:v1:def
config:
  tracing:environment: prod
  tracing:kubernetes: {context: prod}
  tracing:allowInsecure: {all: a test}
  tracing:allowTags: {all: a test}
  # How long.
  tracing:tempo:
    blockRetention: 14d  # two weeks
  tracing:collector:
    replicas: 3
    image: docker.io/otel/opentelemetry-collector-contrib:0.150.0
"""


class Stacks:
    """Stack files by name, which the commands find as if they were the project's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def file(self, stack: str) -> Path:
        return self.directory / f"Pulumi.{stack}.yaml"

    def write(self, **texts: str) -> None:
        for stack, text in texts.items():
            self.file(stack).write_text(text, encoding="utf-8")

    def text(self, stack: str) -> str:
        return self.file(stack).read_text(encoding="utf-8")


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stacks:
    """`dev` and `prod`, of which the collector's version is all that is to be promoted."""
    monkeypatch.setattr(stack_files, "OWN", tmp_path)
    made = Stacks(tmp_path)
    made.write(dev=DEV, prod=PROD)
    return made
