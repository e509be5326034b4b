"""What a report says of a change: which properties, in which words, with which labels."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops.report_sample import GOLDEN, golden, recorded, sample
from ops.review.change import (
    MISSING,
    Label,
    OpenHop,
    Operation,
    PropertyChange,
    Report,
    Resource,
)
from ops.review.describe import described
from ops.review.document import VERSION, document
from ops.review.hops import open_hops
from ops.review.labels import OPEN_HOPS, RELEASE, labelled
from ops.review.markdown import markdown
from ops.review.mermaid import graph
from ops.review.page import page
from ops.review.properties import Scrubber, property_changes
from ops.review.sides import Sides
from ops.review.words import sentence
from sandbox import Step

NO_CHARTS = Path("no-charts-here")
BUCKET = "minio:index/s3Bucket:S3Bucket"
LIFECYCLE = "minio:index/ilmPolicy:IlmPolicy"
STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"
SERVICE = "kubernetes:core/v1:Service"
KAFKA = "kubernetes:kafka.strimzi.io/v1:KafkaTopic"
POLICY = "minio:index/iamPolicy:IamPolicy"
MINIO = "pulumi:providers:minio"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
CONFIG = "values.alternateConfig"


def changed(
    type: str,
    path: str,
    old: Any,
    new: Any,
    *,
    name: str = "tempo-release",
    operation: Operation = "update",
) -> set[str]:
    """The labels of a resource of which one property changes."""
    resource = Resource(
        urn="urn:x",
        name=name,
        type=type,
        component="tempo",
        operation=operation,
        properties=(PropertyChange(path=path, old=old, new=new),),
        old_inputs={},
        new_inputs={},
    )
    return {str(label) for label in labelled(resource).labels}


def whole(type: str, operation: Operation, name: str = "thing") -> set[str]:
    """The labels of a resource to which something happens as a whole."""
    resource = Resource(
        urn="urn:x",
        name=name,
        type=type,
        component="",
        operation=operation,
        old_inputs={},
        new_inputs={},
    )
    return {str(label) for label in labelled(resource).labels}


@pytest.mark.parametrize(
    ("type", "path", "old", "new", "labels"),
    [
        (RELEASE, "values.compactor.config.compaction.block_retention", "336h", "24h",
         "may lose data, changes retention, restarts, changes cost"),
        (RELEASE, "values.compactor.config.compaction.block_retention", "24h", "336h",
         "changes retention, restarts, changes cost"),
        (LIFECYCLE, "rules[0].expiration", "19d", "6d",
         "may lose data, changes retention, changes cost"),
        (LIFECYCLE, "rules[0].expiration", "6d", "19d", "changes retention, changes cost"),
        (LIFECYCLE, "rules[0].id", "19dRetention", "6dRetention", ""),
        (BUCKET, "forceDestroy", False, True, "may lose data"),
        (BUCKET, "forceDestroy", True, False, ""),
        (KAFKA, "spec.config.retention.ms", 86400000, 3600000,
         "may lose data, changes retention, changes cost"),
        (RELEASE, "values.ingester.config.replication_factor", 3, 1, "may lose data, restarts"),
        (RELEASE, "values.ingester.config.replication_factor", 1, 3, "restarts"),
        (RELEASE, "values.ingester.persistence.enabled", True, False, "may lose data, restarts"),
        (RELEASE, f"{CONFIG}.exporters.otlp.sending_queue.storage", "file_storage", MISSING,
         "may lose data, restarts"),
        (RELEASE, "values.ingester.replicas", 3, 5, "changes cost"),
        (RELEASE, "values.querier.autoscaling.maxReplicas", 3, 5, "changes cost"),
        (RELEASE, "values.querier.resources.requests.cpu", "1", "2", "restarts, changes cost"),
        (RELEASE, "values.ingester.persistence.size", "10Gi", "20Gi", "changes cost"),
        (RELEASE, "values.storage.trace.s3.insecure", False, True,
         "weakens TLS or auth, restarts"),
        (RELEASE, "values.storage.trace.s3.insecure", True, False, "restarts"),
        (RELEASE, f"{CONFIG}.receivers.otlp.protocols.grpc.tls.cert_file", "/tls.crt", MISSING,
         "weakens TLS or auth, restarts"),
        (RELEASE, f"{CONFIG}.receivers.otlp.protocols.grpc.tls.cert_file", MISSING, "/tls.crt",
         "restarts"),
        (RELEASE, f"{CONFIG}.receivers.otlp.protocols.grpc.auth.authenticator", "oidc", MISSING,
         "weakens TLS or auth, restarts"),
        (RELEASE, f"{CONFIG}.processors.redaction.blocked_values", ["x"], MISSING,
         "weakens TLS or auth, restarts"),
        (RELEASE, "values.multitenancyEnabled", True, False, "weakens TLS or auth, restarts"),
        (RELEASE, f"{CONFIG}.exporters.otlp.endpoint", "https://a:1", "http://a:1",
         "weakens TLS or auth, restarts"),
        (RELEASE, "values.rbac.namespaced", True, MISSING, "weakens TLS or auth, restarts"),
        (RELEASE, "values.rbac.namespaced", MISSING, True, "restarts"),
        (RELEASE, "values.providers.kubernetesIngress.namespaces[1]", MISSING, "till",
         "weakens TLS or auth, restarts"),
        (RELEASE, "values.providers.kubernetesIngress.namespaces[0]", "shop", "till",
         "weakens TLS or auth, restarts"),
        (RELEASE, "values.providers.kubernetesIngress.namespaces[1]", "shop", MISSING, "restarts"),
        (MINIO, "minioSsl", True, False, "weakens TLS or auth"),
        (MINIO, "minioInsecure", MISSING, True, "weakens TLS or auth"),
        (OPEN_HOPS, "tempo-to-store", MISSING, "a VPN", "weakens TLS or auth"),
        (OPEN_HOPS, "tempo-to-store", "a VPN", MISSING, ""),
        (OPEN_HOPS, "tempo-to-store", "a VPN", "a mesh", ""),
        (POLICY, "policy.Statement[0].Action[0]", "s3:GetObject", "s3:*", "weakens TLS or auth"),
        (STATEFUL_SET, "spec.template.spec.containers[0].env[1].name", "A",
         "MINIO_PROMETHEUS_AUTH_TYPE", "weakens TLS or auth, restarts"),
        (SERVICE, "spec.type", "ClusterIP", "LoadBalancer", "opens a port, changes cost"),
        (SERVICE, "spec.type", "LoadBalancer", "ClusterIP", "changes cost"),
        (SERVICE, "spec.ports[1].port", MISSING, 9411, "opens a port"),
        (RELEASE, "values.service.spec.type", "ClusterIP", "NodePort",
         "opens a port, changes cost"),
        (RELEASE, "values.ports.zipkin.enabled", False, True, "opens a port, restarts"),
        (RELEASE, "values.ports.zipkin.enabled", True, False, "restarts"),
        (RELEASE, "values.ports.otlp.hostPort", 0, 4317, "opens a port, restarts"),
        (RELEASE, "values.ports.otlp.hostPort", 4317, 0, "restarts"),
        (RELEASE, f"{CONFIG}.receivers.zipkin.endpoint", MISSING, "0.0.0.0:9411",
         "opens a port, restarts"),
        (RELEASE, f"{CONFIG}.receivers.otlp.protocols.grpc.endpoint", "localhost:4317",
         "0.0.0.0:4317", "opens a port, restarts"),
        (RELEASE, "values.networkPolicy.enabled", True, False, "opens a port"),
        (NETWORK_POLICY, "spec.ingress[1].from[0]", MISSING, {}, "opens a port"),
        (RELEASE, "values.mode", "daemonset", "deployment", "restarts, changes cost"),
        (RELEASE, "values.tracing.sampleRate", 1.0, 0.5, "restarts, changes cost"),
        (RELEASE, "version", "2.26.1", "2.26.2", "restarts"),
        (RELEASE, "timeout", 600, 900, ""),
        (RELEASE, f"{CONFIG}.service.pipelines.traces.processors", ["a"], ["b"], "restarts"),
        (RELEASE, "values.service.annotations.a", "b", "c", ""),
        (STATEFUL_SET, "spec.template.spec.containers[0].image", "a", "b", "restarts"),
        (STATEFUL_SET, "spec.replicas", 1, 2, "changes cost"),
        ("kubernetes:core/v1:PersistentVolumeClaim", "spec.resources.requests.storage",
         "10Gi", "20Gi", "changes cost"),
    ],
)  # fmt: skip
def test_a_property_has_the_labels_that_a_reviewer_looks_for(
    type: str, path: str, old: Any, new: Any, labels: str
) -> None:
    assert changed(type, path, old, new) == set(filter(None, labels.split(", ")))


def test_another_chart_of_tempo_or_mode_of_the_collector_leaves_behind_what_is_in_the_old_pods():
    assert "may lose data" in changed(RELEASE, "chart", "tempo", "tempo-distributed")
    mode = ("values.mode", "daemonset", "statefulset")
    assert "may lose data" in changed(RELEASE, *mode, name="collector-release")
    assert "may lose data" not in changed(RELEASE, *mode, name="traefik-release")


@pytest.mark.parametrize(
    ("type", "operation", "name", "labels"),
    [
        (BUCKET, "delete", "store-bucket", {"may lose data"}),
        (BUCKET, "create", "store-bucket", set()),
        ("kubernetes:core/v1:Namespace", "replace", "n", {"may lose data", "replaces"}),
        (STATEFUL_SET, "delete", "minio-server", {"may lose data", "changes cost"}),
        (RELEASE, "replace", "tempo-release", {"may lose data", "replaces"}),
        (RELEASE, "replace", "traefik-release", {"replaces"}),
        (RELEASE, "create", "traefik-release", {"changes cost"}),
        (SERVICE, "create", "s", {"opens a port"}),
        (SERVICE, "delete", "s", set()),
        (NETWORK_POLICY, "delete", "p", {"opens a port"}),
        (LIFECYCLE, "delete", "l", {"changes retention"}),
    ],
)
def test_a_whole_resource_has_them_too(
    type: str, operation: Operation, name: str, labels: set[str]
) -> None:
    assert whole(type, operation, name) == labels


def test_what_is_created_is_labelled_for_what_it_opens_and_not_for_each_setting():
    labels = changed(RELEASE, "values.service.type", MISSING, "LoadBalancer", operation="create")
    assert labels == {"opens a port", "changes cost"}
    path = f"{CONFIG}.exporters.otlp.tls.insecure"
    assert changed(RELEASE, path, MISSING, True, operation="create") == {"changes cost"}


# What differs


def paths(old: dict[str, Any], new: dict[str, Any], *said: str) -> list[str]:
    return [change.path for change in property_changes(old, new, dict.fromkeys(said, "update"))]


def test_each_leaf_of_what_the_engine_names_is_a_change():
    old, new = {"a": {"b": 1, "c": [1, 2]}, "z": 1}, {"a": {"b": 2, "c": [1, 3]}, "z": 2}
    assert paths(old, new, "a") == ["a.b", "a.c[1]"]


def test_what_is_added_is_shown_leaf_by_leaf():
    assert paths({}, {"a": {"b": {"c": 1}, "d": 2}}, "a") == ["a.b.c", "a.d"]


def test_what_is_inside_a_json_or_yaml_text_is_compared_as_what_it_says():
    old, new = ({"configJson": json.dumps({"panels": [{"title": t}]})} for t in ("a", "b"))
    assert paths(old, new, "configJson") == ["configJson.panels[0].title"]
    old, new = ({"config": f"a: 1\nretention: {hours}h\n"} for hours in (1, 2))
    assert paths(old, new, "config") == ["config.retention"]


def test_a_text_that_only_looks_like_a_document_stays_a_text():
    old, new = {"a": "{not json"}, {"a": "{neither"}
    assert paths(old, new, "a") == ["a"]


def test_a_property_that_looks_the_same_is_named_if_the_engine_names_it():
    [change] = property_changes({"a": "[secret]"}, {"a": "[secret]"}, {"a": "update-replace"})
    assert sentence(change) == "`a`: changed (secret)"
    assert change.replaces


def test_of_a_secret_neither_side_is_shown_whatever_it_becomes():
    [change] = property_changes({"auth": "[secret]"}, {"auth": "hunter22"}, {"auth": "update"})
    assert change.exposed
    assert sentence(change) == "`auth`: was a secret and is **in plain text** now"
    assert "hunter22" not in str(change)
    [change] = property_changes({"auth": "hunter22"}, {"auth": "[secret]"}, {"auth": "update"})
    assert not change.exposed
    assert sentence(change) == "`auth`: changed (secret)"
    assert "hunter22" not in str(change)


def test_what_was_a_secret_is_taken_out_wherever_else_it_stands():
    old = {"auth": {"token": "[secret]"}, "n": 1}
    new = {"auth": {"token": 'a"long one'}, "n": 1}
    scrubber = Scrubber.of([(old, new)])
    diff = f"auth: [secret] => {json.dumps(new['auth']['token'])}"
    assert scrubber.clean([diff, new, Label.RESTARTS]) == [
        'auth: [secret] => "[secret]"',
        {"auth": {"token": "[secret]"}, "n": 1},
        Label.RESTARTS,
    ]


def test_a_secret_in_plain_text_is_nowhere_in_any_form_of_the_report():
    def step(**inputs: Any) -> Step:
        urn = "urn:pulumi:s::tracing::t::api"
        return Step(op="update", urn=urn, type="t", name="api", diffs=["auth"], **inputs)

    canary = "canary-4711"
    sides = Sides(
        stack="s",
        steps=(step(old_inputs={"auth": "[secret]"}, new_inputs={"auth": canary}),),
        new_outputs={"login": f"user:{canary}"},
        old_outputs={"login": "user:none"},
        old_settings={"tracing:grafanaAuth": {"secure": "v1:x"}},
        new_settings={"tracing:grafanaAuth": "another-canary"},
        text=f'~ auth: [secret] => "{canary}"',
    )
    report = Report(base="b", head="h", stacks=(described(sides, NO_CHARTS),))
    for text in (markdown(report), json.dumps(document(report)), page(report)):
        assert "canary" not in text
    assert "weakens TLS or auth" in markdown(report)
    assert "`tracing:grafanaAuth`: changed (secret)" in markdown(report)


# Words


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (PropertyChange(path="values.querier.replicas", old=2, new=3),
         "number of pods of querier (`values.querier.replicas`): `2` → `3`"),
        (PropertyChange(path="rules[0].expiration", old="19d", new="6d"),
         "after how long the bucket deletes objects (`rules[0].expiration`): `19d` → `6d`"),
        (PropertyChange(path="a.b", new=True), "`a.b`: `true` (was not set)"),
        (PropertyChange(path="a.b", old=["x"]), '`a.b`: no longer set (was `["x"]`)'),
        (PropertyChange(path="a", old="x", new="[unknown]"), "`a`: `x` → known after the update"),
        (PropertyChange(path="a", new="[secret]"), "`a`: set (secret)"),
        (PropertyChange(path="a", old="[secret]"), "`a`: removed (secret)"),
        (PropertyChange(path="a", old="", new="b`c"), "`a`: ` (empty) ` → ``b`c``"),
    ],
)  # fmt: skip
def test_a_property_is_said_in_words_with_both_values(change: PropertyChange, said: str) -> None:
    assert sentence(change) == said


def test_of_long_values_the_part_is_shown_where_they_part():
    said = sentence(PropertyChange(path="a", old="x" * 300 + "old", new="x" * 300 + "new"))
    assert "old" in said
    assert "new" in said
    assert len(said) < 150


# The report as a whole


def test_the_report_of_the_sample_is_as_it_was_reviewed() -> None:
    assert GOLDEN.read_text(encoding="utf-8") == golden(), "run: make generate"


def test_the_sample_shows_every_label() -> None:
    assert set(sample().stacks[0].labels) == set(Label)


def test_exit_codes_are_those_of_a_plan() -> None:
    report = sample()
    [stack] = report.stacks
    quiet = replace(stack, counts={}, outputs=())
    assert report.exit_code == 2
    assert replace(report, stacks=(quiet,)).exit_code == 0
    assert replace(report, stacks=(quiet, stack)).exit_code == 2
    assert replace(report, stacks=(replace(stack, error="failed"),)).exit_code == 1
    assert replace(report, stacks=(quiet,), error="no base").exit_code == 1


@pytest.mark.parametrize("limit", [20_000, 8_000, 4_000, 1_500])
def test_a_report_is_never_longer_than_a_comment_and_keeps_what_matters_most(limit: int) -> None:
    text = markdown(sample(), limit)
    assert len(text) <= limit
    assert "**may lose data**, **weakens TLS or auth**" in text
    assert text.count("```") % 2 == 0


def test_a_diff_that_ends_early_says_so() -> None:
    whole, cut = markdown(sample()), markdown(sample(), 20_000)
    assert "… cut: `--html` and `--json` have the rest" not in whole
    assert "… cut: `--html` and `--json` have the rest" in cut


def test_a_value_can_not_end_the_block_that_it_is_in() -> None:
    [stack] = sample().stacks
    report = replace(sample(), stacks=(replace(stack, engine_diff="a\n```\n@you\n"),))
    assert "````diff\na\n```\n@you\n````" in markdown(report)


def test_unchanged_components_are_one_node_of_the_graph_and_changed_resources_are_marked() -> None:
    drawn = graph(sample().stacks[0])
    assert 'c0["stack: 1 unchanged"]:::same' in drawn
    assert '["± store-user"]:::replace' in drawn
    assert '["+ traefik-release"]:::create' in drawn
    [traefik] = [line.split("[")[0].strip() for line in drawn.splitlines() if "traefik-rel" in line]
    assert f"c1r0 --> {traefik}" in drawn


def test_a_resource_that_is_not_a_program_s_component_belongs_to_its_outermost_one() -> None:
    components = {resource.name: resource.component for resource in sample().stacks[0].resources}
    assert components["store-bucket"] == "store"
    assert components["kubernetes"] == ""
    assert "store" not in components


def test_the_json_has_the_documented_keys_and_leaves_out_what_is_not_set() -> None:
    content = json.loads(json.dumps(document(sample())))
    assert content["version"] == VERSION
    assert content["exitCode"] == 2
    [stack] = content["stacks"]
    documented = (Path(__file__).parents[2] / "docs/reviewing.md").read_text(encoding="utf-8")
    keys = (
        content.keys()
        | stack.keys()
        | stack["resources"][0].keys()
        | stack["settings"][0].keys()
        | stack["openHops"][0].keys()
    )
    assert [key for key in sorted(keys) if f"`{key}`" not in documented] == []
    by_path = {change["path"]: change for change in stack["settings"]}
    assert "old" not in by_path["tracing:objectStore.insecure"]
    assert by_path["tracing:objectStore.insecure"]["new"] is True
    assert by_path["tracing:grafanaAuth"]["old"] == "[secret]"


def test_what_the_policies_have_against_a_stack_is_said_with_the_remedy() -> None:
    [stack] = sample().stacks
    mandatory = [found.resource for found in stack.violations if found.level == "mandatory"]
    assert "store-admin" in mandatory
    text = markdown(sample())
    listed, _, folded = text.partition("<summary>Policies:")
    assert "- **no-insecure-endpoint** (mandatory) store-admin: minioSsl" in listed
    assert "Remove `insecure: true` from tracing:objectStore" in listed
    assert "- **requests-and-limits** (advisory) tempo-release" in folded
    [first, *_] = document(sample())["stacks"][0]["violations"]
    assert first["level"] == "mandatory"


def test_no_value_can_end_the_script_of_the_page() -> None:
    [stack] = sample().stacks
    evil = replace(stack, engine_diff="</script><script>alert(1)</script>/* REPORT */")
    text = page(replace(sample(), stacks=(evil,)))
    assert "<script>alert" not in text
    assert text.count("</script>") == 2


def test_the_page_asks_nothing_of_a_network() -> None:
    text = page(sample())
    assert "default-src 'none'" in text
    shell = text.replace("http://www.w3.org/2000/svg", "").split('<script type="application/json"')
    assert "http" not in shell[0].replace("http-equiv", "")


def hops_step(op: str, old: dict[str, str], new: dict[str, str]) -> Step:
    return Step(
        op=op,
        urn="urn::open-hops",
        type=OPEN_HOPS,
        name="open-hops",
        parent="urn::stack",
        old_inputs=old,
        new_inputs=new,
    )


def test_all_open_hops_are_listed_and_those_that_change_are_marked() -> None:
    old = {"a": "kept", "b": "before", "c": "gone", "e": "why"}
    step = hops_step("update", old, {"a": "kept", "b": "after", "d": "`new`", "e": ""})
    stack = described(Sides(stack="s", steps=(step,)), NO_CHARTS)
    assert [(hop.name, hop.operation) for hop in stack.open_hops] == [
        ("a", "same"),
        ("b", "update"),
        ("c", "delete"),
        ("d", "create"),
        ("e", "update"),
    ]
    _, _, section = markdown(Report(base="b", head="h", stacks=(stack,))).partition("Open hops**")
    assert section.split("\n\n")[1].splitlines() == [
        "- **~** `b` is open for another reason: `before` → `after`",
        "- **-** `c` is open no more (was: `gone`)",
        "- **+** `d` is open now: `` `new` ``",
        "- **~** `e` is open for another reason: `why` → no reason given",
        "- `a`: `kept`",
    ]


def test_a_changed_hop_is_a_changed_property_though_the_engine_names_none() -> None:
    step = hops_step("update", {"a": "kept", "b": "before"}, {"a": "kept", "b": "after"})
    [found] = described(Sides(stack="s", steps=(step,)), NO_CHARTS).resources
    assert [(each.path, each.old, each.new) for each in found.properties] == [
        ("b", "before", "after")
    ]


def test_no_hop_is_new_to_a_base_that_does_not_list_them() -> None:
    created = hops_step("create", {}, {"a": "kept"})
    assert open_hops([created]) == (OpenHop(name="a", operation="same", reason="kept"),)
    assert described(Sides(stack="s", steps=(created,)), NO_CHARTS).labels == ()


def test_a_head_that_does_not_list_them_has_no_open_hops() -> None:
    assert open_hops([hops_step("delete", {"a": "kept"}, {})]) == ()


def test_a_failed_side_is_said_and_the_rest_is_shown() -> None:
    failed = replace(recorded(), new=True, base_error="SyntaxError: invalid", old_settings={})
    stack = described(failed, NO_CHARTS)
    text = markdown(Report(base="b", head="h", stacks=(stack,)))
    assert "The base could not be applied, so that everything is shown as new:" in text
    assert "SyntaxError: invalid" in text
    assert "**not compared**" in text


def test_what_is_in_a_component_of_a_component_belongs_to_the_outer_one() -> None:
    def step(type: str, name: str, parent: str = "") -> Step:
        return Step(op="same", urn=f"urn::{name}", type=type, name=name, parent=f"urn::{parent}")

    nested = (
        step("tracing:index:Outer", "outer", "stack"),
        step("tracing:index:Inner", "inner", "outer"),
        step(SERVICE, "service", "inner"),
    )
    stack = described(Sides(stack="s", steps=nested), NO_CHARTS)
    assert [(found.name, found.component) for found in stack.resources] == [("service", "outer")]
