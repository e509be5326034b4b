"""What the cluster scales, scaled by a real cluster: its autoscalers have something to go by.

Needs a cluster with the metrics API (metrics-server).
"""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.cluster import Cluster
from tests.live.figures import Figures
from tests.live.needs import STACK, Needs
from tests.live.platform import PODS_SECONDS, Platform, applied, small_store
from tests.live.waiting import until

SCALED = ("distributor", "querier", "queryFrontend", "gateway")
SETTINGS = {
    "resources": {"cpu": "20m", "memory": "128Mi"},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 3},
}
SCALE_SECONDS = 300
"""A new pod has no metric for a minute or two."""


@pytest.fixture(scope="module")
def scaled(
    needs: Needs, figures: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The dev stack with everything scaled that can be, applied."""
    try:
        Cluster(needs.context).run("get", "--raw=/apis/metrics.k8s.io/v1beta1/nodes")
    except AssertionError as error:
        pytest.skip(f"autoscaling: the cluster has no metrics: {error}")
    namespace = f"tracing-live-{secrets.token_hex(4)}"
    changes = {
        "deleteData": True,
        "objectStore": small_store(namespace),
        "tempo": {
            "namespace": namespace,
            "ingester": {"replicas": 1, "replicationFactor": 1},
            **dict.fromkeys(SCALED, SETTINGS),
        },
        **dict.fromkeys(("collector", "traefik", "grafana", "linkerd", "harness")),
    }
    with applied(needs, figures, tmp_path_factory.mktemp(STACK), STACK, changes) as scaled:
        until("every pod is ready", PODS_SECONDS, scaled.pods_are_ready)
        yield scaled


def _autoscalers(scaled: Platform) -> list[dict[str, Any]]:
    namespace = f"--namespace={scaled.stack.tempo.namespace}"
    return scaled.cluster.objects("horizontalpodautoscalers", namespace)


def test_each_autoscaler_knows_its_pods_and_what_they_use(
    scaled: Platform, figures: Figures
) -> None:
    def all_are_active() -> bool:
        found = _autoscalers(scaled)
        assert len(found) == len(SCALED)
        for autoscaler in found:
            status = autoscaler["status"]
            conditions = {one["type"]: one for one in status.get("conditions", [])}
            for condition in ("AbleToScale", "ScalingActive"):
                assert conditions[condition]["status"] == "True", conditions[condition]
            [metric] = status["currentMetrics"]
            assert "averageUtilization" in metric["resource"]["current"], metric
            # The deployment it is for was found, and is as many as it should be at least.
            assert status["currentReplicas"] >= SETTINGS["autoscaling"]["minReplicas"]
        return True

    with figures.timed("autoscalers active after the pods are ready"):
        until("each autoscaler is active", SCALE_SECONDS, all_are_active)


def test_what_the_cluster_scales_is_no_change_of_the_stack(scaled: Platform) -> None:
    name = f"{scaled.stack.tempo.release_name}-querier"
    namespace = scaled.stack.tempo.namespace
    scaled.cluster.run("scale", f"deployment/{name}", "--replicas=3", f"--namespace={namespace}")
    assert scaled.project.preview().changes == {}
    assert scaled.project.refresh().changes == {}
    assert scaled.project.preview().changes == {}
