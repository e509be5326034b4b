"""Another profile of Tempo on a live stack: shown as what it is, and the bucket stays."""

from typing import Any

import pytest

from tests.engine.conftest import BoxOf

TEMPO_3 = {
    "profile": "distributed-3",
    "acknowledgeNoDowngrade": True,
    "kafka": {"address": "kafka.kafka:9092"},
}

SWITCHES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "to Tempo 3, in place": (TEMPO_3, {"tempo-release": "update"}),
    "to one process, as another release": (
        {"profile": "monolithic"},
        {"tempo-release": "replace", "collector-release": "update"},
    ),
    "to one process of the same name, in place": (
        {"profile": "monolithic", "releaseName": "tempo-distributed"},
        {"tempo-release": "update", "collector-release": "update"},
    ),
}


@pytest.mark.parametrize("case", SWITCHES)
def test_another_profile_shows_as_what_it_is_and_never_touches_the_bucket(
    box_of: BoxOf, case: str
) -> None:
    tempo, expected = SWITCHES[case]
    box = box_of("dev")
    box.up()
    box.set_config("tracing:tempo", tempo | {"blockRetention": "48h"})
    preview = box.preview()
    assert {s.name: s.op for s in preview.changed() if s.name != "tempo"} == expected
    [release] = [step for step in preview.changed() if step.name == "tempo-release"]
    assert "version" in release.diffs
    box.up()
    assert box.preview().changes == {}
    assert [found.id for found in box.cloud.objects("minio", "S3Bucket")] == ["tempo"]
