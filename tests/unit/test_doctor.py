"""What `ops doctor` finds, and what it leaves alone."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ops import commands, doctor
from ops.checks import (
    archives,
    certificates,
    cluster,
    configuration,
    permissions,
    pod_security,
    pulumi,
    releases,
    servers,
    state,
    tempo,
    tools,
)
from ops.checks.finding import Check, Finding, Skipped
from ops.checks.subject import Subject
from policy.rules.namespaces import LABEL
from tests.unit.kubectl_script import ScriptedKubectl, kubectl
from tests.unit.test_stack_file import REFUSED, written

__all__ = ["kubectl"]

STAGING = {
    "tracing:environment": "staging",
    "tracing:kubernetes": {"context": "staging"},
    "tracing:allowInsecure": {"all": "a test"},
    "tracing:networkPolicies": {"enabled": False},
    "tracing:collector": {},
}
TRAEFIK = {"routeNamespaces": ["shop"]}
TEMPO_3 = {
    "profile": "distributed-3",
    "acknowledgeNoDowngrade": True,
    "kafka": {"address": "kafka.queues:9092", "sasl": {"secretName": "login"}},
}
NOT_FOUND = 'error: Error from server (NotFound): "it" not found'


def stack(name: str = "staging", **sections: Any) -> Subject:
    changed = {f"tracing:{key}": value for key, value in sections.items()}
    return Subject(name, STAGING | changed)


def items(*objects: dict[str, Any]) -> str:
    return json.dumps({"items": list(objects)})


def named(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}}


def check(name: str) -> Check:
    return next(each for each in doctor.CHECKS if each.name == name)


def what(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.what) for finding in findings]


# The command


def finding(level: Any) -> Finding:
    return Finding(level=level, what="seen", why="it matters", command="mend it")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    """In place of the real ones, what a test puts in."""
    made: list[Check] = []
    monkeypatch.setattr(doctor, "CHECKS", made)
    return made


def said(level: Any) -> Check:
    return Check(name=f"a check with an {level}", run=lambda _: [finding(level)])


def test_an_error_is_an_exit_code_and_a_warning_is_none(
    checks: list[Check], capsys: pytest.CaptureFixture[str]
) -> None:
    checks.append(said("warning"))
    assert commands.main(["doctor", "--stack", "dev"]) == 0
    checks.append(said("error"))
    assert commands.main(["doctor", "--stack", "dev"]) == 1
    shown = capsys.readouterr().out
    assert "a check with an error    ERROR: seen" in shown
    assert "because it matters" in shown
    assert "$ mend it" in shown
    assert shown.endswith("1 error, 1 warning\n")


def test_machines_get_the_same_as_json(
    checks: list[Check], capsys: pytest.CaptureFixture[str]
) -> None:
    def skipped(_: Subject) -> list[Finding]:
        raise Skipped("no cluster")

    checks += [said("error"), Check(name="another", run=skipped)]
    assert commands.main(["doctor", "--stack", "dev", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["stack"] == "dev"
    [first, second] = document["checks"]
    assert first["findings"] == [
        {"level": "error", "what": "seen", "why": "it matters", "command": "mend it"}
    ]
    assert (second["check"], second["status"], second["detail"]) == (
        "another",
        "skipped",
        "no cluster",
    )


def test_a_stack_without_a_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["doctor", "--stack", "nowhere"]) == 1
    assert "there is no Pulumi.nowhere.yaml" in capsys.readouterr().err


def test_checks_are_made_at_the_same_time_and_one_that_hangs_keeps_none_from_being_shown() -> None:
    meeting, ever = threading.Barrier(2), threading.Event()

    def meet(_: Subject) -> list[Finding]:
        meeting.wait(timeout=60)  # Broken where the other one only comes after this one.
        return []

    def hang(_: Subject) -> list[Finding]:
        ever.wait()
        return []

    together = [Check(name="one", run=meet), Check(name="two", run=meet)]
    assert [each.status for each in doctor.examine(stack(), together, 90)] == ["ok", "ok"]
    [late] = doctor.examine(stack(), [Check(name="late", run=hang)], 0.1)
    assert (late.status, late.detail) == ("skipped", "it had not ended after 0.1 s")
    ever.set()


def test_a_check_that_breaks_is_one_that_was_not_made() -> None:
    def broken(_: Subject) -> list[Finding]:
        raise KeyError("status")

    [result] = doctor.examine(stack(), [Check(name="broken", run=broken)], 30)
    assert (result.status, result.detail) == ("skipped", "it failed: KeyError('status')")


def test_every_check_has_a_name_of_its_own() -> None:
    names = [each.name for each in doctor.CHECKS]
    assert len(set(names)) == len(names)


def test_with_nothing_on_the_machine_every_check_still_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    monkeypatch.setattr(archives, "_problem", lambda _: "no network")
    results = {each.check: each for each in doctor.examine(stack(), doctor.CHECKS, 120)}
    assert {name for name, each in results.items() if "it failed" in each.detail} == set()
    assert {name for name, each in results.items() if "had not ended" in each.detail} == set()
    assert results["releases"].status == "skipped"
    assert "kubectl is not installed" in results["cluster"].detail
    told = [each.what for each in results["tools"].findings]
    assert any(text.startswith("no usable Pulumi CLI") for text in told)
    assert any(text.startswith("kubectl can't be used") for text in told)


# Configuration


def test_what_the_program_would_refuse_is_found_with_the_key() -> None:
    subject = stack(tempo={"blockRetention": "soon"}, grafana={"url": "https://grafana"})
    found = configuration.CHECK.run(subject)
    keys = [each.what.partition(": ")[0] for each in found]
    assert keys == ["tracing:grafanaAuth", "tracing:tempo.blockRetention"]
    assert found[0].command == "pulumi config set --stack staging --secret tracing:grafanaAuth"
    assert found[1].command == "$EDITOR Pulumi.staging.yaml  # tracing:tempo.blockRetention"


def test_an_encrypted_secret_is_one_that_is_there() -> None:
    subject = stack(grafana={"url": "https://grafana"}, grafanaAuth={"secure": "v1:YWJj:YWJj"})
    assert configuration.CHECK.run(subject) == []


def test_a_secret_that_was_cut_short_is_found_with_the_command_that_sets_it() -> None:
    subject = stack(grafana={"url": "https://grafana"}, grafanaAuth={"secure": "v1:YWJj:YWJ"})
    [found] = configuration.CHECK.run(subject)
    assert (found.level, found.what) == (
        "error",
        "tracing:grafanaAuth: its secure text is damaged",
    )
    assert found.command == "pulumi config set --stack staging --secret tracing:grafanaAuth"


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_stack_file_is_refused_with_what_to_mend(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, said = REFUSED[case]
    written(tmp_path, content)
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    assert commands.main(["doctor", "--stack", "dev"]) == 1
    shown = capsys.readouterr()
    assert said[0] in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("sections", "level", "text"),
    [
        (
            {"objectStore": {"image": "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"}},
            "warning",
            "is of an archived project",
        ),
        (
            {"collector": {"image": "docker.io/otel/opentelemetry-collector-contrib:0.143.0"}},
            "error",
            "0.143.0 is older than 0.144",
        ),
    ],
)
def test_what_goes_badly_together_is_found(sections: dict[str, Any], level: str, text: str) -> None:
    [found] = configuration.CHECK.run(stack(**sections))
    assert found.level == level
    assert text in found.what


# Tools


def version(minor: str) -> str:
    return json.dumps({"minor": minor, "clientVersion": {"minor": minor}})


def test_a_kubectl_too_far_from_the_cluster_is_found(
    kubectl: ScriptedKubectl, tmp_path: Path
) -> None:
    subject = Subject("staging", STAGING, tmp_path)
    (tmp_path / ".venv").mkdir()
    for file in ("requirements-dev.txt", ".venv/.installed-from"):
        (tmp_path / file).write_text("pulumi==1", encoding="utf-8")
    kubectl.answers({"version --client": version("34"), "--raw=/version": version("36+")})
    found = what(tools.CHECK.run(subject))
    assert ("warning", "kubectl is of Kubernetes 1.34, the cluster of 1.36") in found
    kubectl.answers({"--raw=/version": version("35")})
    found = what(tools.CHECK.run(subject))
    assert not [text for _, text in found if text.startswith("kubectl")]
    assert not [text for _, text in found if text.startswith(".venv")]
    (tmp_path / "requirements-dev.txt").write_text("pulumi==2", encoding="utf-8")
    assert ("warning", ".venv is not what requirements-dev.txt says") in what(
        tools.CHECK.run(subject)
    )


# The cluster


def test_a_context_that_the_kubeconfig_does_not_have_is_found(kubectl: ScriptedKubectl) -> None:
    kubectl.answers({"get-contexts": "kind-tracing\nproduction"})
    found = check("cluster").run(stack())
    assert what(found) == [("error", "the kubeconfig has no context staging")]
    kubectl.answers({"get-contexts": "staging", "--raw=/version": "error: refused"})
    [found] = check("cluster").run(stack())
    assert found.what == "the cluster does not answer: error: refused"
    assert found.command == "kubectl --context=staging cluster-info"
    kubectl.answers({"--raw=/version": "{}"})
    assert check("cluster").run(stack()) == []


def test_volumes_without_a_class_need_exactly_one_default(kubectl: ScriptedKubectl) -> None:
    default = named("fast", annotations={cluster.DEFAULT_CLASS: "true"})
    run = check("storage classes").run
    kubectl.answers({"storageclasses": items(named("slow"), default)})
    assert run(stack()) == []
    kubectl.answers({"storageclasses": items(named("slow"))})
    [found] = run(stack())
    assert (found.level, found.what) == ("error", "no StorageClasses are the default one")
    kubectl.answers({"storageclasses": items(default, default)})
    [found] = run(stack())
    assert (found.level, found.what) == ("warning", "2 StorageClasses are the default one")


def test_a_class_that_a_volume_names_has_to_be_there(kubectl: ScriptedKubectl) -> None:
    default = named("fast", annotations={cluster.DEFAULT_CLASS: "true"})
    kubectl.answers({"storageclasses": items(default)})
    found = check("storage classes").run(stack(objectStore={"storageClass": "bulk"}))
    assert what(found) == [("error", "there is no StorageClass bulk")]


def test_a_setting_that_is_missing_is_not_to_be_written_as_a_secret() -> None:
    [found] = [
        each
        for each in check("configuration").run(Subject("staging", {"tracing:tempo": {}}))
        if each.what.startswith("tracing:kubernetes.context: is missing")
    ]
    assert found.command == "$EDITOR Pulumi.staging.yaml  # tracing:kubernetes.context"


def test_a_context_may_have_blanks_in_its_name(kubectl: ScriptedKubectl) -> None:
    kubectl.answers({"get-contexts": "my cluster\nother", "--raw=/version": "{}"})
    subject = stack(kubernetes={"context": "my cluster"})
    assert check("cluster").run(subject) == []
    assert subject.kubectl.line("get", "pods") == "kubectl '--context=my cluster' get pods"
    helm = releases.helm(subject.settings.kubernetes, "rollback", "tempo")
    assert helm == "helm --kube-context 'my cluster' rollback tempo"


def test_a_namespace_that_is_taken_for_one_that_is_there_is_found_missing(
    kubectl: ScriptedKubectl,
) -> None:
    kubectl.answers({"get namespaces": items(named("shop"), named("default"))})
    with pytest.raises(Skipped, match="makes all of its namespaces"):
        check("namespaces").run(stack())
    assert check("namespaces").run(stack(traefik=TRAEFIK)) == []
    found = check("namespaces").run(stack(traefik={"routeNamespaces": ["shop", "till"]}))
    [(level, said)] = what(found)
    assert (level, said) == (
        "error",
        "there is no namespace till, which tracing:traefik.routeNamespaces takes for one that is "
        "there",
    )
    assert found[0].command == "kubectl --context=staging create namespace till"
    existing = {"context": "staging", "existingNamespaces": ["tempo", "traefik"]}
    said = [
        each.what for each in check("namespaces").run(stack(kubernetes=existing, traefik=TRAEFIK))
    ]
    assert said == [
        f"there is no namespace {name}, which tracing:kubernetes.existingNamespaces takes for one "
        "that is there"
        for name in ("tempo", "traefik")
    ]
    sidecar = {"mode": "sidecar", "namespace": "monitoring"}
    [(_, said)] = what(check("namespaces").run(stack(grafana=sidecar)))
    assert "no namespace monitoring, which tracing:grafana.namespace takes" in said


def deployment(*arguments: str) -> str:
    pod = {"containers": [{"name": "traefik", "args": [*arguments]}]}
    return json.dumps({"spec": {"template": {"spec": pod}}})


SERVED = "--providers.kubernetesingress.namespaces=shop,traefik"


def test_a_role_of_traefiks_that_went_with_its_namespace_is_found(
    kubectl: ScriptedKubectl,
) -> None:
    bound = [named("traefik", namespace=name) for name in ("traefik", "shop")]
    kubectl.answers(
        {
            "get deployment traefik": deployment("--ping=true", SERVED),
            "get rolebindings": items(*bound),
            "owner=helm": "traefik 3 superseded\ntraefik 4 deployed",
        }
    )
    assert check("Traefik's roles").run(stack(traefik=TRAEFIK)) == []
    kubectl.answers({"get rolebindings": items(bound[0])})
    [found] = check("Traefik's roles").run(stack(traefik=TRAEFIK))
    assert (found.level, found.what) == (
        "error",
        "Traefik has no role in shop, whose routes it serves",
    )
    assert found.command.startswith(
        "helm --kube-context staging rollback traefik 4 --namespace traefik  # "
    )


@pytest.mark.parametrize("installed", ["", deployment("--ping=true")])
def test_roles_are_looked_for_where_a_traefik_of_some_namespaces_is_installed(
    kubectl: ScriptedKubectl, installed: str
) -> None:
    kubectl.answers({"get deployment traefik": installed})
    with pytest.raises(Skipped, match="no Traefik of some namespaces is installed"):
        check("Traefik's roles").run(stack(traefik=TRAEFIK))


def test_an_api_that_the_cluster_does_not_know_is_found(kubectl: ScriptedKubectl) -> None:
    kubectl.answers({"api-versions": "v1\napps/v1\n"})
    monitored = stack(prometheus={"operator": {}})
    [found] = check("API versions").run(monitored)
    assert found.what.startswith("the cluster does not know monitoring.coreos.com/v1 (Pod")
    kubectl.answers({"api-versions": "v1\napps/v1\nmonitoring.coreos.com/v1\n"})
    assert check("API versions").run(monitored) == []


def test_definitions_that_the_stacks_own_operator_brings_need_not_be_there(
    kubectl: ScriptedKubectl,
) -> None:
    kubectl.answers({"api-versions": "v1\napps/v1\n"})
    tempo_3 = TEMPO_3 | {"kafka": {}}
    sizes = {"brokers": {"replicas": 3}}
    assert check("API versions").run(stack(tempo=tempo_3, kafka=sizes)) == []
    found = check("API versions").run(stack(tempo=tempo_3, kafka=sizes | {"operator": "existing"}))
    assert [text for _, text in what(found) if "kafka.strimzi.io" in text]


# Permissions


def test_each_verb_on_each_kind_in_each_namespace_is_asked_for() -> None:
    wanted = {
        (each.namespace, each.kind, each.verb)
        for each in permissions.needed(stack(traefik=TRAEFIK))
    }
    assert ("", "namespaces", "create") in wanted
    assert ("tempo", "persistentvolumeclaims", "delete") in wanted
    assert ("tempo", "statefulsets.apps", "patch") in wanted
    assert ("traefik", "deployments.apps", "watch") in wanted
    # Helm's own record of a release, and what the program forwards to.
    assert ("traefik", "secrets", "update") in wanted
    assert ("tempo", "pods/portforward", "create") in wanted
    assert ("", "clusterroles.rbac.authorization.k8s.io", "create") in wanted


def test_what_a_chart_is_given_to_make_besides_is_asked_for() -> None:
    traefik = TRAEFIK | {"metricsTls": {"secretName": "metrics"}}
    subject = stack(traefik=traefik, tls={"caFile": "examples/private-ca/ca.pem"})
    wanted = {(each.namespace, each.kind, each.verb) for each in permissions.needed(subject)}
    assert ("traefik", "ingressroutes.traefik.io", "create") in wanted
    assert ("", "clusterrolebindings.rbac.authorization.k8s.io", "create") in wanted


def test_the_ways_to_servers_in_the_cluster_are_asked_for() -> None:
    way = {"namespace": "monitoring", "resource": "deployment/grafana"}
    subject = stack(grafana={"portForward": way})
    wanted = {
        (each.namespace, each.kind, each.verb)
        for each in permissions.needed(subject)
        if each.namespace in {"monitoring", "tempo"}
    }
    for namespace, kind in (("monitoring", "deployments.apps"), ("tempo", "statefulsets.apps")):
        for what in ((kind, "get"), ("pods", "list"), ("pods/portforward", "create")):
            assert (namespace, *what) in wanted


def test_roles_are_asked_for_where_traefik_gets_them() -> None:
    def roles(traefik: dict[str, Any]) -> set[str]:
        subject = stack(traefik=traefik, collector=None)
        return {each.namespace for each in permissions.needed(subject) if each.resource == "roles"}

    assert roles({"routeNamespaces": ["shop"]}) == {"shop", "traefik"}
    assert roles({"acknowledgeSecrets": True}) == set()


def answers(*allowed: bool) -> str:
    return "\n".join(
        json.dumps({"kind": "SelfSubjectAccessReview", "status": {"allowed": each}})
        for each in allowed
    )


def test_what_the_api_server_refuses_is_named_by_kind_and_namespace(
    kubectl: ScriptedKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = stack()
    wanted = [
        permissions.Access(namespace="tempo", group="apps", resource="statefulsets", verb=verb)
        for verb in ("create", "delete", "get")
    ]
    asked: list[list[permissions.Access]] = []

    def needed(_: Subject) -> list[permissions.Access]:
        asked.append(wanted)
        return wanted

    monkeypatch.setattr(permissions, "needed", needed)
    kubectl.answers({"create --filename=-": answers(False)})
    # One answer for "everything", and then as many as there are questions.
    denied = permissions._denied(subject, [permissions.EVERYTHING])
    assert denied == [permissions.EVERYTHING]
    kubectl.answers({"create --filename=-": answers(False, False, True)})
    assert permissions._denied(subject, wanted) == wanted[:2]
    grouped = permissions._grouped(wanted[:2])
    assert grouped == {("tempo", "statefulsets.apps"): ["create", "delete"]}


def test_who_may_do_everything_is_asked_no_more(kubectl: ScriptedKubectl) -> None:
    kubectl.answers({"create --filename=-": answers(True)})
    assert permissions.CHECK.run(stack()) == []
    assert len(kubectl.asked) == 1


def test_the_questions_are_reviews_of_oneself() -> None:
    access = permissions.Access(
        namespace="tempo", group="", resource="pods", subresource="portforward", verb="create"
    )
    assert access.review["kind"] == "SelfSubjectAccessReview"
    assert access.review["spec"]["resourceAttributes"] == {
        "namespace": "tempo",
        "resource": "pods",
        "subresource": "portforward",
        "verb": "create",
    }


# Pod security


def test_pods_that_a_namespace_refuses_are_found(kubectl: ScriptedKubectl) -> None:
    # What the program makes satisfies every level; what a stack's own values say may not.
    values = {"podSecurityContext": {"hostNetwork": True}}
    harness = {"install": "release", "values": {"platform": values}}
    own = stack(
        harness=harness, kubernetes={"context": "staging", "existingNamespaces": ["harness"]}
    )
    found: list[Finding] = []
    for level, refused in {"privileged": False, "baseline": True, "restricted": True}.items():
        kubectl.answers({"get namespaces": items(named("harness", labels={LABEL: level}))})
        found = list(pod_security.CHECK.run(own))
        assert ["harness-release" in each.what for each in found] == [True] * refused
    assert found[0].command.endswith(f"label namespace harness {LABEL}=privileged --overwrite")
    assert pod_security.CHECK.run(stack(collector={"mode": "daemonset"})) == []


def test_a_namespace_that_refuses_what_linkerd_adds_is_found(kubectl: ScriptedKubectl) -> None:
    def demo(**kubernetes: Any) -> Subject:
        there = {"context": "staging", "existingNamespaces": ["emojivoto"]} | kubernetes
        return stack(demoApp={"linkerd": True}, kubernetes=there)

    for level, refused in {"privileged": False, "baseline": True, "restricted": True}.items():
        kubectl.answers({"get namespaces": items(named("emojivoto", labels={LABEL: level}))})
        found = list(pod_security.CHECK.run(demo()))
        assert ["NET_ADMIN" in each.what for each in found] == [True] * refused
        assert pod_security.CHECK.run(demo(linkerdCni=True)) == []


# Certificates


def renewed_at(text: str | None) -> str:
    return json.dumps({"status": {"notBefore": text} if text else {}})


def started(name: str, *times: str) -> dict[str, Any]:
    running = [{"state": {"running": {"startedAt": time}}} for time in times]
    return named(name) | {"status": {"containerStatuses": running or [{"state": {"waiting": {}}}]}}


def test_pods_that_gossip_with_a_former_certificate_are_found(kubectl: ScriptedKubectl) -> None:
    issuer = {"caFile": "ca.pem", "issuer": {"name": "a", "kind": "ClusterIssuer"}}
    own = stack(tempo={"tls": {}}, tls=issuer)
    pods = items(
        started("ingester-0", "2026-11-01T10:00:00Z"),
        started("ingester-1", "2026-11-20T10:00:01Z"),
        started("querier-0", "2026-11-01T10:00:00Z", "2026-11-21T10:00:00Z"),
        started("querier-1"),
    )

    def renewed(time: str | None) -> Sequence[Finding]:
        name = "get certificates.cert-manager.io/tempo-distributed-tls"
        kubectl.answers({name: renewed_at(time), "get pods": pods})
        return certificates.CHECK.run(own)

    [found] = renewed("2026-11-20T10:00:00Z")
    assert found.level == "warning"
    assert found.what.startswith("ingester-0, querier-0: began before")
    assert "rollout restart deployments,statefulsets" in found.command
    assert renewed("2026-11-01T10:00:00Z") == []
    with pytest.raises(Skipped, match="no certificate yet"):
        renewed(None)
    with pytest.raises(Skipped):
        certificates.CHECK.run(stack())
    with pytest.raises(Skipped):
        certificates.CHECK.run(stack(tempo={"tls": {"secretName": "given"}}, tls={"caFile": "x"}))


# The state


@pytest.fixture
def state_of_dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the state of the stack dev is kept; nothing is there yet."""
    monkeypatch.setenv("PULUMI_BACKEND_URL", tmp_path.as_uri())
    file = tmp_path / ".pulumi" / "stacks" / "tracing" / "dev.json"
    file.parent.mkdir(parents=True)
    return file


