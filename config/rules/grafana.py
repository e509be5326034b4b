"""Rules on Grafana and what it shows."""

from collections.abc import Iterator

from ..errors import Finding
from ..platform import Environment
from ..stack import StackConfig
from .registry import rule, twice


@rule("loki", "grafana")
def _loki_is_shown_in_grafana(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.loki is not None and stack.grafana is None:
        yield Finding(
            "tracing:loki", "has no use without Grafana; add tracing:grafana, or remove it"
        )
    if stack.prometheus is not None and stack.grafana is None:
        yield Finding(
            "tracing:prometheus", "has no use without Grafana; add tracing:grafana, or remove it"
        )


@rule("grafana", "loki", "prometheus")
def _datasource_uids_differ(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.grafana is None:
        return
    uids = {"tracing:grafana.tempo.uid": stack.grafana.tempo.uid}
    if stack.loki is not None:
        uids["tracing:grafana.loki.uid"] = stack.grafana.loki.uid
    if stack.prometheus is not None:
        uids["tracing:prometheus.datasourceUid"] = stack.prometheus.datasource_uid
    yield from twice(uids, "a data source's uid is its own")
