"""The check of Tempo by tempo-vulture: what is refused, and what its CronJob is."""

from typing import Any

import pytest

from components.contracts import Endpoint, MeshIdentity, TraceIngest, TraceQuery
from components.values.vulture import vulture_args
from config.kinds import duration_seconds
from config.vulture import VultureConfig
from ops.registrations import Recorded, record
from tests.unit.test_config import refusal

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a Tempo that takes no OTLP over gRPC": (
        {"tracing:vulture": {}, "tracing:tempo": {"receivers": ["otlpHttp"]}},
        "tracing:vulture",
        "add otlpGrpc to tracing:tempo.receivers",
    ),
    "a schedule with too few fields": (
        {"tracing:vulture": {"schedule": "*/15 * *"}},
        "tracing:vulture.schedule",
        "write five fields",
    ),
    "a schedule at the sixtieth minute": (
        {"tracing:vulture": {"schedule": "5,60 * * * *"}},
        "tracing:vulture.schedule",
        "has '60' as its minute; write numbers from 0 to 59",
    ),
    "a schedule on a seventh day of the week, which Kubernetes does not know": (
        {"tracing:vulture": {"schedule": "0 0 * * 7"}},
        "tracing:vulture.schedule",
        "write numbers from 0 to 6",
    ),
    "a schedule with the name of a day as its month": (
        {"tracing:vulture": {"schedule": "0 0 * mon *"}},
        "tracing:vulture.schedule",
        "has 'mon' as its month",
    ),
    "a schedule that runs backwards": (
        {"tracing:vulture": {"schedule": "30-10 * * * *"}},
        "tracing:vulture.schedule",
        "has '30-10' as its minute",
    ),
    "a run that has no time for its cycles": (
        {"tracing:vulture": {"cycles": 60, "timeout": "1m"}},
        "tracing:vulture.timeout",
        "write more than 60s",
    ),
    "a timeout that Kubernetes can't count": (
        {"tracing:vulture": {"timeout": "2500ms", "cycles": 1}},
        "tracing:vulture.timeout",
        "write seconds or minutes",
    ),
    "a name that leaves no room for those of its Jobs": (
        {"tracing:vulture": {"name": "v" * 53}},
        "tracing:vulture.name",
        "write a name of at most 52",
    ),
    "a tenant that Tempo would refuse": (
        {"tracing:vulture": {"tenant": "team/a"}},
        "tracing:vulture.tenant",
        "does not match",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_names_the_key_and_the_remedy(case: str) -> None:
    raw, key, remedy = REFUSED[case]
    messages = refusal(raw)
    assert list(messages) == [key]
    assert remedy in messages[key]


@pytest.mark.parametrize(
    "schedule",
    ["@hourly", "*/15 * * * *", "0 3 * * mon-fri", "5,10-20/2 0-6 1 JAN 0", "0/5 * * * *"],
)
def test_accepts_the_schedules_that_kubernetes_knows(schedule: str) -> None:
    assert job(run_of(schedule=schedule))["schedule"] == schedule


def run_of(tempo: dict[str, Any] | None = None, **vulture: Any) -> Recorded:
    raw = {"tracing:vulture": vulture, "tracing:collector": {}, "tracing:tempo": tempo or {}}
    return record("dev", raw, {})


def job(run: Recorded) -> dict[str, Any]:
    return run.one("vulture-schedule").inputs["spec"]


def pod(run: Recorded) -> dict[str, Any]:
    return job(run)["jobTemplate"]["spec"]["template"]["spec"]


def arguments(run: Recorded) -> dict[str, str]:
    [container] = pod(run)["containers"]
    return dict(argument.partition("=")[::2] for argument in container["args"])


PROFILES: dict[str, tuple[dict[str, Any], str]] = {
    "microservices": ({}, "tempo-distributed-distributor"),
    "microservices behind a gateway": ({"gateway": {}}, "tempo-distributed-distributor"),
    "one process": ({"profile": "monolithic"}, "tempo"),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_it_writes_to_tempo_itself_and_asks_where_everybody_asks(profile: str) -> None:
    tempo, service = PROFILES[profile]
    run = run_of(tempo)
    assert arguments(run)["-tempo-push-url"] == f"http://{service}.tempo.svc.cluster.local:4317"
    assert arguments(run)["-tempo-query-url"] == run.outputs["tempoUrl"]


def test_it_ends_with_a_status_and_asks_for_nothing_that_it_never_finds() -> None:
    given = arguments(run_of(cycles=7, timeout="90s"))
    assert given["-validation-mode"] == ""
    assert given["-validation-cycles"] == "7"
    assert given["-validation-timeout"] == "90s"
    assert given["-tempo-search-backoff-duration"] == "0s"
    assert "-tempo-org-id" not in given
    assert "-tempo-push-tls" not in given


def test_it_goes_by_the_tenant_that_it_is_given() -> None:
    tenancy = {"tenants": {"team-a": []}, "default": "team-b"}
    more = {"tracing:tenancy": tenancy, "tracing:collector": {}}
    run = record("dev", {"tracing:vulture": {"tenant": "team-a"}} | more, {})
    assert arguments(run)["-tempo-org-id"] == "team-a"


def test_it_pushes_over_tls_where_tempo_wants_it() -> None:
    ingest = TraceIngest(
        otlp_grpc=Endpoint(host="tempo", port=4317, tls=True),
        otlp_http=None,
        zipkin=None,
        identity=MeshIdentity(service_account="tempo", namespace="tempo"),
    )
    given = vulture_args(VultureConfig(), ingest, TraceQuery(url="http://tempo:3200"))
    assert "-tempo-push-url=https://tempo:4317" in given
    assert "-tempo-push-tls=true" in given


def test_a_run_is_ended_only_after_all_its_attempts_had_their_time() -> None:
    spec = job(run_of(timeout="10m"))["jobTemplate"]["spec"]
    attempts = 1 + spec["backoffLimit"]
    assert attempts > 1
    assert spec["activeDeadlineSeconds"] > attempts * duration_seconds("10m")
    assert pod(run_of())["restartPolicy"] == "Never"


def test_runs_never_overlap_and_go_away_by_themselves() -> None:
    spec = job(run_of())
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] > 0


def test_it_runs_by_hand_only_where_the_stack_says_so() -> None:
    assert job(run_of())["suspend"] is False
    assert job(run_of(suspended=True))["suspend"] is True


def test_its_pods_are_restricted_and_say_what_they_need() -> None:
    spec = pod(run_of())
    [container] = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_its_jobs_are_nobodys_resources() -> None:
    run = run_of()
    assert [r.type for r in run.resources if r.parent == "vulture"] == [
        "kubernetes:batch/v1:CronJob"
    ]


def test_it_is_where_tempo_is() -> None:
    run = record("dev", {"tracing:vulture": {}, "tracing:tempo": {"namespace": "traces"}}, {})
    assert run.one("vulture-schedule").inputs["metadata"]["namespace"] == "traces"