WHOLE = '{"checkpoint": {"latest": {"resources": [{"urn": "it"}]}}}'


def test_a_state_that_is_damaged_or_gone_is_found_with_what_puts_it_back(
    state_of_dev: Path,
) -> None:
    run, dev = check("state file").run, stack("dev")
    state_of_dev.write_text(WHOLE, encoding="utf-8")
    assert run(dev) == []
    state_of_dev.write_text(WHOLE[:20], encoding="utf-8")
    [damaged] = run(dev)
    assert damaged.level == "error"
    assert damaged.what.startswith("the state of dev is damaged: ")
    assert "state-file --stack dev --restore && make recover STACK=dev" in damaged.command
    state_of_dev.rename(state_of_dev.with_name("dev.json.bak"))
    [gone] = run(dev)
    assert gone.what.startswith("the state of dev is gone: ")
    assert gone.command == damaged.command


def test_a_state_that_is_not_there_or_elsewhere_is_not_looked_at(
    state_of_dev: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Skipped, match="was not made yet"):
        check("state file").run(stack("dev"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://api.example.com")
    with pytest.raises(Skipped, match="its own history"):
        check("state file").run(stack("dev"))


def test_operations_without_an_end_are_found_with_what_clears_them() -> None:
    resource = {
        "urn": "urn:pulumi:dev::tracing::kubernetes:core/v1:Secret::store-access",
        "type": "kubernetes:core/v1:Secret",
    }
    deployment = {
        "pending_operations": [
            {"type": "creating", "resource": resource},
            {"type": "updating", "resource": resource},
        ]
    }
    found = list(state.pending("dev", deployment))
    assert [each.level for each in found] == ["error", "warning"]
    assert "while it was creating store-access (kubernetes:core/v1:Secret)" in found[0].what
    assert {each.command for each in found} == {"make recover STACK=dev  # then make up STACK=dev"}
    assert list(state.pending("dev", {"resources": []})) == []
    # A later update has made it since.
    [made, _] = state.pending("dev", deployment | {"resources": [resource | {"id": "tempo/x"}]})
    assert made.level == "warning"


AT = datetime.now(UTC).isoformat()


def test_a_lock_says_whose_it_is_and_whether_that_one_still_runs(tmp_path: Path) -> None:
    def lock(pid: int, hostname: str) -> Finding:
        holder = {"pid": pid, "username": "ada", "hostname": hostname, "timestamp": AT}
        (tmp_path / "it.json").write_text(json.dumps(holder), encoding="utf-8")
        [found] = state.locks("dev", tmp_path)
        return found

    assert list(state.locks("dev", tmp_path)) == []
    here = socket.gethostname()
    mine = lock(os.getpid(), here)
    assert mine.what.startswith(f"the stack is locked by ada@{here} (pid {os.getpid()})")
    assert mine.what.endswith(", which still runs")
    assert mine.command.startswith("make recover STACK=dev  # only if none is running any more; ")
    gone = lock(2**22 + 1, here)  # Beyond the most that Linux gives (pid_max).
    assert gone.what.endswith(", which runs no more")
    assert gone.command == "make recover STACK=dev  # then make up STACK=dev"
    assert lock(os.getpid(), "elsewhere").what.endswith(f"at {AT}")
    (tmp_path / "it.json").write_text('{"pid"', encoding="utf-8")
    [half] = state.locks("dev", tmp_path)
    assert half.what == "the stack is locked by ?@? (pid ?) at ?"


# Charts


def test_an_archive_that_is_missing_or_another_is_found(tmp_path: Path) -> None:
    (tmp_path / "tempo-distributed-2.26.2.tgz").write_bytes(b"another")
    subject = stack(charts={"directory": str(tmp_path)})
    found = archives.CHECK.run(subject)
    assert [each.level for each in found] == ["error", "error"]
    assert found[0].what.startswith("tempo-distributed-2.26.2.tgz: SHA-256 is ")
    assert found[1].what == "opentelemetry-collector-0.170.0.tgz: is missing"
    assert found[0].command == f"make charts DIRECTORY={tmp_path}"


def test_a_repository_that_does_not_answer_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        archives, "_problem", lambda repository: "refused" if "grafana" in repository else ""
    )
    [found] = archives.CHECK.run(stack())
    assert found.level == "warning"
    assert found.what.endswith("grafana-community.github.io/helm-charts does not answer: refused")
    assert found.why.endswith("tempo-distributed")


# Servers


def test_a_store_in_the_cluster_that_is_not_ready_is_found(kubectl: ScriptedKubectl) -> None:
    run = check("object store").run
    kubectl.answers({"get statefulset minio": NOT_FOUND})
    with pytest.raises(Skipped, match="not there yet"):
        run(stack())
    minio = {"spec": {"replicas": 4}, "status": {"readyReplicas": 3}}
    kubectl.answers({"get statefulset minio": json.dumps(minio)})
    [found] = run(stack())
    assert found.what == "3 of 4 pods of the object store (minio in tempo) are ready"
    assert found.command.endswith("--namespace=tempo describe statefulset minio")
    minio["status"]["readyReplicas"] = 4
    kubectl.answers({"get statefulset minio": json.dumps(minio)})
    assert run(stack()) == []


def test_a_store_outside_and_grafana_are_asked_as_an_update_asks_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Ports that nobody listens on: the checks behind it are tested with real servers.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        secrets = {"objectStoreRootPassword": "password", "grafanaAuth": "token"}
        monkeypatch.setattr(pulumi, "secrets", lambda _: secrets)
        sections: dict[str, Any] = {key: {"secure": "v1:abc"} for key in secrets}
        sections["objectStore"] = {"type": "external-minio", "endpoint": address, "insecure": True}
        sections["grafana"] = {"url": f"http://{address}"}
        subject = stack(**sections)
        [found] = check("object store").run(subject)
        assert found.what.startswith("tracing:objectStore.endpoint: ")
        assert found.command == "$EDITOR Pulumi.staging.yaml  # tracing:objectStore.endpoint"
        [found] = check("Grafana").run(subject)
        assert found.what.startswith("tracing:grafana.url: ")


def test_what_kafka_needs_is_looked_for_in_the_cluster(kubectl: ScriptedKubectl) -> None:
    run = check("Kafka").run
    with pytest.raises(Skipped, match="needs no Kafka"):
        run(stack())
    subject = stack(tempo=TEMPO_3)
    ready = {"endpoints": [{"conditions": {"ready": True}}]}
    kubectl.answers({"get secret login": "username password", "service-name=kafka": items(ready)})
    assert run(subject) == []
    assert any("--namespace=queues get endpointslices" in line for line in kubectl.asked)
    kubectl.answers({"get secret login": "username", "service-name=kafka": items()})
    assert what(run(subject)) == [
        ("error", "Secret login in tempo has no password"),
        ("error", "no broker is ready behind the Service kafka in queues"),
    ]
    # One that is there can't be created.
    assert "patch secret login --patch=" in run(subject)[0].command
    kubectl.answers({"get secret login": NOT_FOUND})
    assert "create secret generic login --from-literal=username=..." in run(subject)[0].command


def test_a_broker_outside_is_called(kubectl: ScriptedKubectl) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        listener.listen()
        subject = stack(tempo=TEMPO_3 | {"kafka": {"address": address}})
        assert servers._kafka(subject) == []
        listener.close()
        [found] = servers._kafka(subject)
    assert found.what.startswith(f"{address} does not answer from here")


def test_the_stacks_own_kafka_is_asked_for_its_condition(kubectl: ScriptedKubectl) -> None:
    subject = stack(tempo=TEMPO_3 | {"kafka": {}}, kafka={"brokers": {"replicas": 3}})
    conditions = [{"type": "NotReady", "status": "True", "message": "no volume"}]
    kubectl.answers({"get kafkas tempo": json.dumps({"status": {"conditions": conditions}})})
    [found] = check("Kafka").run(subject)
    assert found.what == "Kafka tempo in kafka is not ready: no volume"
    conditions = [{"type": "Ready", "status": "True"}]
    kubectl.answers({"get kafkas tempo": json.dumps({"status": {"conditions": conditions}})})
    assert check("Kafka").run(subject) == []


# Tempo


@pytest.mark.parametrize(
    ("running", "asked", "level"),
    [
        ([(3, 0, 3)], (2, 10, 7), "error"),
        ([(2, 10, 7), (3, 0, 3)], (2, 10, 7), "error"),
        ([(2, 10, 8)], (2, 10, 7), "warning"),
        ([(2, 10, 7)], (3, 0, 3), "warning"),
        ([(2, 10, 7)], (2, 10, 7), None),
        ([(2, 9, 0)], (2, 10, 7), None),
    ],
)
def test_a_tempo_that_runs_is_compared_with_the_one_that_is_asked_for(
    running: list[tuple[int, ...]], asked: tuple[int, ...], level: str | None
) -> None:
    found = tempo.against(running, asked, "staging")
    assert [each.level for each in found] == ([level] if level else [])


def test_the_version_that_runs_is_read_from_its_workloads(kubectl: ScriptedKubectl) -> None:
    run = check("Tempo's data").run
    kubectl.answers({"deployments,statefulsets": items()})
    with pytest.raises(Skipped, match="no Tempo runs"):
        run(stack())
    workload = named("tempo-distributed-querier", labels={tempo.VERSION: "v3.0.3"})
    kubectl.answers({"deployments,statefulsets": items(workload)})
    [found] = run(stack())
    assert found.what == "Tempo 3.0.3 runs, and the stack asks for 2.10.7"
    assert any(
        "--selector=app.kubernetes.io/instance=tempo-distributed" in line for line in kubectl.asked
    )


def test_the_end_of_patches_is_told_beforehand() -> None:
    assert tempo.patches("2.10.7", date(2026, 11, 21)) == []
    [soon] = tempo.patches("2.10.7", date(2027, 3, 1))
    assert soon.what == "Tempo 2.10.7 gets no patches after 2027-04-26"
    [past] = tempo.patches("2.10.7", date(2027, 4, 27))
    assert past.what == "Tempo 2.10.7 has had no patches after 2027-04-26"
    assert tempo.patches("3.0.3", date(2030, 1, 1)) == []
