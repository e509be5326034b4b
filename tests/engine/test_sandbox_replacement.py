"""What changes in place and what is replaced, as the real providers decide it."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

POD = {"containers": [{"name": "a", "image": "a:1"}]}
STATEFUL = {
    "replicas": 1,
    "serviceName": "web",
    "selector": {"matchLabels": {"app": "web"}},
    "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD},
    "volumeClaimTemplates": [
        {
            "metadata": {"name": "data"},
            "spec": {"resources": {"requests": {"storage": "20Gi"}}},
        }
    ],
}
JOB = {"template": {"spec": POD}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def changed(value: Any, path: str, to: Any) -> Any:
    result = json.loads(json.dumps(value))
    place, *parts = result, *path.split(".")
    for part in parts[:-1]:
        place = place[int(part)] if part.isdigit() else place[part]
    place[parts[-1]] = to
    return result


@dataclass(frozen=True)
class Case:
    """A resource, what of it changes, and what that comes to."""

    type: str
    inputs: dict[str, Any]
    path: str
    to: Any
    op: str

    def entries(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Declare it before and after, under a name of its own."""
        before = {"type": self.type, "name": name, "inputs": renamed(self.inputs, name)}
        after = {**before, "inputs": renamed(changed(self.inputs, self.path, self.to), name)}
        return before, after


def renamed(inputs: dict[str, Any], name: str) -> dict[str, Any]:
    """Fill in the name, which the resources of one cloud must not share."""
    return json.loads(json.dumps(inputs).replace("NAME", name))


def of_kubernetes(group: str, kind: str, spec: dict[str, Any], path: str, to: Any, op: str) -> Case:
    metadata = {"name": "NAME", "namespace": "apps"}
    inputs = {"apiVersion": group.removeprefix("core/"), "kind": kind, "metadata": metadata}
    return Case(f"kubernetes:{group}:{kind}", {**inputs, "spec": spec}, f"spec.{path}", to, op)


CHART = {
    "chart": "tempo",
    "version": "1.0.0",
    "name": "NAME",
    "namespace": "apps",
    "repositoryOpts": {"repo": "https://charts.example"},
    "values": {"replicas": 1, "resources": {}},
}
RELEASE = "kubernetes:helm.sh/v3:Release"
BUCKET, USER = "minio:index/s3Bucket:S3Bucket", "minio:index/iamUser:IamUser"
POLICY = "minio:index/iamPolicy:IamPolicy"
SOURCE = "grafana:oss/dataSource:DataSource"
PASSWORD = "random:index/randomPassword:RandomPassword"
DOCUMENT, REORDERED = '{"Version": "1", "Statement": []}', '{"Statement":[],"Version":"1"}'
TEMPO = {"name": "NAME", "type": "tempo", "uid": "NAME", "jsonDataEncoded": '{"a": 1, "b": 2}'}
STORAGE = "volumeClaimTemplates.0.spec.resources.requests.storage"
IMAGE = "template.spec.containers.0.image"
CASES = [
    of_kubernetes("apps/v1", "StatefulSet", STATEFUL, "replicas", 2, "update"),
    of_kubernetes("apps/v1", "StatefulSet", STATEFUL, IMAGE, "a:2", "update"),
    of_kubernetes("apps/v1", "StatefulSet", STATEFUL, "serviceName", "other", "replace"),
    of_kubernetes(
        "apps/v1", "StatefulSet", STATEFUL, "selector.matchLabels.app", "other", "replace"
    ),
    of_kubernetes("apps/v1", "StatefulSet", STATEFUL, STORAGE, "30Gi", "replace"),
    of_kubernetes("apps/v1", "Deployment", STATEFUL, IMAGE, "a:2", "update"),
    of_kubernetes(
        "apps/v1", "Deployment", STATEFUL, "selector.matchLabels.app", "other", "replace"
    ),
    of_kubernetes("batch/v1", "Job", JOB, IMAGE, "a:2", "replace"),
    of_kubernetes("batch/v1", "Job", JOB, "backoffLimit", 3, "update"),
    of_kubernetes("core/v1", "Pod", POD, "containers.0.image", "a:2", "replace"),
    of_kubernetes("core/v1", "Service", {"ports": [{"port": 80}]}, "ports.0.port", 81, "update"),
    of_kubernetes("core/v1", "Service", {"ports": [{"port": 80}]}, "clusterIP", "None", "replace"),
    of_kubernetes(
        "core/v1", "PersistentVolumeClaim", CLAIM, "resources.requests.storage", "2Gi", "update"
    ),
    of_kubernetes("core/v1", "PersistentVolumeClaim", CLAIM, "storageClassName", "fast", "replace"),
    of_kubernetes("example.org/v1", "Widget", {"size": 1}, "size", 2, "update"),
    Case(RELEASE, CHART, "values.replicas", 2, "update"),
    Case(RELEASE, CHART, "version", "1.1.0", "update"),
    Case(RELEASE, CHART, "name", "other", "replace"),
    Case(RELEASE, CHART, "namespace", "default", "replace"),
    Case(BUCKET, {"bucket": "NAME"}, "bucket", "other", "replace"),
    Case(BUCKET, {"bucket": "NAME"}, "forceDestroy", True, "update"),
    Case(USER, {"name": "NAME"}, "name", "other", "replace"),
    Case(USER, {"name": "NAME"}, "disableUser", True, "update"),
    Case(POLICY, {"name": "NAME", "policy": DOCUMENT}, "policy", "{}", "update"),
    Case(POLICY, {"name": "NAME", "policy": DOCUMENT}, "policy", REORDERED, "same"),
    Case(POLICY, {"name": "NAME", "policy": DOCUMENT}, "name", "other", "replace"),
    Case(SOURCE, TEMPO, "uid", "other", "replace"),
    Case(SOURCE, TEMPO, "orgId", "2", "replace"),
    Case(SOURCE, TEMPO, "name", "other", "update"),
    Case(SOURCE, TEMPO, "jsonDataEncoded", '{"b":2,"a":1}', "same"),
    Case(SOURCE, TEMPO, "jsonDataEncoded", '{"b":2,"a":2}', "update"),
    Case(PASSWORD, {"length": 8}, "length", 9, "replace"),
    Case(PASSWORD, {"length": 8}, "keepers", {"year": "2026"}, "replace"),
    Case(PASSWORD, {"length": 8}, "keepers", {"year": None}, "same"),
]


