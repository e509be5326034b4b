"""What the pods of a stack may do, and what its namespaces let them do."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import config
from config.kinds import registry_image
from ops.registrations import Recorded, record
from ops.stack_files import STACK_FILES, recorded
from tests.restricted import containers, denied, wildcards, writable

MODES = ("enforce", "warn", "audit")
MINIO = {
    "tracing:objectStore": {
        "replicas": 4,
        "tls": {"secretName": "minio-tls", "caFile": "examples/private-ca/ca.pem"},
    },
    "tracing:demoApp": {},
    "tracing:vulture": {},
}


def pods(run: Recorded) -> dict[str, dict[str, Any]]:
    """The `spec` of each pod in the stack's own manifests."""
    found = {}
    for resource in run.resources:
        spec = resource.inputs.get("spec") or {}
        if isinstance(spec, dict):
            spec = spec.get("jobTemplate", {}).get("spec", spec)
            if "template" in spec and "spec" in spec["template"]:
                found[resource.name] = spec["template"]["spec"]
    return found


def labels(run: Recorded) -> dict[str, dict[str, str]]:
    """The Pod Security labels of each namespace, by the mode."""
    return {
        resource.inputs["metadata"]["name"]: {
            mode: resource.inputs["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"]
            for mode in MODES
        }
        for resource in run.resources
        if resource.type == "kubernetes:core/v1:Namespace"
    }


@pytest.mark.parametrize("app", ["emojivoto", "hotrod"])
def test_the_stacks_own_pods_satisfy_the_strictest_level_and_have_no_token(app: str) -> None:
    run = record("dev", MINIO | {"tracing:demoApp": {"app": app}}, {})
    found = pods(run)
    assert {"minio-server", "vulture-schedule"} < found.keys()
    assert [name for name in found if name.startswith("demo-app")]
    for name, pod in found.items():
        assert denied(pod) == [], name
        assert writable(pod) == [], name
        assert pod["automountServiceAccountToken"] is False, name


@pytest.mark.parametrize("stack", STACK_FILES)
def test_every_namespace_says_the_level_in_all_modes_and_of_which_version(stack: str) -> None:
    for resource in recorded(stack).resources:
        if resource.type == "kubernetes:core/v1:Namespace":
            said = resource.inputs["metadata"]["labels"]
            for mode in MODES:
                assert said[f"pod-security.kubernetes.io/{mode}-version"] == "v1.36"
            assert said["pod-security.kubernetes.io/audit"] == "restricted"
            enforced = said["pod-security.kubernetes.io/enforce"]
            assert said["pod-security.kubernetes.io/warn"] == enforced


EXCEPTIONS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing special": ({"tracing:collector": {}, "tracing:traefik": {}}, {}),
    "a collector on each node": (
        {"tracing:collector": {"mode": "daemonset"}},
        {"otel": "privileged"},
    ),
    "a collector on each node whose queue goes with its pod": (
        {"tracing:collector": {"mode": "daemonset", "queue": {"volume": "emptyDir"}}},
        {},
    ),
    "beside Tempo": (
        {"tracing:collector": {"mode": "agent-gateway", "namespace": "tempo"}},
        {"tempo": "privileged"},
    ),
    "an application with Linkerd's proxies": (
        {"tracing:demoApp": {"linkerd": True}},
        {"emojivoto": "privileged"},
    ),
    "Harness": ({"tracing:harness": {"install": "release"}}, {"harness": "privileged"}),
    "Strimzi of somebody else": (
        {
            "tracing:tempo": {"profile": "distributed-3", "acknowledgeNoDowngrade": True},
            "tracing:kafka": {"operator": "existing"},
        },
        {},
    ),
    "Strimzi": (
        {
            "tracing:tempo": {"profile": "distributed-3", "acknowledgeNoDowngrade": True},
            "tracing:kafka": {},
        },
        {},
    ),
    "as the stack says": (
        {"tracing:collector": {}, "tracing:kubernetes": {"podSecurity": {"otel": "privileged"}}},
        {"otel": "privileged"},
    ),
    "two of them in one namespace": (
        {
            "tracing:tempo": {"profile": "distributed-3", "acknowledgeNoDowngrade": True},
            "tracing:kafka": {"operator": "existing", "namespace": "shared"},
            "tracing:collector": {"mode": "daemonset", "namespace": "shared"},
        },
        {"shared": "privileged"},
    ),
}


@pytest.mark.parametrize("case", EXCEPTIONS)
def test_a_namespace_is_less_strict_only_where_a_component_needs_it(case: str) -> None:
    raw, expected = EXCEPTIONS[case]
    enforced = {name: each["enforce"] for name, each in labels(record("dev", raw, {})).items()}
    assert enforced == dict.fromkeys(enforced, "restricted") | expected


LEVELS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a namespace of others": (
        {"existingNamespaces": ["otel"], "podSecurity": {"otel": "baseline"}},
        "otel",
        "is no namespace that this stack makes",
    ),
    "a namespace that there is not": ({"podSecurity": {"otl": "baseline"}}, "otl", "otel, tempo"),
    "stricter than the pods are": (
        {"podSecurity": {"otel": "baseline"}},
        "otel",
        "its queue on the node's disk",
    ),
    "a level that there is not": ({"podSecurity": {"otel": "strict"}}, "otel", "restricted"),
}


