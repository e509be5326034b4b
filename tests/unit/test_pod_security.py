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


TEMPO_3 = {"profile": "distributed-3", "acknowledgeNoDowngrade": True}
WHATEVER_THERE_IS: dict[str, dict[str, Any]] = {
    "everything": {"tracing:collector": {}, "tracing:traefik": {}, "tracing:vulture": {}},
    "a collector on each node": {"tracing:collector": {"mode": "daemonset"}},
    "agents beside Tempo": {"tracing:collector": {"mode": "agent-gateway", "namespace": "tempo"}},
    "an application with Linkerd's proxies": {
        "tracing:demoApp": {"linkerd": True},
        "tracing:kubernetes": {"linkerdCni": True},
    },
    "Strimzi of somebody else": {
        "tracing:tempo": TEMPO_3,
        "tracing:kafka": {"operator": "existing"},
    },
    "Strimzi": {"tracing:tempo": TEMPO_3, "tracing:kafka": {}},
    "a stack that is open": {"tracing:collector": {"mode": "daemonset"}, "tracing:open": "a test"},
}


@pytest.mark.parametrize("case", WHATEVER_THERE_IS)
def test_every_namespace_of_the_stacks_own_is_restricted(case: str) -> None:
    said = labels(record("dev", WHATEVER_THERE_IS[case], {}))
    assert said
    assert [of for each in said.values() for of in each.values() if of != "restricted"] == []


NEEDS_MORE: dict[str, tuple[dict[str, Any], str, str]] = {
    "Harness's chart": (
        {"tracing:harness": {"install": "release"}},
        "tracing:harness.namespace",
        "harness",
    ),
    "a meshed application": (
        {"tracing:demoApp": {"linkerd": True}},
        "tracing:demoApp.linkerd",
        "emojivoto",
    ),
}


@pytest.mark.parametrize("case", NEEDS_MORE)
@pytest.mark.parametrize("open_", [False, True], ids=["closed", "open"])
def test_what_needs_more_is_put_into_a_namespace_that_is_there_or_refused(
    case: str, open_: bool
) -> None:
    raw, key, namespace = NEEDS_MORE[case]
    raw = raw | ({"tracing:open": "a test"} if open_ else {})
    with pytest.raises(config.ConfigError) as refused:
        config.parse(raw, stack="dev", secret_keys=set())
    [finding] = refused.value.findings
    assert finding.path == key
    assert "tracing:kubernetes.existingNamespaces" in finding.message
    raw = {**raw, "tracing:kubernetes": {"existingNamespaces": [namespace]}}
    assert namespace not in labels(record("dev", raw, {}))


@pytest.mark.parametrize(
    "ways_out", [{"linkerdCni": True}, {"existingNamespaces": ["otel"]}], ids=str
)
def test_a_mesh_whose_proxies_find_no_meshed_collector_is_warned_of(
    ways_out: dict[str, Any],
) -> None:
    def warnings(**kubernetes: Any) -> list[str]:
        raw = {
            "tracing:linkerd": {},
            "tracing:collector": {},
            "tracing:kubernetes": kubernetes,
            "tracing:networkPolicies": {"enabled": False},
        }
        return config.kept_out(config.parse(raw, stack="dev", secret_keys=set()))

    [warned] = warnings()
    assert warned.startswith("tracing:linkerd: ")
    assert "no pod of otel can be one" in warned
    assert warnings(**ways_out) == []


def test_a_level_can_not_be_written() -> None:
    raw = {"tracing:kubernetes": {"podSecurity": {"tempo": "privileged"}}}
    with pytest.raises(config.ConfigError) as refused:
        config.parse(raw, stack="dev", secret_keys=set())
    [finding] = refused.value.findings
    assert finding.path == "tracing:kubernetes.podSecurity"
    assert "existingNamespaces" in finding.message


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
