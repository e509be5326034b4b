"""Settings of TLS within the cluster: who signs, and what each server and client shows."""

from typing import Literal

from .base import Section
from .kinds import DnsLabel, Duration, HostName, NonEmpty
from .scope import PerEnvironment


class IssuerConfig(Section):
    """What signs the certificates: an issuer of cert-manager, which has to be in the cluster."""

    name: PerEnvironment[HostName]
    """Name of the issuer."""
    kind: PerEnvironment[Literal["Issuer", "ClusterIssuer"]]
    """A `ClusterIssuer` serves every namespace; an `Issuer` has to be in each namespace with a
    certificate."""
    group: PerEnvironment[HostName] = "cert-manager.io"
    """API group of the issuer, for those that are not cert-manager's own."""
    duration: PerEnvironment[Duration] = "90d"
    """How long a certificate is valid; it is renewed after two thirds of that (cert-manager's
    default)."""


class TlsConfig(Section):
    """TLS within the cluster, for every server that has `tls` in its own section."""

    ca_file: PerEnvironment[NonEmpty]
    """PEM file, relative to the project, with the authority that signs the certificates: whoever
    talks to one of the servers verifies against it."""
    issuer: PerEnvironment[IssuerConfig | None] = None
    """Makes the certificates. Without it each server's `tls.secretName` is a Secret that is there
    already."""


class ServerCertificateConfig(Section):
    """A server's own certificate, of the authority in `tracing:tls.caFile`."""

    secret_name: PerEnvironment[DnsLabel | None] = None
    """Secret of type kubernetes.io/tls (tls.crt, tls.key), in the server's namespace, that is there
    already. If not given, `tracing:tls.issuer` makes one."""


class TempoTlsConfig(ServerCertificateConfig):
    """TLS of all that Tempo listens on: receivers, queries, and its processes among themselves."""

    client_certificates: PerEnvironment[bool] = False
    """Take spans only from who shows a certificate of the same authority (mutual TLS), as the
    collector does then."""


class ClientCertificateConfig(Section):
    """The certificate that the collector shows to Tempo."""

    secret_name: PerEnvironment[DnsLabel]
    """Secret of type kubernetes.io/tls, in the collector's namespace, that is there already."""


Hop = Literal[
    "senders-to-collector",
    "senders-to-tempo",
    "collector-to-tempo",
    "tempo-internal",
    "tempo-to-cache",
    "tempo-to-kafka",
    "tempo-to-store",
    "grafana-to-tempo",
    "readers-to-tempo",
    "grafana-to-loki",
    "metrics-to-prometheus",
    "prometheus-to-tempo",
    "prometheus-to-collector",
    "prometheus-to-store",
    "prometheus-to-traefik",
    "pulumi-to-store",
    "pulumi-to-grafana",
]
"""The ways that traces, metrics and credentials take: from who begins to who answers."""
