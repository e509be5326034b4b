"""The policies: each rule lets pass what is right and names what is wrong."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

import policy
from config.platform import Environment
from ops.registrations import Recorded
from ops.stack_files import ROOT, recorded
from policy.exceptions import BUILT_IN
from policy.marks import SECRET, SHOWN_SECRET, SIGNATURE, UNKNOWN
from policy.rules.endpoints import is_inside

MARKED = {SIGNATURE: SECRET, "value": "s3cret"}
ENCRYPTED = {SIGNATURE: SECRET, "ciphertext": "v1:..."}
RULES = {rule.name: rule for rule in policy.RULES}
STRICT: Environment = "prod"


def kube(group: str, kind: str, name: str = "it", **fields: Any) -> policy.Resource:
    metadata = {"name": name, "namespace": "apps"} | fields.pop("metadata", {})
    version = group.removeprefix("core/")
    properties = {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
    return policy.Resource(type=f"kubernetes:{group}:{kind}", name=name, properties=properties)


def release(name: str = "it", **values: Any) -> policy.Resource:
    return policy.Resource(
        type="kubernetes:helm.sh/v3:Release",
        name=name,
        properties={"chart": "web", "namespace": "apps", "values": values},
    )


def resource(type: str, protect: bool = False, **properties: Any) -> policy.Resource:
    return policy.Resource(type=type, name="it", properties=properties, protect=protect)


SIZED = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
LOCKED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
    "runAsNonRoot": True,
}


def deployment(pod: dict[str, Any] | None = None, **container: Any) -> policy.Resource:
    settings = {"name": "web", "image": "web@sha256:1", "resources": SIZED}
    spec = {"containers": [settings | {"securityContext": LOCKED} | container], **(pod or {})}
    return kube("apps/v1", "Deployment", spec={"template": {"spec": spec}})


def context(**changed: Any) -> policy.Resource:
    own = {key: value for key, value in {**LOCKED, **changed}.items() if value is not None}
    return deployment(securityContext=own)


def iam(action: str, bucket: str) -> policy.Resource:
    statement = {"Effect": "Allow", "Action": [action], "Resource": [f"arn:aws:s3:::{bucket}"]}
    text = json.dumps({"Statement": [statement]})
    return resource("minio:index/iamPolicy:IamPolicy", policy=text)


def role(verb: str = "get", api_resource: str = "pods") -> dict[str, Any]:
    return {"rules": [{"apiGroups": [""], "resources": [api_resource], "verbs": [verb]}]}


def store(**properties: Any) -> policy.Resource:
    return resource("pulumi:providers:minio", minioServer="s3.example.com:9000", **properties)


def claim(protect: bool) -> policy.Resource:
    return policy.Resource(
        type="kubernetes:core/v1:PersistentVolumeClaim",
        name="it",
        properties={"metadata": {"namespace": "apps"}},
        protect=protect,
    )


def namespace(protect: bool = False, level: str | None = None) -> policy.Resource:
    labels = {"pod-security.kubernetes.io/enforce": level} if level else {}
    return policy.Resource(
        type="kubernetes:core/v1:Namespace",
        name="it",
        properties={"metadata": {"name": "apps", "labels": labels}},
        protect=protect,
    )


def denial(**spec: Any) -> policy.Resource:
    wanted = {"podSelector": {}, "policyTypes": ["Ingress"]} | spec
    return kube("networking.k8s.io/v1", "NetworkPolicy", "denial", spec=wanted)


def lifecycle(expiration: str) -> policy.Resource:
    return resource("minio:index/ilmPolicy:IlmPolicy", rules=[{"expiration": expiration}])


TEMPO_2 = release("tempo", compactor={"config": {"compaction": {"block_retention": "336h"}}})
TEMPO_3 = release(
    "tempo",
    backendScheduler={
        "config": {"provider": {"compaction": {"compaction": {"block_retention": "336h"}}}}
    },
)
ONE_PROCESS = release(
    "tempo", config="compactor:\n  compaction:\n    block_retention: 336h\nserver: {}\n"
)


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
            namespace(level="baseline"),
            namespace(level="privileged"),
            "is privileged",
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


def test_the_documented_levels_are_those_of_the_table() -> None:
    text = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    documented = {
        row[1].strip(" `"): [cell.strip() or "disabled" for cell in row[2:5]] for row in rows
    }
    assert documented == {
        rule: [str(levels[each]) for each in ("dev", "staging", "prod")]
        for rule, levels in policy.LEVELS.items()
    }


def test_a_violation_says_what_is_wrong_with_which_resource_how_bad_it_is_and_what_to_do() -> None:
    [found] = [
        each
        for each in policy.violations([deployment(resources={})], "prod")
        if each.rule == "requests-and-limits"
    ]
    assert found.level is policy.Level.MANDATORY
    assert (found.resource, found.type) == ("it", "kubernetes:apps/v1:Deployment")
    assert str(found).startswith("it: container web has no requests.cpu")
    assert found.remedy in str(found)


def test_what_is_refused_in_prod_may_be_advice_elsewhere_or_nothing() -> None:
    def level(environment: Environment) -> list[policy.Level]:
        found = policy.violations([deployment(resources={})], environment)
        return [each.level for each in found if each.rule == "requests-and-limits"]

    assert level("staging") == [policy.Level.ADVISORY]
    assert level("dev") == []


def test_mandatory_violations_come_first() -> None:
    found = policy.violations([namespace(), deployment(resources={}, image="web:1")], STRICT)
    levels = [each.level for each in found]
    assert set(levels) == {policy.Level.MANDATORY, policy.Level.ADVISORY}
    assert levels == sorted(levels, key=lambda level: level is not policy.Level.MANDATORY)


def test_an_exception_makes_its_violation_advisory_and_gives_the_reason() -> None:
    bad = deployment(resources={})
    excused = policy.Exemption(rule="requests-and-limits", resource="it", reason="a trial")
    [found] = policy.violations([bad], STRICT, [excused])
    assert (found.level, found.exception) == (policy.Level.ADVISORY, "a trial")
    assert str(found).endswith("Excepted: a trial")
    other = policy.Exemption(rule="requests-and-limits", resource="another", reason="a trial")
    [found] = policy.violations([bad], STRICT, [other])
    assert (found.level, found.exception) == (policy.Level.MANDATORY, "")


def of_stack(run: Recorded) -> list[policy.Resource]:
    return [
        policy.Resource(
            type=each.type, name=each.name, properties=each.inputs, protect=each.protect
        )
        for each in run.resources
    ]


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_the_projects_own_stacks_keep_every_mandatory_rule(stack: Environment) -> None:
    found = policy.violations(of_stack(recorded(stack)), stack)
    assert [str(each) for each in found if each.level is policy.Level.MANDATORY] == []


def test_every_built_in_exception_is_one_that_some_stack_of_the_project_needs() -> None:
    needed = {
        each.exception
        for stack in ("prod", "strimzi")
        for each in policy.violations(of_stack(recorded(stack)), STRICT)
        if each.exception
    }
    installed = release("harness-release", **{"global": {"monitoring": {}}})
    needed |= {each.exception for each in policy.violations([installed], STRICT)} - {""}
    assert needed == {exemption.reason for exemption in BUILT_IN}


def test_what_is_unknown_in_a_preview_is_not_held_against_a_resource() -> None:
    unknown = deployment(image=UNKNOWN, args=[UNKNOWN], env=[{"name": "TOKEN", "value": UNKNOWN}])
    found = policy.violations([unknown, lifecycle(UNKNOWN), TEMPO_2, store(minioSsl=True)], STRICT)
    assert [each.rule for each in found if each.resource == "it"] == []


def test_a_rendered_manifest_is_judged_as_a_resource_is() -> None:
    manifest = dict(deployment(resources={}).properties)
    rendered = policy.of_manifest(manifest)
    assert (rendered.type, rendered.name) == ("kubernetes:apps/v1:Deployment", "Deployment/it")
    assert messages("requests-and-limits", rendered) == messages(
        "requests-and-limits", deployment(resources={})
    )
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}}
    assert policy.of_manifest(config_map, "web").type == "kubernetes:core/v1:ConfigMap"


def test_the_rules_need_no_library_of_the_engines() -> None:
    program = "import sys, policy; print(*(n for n in sys.modules if n == 'pulumi_policy'))"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == ""


def test_the_pack_runs_in_the_programs_virtual_environment() -> None:
    options = yaml.safe_load((ROOT / "Pulumi.yaml").read_text("utf-8"))["runtime"]["options"]
    pack = yaml.safe_load((ROOT / "policy/PulumiPolicy.yaml").read_text("utf-8"))["runtime"]
    assert pack["options"] == options | {"virtualenv": f"../{options['virtualenv']}"}


def test_no_module_of_the_pack_hides_one_of_pythons() -> None:
    # The engine starts the pack with its directory first on the path.
    modules = {path.stem for path in (ROOT / "policy").glob("*.py")} - {"__init__", "__main__"}
    assert modules & sys.stdlib_module_names == set()
    assert not (Path(ROOT) / "policy" / "config").exists()
