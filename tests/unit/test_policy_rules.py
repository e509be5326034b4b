"""Each rule of the policy pack: it lets pass what is right and names what is wrong."""

from dataclasses import dataclass
from typing import Any, get_args

import pytest

import policy
from config.platform import Environment
from policy.marks import SHOWN_SECRET, UNKNOWN
from policy.rules.endpoints import is_inside
from tests.unit.policy_resources import (
    ENCRYPTED,
    LOCKED,
    MARKED,
    ONE_PROCESS,
    SIZED,
    TEMPO_2,
    TEMPO_3,
    claim,
    context,
    denial,
    deployment,
    iam,
    kube,
    lifecycle,
    namespace,
    open_hop,
    release,
    resource,
    role,
    store,
)

RULES = {rule.name: rule for rule in policy.RULES}


@dataclass(frozen=True)
class Case:
    """What a rule lets pass, and beside it what it does not."""

    good: policy.Resource | list[policy.Resource]
    bad: policy.Resource | list[policy.Resource]
    says: str
    """In the message of what is wrong."""


CASES: dict[str, list[Case]] = {
    "no-plaintext-secret": [
        Case(
            kube("core/v1", "Secret", stringData=MARKED),
            kube("core/v1", "Secret", stringData={"password": "s3cret"}),
            "stringData.password is plain text",
        ),
        Case(
            kube("core/v1", "Secret", data={"key": SHOWN_SECRET, "other": UNKNOWN}),
            kube("core/v1", "Secret", data={"key": "czNjcmV0"}),
            "data.key",
        ),
        Case(
            release(auth={"existingSecret": "login", "password": "${PASSWORD}"}),
            release(auth={"password": "s3cret"}),
            "values.auth.password is a credential",
        ),
        Case(
            release(env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "login"}}}]),
            release(env=[{"name": "API_TOKEN", "value": "s3cret"}]),
            "values.env[0].value (API_TOKEN)",
        ),
        Case(release(note="open"), release(note=MARKED), "values.note, a secret, is readable"),
        Case(
            release(url="https://${USER}:${PASSWORD}@db"),
            release(url="https://me:s3cret@db"),
            "values.url",
        ),
        Case(
            kube("core/v1", "ConfigMap", data={"ca.crt": "-----BEGIN CERTIFICATE-----"}),
            kube("core/v1", "ConfigMap", data={"tls.key": "-----BEGIN RSA PRIVATE KEY-----"}),
            "data.tls.key",
        ),
        Case(
            deployment(env=[{"name": "ROOT_PASSWORD", "valueFrom": {"secretKeyRef": {}}}]),
            deployment(env=[{"name": "ROOT_PASSWORD", "value": "s3cret"}]),
            "the variable ROOT_PASSWORD of container web",
        ),
        Case(
            deployment(env=[{"name": "LEVEL", "value": "info"}]),
            deployment(env=[{"name": "LEVEL", "value": MARKED}]),
            "the variable LEVEL",
        ),
        Case(
            deployment(args=["--url=https://me:$(PASSWORD)@db"]),
            deployment(args=["--url=https://me:s3cret@db"]),
            "args[0] of container web",
        ),
        Case(store(minioPassword=ENCRYPTED), store(minioPassword="s3cret"), "minioPassword"),
        Case(
            resource("pulumi:providers:grafana", auth=SHOWN_SECRET),
            resource("pulumi:providers:grafana", auth="admin:s3cret"),
            "auth",
        ),
        Case(
            resource("minio:index/iamUser:IamUser", secret=UNKNOWN),
            resource("minio:index/iamUser:IamUser", secret="s3cret"),
            "secret is plain text",
        ),
        Case(
            resource("grafana:oss/dataSource:DataSource", httpHeaders={"X-Scope-OrgID": MARKED}),
            resource("grafana:oss/dataSource:DataSource", httpHeaders={"X-Scope-OrgID": "a"}),
            "httpHeaders",
        ),
        Case(
            kube("helm.cattle.io/v1", "HelmChartConfig", spec={"valuesContent": "a: {b: c}"}),
            kube(
                "helm.cattle.io/v1", "HelmChartConfig", spec={"valuesContent": "password: s3cret"}
            ),
            "values.password",
        ),
    ],
    "no-insecure-endpoint": [
        Case(
            resource("grafana:oss/dataSource:DataSource", url="https://loki.example.com"),
            resource("grafana:oss/dataSource:DataSource", url="http://loki.example.com"),
            "url asks loki.example.com over http",
        ),
        Case(
            release(out={"endpoint": "http://tempo.apps.svc:4318"}),
            release(out={"endpoint": "http://10.0.0.7:4318"}),
            "values.out.endpoint asks 10.0.0.7",
        ),
        Case(
            release(s3={"endpoint": "s3.example.com", "insecure": False}),
            release(s3={"endpoint": "s3.example.com", "insecure": True}),
            "values.s3.insecure: s3.example.com is spoken to without TLS",
        ),
        Case(
            release(out={"endpoint": "tempo:4317", "tls": {"insecure": True}}),
            release(out={"endpoint": "tempo.example.com:4317", "tls": {"insecure": True}}),
            "values.out.tls.insecure: tempo.example.com",
        ),
        Case(
            release(tls={"insecure_skip_verify": False}),
            release(tls={"insecure_skip_verify": True}),
            "values.tls.insecure_skip_verify takes any certificate",
        ),
        Case(
            deployment(args=["-url=http://127.0.0.1:3200"]),
            deployment(args=["-url=http://tempo.example.com"]),
            "tempo.example.com",
        ),
        Case(
            release(config="out:\n  endpoint: https://a.example.com\n"),
            release(config="out:\n  endpoint: a.example.com:9000\n  insecure: true\n"),
            "values.config.out.insecure: a.example.com",
        ),
        Case(store(minioSsl="true"), store(minioSsl="false"), "minioSsl"),
        Case(
            store(minioSsl=True),
            store(minioSsl=True, minioInsecure=True),
            "minioInsecure",
        ),
        Case(
            resource("pulumi:providers:minio", minioServer="127.0.0.1:19000", minioSsl="false"),
            store(),
            "minioSsl",
        ),
        Case(
            kube("networking.k8s.io/v1", "Ingress", spec={"tls": [{"secretName": "web"}]}),
            kube("networking.k8s.io/v1", "Ingress", spec={"rules": []}),
            "spec.tls is missing",
        ),
    ],
    "tls-inside-cluster": [
        Case(
            deployment(args=["-url=http://localhost:3200"]),
            deployment(args=["-url=http://tempo:3200"]),
            "tempo over http",
        ),
        Case(
            resource("grafana:oss/dataSource:DataSource", url="https://tempo.tempo.svc"),
            resource("grafana:oss/dataSource:DataSource", url="http://tempo.tempo.svc"),
            "url asks tempo.tempo.svc over http",
        ),
        Case(
            release(out={"tls": {}, "resolver": {"dns": {"hostname": "gateway"}}}),
            release(out={"tls": {"insecure": True}, "resolver": {"dns": {"hostname": "gateway"}}}),
            "gateway is spoken to without TLS",
        ),
        Case(
            resource("tracing:index:OpenHops"),
            open_hop("behind a policy"),
            "tempo-to-cache is not encrypted: behind a policy",
        ),
        Case(
            resource("tracing:index:OpenHops"),
            resource("tracing:index:OpenHops", everything="synthetic traces"),
            "everything that is closed by default is open: synthetic traces",
        ),
        Case(
            resource("tracing:index:OpenHops"),
            open_hop(""),
            "tempo-to-cache is not encrypted: the stack does not say why",
        ),
    ],
    "images-by-digest": [
        Case(deployment(), deployment(image="web:1"), "the image web:1 of container web"),
        Case(
            release(image={"repository": "web", "tag": "1", "digest": "sha256:1"}),
            release(image={"registry": "docker.io", "repository": "web", "tag": "1"}),
            "values.image, docker.io/web:1,",
        ),
        Case(release(a={"image": "web@sha256:1"}), release(a={"image": "web:1"}), "values.a.image"),
    ],
    "requests-and-limits": [
        Case(deployment(), deployment(resources={}), "container web has no requests.cpu"),
        Case(
            deployment(),
            deployment(resources={"requests": SIZED["requests"]}),
            "container web has no limits.memory",
        ),
        Case(
            deployment({"initContainers": [{"name": "first", "resources": SIZED}]}),
            deployment({"initContainers": [{"name": "first"}]}),
            "container first",
        ),
        Case(
            release(querier={"replicas": 2, "resources": SIZED}, other={"enabled": False}),
            release(querier={"replicas": 2}, distributor={"replicas": 1, "resources": SIZED}),
            "values.querier has no",
        ),
        Case(
            release(mode="daemonset", resources=SIZED),
            release(mode="daemonset", image={}),
            "the values set no container's resources",
        ),
        Case(
            release(replicas=1, tempo={"resources": SIZED}),
            release(replicas=1, tempo={"resources": {"limits": {"memory": "1Gi"}}}),
            "values has no requests.cpu, requests.memory",
        ),
        Case(
            kube("kafka.strimzi.io/v1", "KafkaNodePool", spec={"resources": SIZED}),
            kube("kafka.strimzi.io/v1", "KafkaNodePool", spec={}),
            "spec.resources",
        ),
    ],
    "no-wildcard-access": [
        Case(
            kube("rbac.authorization.k8s.io/v1", "ClusterRole", **role()),
            kube("rbac.authorization.k8s.io/v1", "ClusterRole", **role(verb="*")),
            "rules[0].verbs is *",
        ),
        Case(
            release(clusterRole=role()),
            release(clusterRole=role(api_resource="*")),
            "values.clusterRole.rules[0].resources is *",
        ),
        Case(
            kube("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "reader"}),
            kube("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "cluster-admin"}),
            "roleRef.name is cluster-admin",
        ),
        Case(iam("s3:GetObject", "traces/*"), iam("s3:*", "traces/*"), "the action s3:*"),
        Case(iam("s3:GetObject", "traces"), iam("s3:GetObject", "*"), "every bucket"),
        Case(
            kube("kafka.strimzi.io/v1", "KafkaUser", spec={"authorization": {"acls": []}}),
            kube(
                "kafka.strimzi.io/v1",
                "KafkaUser",
                spec={
                    "authorization": {
                        "acls": [{"resource": {"type": "topic", "name": "*"}, "operations": []}]
                    }
                },
            ),
            "every topic",
        ),
    ],
    "restricted-pods": [
        Case(context(), context(runAsNonRoot=None), "may run as root"),
        Case(
            deployment({"securityContext": {"runAsNonRoot": True}}, securityContext=LOCKED),
            context(runAsNonRoot=False),
            "runAsNonRoot: false",
        ),
        Case(context(), context(seccompProfile=None), "no seccompProfile"),
        Case(context(), context(seccompProfile={"type": "Unconfined"}), "Unconfined"),
        Case(context(), context(allowPrivilegeEscalation=None), "may gain privileges"),
        Case(context(), context(capabilities={}), "keeps capabilities"),
        Case(
            context(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
            context(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
            "SYS_ADMIN",
        ),
        Case(context(runAsUser=1000), context(runAsUser=0), "runAsUser 0"),
        Case(context(), context(privileged=True), "is privileged"),
        Case(deployment({"hostNetwork": False}), deployment({"hostNetwork": True}), "hostNetwork"),
        Case(
            deployment({"volumes": [{"name": "data", "emptyDir": {}}]}),
            deployment({"volumes": [{"name": "data", "hostPath": {"path": "/"}}]}),
            "the volume data is a hostPath",
        ),
        Case(
            deployment(ports=[{"containerPort": 80}]),
            deployment(ports=[{"containerPort": 80, "hostPort": 80}]),
            "port 80 of its node",
        ),
        Case(
            release(securityContext={"runAsUser": 10001}),
            release(securityContext={"runAsUser": 0}),
            "values.securityContext has runAsUser 0",
        ),
        Case(
            release(extraVolumes=[{"name": "data", "emptyDir": {}}]),
            release(extraVolumes=[{"name": "data", "hostPath": {"path": "/"}}]),
            "values.extraVolumes[0] is a hostPath",
        ),
        Case(
            release(ports={"otlp": {"hostPort": 0}}),
            release(ports={"otlp": {"hostPort": 4317}}),
            "values.ports.otlp takes port 4317",
        ),
        Case(
            kube("batch/v1", "CronJob", spec={"jobTemplate": {"spec": {"template": {"spec": {}}}}}),
            kube(
                "batch/v1",
                "CronJob",
                spec={"jobTemplate": {"spec": {"template": {"spec": {"hostPID": True}}}}},
            ),
            "hostPID",
        ),
    ],
    "pod-security-labels": [
        Case(
            namespace(level="restricted"),
            namespace(),
            "enforce is missing",
        ),
        Case(
            namespace(level="restricted"),
            namespace(level="privileged"),
            "is privileged",
        ),
        Case(
            namespace(level="restricted"),
            namespace(level="baseline"),
            "is baseline",
        ),
    ],
    "consistent-retention": [
        Case([TEMPO_2, lifecycle("19d")], [TEMPO_2, lifecycle("14d")], "keeps blocks for 336h"),
        Case([TEMPO_3, lifecycle("15d")], [TEMPO_3, lifecycle("7d")], "objects go after 7d"),
        Case([ONE_PROCESS, lifecycle("15d")], [ONE_PROCESS, lifecycle("7d")], "after 7d"),
    ],
    "default-deny": [
        Case([namespace(), denial()], [namespace()], "no NetworkPolicy denies"),
        Case(
            [namespace(), denial(ingress=[])],
            [namespace(), denial(ingress=[{}])],
            "what enters apps",
        ),
        Case(
            [namespace(), denial()],
            [namespace(), denial(podSelector={"matchLabels": {"app": "web"}})],
            "what enters apps",
        ),
        Case(
            [namespace(), denial()],
            [namespace(), denial(policyTypes=["Egress"])],
            "what enters apps",
        ),
    ],
    "protected-data": [
        Case([claim(True)], [claim(False)], "is not protected, and keeps traces"),
        Case(
            resource("minio:index/s3Bucket:S3Bucket", protect=True, forceDestroy=False),
            resource("minio:index/s3Bucket:S3Bucket", protect=True, forceDestroy=True),
            "forceDestroy",
        ),
        Case(
            kube("apps/v1", "StatefulSet", spec={}),
            kube("apps/v1", "StatefulSet", spec={"volumeClaimTemplates": [{}]}),
            "keeps traces",
        ),
        Case(
            [namespace(True), claim(True)],
            [namespace(False), claim(True)],
            "the volumes of it go with it",
        ),
        Case(
            [namespace(True), release(ingester={"persistence": {"enabled": True}})],
            [namespace(False), release(ingester={"persistence": {"enabled": True}})],
            "go with it",
        ),
        Case(
            resource("tracing:index:Kafka"),
            kube("kafka.strimzi.io/v1", "Kafka"),
            "keeps traces",
        ),
    ],
}


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("prometheus", True),
        ("prometheus.monitoring", True),
        ("loki.logging.svc", True),
        ("loki.logging.svc.cluster.local.", True),
        ("example.com", False),
        ("nas.local", False),
        ("example.de", False),
        ("loki.example.com", False),
        ("10.0.0.7", False),
    ],
)
def test_a_name_of_the_clusters_own_is_told_from_one_outside(host: str, inside: bool) -> None:
    assert is_inside(host) is inside


def test_a_reason_may_name_an_address() -> None:
    named = open_hop("a VPN to http://cache.example.com")
    found = [each.rule for each in policy.violations([named], "prod")]
    assert found == ["tls-inside-cluster"]


def pairs() -> list[Any]:
    return [
        pytest.param(rule, case, id=f"{rule}: {case.says}")
        for rule, cases in CASES.items()
        for case in cases
    ]


def messages(rule: str, judged: policy.Resource | list[policy.Resource]) -> list[str]:
    resources = judged if isinstance(judged, list) else [judged]
    return [finding.message for finding in RULES[rule].findings(resources)]


@pytest.mark.parametrize(("rule", "case"), pairs())
def test_a_rule_lets_pass_what_is_right(rule: str, case: Case) -> None:
    assert messages(rule, case.good) == []


@pytest.mark.parametrize(("rule", "case"), pairs())
def test_a_rule_names_what_is_wrong(rule: str, case: Case) -> None:
    found = messages(rule, case.bad)
    assert [text for text in found if case.says in text], found


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_cases_and_a_level_for_every_environment(rule: str) -> None:
    assert CASES[rule]
    assert set(policy.LEVELS[rule]) == set(get_args(Environment))
    assert any(level is not policy.Level.DISABLED for level in policy.LEVELS[rule].values())


def test_the_table_of_levels_knows_no_other_rule_and_rises_with_the_environment() -> None:
    assert set(policy.LEVELS) == set(RULES) == set(CASES)
    order = list(policy.Level)
    for levels in policy.LEVELS.values():
        ranks = [order.index(levels[each]) for each in ("dev", "staging", "prod")]
        assert ranks == sorted(ranks)


def test_a_rendered_manifest_is_judged_as_a_resource_is() -> None:
    manifest = dict(deployment(resources={}).properties)
    rendered = policy.of_manifest(manifest)
    assert (rendered.type, rendered.name) == ("kubernetes:apps/v1:Deployment", "Deployment/it")
    assert messages("requests-and-limits", rendered) == messages(
        "requests-and-limits", deployment(resources={})
    )
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}}
    assert policy.of_manifest(config_map, "web").type == "kubernetes:core/v1:ConfigMap"
