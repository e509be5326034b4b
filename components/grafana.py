"""Owns the data sources and dashboards in a Grafana. Needs Tempo's query API, Loki and the log
formats of what writes to it where there is one, and what there is to see of the platform."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi import Input, Output, ResourceOptions

from config.certificates import read as read_certificates
from config.grafana import (
    GrafanaApiConfig,
    GrafanaConfig,
    GrafanaPortForwardConfig,
    GrafanaSidecarConfig,
)
from config.platform import KubernetesConfig
from port_forward import ADDRESS, PortForward

from .contracts import LokiRef, PlatformMetrics, PrometheusRef, TraceLogFormat, TraceQuery
from .kubernetes_object import KubernetesObject, object_metadata
from .values.grafana import (
    DataSource,
    canonical_json,
    derived_fields,
    loki_data_source,
    provisioning_file,
    provisioning_text,
    tempo_data_source,
)

_RETRIED: Final = ("429", "5xx")
"""Answers after which the API is asked again: too many requests, and the server's own errors."""


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    """What the data sources are made from."""

    settings: GrafanaConfig
    auth: Output[str] | None
    """Service-account token, or user:password; `None` where the API is not used."""
    query: TraceQuery
    loki: LokiRef | None
    prometheus: PrometheusRef | None
    log_formats: Sequence[TraceLogFormat]
    """Of this stack's own sources; those of Loki come with it."""
    shown: PlatformMetrics | None
    """What the dashboards show; `None` for a stack without."""
    cluster: KubernetesConfig
    """The cluster, for reaching Grafana through `kubectl port-forward`."""


@dataclass(frozen=True, kw_only=True)
class _Dashboard:
    key: str
    uid: str
    json: str


