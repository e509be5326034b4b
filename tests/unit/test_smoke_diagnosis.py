"""What kubectl shows, and the cause that is named for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from config.platform import KubernetesConfig
from ops.hops.cluster import Kubectl, Observation
from ops.hops.diagnosis import by_words, diagnose
from ops.hops.hop import Finding
from ops.hops.target import Part

COLLECTOR = Part(
    role="collector",
    namespace="otel",
    selector="app.kubernetes.io/instance=opentelemetry-collector",
)
TEMPO = Part(
    role="Tempo",
    namespace="tempo",
    selector="app.kubernetes.io/instance=tempo-distributed",
    keys="Secret tempo/tempo-minio-secret (MINIO_ACCESS_KEY_ID, MINIO_SECRET_ACCESS_KEY)",
)
STORE = Part(role="object store", namespace="tempo", selector="app.kubernetes.io/instance=minio")
KUBECTL = Kubectl(KubernetesConfig(context="dev"))

REFUSED = (
    'level=error ts=2026-11-21T12:00:00Z caller=main.go:1 msg="error running Tempo" err="failed to '
    "init module services: error initialising module: store: failed to create store: unexpected "
    "error from ListObjects on tempo: The Access Key Id you provided does not exist in our "
    'records."'
)
UNREACHED = (
    "2026-11-21T15:07:49.700Z\tinfo\tinternal/retry_sender.go:136\tExporting failed. Will retry "
    'the request after interval.\t{"resource": {"service.instance.id": "77bf089c", "service.name": '
    '"otelcol", "service.version": "0.158.0"}, "otelcol.component.id": "otlp_grpc", '
    '"otelcol.component.kind": "exporter", "otelcol.signal": "traces", "error": "rpc error: code = '
    'Unavailable desc = connection error: desc = \\"transport: Error while dialing: dial tcp '
    '127.0.0.1:24317: connect: connection refused\\"", "interval": "8.841391573s"}'
)
"""As a collector 0.158.0 says it."""


def workload(kind: str, name: str, wanted: int, ready: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"replicas": wanted},
        "status": {"readyReplicas": ready} if ready else {},
    }


def pod(name: str, container: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": name},
        "status": {"containerStatuses": [{"name": "main", "ready": False, **container}], **status},
    }


def endpoints(service: str, *ready: bool) -> dict[str, Any]:
    return {
        "kind": "EndpointSlice",
        "metadata": {"labels": {"kubernetes.io/service-name": service}},
        "endpoints": [{"conditions": {"ready": each}} for each in ready] or None,
    }


def causes(*observed: Observation) -> list[str]:
    return [finding.cause for finding in diagnose(observed, KUBECTL)]


def seen(
    part: Part, *objects: dict[str, Any], logs: Mapping[tuple[str, str], str] | None = None
) -> Observation:
    return Observation(part=part, objects=objects, logs=logs or {})


RUNS = {"ready": True, "state": {"running": {}}}
CRASHED = {
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
}


def test_what_is_well_gives_no_cause() -> None:
    observed = seen(
        COLLECTOR,
        workload("Deployment", "opentelemetry-collector", 1, 1),
        pod("opentelemetry-collector-1", RUNS),
        endpoints("opentelemetry-collector", True),
        logs={("opentelemetry-collector-1", "main"): "info\tEverything is ready.\n"},
    )
    assert causes(observed) == []


@pytest.mark.parametrize(
    ("part", "kind", "name"),
    [
        (COLLECTOR, "Deployment", "opentelemetry-collector"),
        (TEMPO, "Deployment", "tempo-distributed-distributor"),
        (STORE, "StatefulSet", "minio"),
    ],
)
def test_what_was_scaled_to_0_is_named(part: Part, kind: str, name: str) -> None:
    [found] = diagnose([seen(part, workload(kind, name, 0, 0), endpoints(name))], KUBECTL)
    assert found == Finding(
        cause=f"{kind} {part.namespace}/{name} is scaled to 0",
        commands=(
            f"kubectl --context=dev --namespace={part.namespace} describe {kind.lower()}/{name}",
        ),
    )


def test_a_daemonset_without_nodes_is_named() -> None:
    agent = workload("DaemonSet", "opentelemetry-collector", 1, 0)
    agent["status"] = {"desiredNumberScheduled": 0, "numberReady": 0}
    assert causes(seen(COLLECTOR, agent)) == [
        "DaemonSet otel/opentelemetry-collector is wanted on no node"
    ]


def test_a_store_that_is_gone_explains_a_tempo_that_crashes_for_it() -> None:
    unreached = (
        'level=error msg="error running Tempo" err="store: failed to create store: dial tcp '
        '10.96.9.9:9000: connect: connection refused"'
    )
    tempo = seen(
        TEMPO,
        workload("StatefulSet", "tempo-distributed-ingester", 1, 0),
        pod("tempo-distributed-ingester-0", CRASHED),
        logs={("tempo-distributed-ingester-0", "main"): unreached},
    )
    store = seen(STORE, workload("StatefulSet", "minio", 0, 0))
    first, second, *_ = causes(tempo, store)
    assert first == "StatefulSet tempo/minio is scaled to 0"
    assert second.startswith(
        "container main of pod tempo/tempo-distributed-ingester-0 crashes again and again: "
    )
    assert "connection refused" in second


def test_keys_that_the_store_refuses_are_named_with_their_secret() -> None:
    tempo = seen(
        TEMPO,
        workload("StatefulSet", "tempo-distributed-ingester", 1, 0),
        pod("tempo-distributed-ingester-0", CRASHED),
        logs={("tempo-distributed-ingester-0", "main"): f"level=info msg=hello\n{REFUSED}\n"},
    )
    first, *_ = diagnose([tempo], KUBECTL)
    assert first.cause.startswith(
        "the store refuses the keys of container main of pod tempo/tempo-distributed-ingester-0, "
        "which are those of Secret tempo/tempo-minio-secret (MINIO_ACCESS_KEY_ID, "
        "MINIO_SECRET_ACCESS_KEY): "
    )
    assert "The Access Key Id you provided does not exist in our records" in first.cause
    assert first.commands == (
        "kubectl --context=dev --namespace=tempo logs tempo-distributed-ingester-0 "
        "--container=main --previous",
        "kubectl --context=dev --namespace=tempo describe secret/tempo-minio-secret",
    )


@pytest.mark.parametrize("code", ["AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId"])
def test_keys_that_are_refused_while_tempo_runs_are_named_as_well(code: str) -> None:
    line = f'level=error msg="error performing op in flushQueue" err="{code}"'
    tempo = seen(
        TEMPO,
        workload("StatefulSet", "ingester", 1, 1),
        pod("ingester-0", RUNS),
        logs={("ingester-0", "main"): line},
    )
    [cause] = causes(tempo)
    assert "refuses the keys of pod tempo/ingester-0, which are those of Secret tempo/" in cause


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("CreateContainerConfigError", 'secret "tempo-minio-secret" not found'),
        ("CreateContainerConfigError", "couldn't find key username in Secret tempo/tempo-kafka"),
        ("ImagePullBackOff", 'Back-off pulling image "tempo:9"'),
    ],
)
def test_a_container_that_cannot_start_is_named_with_what_it_lacks(
    reason: str, message: str
) -> None:
    waiting = {"state": {"waiting": {"reason": reason, "message": message}}}
    tempo = seen(TEMPO, workload("Deployment", "querier", 1, 0), pod("querier-1", waiting))
    assert causes(tempo)[0] == (
        f"container main of pod tempo/querier-1 can't start ({reason}): {message}"
    )


def test_a_pod_without_a_node_is_named_with_the_schedulers_words() -> None:
    unscheduled = pod(
        "ingester-0",
        {},
        conditions=[
            {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
        ],
    )
    tempo = seen(TEMPO, workload("StatefulSet", "ingester", 1, 0), unscheduled)
    assert causes(tempo)[0] == "pod tempo/ingester-0 finds no node: 0/3 nodes are available"


def test_want_of_memory_is_named() -> None:
    killed = {**CRASHED, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    tempo = seen(TEMPO, workload("StatefulSet", "ingester", 1, 0), pod("ingester-0", killed))
    assert causes(tempo)[0] == (
        "container main of pod tempo/ingester-0 was killed for want of memory"
    )


def test_pods_that_are_not_ready_are_counted_and_services_that_lead_nowhere_named() -> None:
    starting = {"state": {"running": {}}}
    tempo = seen(
        TEMPO,
        workload("Deployment", "distributor", 2, 0),
        pod("distributor-1", starting),
        endpoints("distributor", False, False),
        endpoints("querier", True),
    )
    assert causes(tempo) == [
        "Deployment tempo/distributor has 0 of 2 pods ready; Service distributor has no ready "
        "endpoint"
    ]


def test_what_a_running_collector_complains_of_is_quoted_last() -> None:
    collector = seen(
        COLLECTOR,
        workload("Deployment", "opentelemetry-collector", 1, 1),
        pod("opentelemetry-collector-1", RUNS),
        logs={("opentelemetry-collector-1", "main"): UNREACHED},
    )
    distributor = seen(TEMPO, workload("Deployment", "distributor", 0, 0))
    first, second = causes(collector, distributor)
    assert first == "Deployment tempo/distributor is scaled to 0"
    assert second.startswith(
        "pod otel/opentelemetry-collector-1 does not reach what it connects to: "
    )
    assert "connection refused" in second
    assert len(second) < 320


def test_an_old_line_of_a_start_that_went_well_is_no_cause() -> None:
    # kubectl is asked for the lines since the smoke test began; one that is no error is none.
    collector = seen(
        COLLECTOR,
        workload("Deployment", "c", 1, 1),
        pod("c-1", RUNS),
        logs={("c-1", "main"): "2026\tinfo\tgrpc\tconnection refused, then connected"},
    )
    assert causes(collector) == []


def test_a_part_that_is_not_there_is_named() -> None:
    [found] = diagnose([seen(COLLECTOR)], KUBECTL)
    assert found.cause == (
        "namespace otel has no workload with the label "
        "app.kubernetes.io/instance=opentelemetry-collector: the collector is not installed there "
        "(is the stack applied?)"
    )


def test_a_cluster_that_cannot_be_asked_comes_first_with_kubectls_words() -> None:
    problem = 'error: context "dev" does not exist'
    unseen = Observation(part=COLLECTOR, problem=problem)
    first, *_ = causes(seen(TEMPO), unseen)
    assert first == f"the collector could not be looked at: {problem}"


@pytest.mark.parametrize(
    ("failure", "cause", "command"),
    [
        (
            "SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer",
            "the certificate is not signed by an authority that is trusted here",
            "python -m ops smoke --stack dev --ca-file FILE",
        ),
        ("Tempo answered 401: no org id", "a tenant is wanted", "--tenant TENANT"),
        ("Grafana answered 401 Unauthorized", "Grafana does not accept the credential", "look"),
        ("Connection refused", "nothing answers at that address from here", "look"),
        ("something else", "not seen; only what the hop itself says is known", "look"),
    ],
)
def test_without_a_cluster_the_failures_own_words_count(
    failure: str, cause: str, command: str
) -> None:
    [found] = by_words(failure, "dev", ["look"])
    assert found.cause.startswith(cause)
    assert found.commands[0] == "look"
    assert found.commands[-1].endswith(command)


# Reading kubectl

KUBECTL_SCRIPT = """#!/bin/sh
echo "$@" >> "{directory}/called"
case "$*" in
  *" get "*) cat "{directory}/objects.json" ;;
  *" logs crashing "*--previous) echo "what it said before" ;;
  *" logs running "*--since=31s) echo "what it says now" ;;
  *) echo "error: no such log" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that shows two pods and a third that never started."""
    (tmp_path / "kubectl").write_text(KUBECTL_SCRIPT.format(directory=tmp_path), "utf-8")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    objects = [pod("crashing", CRASHED), pod("running", RUNS), pod("waiting", {"state": {}})]
    (tmp_path / "objects.json").write_text(json.dumps({"items": objects}), "utf-8")
    return tmp_path


def test_of_a_container_that_crashes_the_log_before_is_read(cluster: Path) -> None:
    kubectl = Kubectl(KubernetesConfig(context="dev", kubeconfig="/k"))
    observed = kubectl.observe(TEMPO, 30)
    assert [found["metadata"]["name"] for found in observed.of("Pod")] == [
        "crashing",
        "running",
        "waiting",
    ]
    assert observed.logs == {
        ("crashing", "main"): "what it said before\n",
        ("running", "main"): "what it says now\n",
    }
    called = (cluster / "called").read_text("utf-8").splitlines()
    assert called[0] == (
        "--context=dev --kubeconfig=/k --namespace=tempo get "
        "deployments,statefulsets,daemonsets,pods,endpointslices "
        "--selector=app.kubernetes.io/instance=tempo-distributed --output=json"
    )
    assert kubectl.pods("tempo", "a=b") == ["crashing", "running", "waiting"]


def test_a_kubectl_that_fails_is_a_problem_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert KUBECTL.observe(TEMPO, 30).problem == "kubectl is not installed or not on PATH"
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho 'error: no context' >&2; exit 1\n")
    (tmp_path / "kubectl").chmod(0o755)
    assert KUBECTL.observe(TEMPO, 30).problem == "error: no context"
