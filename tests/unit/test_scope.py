"""Every setting says once whether it is promoted or belongs to an environment."""

import json
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from config import StackConfig
from config.base import Section
from config.scope import PerEnvironment, Promoted, Scope, scopes_of
from ops.schema import SCHEMA_FILE, SCOPE

COLLECTIONS = (tuple, dict, list)


def sections(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in get_args(annotation) for found in sections(part)]


def collected(annotation: Any) -> bool:
    if get_origin(annotation) in COLLECTIONS:
        return True
    return any(collected(part) for part in get_args(annotation))


def can_be_missing(field: FieldInfo) -> bool:
    union = get_origin(field.annotation) in (Union, UnionType)
    return union and type(None) in get_args(field.annotation)


def fields(
    section: type[Section], prefix: str = "", within: FieldInfo | None = None
) -> Iterator[tuple[str, FieldInfo, FieldInfo | None]]:
    """Each field of the schema by its path, and the collection that it is in, if any."""
    for field in section.model_fields.values():
        path = f"{prefix}{field.alias}"
        yield path, field, within
        for inner in sections(field.annotation):
            outer = within or (field if collected(field.annotation) else None)
            yield from fields(inner, f"{path}({inner.__name__}).", outer)


ALL = list(fields(StackConfig))


def undecided(section: type[Section]) -> list[str]:
    """What is wrong in a schema: keys that say nothing, say it twice, or contradict their list."""
    wrong = []
    for path, field, within in fields(section):
        said = scopes_of(field)
        decides = not sections(field.annotation) or can_be_missing(field)
        decides = decides or collected(field.annotation)
        if len(said) != (1 if decides else 0):
            wrong.append(f"{path}: {said}")
        elif within is not None and decides and said != scopes_of(within):
            wrong.append(f"{path}: {said} in a collection of the other scope")
    return wrong


def test_every_key_is_decided_and_once() -> None:
    assert len(ALL) > 400
    assert undecided(StackConfig) == []


def test_an_undecided_key_is_found() -> None:
    class Inner(Section):
        said: Promoted[int] = 1
        unsaid: int = 1

    class Outer(Section):
        inner: Inner = Inner()
        missing: Inner | None = None
        twice: Promoted[PerEnvironment[int]] = 1
        several: PerEnvironment[tuple[Inner, ...]] = ()

    found = [line.split(":")[0] for line in undecided(Outer)]
    assert found == [
        "inner(Inner).unsaid",
        "missing",
        "missing(Inner).unsaid",
        "twice",
        "several(Inner).said",
        "several(Inner).unsaid",
    ]


@pytest.mark.parametrize(
    "key",
    [
        "deleteData",
        "kubernetes(KubernetesConfig).context",
        "objectStore(ExternalMinioConfig).endpoint",
        "objectStore(MinioConfig).volumeSize",
        "tempo(Distributed2Config).namespace",
        "tempo(Distributed2Config).ingester(IngesterConfig).replicas",
        "tempo(Distributed3Config).acknowledgeNoDowngrade",
        "collector(CollectorConfig).resources(ComputeResources).memory",
        "grafana(GrafanaApiConfig).url",
    ],
)
def test_sizes_hosts_and_acknowledgements_belong_to_the_environment(key: str) -> None:
    [field] = [field for path, field, _ in ALL if path == key]
    assert scopes_of(field) == [Scope.ENVIRONMENT]


@pytest.mark.parametrize(
    "key",
    [
        "tempo(Distributed2Config).profile",
        "collector",
        "collector(CollectorConfig).image",
        "collector(CollectorConfig).mode",
        "collector(CollectorConfig).sampling(TailSampling).policies",
        "harness(HarnessConfig).chartVersion",
        "kafka(KafkaClusterConfig).version",
        "loki(LokiConfig).logFormats",
    ],
)
def test_versions_modes_and_features_are_promoted(key: str) -> None:
    [field] = [field for path, field, _ in ALL if path == key]
    assert scopes_of(field) == [Scope.PROMOTED]


def test_an_editor_is_told_the_scope_of_each_key_that_has_one() -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    models = {"StackConfig": StackConfig}
    for _, field, _ in ALL:
        models |= {inner.__name__: inner for inner in sections(field.annotation)}
    for name, model in models.items():
        settings = schema["properties"]["config"] if model is StackConfig else schema["$defs"][name]
        for field in model.model_fields.values():
            key = f"tracing:{field.alias}" if model is StackConfig else field.alias
            said = settings["properties"][key].get(SCOPE)
            assert ([] if said is None else [said]) == scopes_of(field)
