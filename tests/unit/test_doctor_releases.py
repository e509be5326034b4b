"""Releases that are stuck: which are, and what mends them."""

from __future__ import annotations

import pytest

from config.platform import KubernetesConfig
from ops.checks.finding import Skipped
from ops.checks.releases import CHECK, PENDING, Revision, recipe, stuck
from ops.checks.subject import Subject
from ops.stack_files import STACK_FILES
from tests.unit.kubectl_script import ScriptedKubectl, kubectl

__all__ = ["kubectl"]

CLUSTER = KubernetesConfig(context="staging", kubeconfig="/k")


def revisions(*statuses: str) -> list[Revision]:
    return [Revision(number=number, status=text) for number, text in enumerate(statuses, start=1)]


@pytest.mark.parametrize("status", PENDING)
def test_a_release_is_stuck_if_its_last_revision_is_pending(status: str) -> None:
    assert stuck(revisions("superseded", status)) == status
    assert stuck(revisions(status, "deployed")) is None
    # As the API lists them: the tenth comes before the second.
    assert stuck(list(reversed(revisions("deployed", status)))) == status


def test_a_release_that_is_not_there_or_that_failed_is_not_stuck() -> None:
    assert stuck([]) is None
    assert stuck(revisions("failed")) is None


def test_a_release_goes_back_to_its_last_whole_revision() -> None:
    commands = recipe(
        "staging", "web", "apps", revisions("deployed", "failed", "pending-upgrade"), CLUSTER
    )
    helm = "helm --kube-context staging --kubeconfig /k rollback web 1 --namespace apps"
    assert commands == [helm, "make refresh STACK=staging", "make up STACK=staging"]
    whole = revisions("superseded", "deployed", "pending-rollback")
    assert " rollback web 2 " in recipe("staging", "web", "apps", whole, CLUSTER)[0]


def test_a_release_that_was_never_whole_is_taken_away() -> None:
    commands = recipe("dev", "web", "apps", revisions("pending-install"), KubernetesConfig())
    assert commands[0] == "helm uninstall web --namespace apps"


def test_stuck_releases_of_the_stack_are_found_and_no_others(kubectl: ScriptedKubectl) -> None:
    kubectl.answers(
        {
            "--namespace=tempo + owner=helm": "tempo-distributed 1 deployed\n"
            "tempo-distributed 2 pending-upgrade\nanother 1 pending-install\n",
            "--namespace=otel + owner=helm": "opentelemetry-collector 1 deployed\n",
            "--namespace=traefik + owner=helm": "traefik 1 pending-install\n",
        }
    )
    found = CHECK.run(Subject.read("staging", STACK_FILES["staging"]))
    assert [(each.level, each.what) for each in found] == [
        ("error", "release tempo-distributed in tempo is pending-upgrade"),
        ("error", "release traefik in traefik is pending-install"),
    ]
    assert found[0].command.startswith(
        "helm --kube-context staging rollback tempo-distributed 1 --namespace tempo && make refresh"
    )
    assert all(line.startswith("--context=staging ") for line in kubectl.asked)


def test_a_cluster_that_can_not_be_asked_is_no_cluster_without_such_releases(
    kubectl: ScriptedKubectl,
) -> None:
    kubectl.answers({"owner=helm": "error: secrets is forbidden"})
    with pytest.raises(Skipped, match=r"Helm's Secrets in otel can't be read: .*forbidden"):
        CHECK.run(Subject.read("staging", STACK_FILES["staging"]))
