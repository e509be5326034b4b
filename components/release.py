"""A Helm release, the same way for every component."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import pulumi
from pulumi import Input, Output, ResourceOptions
from pulumi_kubernetes.helm.v3 import Release

from .contracts import ChartRef

READY_TIMEOUT_SECONDS: Final = 600
"""How long an update waits for a release's pods: on a fresh node images are pulled first."""

MAX_HISTORY: Final = 10
"""Revisions kept in the cluster, as Helm's own command line does; unlimited otherwise."""


@dataclass(frozen=True, kw_only=True)
class HelmRelease:
    """An installed release. What uses its name or namespace waits until its pods are ready."""

    name: Output[str]
    namespace: Output[str]


def helm_release(
    name: str,
    *,
    chart: ChartRef,
    release_name: str,
    namespace: Input[str],
    values: Mapping[str, Any],
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource] = (),
) -> HelmRelease:
    """Installs a chart under a fixed name.

    Without a fixed name the provider appends a random suffix, which would be part of every
    Service's name.
    """
    release = Release(
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
    return HelmRelease(
        # Both are given, so neither can be None as the SDK's types allow.
        name=cast("Output[str]", release.name),
        namespace=cast("Output[str]", release.namespace),
    )
