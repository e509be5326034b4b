"""What the configuration accepts and refuses, and what a user reads then."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import config
from config import ConfigError, MinioConfig
from config.kinds import duration_seconds, go_duration
from config.retention import deletes_live_blocks, expire_days
from config.tempo import Distributed2Config
from ops.stack_files import ROOT, STACK_FILES, placeholders, settings

GRAFANA = {"url": "https://grafana.example.com"}
EXTERNAL = {"type": "external-minio", "endpoint": "minio.example.com:9000"}
S3 = {"type": "s3", "endpoint": "s3.amazonaws.com"}


def refusal(
    raw: dict[str, Any], *, stack: str = "dev", secrets: tuple[str, ...] = ()
) -> dict[str, str]:
    """The messages for a configuration, by key; the test fails if it is accepted."""
    raw = raw | dict.fromkeys(secrets, "hunter2-canary")
    with pytest.raises(ConfigError) as refused:
        config.parse(raw, stack=stack, secret_keys=set(secrets))
    assert "hunter2-canary" not in str(refused.value)
    return {finding.path: finding.message for finding in refused.value.findings}


# One case for each way a file can be wrong: what stands in it, the key that the message names,
# and the part of the message that says what to write instead.
REFUSED = {
    "an unknown section, with the nearest one": (
        {"tracing:tempoo": {}},
        "tracing:tempoo",
        "did you mean tempo?",
    ),
    "an unknown key, with the nearest one": (
        {"tracing:tempo": {"blockRetentoin": "48h"}},
        "tracing:tempo.blockRetentoin",
        "did you mean blockRetention?",
    ),
    "an unknown key that is like no other, with all of them": (
        {"tracing:linkerd": {"xyzzy": 1}},
        "tracing:linkerd.xyzzy",
        "write one of controllerEndpoint, labels, traceServiceName",
    ),
    "an unknown key deep in a section": (
        {"tracing:tempo": {"ingester": {"resources": {"cpus": "1"}}}},
        "tracing:tempo.ingester.resources.cpus",
        "did you mean cpu?",
    ),
    "text where a number belongs": (
        {"tracing:tempo": {"ingester": {"replicas": "3"}}},
        "tracing:tempo.ingester.replicas",
        "is not a whole number; write one, without quotes",
    ),
    "a number where text belongs": (
        {"tracing:tempo": {"ingester": {"resources": {"cpu": 2}}}},
        "tracing:tempo.ingester.resources.cpu",
        "is not text; write text (in quotes",
    ),
    "text where true or false belongs": (
        {"tracing:tempo": {"memcached": "yes"}},
        "tracing:tempo.memcached",
        "is neither true nor false",
    ),
    "a mapping where a list belongs": (
        {"tracing:tempo": {"receivers": {"otlpGrpc": True}}},
        "tracing:tempo.receivers",
        "is not a list",
    ),
    "a list where a mapping belongs": (
        {"tracing:collector": ["a"]},
        "tracing:collector",
        "is not a mapping",
    ),
    "a bad Kubernetes name": (
        {"tracing:tempo": {"namespace": "Tempo_NS"}},
        "tracing:tempo.namespace",
        "use lower-case letters, digits and '-'",
    ),
    "a release name longer than Helm allows": (
        {"tracing:tempo": {"releaseName": "t" * 54}},
        "tracing:tempo.releaseName",
        "has 54 characters; write a name of at most 53",
    ),
    "a bad bucket name": (
        {"tracing:objectStore": {"bucket": "My_Bucket"}},
        "tracing:objectStore.bucket",
        "is not an S3 bucket name",
    ),
    "a bucket named like an address": (
        {"tracing:objectStore": {"bucket": "10.0.0.1"}},
        "tracing:objectStore.bucket",
        "is not an S3 bucket name",
    ),
    "a URL without a scheme": (
        {"tracing:loki": {"url": "loki:3100"}},
        "tracing:loki.url",
        "is not a URL; write one such as https://",
    ),
    "a URL with a port that does not exist": (
        {"tracing:loki": {"url": "http://loki:99999"}},
        "tracing:loki.url",
        "is not a URL",
    ),
    "a URL that holds credentials": (
        {"tracing:grafana": {"url": "https://admin:pw@grafana"}},
        "tracing:grafana.url",
        "holds credentials; take them out",
    ),
    "a URL where an address belongs": (
        {"tracing:objectStore": {**EXTERNAL, "endpoint": "https://minio:9000"}},
        "tracing:objectStore.endpoint",
        "is a URL; write host and port only",
    ),
    "an address without a valid host": (
        {"tracing:objectStore": {**EXTERNAL, "endpoint": "minio_1:x"}},
        "tracing:objectStore.endpoint",
        "is not an address",
    ),
    "dashboards without a Prometheus to ask": (
        {"tracing:grafana": {"url": "https://g.example.com", "dashboards": True}},
        "tracing:grafana.dashboards",
        "ask a Prometheus, and there is none; add tracing:prometheus",
    ),
    "a folder of dashboards that are not made": (
        {"tracing:grafana": {"url": "https://g.example.com", "folder": "Mine"}},
        "tracing:grafana.folder",
        "is of the dashboards, and there are none",
    ),
    "a uid that leaves no room for those of the dashboards": (
        {
            "tracing:grafana": {"url": "https://g.example.com", "tempo": {"uid": "t" * 32}},
            "tracing:prometheus": {},
        },
        "tracing:grafana.tempo.uid",
        "write at most 31, or grafana.dashboards: false",
    ),
    "a duration without a unit": (
        {"tracing:tempo": {"blockRetention": "48"}},
        "tracing:tempo.blockRetention",
        "write numbers with units, such as 30m, 48h or 14d",
    ),
    "a duration of nothing": (
        {"tracing:tempo": {"blockRetention": "0h"}},
        "tracing:tempo.blockRetention",
        "write a duration above zero",
    ),
    "a duration finer than Tempo's": (
        {"tracing:tempo": {"blockRetention": "3600500ms"}},
        "tracing:tempo.blockRetention",
        "is finer than a second; write hours or days",
    ),
    "a size without a unit": (
        {"tracing:objectStore": {"volumeSize": "20"}},
        "tracing:objectStore.volumeSize",
        "did you forget the unit? Write a size such as 20Gi",
    ),
    "a size with a unit that does not exist": (
        {"tracing:objectStore": {"volumeSize": "20GB"}},
        "tracing:objectStore.volumeSize",
        "is not a Kubernetes quantity",
    ),
    "a quantity of nothing": (
        {"tracing:collector": {"resources": {"cpu": "0"}}},
        "tracing:collector.resources.cpu",
        "write a quantity above zero",
    ),
    "an image without tag or digest": (
        {"tracing:collector": {"image": "otel/opentelemetry-collector"}},
        "tracing:collector.image",
        "is not a pinned image",
    ),
    "a port out of range": (
        {"tracing:objectStore": {"admin": {"portForward": {"localPort": 70000}}}},
        "tracing:objectStore.admin.portForward.localPort",
        "write at most 65535",
    ),
    "a sampling rate above one": (
        {"tracing:traefik": {"sampleRate": 1.5}},
        "tracing:traefik.sampleRate",
        "write at most 1",
    ),
    "no replicas": (
        {"tracing:collector": {"replicas": 0}},
        "tracing:collector.replicas",
        "write at least 1",
    ),
    "an unknown choice, with all of them": (
        {"tracing:collector": {"mode": "sidecar"}},
        "tracing:collector.mode",
        "write one of deployment, daemonset",
    ),
    "an unknown receiver, at its place in the list": (
        {"tracing:tempo": {"receivers": ["otlpGrpc", "oltp"]}},
        "tracing:tempo.receivers[1]",
        "write one of otlpGrpc",
    ),
    "the receiver that Tempo no longer has": (
        {"tracing:tempo": {"receivers": ["otlpGrpc", "opencensus"]}},
        "tracing:tempo.receivers[1]",
        "translates it to OTLP",
    ),
    "a profile that is not there": (
        {"tracing:tempo": {"profile": "distributed-4"}},
        "tracing:tempo.profile",
        "write one of distributed-2",
    ),
    "an unknown kind of store, with all of them": (
        {"tracing:objectStore": {"type": "gcs"}},
        "tracing:objectStore.type",
        "write one of minio, external-minio, s3",
    ),
    "a key of another kind of store": (
        {"tracing:objectStore": {**S3, "lifecycle": {"expireDays": 9}}},
        "tracing:objectStore.lifecycle",
        "can't manage in a store of type s3 (it can in minio and external-minio); remove the key",
    ),
    "a store without its address": (
        {"tracing:objectStore": {"type": "s3"}},
        "tracing:objectStore.endpoint",
        "is missing",
    ),
    "a uid that Grafana refuses": (
        {"tracing:grafana": {**GRAFANA, "tempo": {"uid": "my tempo"}}},
        "tracing:grafana.tempo.uid",
        "write a value that does",
    ),
    "a digest that is none": (
        {"tracing:charts": {"digests": {"a-1.0.0.tgz": "abc"}}},
        "tracing:charts.digests.a-1.0.0.tgz",
        "write a value that does",
    ),
    "an environment that is none": (
        {"tracing:environment": "qa"},
        "tracing:environment",
        "write one of dev, staging, prod",
    ),
    "no propagator at all": (
        {"tracing:traefik": {"propagators": []}},
        "tracing:traefik.propagators",
        "is empty",
    ),
    "settings of a provider that this program does not use": (
        {"kubernetes:context": "prod"},
        "kubernetes:context",
        "the cluster is tracing:kubernetes.context",
    ),
    "a lifecycle that deletes blocks Tempo still keeps, with both numbers": (
        {
            "tracing:objectStore": {"lifecycle": {"expireDays": 7}},
            "tracing:tempo": {"blockRetention": "7d"},
        },
        "tracing:objectStore.lifecycle.expireDays",
        "7 deletes blocks that Tempo still keeps (tracing:tempo.blockRetention is 7d)",
    ),
    "more copies than ingesters": (
        {"tracing:tempo": {"ingester": {"replicas": 2}}},
        "tracing:tempo.ingester.replicas",
        "2 is less than replicationFactor 3",
    ),
    "a collector that Tempo does not listen to": (
        {"tracing:tempo": {"receivers": ["zipkin"]}, "tracing:collector": {}},
        "tracing:tempo.receivers",
        "add otlpGrpc",
    ),
    "a protocol of Traefik's that nobody listens to": (
        {"tracing:collector": {"receivers": ["otlpGrpc"]}, "tracing:traefik": {"protocol": "http"}},
        "tracing:traefik.protocol",
        "needs the receiver otlpHttp; add it to tracing:collector.receivers",
    ),
    "Harness without OTLP over gRPC": (
        {"tracing:collector": {"receivers": ["otlpHttp"]}, "tracing:harness": {}},
        "tracing:harness",
        "add otlpGrpc to tracing:collector.receivers",
    ),
    "Linkerd without OTLP over gRPC": (
        {"tracing:tempo": {"receivers": ["otlpHttp"]}, "tracing:linkerd": {}},
        "tracing:linkerd",
        "add otlpGrpc to tracing:tempo.receivers",
    ),
    "Loki without Grafana": (
        {"tracing:loki": {"url": "http://loki"}},
        "tracing:loki",
        "add tracing:grafana, or remove it",
    ),
    "Prometheus without Grafana": (
        {"tracing:prometheus": {"datasourceUid": "prometheus"}},
        "tracing:prometheus",
        "has no use without Grafana or an operator; add tracing:grafana or "
        "tracing:prometheus.operator, or remove it",
    ),
    "one uid for two data sources": (
        {
            "tracing:grafana": {**GRAFANA, "loki": {"uid": "tempo"}},
            "tracing:loki": {"url": "http://loki"},
        },
        "tracing:grafana.loki.uid",
        '"tempo" is also tracing:grafana.tempo.uid',
    ),
    "one release name twice in a namespace": (
        {"tracing:collector": {"namespace": "tempo", "releaseName": "tempo-distributed"}},
        "tracing:collector.releaseName",
        "is also tracing:tempo.releaseName",
    ),
    "two ways to the same server": (
        {"tracing:objectStore": {"admin": {"endpoint": "minio:9000", "portForward": {}}}},
        "tracing:objectStore.admin",
        "has both endpoint and portForward",
    ),
    "no way to Grafana": (
        {"tracing:grafana": {"mode": "api"}},
        "tracing:grafana.url",
        "is missing; write Grafana's address, or portForward for a Grafana in the cluster",
    ),
    "two ways to the same Grafana": (
        {"tracing:grafana": {**GRAFANA, "portForward": {}}},
        "tracing:grafana",
        "has both url and portForward",
    ),
    "an authority for a way without TLS": (
        {"tracing:grafana": {"caFile": "examples/private-ca/ca.pem", "portForward": {}}},
        "tracing:grafana.caFile",
        "has no use with portForward",
    ),
    "one local port for two forwards": (
        {"tracing:grafana": {"portForward": {"localPort": 19000}}},
        "tracing:grafana.portForward.localPort",
        "19000 is that of tracing:objectStore.admin.portForward too",
    ),
    "something that kubectl does not forward to": (
        {"tracing:grafana": {"portForward": {"resource": "grafana"}}},
        "tracing:grafana.portForward.resource",
        "write service/NAME or deployment/NAME",
    ),
    "a way to a sidecar's Grafana": (
        {"tracing:grafana": {"mode": "sidecar", "portForward": {}}},
        "tracing:grafana.portForward",
        "is not a known key",
    ),
    "an existing namespace that nobody uses": (
        {"tracing:kubernetes": {"existingNamespaces": ["monitoring"]}},
        "tracing:kubernetes.existingNamespaces[0]",
        "is not the namespace of any component",
    ),
    "a namespace of Kubernetes' own": (
        {"tracing:tempo": {"namespace": "kube-system"}},
        "tracing:tempo.namespace",
        "belongs to Kubernetes",
    ),
    "a missing secret, with the command that sets it": (
        {"tracing:grafana": GRAFANA},
        "tracing:grafanaAuth",
        "run: pulumi config set --stack dev --secret tracing:grafanaAuth",
    ),
    "a missing administrator's password": (
        {"tracing:objectStore": EXTERNAL},
        "tracing:objectStoreRootPassword",
        "run: pulumi config set --stack dev --secret tracing:objectStoreRootPassword",
    ),
    "a plain S3 without keys": (
        {"tracing:objectStore": S3},
        "tracing:objectStoreAccessKey",
        "the store's keys are given, not managed",
    ),
    "a secret in plain text, without showing it": (
        {"tracing:grafana": GRAFANA, "tracing:grafanaAuth": "hunter2-canary"},
        "tracing:grafanaAuth",
        "stands in the stack file in plain text",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_names_the_key_and_the_remedy(case: str) -> None:
    raw, key, remedy = REFUSED[case]
    messages = refusal(raw)
    assert key in messages, messages
    assert remedy in messages[key]


def test_shows_all_errors_of_a_file_at_once() -> None:
    messages = refusal(
        {
            "tracing:tempo": {"blockRetention": "48", "ingester": {"replicas": "3"}},
            "tracing:objectStore": {"bucket": "X"},
            "tracing:traefik": {"sampleRate": 2},
            "tracing:foo": {},
        },
        stack="prod",
    )
    assert sorted(messages) == [
        "tracing:foo",
        "tracing:kubernetes.context",
        "tracing:objectStore.bucket",
        "tracing:tempo.blockRetention",
        "tracing:tempo.ingester.replicas",
        "tracing:traefik.sampleRate",
    ]


def test_one_mistake_is_not_reported_twice_by_a_rule_that_depends_on_it() -> None:
    assert list(refusal({"tracing:tempo": {"receivers": ["oltp"]}, "tracing:harness": {}})) == [
        "tracing:tempo.receivers[0]"
    ]


@pytest.mark.parametrize("stack", ["staging", "prod", "anything-else"])
def test_outside_dev_the_ambient_context_is_never_used(stack: str) -> None:
    assert (
        "never uses the current context" in refusal({}, stack=stack)["tracing:kubernetes.context"]
    )


def test_a_stack_of_any_name_may_say_that_it_is_dev() -> None:
    config.parse({"tracing:environment": "dev"}, stack="alice", secret_keys=set())


def test_a_secret_within_a_section_is_refused_because_it_would_not_stay_secret() -> None:
    messages = refusal({}, secrets=("tracing:objectStore",))
    assert "each secret is a setting of its own" in messages["tracing:objectStore"]


def test_an_empty_secret_is_as_good_as_none() -> None:
    with pytest.raises(ConfigError, match="is empty"):
        config.parse(
            {"tracing:grafana": GRAFANA, "tracing:grafanaAuth": ""},
            stack="dev",
            secret_keys={"tracing:grafanaAuth"},
        )


def test_a_root_password_that_minio_would_refuse_is_refused_first() -> None:
    key = "tracing:objectStoreRootPassword"
    with pytest.raises(ConfigError, match="has 4 characters, 8 characters or more") as refused:
        config.parse({key: "qwzx"}, stack="dev", secret_keys={key})
    assert "qwzx" not in str(refused.value)


def test_a_secret_that_nothing_uses_is_refused() -> None:
    messages = refusal({}, secrets=("tracing:grafanaAuth",))
    assert "pulumi config rm --stack dev tracing:grafanaAuth" in messages["tracing:grafanaAuth"]


def test_prod_does_not_send_the_administrators_password_in_clear() -> None:
    messages = refusal(
        {
            "tracing:objectStore": {**EXTERNAL, "insecure": True},
            "tracing:kubernetes": {"context": "prod"},
        },
        stack="prod",
        secrets=("tracing:objectStoreRootPassword",),
    )
    assert "objectStore.insecure: false" in messages["tracing:allowInsecure.pulumi-to-store"]


def test_the_error_says_how_many_there_are_and_that_nothing_was_changed() -> None:
    with pytest.raises(ConfigError) as refused:
        config.parse({"tracing:a": 1, "tracing:b": 2}, stack="dev", secret_keys=set())
    assert str(refused.value).startswith(
        "the configuration of stack 'dev' has 2 errors; nothing was changed:"
    )


def test_a_bare_key_means_all_defaults() -> None:
    stack = config.parse(
        {"tracing:collector": None, "tracing:tempo": {"ingester": None}},
        stack="dev",
        secret_keys=set(),
    )
    assert stack.collector is not None
    assert isinstance(stack.tempo, Distributed2Config)
    assert stack.tempo.ingester.replicas == 3


def test_values_are_read_as_pulumi_hands_them_on() -> None:
    stack = config.parse(
        {
            "tracing:tempo": '{"blockRetention": "14d"}',
            "tracing:environment": "dev",
            "tracing:kubernetes": '{"context": "c"}',
        },
        stack="x",
        secret_keys=set(),
    )
    assert stack.tempo.block_retention == "14d"


def test_without_a_setting_of_its_own_the_store_is_a_minio_in_the_cluster() -> None:
    assert isinstance(
        config.parse({"tracing:tempo": {}}, stack="dev", secret_keys=set()).object_store,
        MinioConfig,
    )


@pytest.mark.parametrize("stack", STACK_FILES)
def test_every_stack_file_of_the_repository_is_accepted(stack: str) -> None:
    raw = settings(stack)
    secrets = placeholders(raw)
    config.parse(raw | secrets, stack=stack, secret_keys=set(secrets))


def test_the_stack_that_the_readme_shows_is_accepted() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, shown = text.partition("This is a whole stack:")
    raw = yaml.safe_load(shown.split("```yaml")[1].split("```")[0])["config"]
    assert config.parse(raw, stack="mine", secret_keys=set()).traefik is not None


def test_required_secrets_are_those_without_which_the_stack_is_refused() -> None:
    raw: dict[str, Any] = {"tracing:grafana": GRAFANA, "tracing:objectStore": S3}
    secrets = config.required_secrets(raw)
    config.parse(raw | dict.fromkeys(secrets, "x"), stack="dev", secret_keys=set(secrets))
    for left_out in secrets:
        rest = [key for key in secrets if key != left_out]
        with pytest.raises(ConfigError, match=left_out):
            config.parse(raw | dict.fromkeys(rest, "x"), stack="dev", secret_keys=set(rest))


@given(
    st.integers(min_value=1, max_value=5000),
    st.sampled_from(["s", "m", "h", "d", "w"]),
)
def test_a_duration_for_tempo_is_the_same_time_in_units_that_go_knows(
    number: int, unit: str
) -> None:
    text = go_duration(f"{number}{unit}")
    assert duration_seconds(text) == duration_seconds(f"{number}{unit}")
    assert text[-1] in "hms"


@given(st.integers(min_value=1, max_value=24 * 400))
def test_the_derived_lifecycle_never_deletes_what_tempo_still_keeps(hours: int) -> None:
    lifecycle = MinioConfig().lifecycle
    retention = f"{hours}h"
    assert not deletes_live_blocks(lifecycle, retention)
    assert expire_days(lifecycle, retention) * 24 - hours >= 5 * 24