@pytest.fixture(scope="module")
def ops(shared_objects) -> dict[str, str]:
    """Apply all cases, change all of them, and preview that once."""
    entries = [case.entries(f"case-{index}") for index, case in enumerate(CASES)]
    shared_objects.apply(*[before for before, _ in entries])
    shared_objects.declare(*[after for _, after in entries])
    return {step.name: step.op for step in shared_objects.preview().steps}


@pytest.mark.parametrize(
    "index", range(len(CASES)), ids=lambda i: f"{CASES[i].type}-{CASES[i].path}"
)
def test_a_resource_is_updated_or_replaced_by_what_changes(ops, index):
    assert ops[f"case-{index}"] == CASES[index].op


def test_changed_content_replaces_unless_the_provider_is_told_otherwise(objects, kube, entry):
    flags = {"enableSecretMutable": True, "enableConfigMapMutable": True}
    providers = [
        entry("pulumi:providers:kubernetes", "strict"),
        entry("pulumi:providers:kubernetes", "mutable", **flags),
    ]
    kinds = [("ConfigMap", "data"), ("Secret", "stringData"), ("Secret", "data")]

    def declared(text: str) -> list[dict[str, Any]]:
        return providers + [
            kube(
                "core/v1",
                kind,
                f"{provider}-{kind}-{content}".lower(),
                provider=provider,
                **{content: {"key": text}},
            )
            for provider in ("strict", "mutable")
            for kind, content in kinds
        ]

    objects.apply(*declared("b25l"))

    assert objects.plan(*declared("dHdv")) == {
        "strict-configmap-data": "replace",
        "strict-secret-stringdata": "replace",
        "strict-secret-data": "replace",
        "mutable-configmap-data": "update",
        "mutable-secret-stringdata": "update",
        "mutable-secret-data": "update",
    }


def test_an_object_that_keeps_its_name_is_deleted_before_it_is_replaced(objects, kube):
    objects.apply(kube("batch/v1", "Job", "migrate", spec=JOB))
    objects.cloud.log.clear()

    image = changed(JOB, "template.spec.containers.0.image", "a:2")
    objects.apply(kube("batch/v1", "Job", "migrate", spec=image))

    assert [(op, kind) for op, kind, _ in objects.cloud.log] == [
        ("delete", "Job"),
        ("create", "Job"),
    ]


def test_an_object_without_a_name_gets_one_and_keeps_it(objects, kube):
    unnamed = kube("core/v1", "ConfigMap", "settings", data={"key": "one"})
    del unnamed["inputs"]["metadata"]["name"]
    objects.apply(unnamed)

    assert objects.plan(unnamed) == {}
    [made] = objects.cloud.objects("kubernetes", "ConfigMap")
    assert made.id.startswith("apps/settings-")
    assert len(made.id) == len("apps/settings-") + 8


def test_another_cluster_replaces_the_provider_and_another_address_of_it_does_not(objects, entry):
    def provider(cluster: str, server: str) -> dict[str, Any]:
        config = {
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": cluster}}],
            "clusters": [{"name": cluster, "cluster": {"server": server}}],
        }
        return entry("pulumi:providers:kubernetes", "cluster", kubeconfig=json.dumps(config))

    objects.apply(provider("one", "https://one"))

    assert objects.plan(provider("two", "https://two")) == {"cluster": "replace"}
    assert objects.plan(entry("pulumi:providers:kubernetes", "cluster")) == {"cluster": "update"}