class Grafana(pulumi.ComponentResource):
    """The Tempo data source, Loki's with derived fields that lead to it, and dashboards."""

    loki_derived_fields: Output[str] | None
    """The derived fields as text for a provisioning file, where the Loki data source is not this
    stack's; `None` elsewhere."""

    def __init__(self, name: str, args: GrafanaArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Grafana", name, None, opts)
        settings, loki = args.settings, args.loki
        # Fixed uids let the two data sources name each other without a cycle.
        sources = [
            tempo_data_source(
                settings.tempo, args.query, settings.loki.uid, loki, args.prometheus, tenant
            )
            for tenant in args.query.tenants or (None,)
        ]
        self.loki_derived_fields = None
        if loki is not None:
            formats = [*args.log_formats, *loki.log_formats]
            if settings.loki.managed:
                sources.append(loki_data_source(settings.loki, loki, settings.tempo.uid, formats))
            else:
                fields = {"derivedFields": derived_fields(settings.tempo.uid, formats)}
                self.loki_derived_fields = provisioning_text(fields)
        match settings:
            case GrafanaApiConfig():
                self._by_api(name, settings, args, sources, _dashboards(args))
            case GrafanaSidecarConfig():
                self._by_sidecar(name, settings, sources, _dashboards(args))
        self.register_outputs({"tempoUid": settings.tempo.uid})

    def _by_api(
        self,
        name: str,
        settings: GrafanaApiConfig,
        args: GrafanaArgs,
        sources: Sequence[DataSource],
        dashboards: Sequence[_Dashboard],
    ) -> None:
        if args.auth is None:
            raise ValueError("Grafana's API needs a credential")
        # Here, because a preview without the API need not load it.
        import pulumiverse_grafana as grafana

        provider = grafana.Provider(
            f"{name}-api",
            url=_reachable(settings, args.cluster),
            auth=Output.secret(args.auth),
            ca_cert=None if settings.ca_file is None else read_certificates(settings.ca_file),
            retries=5,
            retry_status_codes=_RETRIED,
            opts=ResourceOptions(
                parent=self,
                # A local port is nobody's business but this machine's.
                hide_diffs=None if settings.port_forward is None else ["url"],
            ),
        )
        options = ResourceOptions(parent=self, provider=provider)
        organization = None if settings.organization is None else str(settings.organization)
        for source in sources:
            grafana.oss.DataSource(
                f"{name}-{source.key}",
                type=source.kind,
                name=source.name,
                uid=source.uid,
                url=source.url,
                access_mode="proxy",
                org_id=organization,
                json_data_encoded=canonical_json(source.json_data),
                secure_json_data_encoded=_secret(source.secure_json_data),
                http_headers=Output.secret(dict(source.headers)) if source.headers else None,
                opts=options,
            )
        if not dashboards:
            return
        folder = grafana.oss.Folder(
            f"{name}-folder",
            title=settings.folder,
            uid=settings.tempo.uid,
            org_id=organization,
            # People may have put dashboards of their own there, which would go with it.
            prevent_destroy_if_not_empty=True,
            opts=options,
        )
        for dashboard in dashboards:
            grafana.oss.Dashboard(
                f"{name}-{dashboard.key}",
                config_json=dashboard.json,
                folder=folder.uid,
                org_id=organization,
                opts=options,
            )

    def _by_sidecar(
        self,
        name: str,
        settings: GrafanaSidecarConfig,
        sources: Sequence[DataSource],
        dashboards: Sequence[_Dashboard],
    ) -> None:
        # The sidecar takes up either kind (the chart's `sidecar.datasources.resource: both`).
        secret = any(source.secure_json_data or source.headers for source in sources)
        KubernetesObject(
            f"{name}-data-sources",
            {
                "apiVersion": "v1",
                "kind": "Secret" if secret else "ConfigMap",
                "metadata": object_metadata(
                    "tracing-data-sources",
                    settings.namespace,
                    {settings.label: settings.label_value},
                ),
                "stringData" if secret else "data": {
                    "tracing.yaml": provisioning_file(sources, settings.organization)
                },
            },
            ResourceOptions(parent=self),
        )
        for dashboard in dashboards:
            KubernetesObject(
                f"{name}-{dashboard.key}",
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": object_metadata(
                        f"tracing-{dashboard.key}",
                        settings.namespace,
                        {settings.dashboard_label: settings.dashboard_label_value},
                        {settings.folder_annotation: settings.folder},
                    ),
                    # As it is: Grafana expands variables in provisioning files, not in dashboards.
                    "data": {f"{dashboard.uid}.json": dashboard.json},
                },
                ResourceOptions(parent=self),
            )


def _secret(data: Mapping[str, str]) -> Output[str] | None:
    return Output.secret(canonical_json(data)) if data else None


def grafana_forward(settings: GrafanaPortForwardConfig, cluster: KubernetesConfig) -> PortForward:
    """How a Grafana in the cluster is reached from where Pulumi runs."""
    return PortForward(
        local_port=settings.local_port,
        local_port_key="tracing:grafana.portForward.localPort",
        remote_port=settings.remote_port,
        context=cluster.context,
        kubeconfig=cluster.kubeconfig,
    )


def _reachable(settings: GrafanaApiConfig, cluster: KubernetesConfig) -> Input[str] | None:
    """Grafana's address, known in an update once it answers there."""
    way = settings.port_forward
    if way is None:
        return settings.url
    opened = grafana_forward(way, cluster).open(way.namespace, way.resource)
    return opened.apply(lambda _: f"http://{ADDRESS}:{way.local_port}")


def _dashboards(args: GrafanaArgs) -> list[_Dashboard]:
    if args.shown is None or args.prometheus is None:
        return []
    # Here, because a preview without dashboards need not load them.
    from .values.dashboards import dashboard_json, dashboards

    tempo, prometheus = args.settings.tempo.uid, args.prometheus.datasource_uid
    return [
        _Dashboard(
            key=dashboard.key,
            uid=(uid := f"{tempo}-{dashboard.key}"),
            json=dashboard_json(dashboard, uid, prometheus),
        )
        for dashboard in dashboards(args.shown, tempo)
    ]
