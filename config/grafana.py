"""Settings of Grafana, Loki and Prometheus: what is not this stack's own but works with it."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from .base import Section
from .kinds import DatasourceUid, DnsLabel, ForwardedResource, NonEmpty, Port, Url
from .scope import PerEnvironment, Promoted


class TempoDatasourceConfig(Section):
    """The Tempo data source in Grafana."""

    name: PerEnvironment[NonEmpty] = "Tempo"
    """Name that people see; unique in the organization."""
    uid: PerEnvironment[DatasourceUid] = "tempo"
    """Fixed, so that Loki's derived fields can name it; a change replaces the data source."""


class LokiDatasourceConfig(Section):
    """The Loki data source in Grafana, with its derived fields."""

    name: PerEnvironment[NonEmpty] = "Loki"
    """Name that people see; unique in the organization."""
    uid: PerEnvironment[DatasourceUid] = "loki"
    """Fixed, so that the Tempo data source can name it; a change replaces the data source."""
    managed: PerEnvironment[bool] = True
    """Whether this stack owns the data source. With false one of that uid is there already: it is
    only referred to, and its derived fields are the stack output `lokiDerivedFields`."""


class DatasourcesConfig(Section):
    """What both ways into Grafana have."""

    organization: PerEnvironment[Annotated[int, Field(ge=1)] | None] = None
    """Id of the organization that everything belongs to; Grafana's choice if not given."""
    dashboards: Promoted[bool | None] = None
    """Make the dashboards, whose panels ask `tracing:prometheus`. If not given: where that is
    configured."""
    folder: PerEnvironment[NonEmpty] = "Tracing"
    """Folder of the dashboards."""
    tempo: TempoDatasourceConfig = TempoDatasourceConfig()
    loki: LokiDatasourceConfig = LokiDatasourceConfig()


class GrafanaPortForwardConfig(Section):
    """Reach Grafana from where Pulumi runs through `kubectl port-forward`, during updates."""

    namespace: PerEnvironment[DnsLabel] = "grafana"
    """Where Grafana is."""
    resource: PerEnvironment[ForwardedResource] = "service/grafana"
    """What to forward to: service/NAME, deployment/NAME or statefulset/NAME."""
    remote_port: PerEnvironment[Port] = 80
    """Port of the Service (Grafana's Helm chart has 80), or of the pods of the others (3000). It
    has to speak plain HTTP."""
    local_port: PerEnvironment[Port] = 13000
    """Port of 127.0.0.1 to listen on."""


class GrafanaApiConfig(DatasourcesConfig):
    """Data sources in an existing Grafana, through its HTTP API.

    The credential is the secret `tracing:grafanaAuth`: a service-account token, or user:password.
    """

    mode: PerEnvironment[Literal["api"]] = "api"
    """Through the HTTP API."""
    url: PerEnvironment[Url | None] = None
    """Address of Grafana, reachable from where Pulumi runs; or `portForward` in its place."""
    ca_file: PerEnvironment[NonEmpty | None] = None
    """PEM file, relative to the project, with the authority of Grafana's certificate; the usual
    ones if not given."""
    port_forward: PerEnvironment[GrafanaPortForwardConfig | None] = None
    """In place of `url`, for a Grafana in the cluster."""


class GrafanaSidecarConfig(DatasourcesConfig):
    """Data sources as a ConfigMap for the sidecar of Grafana's Helm chart, which needs no API."""

    mode: PerEnvironment[Literal["sidecar"]]
    """By a ConfigMap; the chart's `sidecar.datasources.enabled` has to be true."""
    namespace: PerEnvironment[DnsLabel] = "grafana"
    """Namespace that the sidecar watches, which is there already."""
    label: PerEnvironment[NonEmpty] = "grafana_datasource"
    """Label of the ConfigMaps that the sidecar takes up (its `sidecar.datasources.label`)."""
    label_value: PerEnvironment[str] = "1"
    """Value of that label."""
    dashboard_label: PerEnvironment[NonEmpty] = "grafana_dashboard"
    """The same for dashboards (its `sidecar.dashboards.label`)."""
    dashboard_label_value: PerEnvironment[str] = "1"
    """Value of that label."""
    folder_annotation: PerEnvironment[NonEmpty] = "grafana_folder"
    """Annotation that names a dashboard's folder (its `sidecar.dashboards.folderAnnotation`; the
    chart's `provider.foldersFromFilesStructure` has to be true)."""


