"""Owns the data sources in a Grafana. Needs Tempo's query API, and Loki and the log formats of
what writes to it where there is one."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumiverse_grafana as grafana
from pulumi import Output, ResourceOptions

from config.grafana import GrafanaConfig

from .contracts import LokiRef, PrometheusRef, TraceLogFormat, TraceQuery
from .values.grafana import canonical_json, loki_json_data, tempo_json_data


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    """What the data sources are made from."""

    settings: GrafanaConfig
    auth: Output[str]
    """Service-account token, or user:password."""
    query: TraceQuery
    loki: LokiRef | None
    prometheus: PrometheusRef | None
    log_formats: Sequence[TraceLogFormat]


class Grafana(pulumi.ComponentResource):
    """The Tempo data source, and Loki's with derived fields that lead to it."""

    def __init__(self, name: str, args: GrafanaArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("tracing:index:Grafana", name, None, opts)
        settings = args.settings
        provider = grafana.Provider(
            f"{name}-api",
            url=settings.url,
            auth=Output.secret(args.auth),
            opts=ResourceOptions(parent=self),
        )
        child = ResourceOptions(parent=self, provider=provider)
        organization = None if settings.organization is None else str(settings.organization)
        grafana.oss.DataSource(
            f"{name}-tempo",
            type="tempo",
            name=settings.tempo.name,
            uid=settings.tempo.uid,
            url=args.query.url,
            access_mode="proxy",
            org_id=organization,
            json_data_encoded=canonical_json(
                tempo_json_data(settings.loki.uid if args.loki else None, args.prometheus)
            ),
            opts=child,
        )
        if args.loki is not None:
            grafana.oss.DataSource(
                f"{name}-loki",
                type="loki",
                name=settings.loki.name,
                uid=settings.loki.uid,
                url=args.loki.url,
                access_mode="proxy",
                org_id=organization,
                # Fixed uids let the two data sources name each other without a cycle.
                json_data_encoded=canonical_json(
                    loki_json_data(settings.tempo.uid, args.log_formats)
                ),
                opts=child,
            )
        self.register_outputs({"tempoUid": settings.tempo.uid})
