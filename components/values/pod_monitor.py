"""A PodMonitor: what the Prometheus operator has each of a component's pods asked."""

from collections.abc import Mapping
from typing import Any

from pulumi import Input

from ..contracts import CaBundle


def pod_monitor_spec(
    labels: Mapping[str, str],
    port: str,
    path: str,
    *,
    tls_host: Input[str] | None,
    ca: CaBundle | None,
) -> dict[str, Any]:
    """The `spec` of the PodMonitor for the pods with these labels.

    `port` is the container port's name. `tls_host` is the name in the pods' certificate, `None`
    where they answer plain HTTP; `ca` who signed it, `None` for one of the usual authorities.
    """
    endpoint: dict[str, Any] = {"port": port, "path": path}
    if tls_host is not None:
        # Pods are asked by their addresses, which are in no certificate.
        tls: dict[str, Any] = {"serverName": tls_host}
        if ca is not None:
            tls["ca"] = {"configMap": {"name": ca.config_map, "key": ca.key}}
        endpoint |= {"scheme": "https", "tlsConfig": tls}
    return {"selector": {"matchLabels": dict(labels)}, "podMetricsEndpoints": [endpoint]}
