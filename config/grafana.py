"""Settings of Grafana, Loki and Prometheus: what is not this stack's own but works with it."""

from typing import Annotated

from pydantic import Field

from .base import Section
from .kinds import DatasourceUid, NonEmpty, Url


class TempoDatasourceConfig(Section):
    """The Tempo data source in Grafana."""

    name: NonEmpty = "Tempo"
    """Name that people see; unique in the organization."""
    uid: DatasourceUid = "tempo"
    """Fixed, so that Loki's derived fields can name it; a change replaces the data source."""


class LokiDatasourceConfig(Section):
    """The Loki data source in Grafana, with its derived fields, managed by this stack."""

    name: NonEmpty = "Loki"
    """Name that people see; unique in the organization."""
    uid: DatasourceUid = "loki"
    """Fixed, so that the Tempo data source can name it; a change replaces the data source."""


class GrafanaConfig(Section):
    """Data sources in an existing Grafana, through its HTTP API.

    The credential is the secret `tracing:grafanaAuth`: a service-account token, or user:password.
    """

    url: Url
    """Address of Grafana, reachable from where Pulumi runs."""
    organization: Annotated[int, Field(ge=1)] | None = None
    """Id of the organization that the data sources belong to; the credential's own if not
    given."""
    tempo: TempoDatasourceConfig = TempoDatasourceConfig()
    loki: LokiDatasourceConfig = LokiDatasourceConfig()


class LokiConfig(Section):
    """An existing Loki, as Grafana reaches it."""

    url: Url
    """Such as http://loki-gateway.logging.svc.cluster.local."""


class PrometheusConfig(Section):
    """An existing Prometheus data source in Grafana, referred to and left alone."""

    datasource_uid: DatasourceUid
    """Uid of the data source that holds span metrics and service graphs."""
