"""What a stack takes over from another, and what its file says then."""

from typing import Any

import pytest
import yaml

from ops import UserError
from ops.promotion import Promotion, work_out
from ops.stack_document import StackDocument
from tests.unit.stacks import DEV, PROD, Stacks, stacks

__all__ = ["stacks"]


def promoted(*left_out: str, **settings: Any) -> Promotion:
    named = {f"tracing:{key.replace('__', '.')}": value for key, value in settings.items()}
    return work_out(
        StackDocument.read("dev"), StackDocument.read("prod"), left_out=left_out, settings=named
    )


def config(promotion: Promotion) -> dict[str, Any]:
    return yaml.safe_load(promotion.after.text)["config"]


def refused(*left_out: str, **settings: Any) -> str:
    with pytest.raises(UserError) as refusal:
        promoted(*left_out, **settings)
    return str(refusal.value)


def test_a_version_is_taken_over_and_the_rest_of_the_file_stays(stacks: Stacks) -> None:
    promotion = promoted()
    assert [each.key for each in promotion.carried] == ["tracing:collector.image"]
    assert promotion.after.text == PROD.replace("0.150.0", "0.158.0")


def test_what_belongs_to_the_environment_is_never_taken_over(stacks: Stacks) -> None:
    stacks.write(
        dev=DEV
        + "    replicas: 1\n"
        + "    resources: {memory: 1Gi}\n"
        + "  tracing:tempo: {blockRetention: 24h, namespace: other}\n"
        + "  tracing:deleteData: true\n"
        + "  tracing:grafana: {url: 'http://dev'}\n"
        + "  tracing:grafanaAuth: {secure: v1:of-dev}\n"
    )
    promotion = promoted()
    assert promotion.after.text == PROD.replace("0.150.0", "0.158.0")
    left = {each.key for each in promotion.left}
    assert {"tracing:grafana.url", "tracing:grafanaAuth", "tracing:tempo.blockRetention"} <= left


def test_encrypted_values_of_the_target_stay_byte_for_byte(stacks: Stacks) -> None:
    secret = "  tracing:objectStoreRootPassword:\n    secure: v1:1234:xyz+/=\n"
    stacks.write(prod=PROD + secret)
    assert promoted().after.text == PROD.replace("0.150.0", "0.158.0") + secret


def test_a_default_of_the_source_removes_what_the_target_says(stacks: Stacks) -> None:
    stacks.write(prod=PROD + "    receivers: [zipkin]\n")
    promotion = promoted()
    assert "receivers" not in config(promotion)["tracing:collector"]
    assert config(promotion)["tracing:collector"]["replicas"] == 3


def test_a_new_feature_comes_with_what_is_promoted_of_it(stacks: Stacks) -> None:
    stacks.write(dev=DEV + "  tracing:traefik:\n    serviceType: ClusterIP\n    sampleRate: 0.5\n")
    promotion = promoted(traefik__routeNamespaces=["shop"])
    assert config(promotion)["tracing:traefik"] == {"sampleRate": 0.5, "routeNamespaces": ["shop"]}


def test_a_feature_that_the_source_does_not_have_goes(stacks: Stacks) -> None:
    stacks.write(prod=PROD + "  # Of Linkerd.\n  tracing:linkerd: {}\n")
    promotion = promoted()
    assert "tracing:linkerd" not in config(promotion)
    assert "# Of Linkerd." in promotion.after.text


def test_a_feature_that_needs_a_setting_of_the_environments_asks_for_it(stacks: Stacks) -> None:
    stacks.write(dev=DEV + "    metrics: {remoteWriteUrl: 'http://dev/write'}\n")
    said = refused()
    assert "tracing:collector.metrics.remoteWriteUrl: is missing" in said
    assert "--set KEY=VALUE" in said
    promotion = promoted(collector__metrics__remoteWriteUrl="http://prod/write")
    assert config(promotion)["tracing:collector"]["metrics"] == {
        "remoteWriteUrl": "http://prod/write"
    }