@pytest.mark.parametrize("case", LEVELS)
def test_a_level_that_can_not_be_is_refused(case: str) -> None:
    kubernetes, key, remedy = LEVELS[case]
    raw = {"tracing:kubernetes": kubernetes, "tracing:collector": {"mode": "daemonset"}}
    with pytest.raises(config.ConfigError) as refused:
        config.parse(raw, stack="dev", secret_keys=set())
    [finding] = refused.value.findings
    assert finding.path == f"tracing:kubernetes.podSecurity.{key}"
    assert remedy in finding.message


NEEDS_MORE: dict[str, dict[str, Any]] = {
    "otel": {"tracing:collector": {"mode": "agent-gateway"}},
    "harness": {"tracing:harness": {"install": "release"}},
    "emojivoto": {"tracing:demoApp": {"linkerd": True}},
}


@pytest.mark.parametrize("namespace", NEEDS_MORE)
def test_outside_dev_a_namespace_that_may_more_is_written_in_the_stack(namespace: str) -> None:
    raw = NEEDS_MORE[namespace] | {
        "tracing:kubernetes": {"context": "staging"},
        "tracing:allowInsecure": {"all": "a test"},
    }
    with pytest.raises(config.ConfigError) as refused:
        config.parse(raw, stack="staging", secret_keys=set())
    [finding] = refused.value.findings
    assert finding.path == f"tracing:kubernetes.podSecurity.{namespace}"
    assert f"write {namespace}: privileged" in finding.message
    for own in ({"podSecurity": {namespace: "privileged"}}, {"existingNamespaces": [namespace]}):
        raw["tracing:kubernetes"] = {"context": "staging", **own}
        config.parse(raw, stack="staging", secret_keys=set())


def test_a_namespace_of_others_gets_no_labels() -> None:
    raw = {"tracing:kubernetes": {"existingNamespaces": ["tempo"]}}
    assert labels(record("dev", raw, {})) == {}


# --- Images ---------------------------------------------------------------------------------------

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("image", "registry", "repository", "tag"),
    [
        ("traefik:v3", "docker.io", "traefik", "v3"),
        ("grafana/tempo:3.0.3", "docker.io", "grafana/tempo", "3.0.3"),
        ("quay.io/a/b:1", "quay.io", "a/b", "1"),
        ("localhost/a:1", "localhost", "a", "1"),
        (f"r.example.com:5000/a/b:1@{DIGEST}", "r.example.com:5000", "a/b", f"1@{DIGEST}"),
    ],
)
def test_an_image_is_split_as_charts_of_registry_repository_and_tag_want_it(
    image: str, registry: str, repository: str, tag: str
) -> None:
    expected = {"registry": registry, "repository": repository, "tag": tag}
    assert registry_image(image) == expected


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a digest alone": ("tempo", {"image": f"grafana/tempo@{DIGEST}"}, "has no tag"),
    "no version at all": ("tempo", {"image": "grafana/tempo"}, "is not a pinned image"),
    "of a cache that is not there": (
        "tempo",
        {"memcachedImage": "memcached:1", "memcached": False},
        "has no effect",
    ),
    "of a Traefik of others": (
        "traefik",
        {"image": "traefik:v3", "install": "values"},
        "no effect",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_image_that_can_not_be_had_is_refused(case: str) -> None:
    section, settings, remedy = REFUSED[case]
    with pytest.raises(config.ConfigError) as refused:
        config.parse({f"tracing:{section}": settings}, stack="dev", secret_keys=set())
    [finding] = refused.value.findings
    assert finding.path == f"tracing:{section}.{next(iter(settings))}"
    assert remedy in finding.message


# --- The evaluator itself -------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [
        {
            "name": "c",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
            },
        }
    ],
}
BAD: dict[str, tuple[list[Any], Any]] = {
    "hostNetwork": (["hostNetwork"], True),
    "volume v: hostPath": (["volumes"], [{"name": "v", "hostPath": {"path": "/"}}]),
    "c: privileged": (["containers", 0, "securityContext", "privileged"], True),
    "c: allowPrivilegeEscalation": (
        ["containers", 0, "securityContext", "allowPrivilegeEscalation"],
        None,
    ),
    "c: capabilities are not dropped": (["containers", 0, "securityContext", "capabilities"], {}),
    "c: capabilities are added": (
        ["containers", 0, "securityContext", "capabilities", "add"],
        ["NET_ADMIN"],
    ),
    "c: runAsNonRoot": (["containers", 0, "securityContext", "runAsNonRoot"], False),
    "c: runAsUser 0": (["securityContext", "runAsUser"], 0),
    "c: seccompProfile": (["securityContext", "seccompProfile"], {"type": "Unconfined"}),
    "c: procMount": (["containers", 0, "securityContext", "procMount"], "Unmasked"),
    "c: hostPort": (["containers", 0, "ports"], [{"containerPort": 1, "hostPort": 1}]),
    "sysctl kernel.msgmax": (["securityContext", "sysctls"], [{"name": "kernel.msgmax"}]),
}


@pytest.mark.parametrize("finding", BAD)
def test_the_evaluator_finds_each_thing_that_the_standard_denies(finding: str) -> None:
    path, value = BAD[finding]
    pod = copy.deepcopy(GOOD)
    assert denied(pod) == []
    part: Any = pod
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert denied(pod) == [finding]


def test_the_evaluator_looks_at_containers_that_run_first_and_at_roles() -> None:
    pod = copy.deepcopy(GOOD)
    pod["initContainers"] = [{"name": "first"}]
    assert [c["name"] for c in containers(pod)] == ["first", "c"]
    assert "first: allowPrivilegeEscalation" in denied(pod)
    assert writable(pod) == ["first"]
    everything = {"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}
    named = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    assert wildcards({"rules": [everything, named]}) == [everything]
