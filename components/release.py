"""A Helm release, the same way for every component."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi import Input, ResourceOptions

from .contracts import ChartRef

READY_TIMEOUT_SECONDS: Final = 600
"""How long an update waits for a release's pods: on a fresh node images are pulled first."""

MAX_HISTORY: Final = 10
"""Revisions kept in the cluster, as Helm's own command line does; unlimited otherwise."""


def helm_release(
    name: str,
    *,
    chart: ChartRef,
    release_name: str,
    namespace: Input[str],
    values: Mapping[str, Any],
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource] = (),
) -> k8s.helm.v3.Release:
    """A Release whose name is fixed.

    Without a fixed name the provider appends a random suffix, which would be part of every
    Service's name.
    """
    return k8s.helm.v3.Release(
        name,
        name=release_name,
        namespace=namespace,
        chart=chart.chart,
        version=chart.version,
        repository_opts=None if chart.repository is None else {"repo": chart.repository},
        values=values,
        timeout=READY_TIMEOUT_SECONDS,
        max_history=MAX_HISTORY,
        opts=ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )
