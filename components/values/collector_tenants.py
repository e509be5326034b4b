"""Whose a span is: the collector's ways to the tenants of a Tempo."""

from collections.abc import Mapping
from typing import Any, Final

from config.tenancy import TenancyConfig

from ..contracts import TENANT_HEADER

CONNECTOR: Final = "routing"
POD_ASSOCIATIONS: Final = ("k8s.pod.ip", "k8s.pod.uid")
"""What a sender may say to be taken for another pod."""


def untrusted(tenancy: TenancyConfig | None) -> dict[str, Any]:
    """The processor that takes away what a sender says of itself where that would decide.

    The cluster's own words are only added where there are none yet.
    """
    if tenancy is None or not tenancy.by_cluster:
        return {}
    names = dict.fromkeys((tenancy.attribute, *POD_ASSOCIATIONS))
    return {"resource": {"attributes": [{"key": name, "action": "delete"} for name in names]}}


def routing(tenancy: TenancyConfig) -> dict[str, Any]:
    """The connector that hands each resource's spans to its tenant's pipeline."""
    return {
        CONNECTOR: {
            "default_pipelines": [pipeline(tenancy.default)],
            "table": [
                {
                    "context": "resource",
                    "condition": " or ".join(
                        f'attributes["{tenancy.attribute}"] == {_text(value)}'
                        for value in tenancy.values(tenant)
                    ),
                    "pipelines": [pipeline(tenant)],
                }
                for tenant in tenancy.all
                if tenant != tenancy.default
            ],
        }
    }


def _text(value: str) -> str:
    """A text as OTTL writes it; `$` would begin a variable of the collector's own."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'


def pipeline(tenant: str) -> str:
    """Name of a tenant's pipeline."""
    return f"traces/tenant-{tenant}"


def exporters(tenancy: TenancyConfig, exporter: Mapping[str, Any]) -> dict[str, Any]:
    """An exporter for each tenant, with a queue of its own."""
    return {
        f"otlp_grpc/{tenant}": {**exporter, "headers": {TENANT_HEADER: tenant}}
        for tenant in tenancy.all
    }


def pipelines(tenancy: TenancyConfig) -> dict[str, Any]:
    """From the connector to each tenant's exporter."""
    return {
        pipeline(tenant): {"receivers": [CONNECTOR], "exporters": [f"otlp_grpc/{tenant}"]}
        for tenant in tenancy.all
    }
