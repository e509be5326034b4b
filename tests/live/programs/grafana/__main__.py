"""What a stack has in a Grafana, and nothing else of it: the program's own check and component, in
front of programs that are no part of a cluster."""

import pulumi

import config
import grafana_check
from components.collector import SPAN_METRICS
from components.contracts import (
    CollectorMetrics,
    PlatformMetrics,
    Scraped,
    TempoMetrics,
    TraceMetrics,
    TraceQuery,
)
from components.external import loki_ref, prometheus_ref
from components.grafana import Grafana, GrafanaArgs
from components.values.traefik import LOG_FORMATS

loaded = config.load()
stack = loaded.stack
assert stack.grafana is not None
if not pulumi.runtime.is_dry_run():
    grafana_check.require(stack, pulumi.get_stack(), loaded.plain_secrets)
live = pulumi.Config("live")
unknown = Scraped(namespace=None, jobs=None)
Grafana(
    "grafana",
    GrafanaArgs(
        settings=stack.grafana,
        auth=loaded.secrets.grafana_auth,
        query=TraceQuery(
            url=live.require("tempo"),
            ca_certificate=live.get("ca"),
            tenants=live.get_object("tenants") or (),
        ),
        loki=loki_ref(stack.loki),
        prometheus=prometheus_ref(stack.prometheus),
        log_formats=[LOG_FORMATS[3]],
        # All that a dashboard can show.
        shown=None
        if not config.shows_dashboards(stack)
        else PlatformMetrics(
            tempo=TempoMetrics(scraped=unknown, profile="distributed-2", generator=True),
            collector=CollectorMetrics(scraped=unknown, tiers=("otel", "otel-gateway")),
            minio=unknown,
            traces=TraceMetrics(spans=SPAN_METRICS, service_graph=True),
        ),
        cluster=stack.kubernetes,
    ),
)
