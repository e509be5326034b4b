"""The collector: what holds whatever it is configured to, and its single decisions."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples

import charts
import config
from components.contracts import Endpoint
from components.values.collector import collector_values
from components.values.collector_config import (
    BATCH_MAX,
    HEALTH_CHECK_PORT,
    MESSAGE_MAX,
    RECEIVER_PORTS,
    collector_config,
)
from components.values.collector_metrics import OWN
from components.values.collector_tls import CollectorTls
from config.collector import REDACTED, CollectorConfig, redaction_pattern
from config.collector_tiers import DISK_FACTOR, FILL, HEADROOM, MB, Tier, first_tier, tiers
from config.kinds import quantity
from config.rules.collector import LEAST_BURST
from ops import chart_lock
from ops.registrations import Recorded, record
from tests.unit.collector_settings import SCALED, TAIL, WRITE, collector_settings

FIRST, GATEWAY = "collector", "collector-gateway"
TEMPO = "tempo-distributed-distributor.tempo.svc.cluster.local"


def run_of(settings: dict[str, Any], **stack: Any) -> Recorded:
    raw = {"tracing:collector": settings}
    return record("dev", raw | {f"tracing:{key}": value for key, value in stack.items()}, {})


def tiers_of(settings: dict[str, Any], **stack: Any) -> dict[str, dict[str, Any]]:
    """The values of each tier, in the order in which spans go through them."""
    values = run_of(settings, **stack).helm_values()
    return {tier: values[tier] for tier in (FIRST, GATEWAY) if tier in values}


def configuration(settings: dict[str, Any], tier: str = FIRST) -> dict[str, Any]:
    return tiers_of(settings)[tier]["alternateConfig"]


# --- What holds for whatever is accepted ----------------------------------------------------------


def parsed(settings: dict[str, Any]) -> CollectorConfig:
    raw = {"tracing:collector": settings}
    stack = config.parse(raw, stack="dev", secret_keys=set())
    assert stack.collector is not None
    return stack.collector


@examples(deadline=None)
@given(section=collector_settings())
def test_whatever_is_configured_holds_together(section: dict[str, Any]) -> None:
    settings = parsed(section)
    lock = chart_lock.load(
        charts.OPENTELEMETRY_COLLECTOR.name, charts.OPENTELEMETRY_COLLECTOR.version
    )
    tempo = Endpoint(host=TEMPO, port=4317)
    path, files = [], CollectorTls(server="server-tls")
    for tier in tiers(settings):
        to = tempo if tier.is_last else Endpoint(host="gateway", port=4317)
        values = collector_values(settings, tier, to, tempo, files)
        collector = values["alternateConfig"]
        assert chart_lock.unknown_paths(values, lock) == []
        assert_everything_named_is_there_and_used(collector)
        assert_nothing_holds_spans_back(collector)
        receivers = section.get("receivers", ["otlpGrpc", "otlpHttp"])
        assert_only_what_is_asked_for_is_open(values, receivers if tier.is_first else ["otlpGrpc"])
        assert (tier.queue is None) == (tier.workload == "daemonset" and not tier.is_last)
        if tier.queue is not None:
            assert_the_queue_holds_the_budget(section, tier, values)
        path.append(collector)
    assert_spans_are_cleaned_first_and_left_out_last(path)


def assert_the_queue_holds_the_budget(
    section: dict[str, Any], tier: Tier, values: dict[str, Any]
) -> None:
    collector = values["alternateConfig"]
    queue, storage = outgoing(collector)["sending_queue"], collector_storage(collector)
    arriving = section["queue"].get("ingestMBps", 1) * MB
    arriving *= section["queue"].get("outageMinutes", 10) * 60
    assert queue["queue_size"] * tier.replicas >= arriving * HEADROOM
    assert queue["queue_size"] * DISK_FACTOR <= storage["max_size"]
    if tier.workload == "statefulset":
        [claim] = values["statefulset"]["volumeClaimTemplates"]
        size = quantity(claim["spec"]["resources"]["requests"]["storage"])
        assert storage["max_size"] <= float(size) * FILL


def outgoing(collector: dict[str, Any]) -> dict[str, Any]:
    """The exporter that traces leave by."""
    [name] = {"otlp_grpc", "load_balancing"} & collector["exporters"].keys()
    return collector["exporters"][name]


def collector_storage(collector: dict[str, Any]) -> dict[str, Any]:
    return collector["extensions"]["file_storage/queue"]


def assert_everything_named_is_there_and_used(collector: dict[str, Any]) -> None:
    pipelines = collector["service"]["pipelines"].values()
    named = {
        kind: {name for pipeline in pipelines for name in pipeline.get(kind, ())}
        for kind in ("receivers", "processors", "exporters")
    }
    connectors = set(collector.get("connectors", {}))
    assert named["processors"] == set(collector["processors"])
    assert named["receivers"] == set(collector["receivers"]) | connectors
    assert named["exporters"] == set(collector["exporters"]) | connectors
    assert set(collector["service"]["extensions"]) == set(collector["extensions"])
    port = collector["extensions"]["health_check"]["endpoint"].rpartition(":")[2]
    assert int(port) == HEALTH_CHECK_PORT


def assert_nothing_holds_spans_back(collector: dict[str, Any]) -> None:
    assert not [name for name in collector["processors"] if name.partition("/")[0] == "batch"]
    exporter = outgoing(collector)
    queue = exporter["sending_queue"]
    if queue != {"enabled": False}:
        assert queue["storage"] in collector["service"]["extensions"]
        assert queue["sizer"] == "bytes"
        assert queue["batch"]["max_size"] < MESSAGE_MAX
    assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
    if "protocol" in exporter:
        # A queue of a single pod's exporter would be in memory.
        assert exporter["protocol"]["otlp"]["sending_queue"] == {"enabled": False}
    for name, pipeline in collector["service"]["pipelines"].items():
        # Its own metrics are seen also while it refuses spans.
        if name != f"metrics/{OWN}" and set(pipeline["receivers"]) & set(collector["receivers"]):
            assert pipeline["processors"][0] == "memory_limiter"


def assert_only_what_is_asked_for_is_open(values: dict[str, Any], wanted: list[str]) -> None:
    opened = {name for name, port in values["ports"].items() if port["enabled"]}
    assert opened == {RECEIVER_PORTS[receiver][0] for receiver in wanted} | {"metrics"}
    listening = re.findall(
        r'"endpoint": "0\.0\.0\.0:(\d+)"', json.dumps(values["alternateConfig"]["receivers"])
    )
    assert sorted(map(int, listening)) == sorted(RECEIVER_PORTS[r][1] for r in wanted)
    if values["mode"] == "daemonset":
        ports = {name: port for name, port in values["ports"].items() if name != "metrics"}
        assert {port["hostPort"] for port in ports.values()} == {0}


def assert_spans_are_cleaned_first_and_left_out_last(path: list[dict[str, Any]]) -> None:
    cleaning = {"k8s_attributes", "resource_detection", "redaction"}
    leaving_out = {"tail_sampling", "probabilistic_sampler"}
    assert cleaning <= path[0]["processors"].keys()
    for later in path[1:]:
        assert not cleaning & later["processors"].keys()
    for earlier in path[:-1]:
        assert not leaving_out & earlier["processors"].keys()
        assert not {"span_metrics", "service_graph"} & earlier.get("connectors", {}).keys()
    last = path[-1]
    whole = {"tail_sampling", "service_graph"} & {*last["processors"], *last.get("connectors", ())}
    assert ("load_balancing" in path[0]["exporters"]) == (len(path) == 2 and bool(whole))
    assert last["exporters"]["otlp_grpc"]["endpoint"] == f"{TEMPO}:4317"
    for pipeline in last["service"]["pipelines"].values():
        if {"span_metrics", "service_graph"} & set(pipeline["exporters"]):
            # Counted before anything is left out.
            assert not leaving_out & set(pipeline["processors"])


# --- Single decisions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, [FIRST]),
        ({"replicas": 3}, [FIRST]),
        ({"mode": "daemonset"}, [FIRST]),
        ({"mode": "agent-gateway"}, [FIRST, GATEWAY]),
        ({"sampling": TAIL}, [FIRST]),
        ({"sampling": TAIL, "replicas": 2}, [FIRST, GATEWAY]),
        ({"sampling": TAIL} | SCALED, [FIRST, GATEWAY]),
        ({"sampling": TAIL, "mode": "daemonset"}, [FIRST, GATEWAY]),
        ({"metrics": WRITE}, [FIRST]),
        ({"metrics": WRITE, "replicas": 2}, [FIRST, GATEWAY]),
        ({"metrics": WRITE | {"processors": ["span-metrics"]}, "replicas": 2}, [FIRST]),
    ],
)
def test_a_second_tier_is_there_only_where_it_is_needed(
    settings: dict[str, Any], names: list[str]
) -> None:
    values = tiers_of(settings)
    assert list(values) == names
    for name, part in values.items():
        # The first tier chooses among the gateway's pods, so it has to be told of each.
        assert ("clusterIP" in part["service"]) == (name == GATEWAY)


def test_a_deployment_keeps_its_queue_on_a_claim_and_a_daemonset_with_its_pod() -> None:
    deployment, daemonset = tiers_of({})[FIRST], tiers_of({"mode": "daemonset"})[FIRST]
    assert deployment["mode"] == "statefulset"
    [claim] = deployment["statefulset"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
    [volume] = daemonset["extraVolumes"]
    assert volume["emptyDir"] == {"sizeLimit": "2Gi"}
    for values in (deployment, daemonset):
        [mount] = values["extraVolumeMounts"]
        assert mount["name"] in (claim["metadata"]["name"], volume["name"])
        assert mount["mountPath"] == collector_storage(values["alternateConfig"])["directory"]


def test_the_queue_of_a_daemonset_never_fills_what_its_pod_may_write() -> None:
    settings: dict[str, Any] = {"mode": "daemonset", "queue": {"volumeSize": "5Gi"}}
    [values] = tiers_of(settings).values()
    [volume] = values["extraVolumes"]
    assert volume["emptyDir"]["sizeLimit"] == "5Gi"
    file = collector_storage(values["alternateConfig"])["max_size"]
    assert file < 5 * 2**30, "a pod that fills its volume is evicted"


@pytest.mark.parametrize(
    "settings",
    [{"mode": "agent-gateway"}, {"mode": "daemonset", "sampling": TAIL}],
    ids=["asked for", "for whole traces"],
)
def test_agents_with_a_gateway_keep_nothing_and_answer_when_it_has(
    settings: dict[str, Any],
) -> None:
    agents, gateway = (tiers_of(settings)[tier] for tier in (FIRST, GATEWAY))
    assert outgoing(agents["alternateConfig"])["sending_queue"] == {"enabled": False}
    assert "file_storage/queue" not in agents["alternateConfig"]["extensions"]
    assert "extraVolumes" not in agents
    assert "statefulset" not in agents
    assert outgoing(gateway["alternateConfig"])["sending_queue"]["storage"] == "file_storage/queue"


@pytest.mark.parametrize("mode", ["deployment", "daemonset", "agent-gateway"])
def test_no_pod_is_root_in_any_mode(mode: str) -> None:
    for values in tiers_of({"mode": mode}).values():
        assert values["podSecurityContext"]["runAsNonRoot"] is True
        assert values["podSecurityContext"]["fsGroup"] == values["podSecurityContext"]["runAsUser"]
        assert "runAsUser" not in values["securityContext"]


def test_the_queue_holds_what_tempo_is_sized_for() -> None:
    sized = {"ingestMBps": 12, "retention": "48h"}
    [values] = tiers_of({"replicas": 4}, tempo={"capacity": sized}).values()
    queue = values["alternateConfig"]["exporters"]["otlp_grpc"]["sending_queue"]
    assert queue["queue_size"] == 12 * MB * 600 / 4 * HEADROOM
    [own] = tiers_of({"queue": {"ingestMBps": 2}}, tempo={"capacity": sized}).values()
    assert own["alternateConfig"]["exporters"]["otlp_grpc"]["sending_queue"]["queue_size"] == (
        2 * MB * 600 * HEADROOM
    )


def test_a_volume_that_is_given_is_taken() -> None:
    [values] = tiers_of({"queue": {"volumeSize": "21500M"}}).values()
    [claim] = values["statefulset"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "21500M"


@pytest.mark.parametrize(
    ("queue", "volume"),
    [
        ({}, "2Gi"),
        ({"ingestMBps": 0.001}, "128Mi"),
        ({"ingestMBps": 0.3}, "640Mi"),
        ({"ingestMBps": 40, "outageMinutes": 60}, "448Gi"),
    ],
)
def test_a_volume_is_a_size_that_is_read_at_a_glance(queue: dict[str, Any], volume: str) -> None:
    [values] = tiers_of({"queue": queue}).values()
    [claim] = values["statefulset"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == volume


def test_tempo_lets_what_it_refuses_for_a_limit_come_again() -> None:
    retry = {"retry_after_on_resource_exhausted": "5s"}
    values = record("dev", {"tracing:tempo": {}}, {}).helm_values()["tempo"]
    assert values["tempo"]["structuredConfig"]["distributor"] == retry
    one = record("dev", {"tracing:tempo": {"profile": "monolithic"}}, {}).helm_values()["tempo"]
    assert "retry_after_on_resource_exhausted: 5s" in one["config"]


def test_tail_sampling_is_sized_by_what_each_pod_sees() -> None:
    tail = TAIL | {"tracesPerSecond": 9000, "decisionWait": "20s"}
    settings = {"mode": "agent-gateway", "gateway": {"replicas": 3}, "sampling": tail}
    sampler = configuration(settings, GATEWAY)["processors"]["tail_sampling"]
    assert sampler["expected_new_traces_per_sec"] == 3000
    assert sampler["num_traces"] >= 3000 * 20
    assert sampler["decision_wait"] == "20s"
    assert sampler["decision_cache"]["sampled_cache_size"] > sampler["num_traces"]


def test_policies_are_what_the_processor_calls_them() -> None:
    policies = [
        {"type": "errors"},
        {"type": "slow", "threshold": "1500ms"},
        {"type": "service", "service": "a$b", "sampleRate": 0.29},
        {"type": "attribute", "key": "tier", "values": ["gold"]},
        {"type": "probabilistic", "sampleRate": 0.05},
    ]
    sampler = configuration({"sampling": TAIL | {"policies": policies}})["processors"]
    errors, slow, service, gold, rest = sampler["tail_sampling"]["policies"]
    assert errors["status_code"] == {"status_codes": ["ERROR"]}
    assert slow["latency"] == {"threshold_ms": 1500}
    which, part = service["and"]["and_sub_policy"]
    # The collector would read $b as a variable.
    assert which["string_attribute"] == {"key": "service.name", "values": ["a$$b"]}
    assert part["probabilistic"] == {"sampling_percentage": 29.0}
    assert gold["string_attribute"] == {"key": "tier", "values": ["gold"]}
    assert rest["probabilistic"] == {"sampling_percentage": 5.0}
    assert len({policy["name"] for policy in (errors, slow, service, gold, rest)}) == 5


@pytest.mark.parametrize(
    ("key", "redacted"),
    [
        ("authorization", True),
        ("Proxy-Authorization", True),
        ("http.request.header.authorization", True),
        ("http.response.header.set-cookie", True),
        ("http.request.header.x_api_key", True),
        ("authorization.kind", False),
        ("cookie_policy", False),
        ("biscuit.macookie", False),
        ("http.route", False),
    ],
)
def test_redaction_is_by_the_end_of_a_name(key: str, redacted: bool) -> None:
    patterns = [redaction_pattern(name) for name in REDACTED]
    assert any(re.search(pattern, key) for pattern in patterns) == redacted


def test_tls_reaches_the_receivers_and_whoever_sends() -> None:
    tls = {"secretName": "otel-tls", "clientCaSecretName": "senders"}
    receivers = ["otlpGrpc", "otlpHttp", "zipkin", "jaegerGrpc", "jaegerThriftHttp"]
    run = run_of({"tls": tls, "receivers": receivers, "mode": "agent-gateway"})
    values = run.helm_values()[FIRST]
    opened = values["alternateConfig"]["receivers"]
    servers = [*opened["otlp"]["protocols"].values(), *opened["jaeger"]["protocols"].values()]
    for server in (*servers, opened["zipkin"]):
        assert server["tls"]["cert_file"] == "/etc/otelcol/tls/tls.crt"
        assert server["tls"]["client_ca_file"] == "/etc/otelcol/client-ca/ca.crt"
    secrets = {
        mount["mountPath"]: volume["secret"]["secretName"]
        for volume in values["extraVolumes"]
        if "secret" in volume
        for mount in values["extraVolumeMounts"]
        if mount["name"] == volume["name"]
    }
    assert secrets == {"/etc/otelcol/tls": "otel-tls", "/etc/otelcol/client-ca": "senders"}
    gateway = run.helm_values()[GATEWAY]["alternateConfig"]["receivers"]["otlp"]["protocols"]
    # The first tier has no certificate to show.
    assert gateway["grpc"]["tls"]["cert_file"] == "/etc/otelcol/tls/tls.crt"
    assert "client_ca_file" not in gateway["grpc"]["tls"]
    assert run.outputs["otlpGrpcEndpoint"].startswith("https://")
    assert run.outputs["otlpHttpEndpoint"].startswith("https://")


def test_traefik_and_harness_are_told_that_the_collector_speaks_tls() -> None:
    run = run_of({"tls": {"secretName": "otel-tls"}}, traefik={}, harness={})
    grpc = run.helm_values()["traefik"]["tracing"]["otlp"]["grpc"]
    assert grpc["insecure"] is False
    assert "https://opentelemetry-collector.otel" in run.outputs["harnessValues"]


def test_a_pod_that_may_be_removed_stays_until_its_queue_is_empty() -> None:
    values = tiers_of(SCALED)[FIRST]
    assert values["autoscaling"] == {
        "enabled": True,
        "minReplicas": 2,
        "maxReplicas": 4,
        "targetCPUUtilizationPercentage": 60,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 3600}},
    }


@pytest.mark.parametrize(
    ("settings", "spread"), [({}, False), ({"replicas": 2}, True), (SCALED, True)]
)
def test_several_pods_are_spread_and_drained_one_at_a_time(
    settings: dict[str, Any], spread: bool
) -> None:
    values = tiers_of(settings)[FIRST]
    assert ("topologySpreadConstraints" in values) == spread
    assert values.get("podDisruptionBudget") == (
        {"enabled": True, "maxUnavailable": 1} if spread else None
    )


def test_the_collectors_own_spans_go_to_tempo_and_not_to_itself() -> None:
    settings = {"telemetry": {"traceSampleRate": 0.1}, "mode": "agent-gateway"}
    for values in tiers_of(settings).values():
        traces = values["alternateConfig"]["service"]["telemetry"]["traces"]
        [processor] = traces["processors"]
        assert processor["batch"]["exporter"]["otlp"]["endpoint"] == f"http://{TEMPO}:4317"
    assert "traces" not in configuration({})["service"]["telemetry"]


def test_each_pods_series_are_its_own_and_the_numbers_are_limited() -> None:
    settings = {"metrics": WRITE | {"maxSeriesPerService": 300}}
    collector = configuration(settings)
    assert collector["connectors"]["span_metrics"]["aggregation_cardinality_limit"] == 300
    labels = collector["exporters"]["prometheus_remote_write"]["external_labels"]
    assert labels == {"collector": "${env:OTEL_K8S_POD_NAME}"}


@pytest.mark.parametrize("mode", ["deployment", "daemonset"])
def test_a_cloud_tells_of_the_node_only_where_the_senders_are_on_it(mode: str) -> None:
    settings = {"mode": mode, "resourceDetectors": ["ec2", "azure", "gcp"]}
    detection = configuration(settings)["processors"]["resource_detection"]
    assert detection["detectors"] == ["env", "ec2", "azure", "gcp"]
    for detector in ("ec2", "azure", "gcp"):
        off = detection.get(detector, {}).get("resource_attributes", {})
        assert ("host.name" in off) == (mode == "deployment")


def test_the_largest_batch_is_below_what_tempo_has_to_take_at_once() -> None:

    assert BATCH_MAX < LEAST_BURST * MB


@pytest.mark.parametrize("tls", [True, False])
def test_what_is_exported_to_is_spoken_to_as_its_contract_says(tls: bool) -> None:
    settings = CollectorConfig()
    tempo = Endpoint(host="tempo.example.com", port=4317, tls=tls)
    configuration = collector_config(settings, first_tier(settings), tempo, tempo)
    assert configuration["exporters"]["otlp_grpc"]["tls"]["insecure"] is not tls