def _mode(value: object) -> Any:
    """Which way a mapping describes; the HTTP API when it does not say."""
    if isinstance(value, Mapping):
        return value.get("mode", "api")
    return getattr(value, "mode", "api")


GrafanaConfig = Annotated[
    Annotated[GrafanaApiConfig, Tag("api")] | Annotated[GrafanaSidecarConfig, Tag("sidecar")],
    Discriminator(_mode),
]
"""Told apart by `mode`; `api` if not given."""


def _one_group(text: str) -> str:
    """A regular expression that Grafana can read the id with."""
    if "(?P" in text:
        raise ValueError(
            "has a (?P group, which JavaScript, and so Grafana, does not know; write (...), or "
            "(?<name>...)"
        )
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise ValueError(
            f"is not a regular expression ({error}); write one such as id=([0-9a-f]+)"
        ) from error
    if groups < 1:
        raise ValueError("has no group; put what is the id in parentheses: id=([0-9a-f]+)")
    return text


class LogFormatConfig(Section):
    """How the log lines of one more source show the id of their trace, in one of three ways."""

    name: Promoted[NonEmpty]
    """Name of the derived field, such as Harness."""
    json_fields: Promoted[tuple[NonEmpty, ...]] = ()
    """Fields of a JSON line that hold the id; the first one found counts."""
    regex: Promoted[Annotated[NonEmpty, AfterValidator(_one_group)] | None] = None
    """Regular expression, as JavaScript has them, whose first group is the id."""
    label: Promoted[NonEmpty | None] = None
    """Label of Loki, or field of its structured metadata, that holds the id."""
    url_display_label: Promoted[NonEmpty | None] = None
    """Text of the link; Grafana's own if not given."""

    @model_validator(mode="after")
    def _one_way(self) -> "LogFormatConfig":
        ways = [key for key in ("json_fields", "regex", "label") if getattr(self, key)]
        if len(ways) != 1:
            raise ValueError("wants one of jsonFields, regex and label; write exactly one")
        return self


class LokiConfig(Section):
    """An existing Loki, as Grafana reaches it."""

    url: PerEnvironment[Url]
    """Such as http://loki-gateway.logging.svc.cluster.local."""
    log_formats: Promoted[tuple[LogFormatConfig, ...]] = ()
    """Sources besides those of this stack (Traefik), each a derived field."""
    labels: Promoted[dict[NonEmpty, NonEmpty]] = Field(default_factory=dict)
    """Loki's label by the span attribute that has the same value, for the way from a span to its
    logs, such as service.name: app. Grafana's own list if empty."""


class PrometheusOperatorConfig(Section):
    """Let the Prometheus operator find what is to be asked for metrics, and alert rules. Its CRDs
    have to be in the cluster, and its Prometheus has to look in the stack's namespaces."""

    labels: PerEnvironment[dict[NonEmpty, str]] = Field(default_factory=dict)
    """Labels by which it selects ServiceMonitors, PodMonitors and PrometheusRules, such as release:
    kube-prometheus-stack."""
    runbooks: PerEnvironment[NonEmpty] = "docs/runbooks.md"
    """Address where people find docs/runbooks.md, for the links in alerts."""


class PrometheusConfig(Section):
    """An existing Prometheus, and its data source in Grafana, referred to and left alone."""

    datasource_uid: PerEnvironment[DatasourceUid] = "prometheus"
    """Uid of the data source: of span metrics, service graphs and the platform's own metrics."""
    operator: PerEnvironment[PrometheusOperatorConfig | None] = None
