"""A Helm release, the same way for every component."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi
from pulumi import Input, Output, ResourceOptions

from .contracts import ChartRef

READY_TIMEOUT_SECONDS: Final = 600
"""How long an update waits for a release's pods: on a fresh node images are pulled first."""

MAX_HISTORY: Final = 10
"""Revisions kept in the cluster, as Helm's own command line does; unlimited otherwise."""


class HelmRelease(pulumi.CustomResource):
    """An installed release; what uses its name or namespace waits until its pods are ready.

    It registers what the SDK's `helm.v3.Release` registers; that is not used for the reason that
    `KubernetesObject` gives.
    """

    name: Output[str]
    namespace: Output[str]

    def __init__(self, name: str, release: Mapping[str, Any], opts: ResourceOptions) -> None:
        super().__init__("kubernetes:helm.sh/v3:Release", name, dict(release), opts)


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
    return HelmRelease(
        name,
        {
            # As the SDK registers it: an update would otherwise show it as removed.
            "compat": "true",
            "name": release_name,
            "namespace": namespace,
            "chart": chart.chart,
            "version": chart.version,
            "values": values,
            "timeout": READY_TIMEOUT_SECONDS,
            "maxHistory": MAX_HISTORY,
            **({"repositoryOpts": {"repo": chart.repository}} if chart.repository else {}),
        },
        ResourceOptions(parent=parent, depends_on=list(depends_on)),
    )
