"""tempo-vulture on the dev stack: a Job made from its CronJob, as docs/demo.md says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.vulture import VultureConfig
from tests.live.faults import scaled_to_0
from tests.live.figures import Figures
from tests.live.needs import STACK, Needs, free_port
from tests.live.platform import PODS_SECONDS, Platform, applied
from tests.live.waiting import until

RUN_SECONDS = 60
JOB_SECONDS = 3 * RUN_SECONDS + 120
"""For three runs, and the pauses before them."""


@pytest.fixture(scope="module")
def platform(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The stack with the check, which runs only when it is asked for; applied and ready."""
    changes = {
        "traefik": None,
        "collector": None,
        "objectStore": {"admin": {"portForward": {"localPort": free_port()}}},
        "vulture": {"suspended": True, "timeout": f"{RUN_SECONDS}s"},
    }
    with applied(needs, figures, tmp_path_factory.mktemp("vulture"), STACK, changes) as platform:
        until("every pod is ready", PODS_SECONDS, platform.pods_are_ready)
        yield platform


def outcome(platform: Platform, job: str) -> tuple[str, list[int], str]:
    """A Job made from the CronJob, once it has ended: how, its pods' exit codes, what they said."""
    cluster, namespace = platform.cluster, f"--namespace={platform.stack.tempo.namespace}"
    vulture = platform.stack.vulture
    assert isinstance(vulture, VultureConfig)
    cluster.run(namespace, "create", "job", job, f"--from=cronjob/{vulture.name}")

    def ended() -> str | None:
        [found] = cluster.objects("jobs", namespace, f"--field-selector=metadata.name={job}")
        conditions = found["status"].get("conditions") or []
        return next(
            (
                condition["type"]
                for condition in conditions
                if condition["type"] in ("Complete", "Failed") and condition["status"] == "True"
            ),
            None,
        )

    how = until(f"{job} has ended", JOB_SECONDS, ended)
    pods = cluster.objects("pods", namespace, f"--selector=job-name={job}")
    codes = [
        status["state"]["terminated"]["exitCode"]
        for pod in pods
        for status in pod["status"]["containerStatuses"]
    ]
    said = [cluster.run(namespace, "logs", pod["metadata"]["name"]) for pod in pods]
    return how, codes, "".join(said)


def test_its_job_completes_while_tempo_gives_back_what_it_took(
    platform: Platform, figures: Figures
) -> None:
    with figures.timed("a Job of tempo-vulture"):
        how, codes, said = outcome(platform, "check-1")
    assert how == "Complete", said
    assert 0 in codes


def test_its_job_fails_while_tempo_takes_nothing(platform: Platform, figures: Figures) -> None:
    distributor = f"deployment/{platform.stack.tempo.release_name}-distributor"
    with (
        scaled_to_0(platform, platform.stack.tempo.namespace, distributor),
        figures.timed("a Job of tempo-vulture without a distributor"),
    ):
        how, codes, said = outcome(platform, "check-2")
    assert how == "Failed", said
    assert len(codes) == 3, said
    assert 0 not in codes
    assert "phase=write" in said


def test_its_jobs_are_nobodys_resources(platform: Platform) -> None:
    assert platform.project.preview().changes == {}
    assert platform.project.refresh().changes == {}
