"""The stack's settings: what the program would refuse, and what is known to go badly together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from config.kinds import split_image
from config.object_store import MinioConfig
from config.secrets import SECRET_KEYS
from ops import stack_file
from ops.checks.finding import Check, Finding
from ops.checks.subject import PREFIX, Subject

ARCHIVED_MINIO: Final = ("quay.io/minio/minio", "docker.io/minio/minio", "minio/minio")
"""Images of the upstream project, which is archived: the last one is of September 2025."""

COLLECTOR_SINCE: Final = (0, 144)
"""The first collector that knows the exporters by the names that its settings use: `otlp_grpc`."""


def _check(subject: Subject) -> list[Finding]:
    edit = f"$EDITOR Pulumi.{subject.stack}.yaml"
    refused = [
        Finding(
            level="error",
            what=str(mistake),
            why="the program refuses the settings before it registers anything",
            command=f"pulumi config set --stack {subject.stack} --secret {mistake.path}"
            if mistake.path.removeprefix(PREFIX) in SECRET_KEYS
            else f"{edit}  # {mistake.path}",
        )
        for mistake in subject.mistakes
    ]
    damaged = [
        Finding(
            level="error",
            what=f"{key}: its secure text is damaged",
            why="nobody can decrypt it, and `make up` refuses the stack file",
            command=f"pulumi config set --stack {subject.stack} --secret {key}",
        )
        for key in stack_file.damaged(subject.raw)
    ]
    return [*refused, *damaged, *_combinations(subject, edit)]


def _combinations(subject: Subject, edit: str) -> Iterator[Finding]:
    settings = subject.settings
    store = settings.object_store
    if isinstance(store, MinioConfig) and split_image(store.image)["repository"] in ARCHIVED_MINIO:
        yield Finding(
            level="warning",
            what=f"tracing:objectStore.image: {store.image} is of an archived project",
            why="what is found in it from now on stays in it",
            command=f"{edit}  # remove tracing:objectStore.image: the default is maintained",
        )
    if settings.collector is not None:
        tag = split_image(settings.collector.image).get("tag", "")
        version = tuple(int(part) for part in tag.split(".")[:2] if part.isdigit())
        if len(version) == 2 and version < COLLECTOR_SINCE:
            since = ".".join(map(str, COLLECTOR_SINCE))
            yield Finding(
                level="error",
                what=f"tracing:collector.image: {tag} is older than {since}",
                why="it does not know the exporter otlp_grpc, and its pods would not start",
                command=f"{edit}  # remove tracing:collector.image, or name a newer one",
            )


CHECK: Final = Check(name="configuration", run=_check)
