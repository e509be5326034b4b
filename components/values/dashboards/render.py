"""The JSON of a dashboard: canonical, without what Grafana numbers itself (id, version, panels)."""

import json
from typing import TYPE_CHECKING, Final

from ..grafana import canonical_json
from .model import Dashboard, Panel, Query

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.prometheus import Dataquery
    from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
    from grafana_foundation_sdk.models.dashboard import DataSourceRef

TAG: Final = "tracing"
"""Of all dashboards, by which they link to each other."""

WIDTH: Final = 24
"""Of a dashboard, in Grafana's columns."""

HEIGHT: Final = 8
"""Of a panel, in Grafana's rows of about 30 pixels."""


def dashboard_json(dashboard: Dashboard, uid: str, prometheus_uid: str) -> str:
    """What Grafana's HTTP API and its provisioning take; all panels ask `prometheus_uid`."""
    # Here, because a stack without dashboards need not load it.
    from grafana_foundation_sdk.builders import dashboard as sdk
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import (
        DashboardCursorSync,
        DashboardLinkType,
        DataSourceRef,
        VariableRefresh,
    )

    source = DataSourceRef(type_val="prometheus", uid=prometheus_uid)
    builder = (
        sdk.Dashboard(dashboard.title)
        .uid(uid)
        .description(dashboard.description)
        .tags([TAG])
        .readonly()
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            sdk.DashboardLink("Tracing")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(True)
        )
    )
    for link in dashboard.links:
        builder.link(sdk.DashboardLink(link.title).type(DashboardLinkType.LINK).url(link.url))
    for variable in dashboard.variables:
        builder.with_variable(
            sdk.QueryVariable(variable.name)
            .label(variable.label)
            .datasource(source)
            .query(variable.query)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    for row in dashboard.rows:
        builder.with_row(sdk.Row(row.title))
        for panel in row.panels:
            builder.with_panel(_panel(panel, source).span(WIDTH // len(row.panels)))
    document = json.loads(json.dumps(builder.build(), cls=JSONEncoder))
    for panel in document["panels"]:
        # The provider takes panels' numbers out before it compares; Grafana gives its own.
        panel.pop("id", None)
    return canonical_json(document)


def _panel(panel: Panel, source: "DataSourceRef") -> "Timeseries":
    from grafana_foundation_sdk.builders import common, timeseries
    from grafana_foundation_sdk.builders import dashboard as sdk
    from grafana_foundation_sdk.models.common import (
        LegendDisplayMode,
        LegendPlacement,
        SortOrder,
        StackingMode,
        TooltipDisplayMode,
        VisibilityMode,
    )

    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    builder = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .datasource(source)
        .height(HEIGHT)
        .legend(legend)
        .tooltip(tooltip)
        .show_points(VisibilityMode.NEVER)
        .fill_opacity(10)
        .min(0)
    )
    if panel.unit == "percentunit":
        builder.max(1)
    if panel.stacked:
        builder.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if panel.links:
        builder.data_links([sdk.DashboardLink(link.title).url(link.url) for link in panel.links])
    for index, query in enumerate(panel.queries):
        builder.with_target(_query(query, chr(ord("A") + index), source))
    return builder


def _query(query: Query, ref: str, source: "DataSourceRef") -> "Dataquery":
    from grafana_foundation_sdk.builders import prometheus

    builder = prometheus.Dataquery().ref_id(ref).datasource(source).range()
    builder.expr(query.expr).legend_format(query.legend)
    if query.exemplars:
        builder.exemplar(True)
    return builder
