"""Rules on Grafana and what it shows."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from ..errors import Finding, shown
from ..grafana import GrafanaApiConfig, GrafanaSidecarConfig, LokiDatasourceConfig
from ..object_store import MinioConfig
from ..platform import Environment
from ..stack import NAMESPACED, StackConfig, namespaces_of, shows_dashboards
from ..traefik import TRAEFIK_DERIVED_FIELD
from .authorities import unreadable
from .registry import rule, twice

LONGEST_UID: Final = 40 - len("-services")
"""Characters of Tempo's uid that leave room for a dashboard's in Grafana's 40."""


@rule("loki", "prometheus", "grafana")
def _loki_is_shown_in_grafana(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.loki is not None and stack.grafana is None:
        yield Finding(
            "tracing:loki", "has no use without Grafana; add tracing:grafana, or remove it"
        )
    prometheus = stack.prometheus
    if prometheus is not None and stack.grafana is None and prometheus.operator is None:
        yield Finding(
            "tracing:prometheus",
            "has no use without Grafana or an operator; add tracing:grafana or "
            "tracing:prometheus.operator, or remove it",
        )


@rule("grafana", "loki")
def _the_loki_of_others_is_one(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.grafana is None or stack.loki is not None:
        return
    for field in stack.grafana.loki.model_fields_set:
        key = LokiDatasourceConfig.model_fields[field].alias or field
        yield Finding(
            f"tracing:grafana.loki.{key}",
            "is about a Loki, and there is none; remove it, or add tracing:loki",
        )


@rule("loki", "traefik")
def _derived_fields_differ(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    # Of two with one name Grafana takes the first one's expression and forgets the other's.
    if stack.loki is None:
        return
    names = {
        f"tracing:loki.logFormats[{index}].name": source.name
        for index, source in enumerate(stack.loki.log_formats)
    }
    if stack.traefik is not None:
        names["tracing:traefik"] = TRAEFIK_DERIVED_FIELD
    for finding in twice(names, "a derived field's name is its own"):
        if finding.path != "tracing:traefik":
            yield finding


@rule("grafana")
def _the_api_is_reached_in_one_way(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    grafana = stack.grafana
    if not isinstance(grafana, GrafanaApiConfig):
        return
    if grafana.url is None and grafana.port_forward is None:
        yield Finding(
            "tracing:grafana.url",
            "is missing; write Grafana's address, or portForward for a Grafana in the cluster",
        )
    if grafana.port_forward is None:
        return
    if grafana.url is not None:
        yield Finding(
            "tracing:grafana",
            "has both url and portForward; write the one that Pulumi is to use",
        )
    if grafana.ca_file is not None:
        yield Finding(
            "tracing:grafana.caFile",
            "has no use with portForward, which leads to plain HTTP; remove it, or write url",
        )


@rule("grafana", "object_store")
def _two_forwards_have_two_ports(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    grafana, store = stack.grafana, stack.object_store
    if not isinstance(grafana, GrafanaApiConfig) or grafana.port_forward is None:
        return
    if not isinstance(store, MinioConfig) or store.admin.endpoint is not None:
        return
    port = grafana.port_forward.local_port
    if port == store.admin.port_forward.local_port:
        yield Finding(
            "tracing:grafana.portForward.localPort",
            f"{port} is that of tracing:objectStore.admin.portForward too; write another one",
        )


@rule("grafana")
def _the_authority_can_be_read(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if isinstance(stack.grafana, GrafanaApiConfig):
        yield from unreadable("tracing:grafana.caFile", stack.grafana.ca_file)


@rule("grafana")
def _the_authority_is_asked_for(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    grafana = stack.grafana
    # With portForward it is told that the authority has no use there.
    if not isinstance(grafana, GrafanaApiConfig) or grafana.port_forward is not None:
        return
    if grafana.ca_file is None or grafana.url is None:
        return
    if urlsplit(grafana.url).scheme == "http":
        yield Finding(
            "tracing:grafana.caFile",
            "has no effect: this hop is plain HTTP; remove it, or write an https address in "
            "tracing:grafana.url",
        )


@rule("grafana", "kubernetes", *NAMESPACED)
def _grafanas_namespace_is_there(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if not isinstance(stack.grafana, GrafanaSidecarConfig):
        return
    name = stack.grafana.namespace
    if name in namespaces_of(stack).values() and name not in stack.kubernetes.existing_namespaces:
        yield Finding(
            "tracing:grafana.namespace",
            f"{shown(name)} is made by this stack, and Grafana can't be in it yet; write Grafana's "
            "own, or list it under tracing:kubernetes.existingNamespaces",
        )


@rule("grafana", "loki", "prometheus", "tenancy")
def _datasource_uids_differ(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.grafana is None:
        return
    uids = {"tracing:grafana.tempo.uid": stack.grafana.tempo.uid}
    if stack.tenancy is not None:
        uids |= {
            f"tracing:tenancy.tenants.{tenant}": f"{stack.grafana.tempo.uid}-{tenant}"
            for tenant in stack.tenancy.all[1:]
        }
    if stack.loki is not None:
        uids["tracing:grafana.loki.uid"] = stack.grafana.loki.uid
    if stack.prometheus is not None:
        uids["tracing:prometheus.datasourceUid"] = stack.prometheus.datasource_uid
    yield from twice(uids, "a data source's uid is its own")


@rule("grafana", "prometheus")
def _dashboards_have_something_to_ask(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    grafana = stack.grafana
    if grafana is None:
        return
    if grafana.dashboards and stack.prometheus is None:
        yield Finding(
            "tracing:grafana.dashboards",
            "ask a Prometheus, and there is none; add tracing:prometheus, or remove it",
        )
    if not shows_dashboards(stack):
        if "folder" in grafana.model_fields_set:
            yield Finding(
                "tracing:grafana.folder",
                "is of the dashboards, and there are none; remove it, or add tracing:prometheus",
            )
    elif len(uid := grafana.tempo.uid) > LONGEST_UID:
        yield Finding(
            "tracing:grafana.tempo.uid",
            f"{shown(uid)} is the beginning of the dashboards' uids, which have 40 characters at "
            f"most; write at most {LONGEST_UID}, or grafana.dashboards: false",
        )