def test_what_is_left_out_stays_with_all_beneath_it(stacks: Stacks) -> None:
    stacks.write(dev=DEV + "  tracing:linkerd: {traceServiceName: proxy}\n")
    promotion = promoted("tracing:linkerd")
    assert [each.key for each in promotion.carried] == ["tracing:collector.image"]
    assert "tracing:linkerd" not in config(promotion)
    assert "tracing:linkerd.traceServiceName" in {each.key for each in promotion.left}


def test_leaving_out_what_is_not_promoted_is_refused_with_what_is(stacks: Stacks) -> None:
    said = refused("tracing:collector.replicas")
    assert "--except tracing:collector.replicas" in said
    assert "write one of tracing:collector.image" in said


def test_a_setting_that_undoes_the_promotion_is_refused(stacks: Stacks) -> None:
    said = refused(collector__image="docker.io/otel/opentelemetry-collector-contrib:0.1.0")
    assert "leave it out with --except tracing:collector.image" in said


def test_a_secret_is_not_set_in_clear(stacks: Stacks) -> None:
    said = refused(grafanaAuth="token")
    assert "pulumi config set --secret tracing:grafanaAuth" in said


def test_a_setting_has_no_place_where_the_environment_has_another_kind(stacks: Stacks) -> None:
    store = "  tracing:objectStore: {type: external-minio, endpoint: 'minio:9000'}\n"
    image = "  tracing:objectStore: {image: 'docker.io/pgsty/minio:other'}\n"
    stacks.write(dev=DEV + image, prod=PROD + store)
    promotion = promoted()
    assert config(promotion)["tracing:objectStore"] == yaml.safe_load(store)["tracing:objectStore"]
    # Nor the other way round: what only the target's kind has is not removed.
    stacks.write(dev=DEV + store, prod=PROD + image)
    assert config(promoted())["tracing:objectStore"] == {"image": "docker.io/pgsty/minio:other"}


def test_another_profile_is_promoted_only_where_the_targets_own_settings_fit(
    stacks: Stacks,
) -> None:
    kafka = "{profile: distributed-3, acknowledgeNoDowngrade: true, kafka: {address: 'k:9092'}}"
    stacks.write(dev=DEV + f"  tracing:tempo: {kafka}\n")
    said = refused()
    assert "does not fit into Pulumi.prod.yaml" in said
    assert "tracing:tempo.acknowledgeNoDowngrade" in said
    promotion = promoted(tempo__acknowledgeNoDowngrade=True, tempo__kafka__address="kafka:9092")
    assert config(promotion)["tracing:tempo"] == {
        "blockRetention": "14d",
        "profile": "distributed-3",
        "acknowledgeNoDowngrade": True,
        "kafka": {"address": "kafka:9092"},
    }


def test_lists_are_taken_over_as_a_whole(stacks: Stacks) -> None:
    tail = (
        "    sampling:\n      type: tail\n      tracesPerSecond: 10\n      policies:\n"
        "        - type: errors\n        - {type: slow, threshold: 2s}\n"
    )
    own = tail.replace("10\n", "1000\n").replace("        - type: errors\n", "")
    stacks.write(dev=DEV + tail, prod=PROD + own)
    sampling = config(promoted())["tracing:collector"]["sampling"]
    assert sampling["tracesPerSecond"] == 1000
    assert sampling["policies"] == [{"type": "errors"}, {"type": "slow", "threshold": "2s"}]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_file_with_mistakes_is_refused_with_all_of_them(stacks: Stacks, stack: str) -> None:
    text = "  tracing:tempoo: {}\n  tracing:harness: {chartVersion: '9'}\n"
    stacks.file(stack).write_text(stacks.text(stack) + text, encoding="utf-8")
    said = refused()
    assert f"the configuration of stack '{stack}' has 2 errors" in said
    assert "tracing:tempoo" in said
    assert "tracing:harness.chartVersion" in said
