"""What is not this stack's own, as contracts made from configuration."""

import ipaddress
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from pulumi import Output

from config.certificates import read as read_certificates
from config.grafana import LokiConfig, PrometheusConfig
from config.kinds import go_duration
from config.network_policies import NetworkPoliciesConfig, PeersConfig, TargetConfig
from config.object_store import ExternalMinioConfig, S3Config
from config.tempo import Distributed3Config, TempoConfig
from config.tls import TlsConfig

from .contracts import (
    CertificateIssuer,
    ClusterTls,
    KafkaAccess,
    KafkaLogin,
    LokiRef,
    PrometheusOperator,
    PrometheusRef,
    StoreAdmin,
    StoreServer,
    TraceLogFormat,
)
from .network import Outside, Peer, Server, Surroundings, TargetPort, tcp

DNS_PORT: Final = 53
KAFKA_PORT: Final = 9092
PORTS: Final = {"http": 80, "https": 443}


def outside(*peers: PeersConfig, namespaces: Sequence[str] = ()) -> Outside:
    """Who is named, and more namespaces."""
    named = {namespace for each in peers for namespace in each.namespaces}
    cidrs = {cidr for each in peers for cidr in each.cidrs}
    return Outside(namespaces=tuple(sorted({*named, *namespaces})), cidrs=tuple(sorted(cidrs)))


def reached(address: str, default_port: int, target: TargetConfig) -> Server:
    """Who answers at `host:port`: as the configuration says, or as far as the address tells.

    A name outside the cluster tells no addresses, so that any is allowed, on this port.
    """
    parts = urlsplit(f"//{address}")
    assert parts.hostname is not None
    ports = tcp(*(target.ports or (parts.port or default_port,)))
    return Server(at=outside(target) if target.given else _place(parts.hostname), ports=ports)


def _place(host: str) -> Outside:
    # From the end: the name of a pod behind a headless Service has one label more in front.
    labels = host.removesuffix(".cluster.local").split(".")
    if len(labels) >= 3 and labels[-1] == "svc":
        return Outside(namespaces=(labels[-2],))
    try:
        return Outside(cidrs=(str(ipaddress.ip_network(host)),))
    except ValueError:
        return Outside(everybody=True)


def surroundings(
    settings: NetworkPoliciesConfig,
    *,
    grafana_namespaces: Sequence[str],
    tenants: bool,
    traefik: Peer | None,
    served_by_traefik: Sequence[str],
    route_namespaces: Sequence[str],
    remote_write_url: str | None,
) -> Surroundings:
    """Who is around the stack's pods; what is beside the configuration follows from the stack."""
    targets = settings.targets
    # Whoever asks Tempo itself is of the tenant that they say they are.
    askers = [settings.grafana] if tenants else [settings.grafana, settings.readers]
    api_server = targets.api_server
    remote_write = None
    if remote_write_url is not None:
        url = urlsplit(remote_write_url)
        remote_write = reached(url.netloc, PORTS[url.scheme], targets.remote_write)
    return Surroundings(
        senders=outside(settings.senders),
        readers=outside(settings.readers),
        askers=outside(*askers, namespaces=grafana_namespaces),
        scrapers=outside(settings.scrapers),
        ingress_controllers=(outside(settings.ingress_controllers),),
        traefik=traefik,
        served_by_traefik=frozenset(served_by_traefik),
        visitors=_or_everybody(settings.visitors),
        backends=_backends(targets.backends, route_namespaces),
        dns=Server(
            at=outside(targets.dns),
            ports=(TargetPort(number=DNS_PORT, protocol="UDP"), *tcp(DNS_PORT)),
        ),
        api_server=Server(at=_or_everybody(api_server), ports=tcp(*api_server.ports)),
        remote_write=remote_write,
    )


def _backends(named: PeersConfig, route_namespaces: Sequence[str]) -> Outside:
    # A route leads to Services of its own namespace: the chart allows no other. A middleware that
    # asks somebody else (`forwardAuth`) needs that one named.
    if named.given or route_namespaces:
        return outside(named, namespaces=route_namespaces)
    return Outside(every_namespace=True)


def _or_everybody(peers: PeersConfig) -> Outside:
    return outside(peers) if peers.given else Outside(everybody=True)


def external_store(
    settings: ExternalMinioConfig | S3Config, password: Output[str] | None, target: TargetConfig
) -> StoreServer:
    """A store outside this stack; with an admin API if it is a MinIO and `password` is given."""
    server = reached(settings.endpoint, PORTS["http" if settings.insecure else "https"], target)
    if isinstance(settings, S3Config):
        return StoreServer(
            endpoint=settings.endpoint,
            insecure=settings.insecure,
            path_style=settings.path_style,
            ca_certificate=_read(settings.ca_file),
            admin=None,
            server=server,
        )
    if password is None:
        raise ValueError("a managed store needs its administrator's password")
    return StoreServer(
        endpoint=settings.endpoint,
        insecure=settings.insecure,
        path_style=True,
        ca_certificate=_read(settings.ca_file),
        server=server,
        admin=StoreAdmin(
            address=settings.endpoint,
            tls=not settings.insecure,
            user=settings.root_user,
            password=password,
            ca_file=settings.ca_file,
        ),
    )


def _read(ca_file: str | None) -> str | None:
    return None if ca_file is None else read_certificates(ca_file)


def external_kafka(settings: TempoConfig, target: TargetConfig) -> KafkaAccess | None:
    """The Kafka that the stack names; `None` for a profile of Tempo that needs none."""
    if not isinstance(settings, Distributed3Config):
        return None
    kafka = settings.kafka
    if kafka.address is None:
        raise ValueError("a Kafka that is not this stack's needs an address")
    login = kafka.sasl and KafkaLogin(
        secret_name=kafka.sasl.secret_name,
        username_key=kafka.sasl.username_key,
        password_key=kafka.sasl.password_key,
        version=None if kafka.sasl.login_version is None else str(kafka.sasl.login_version),
    )
    server = reached(kafka.address, KAFKA_PORT, target)
    return KafkaAccess(address=kafka.address, login=login, server=server)


def cluster_tls(settings: TlsConfig | None) -> ClusterTls | None:
    """Who signs certificates within the cluster, if the stack names an authority."""
    if settings is None:
        return None
    issuer = settings.issuer and CertificateIssuer(
        name=settings.issuer.name,
        kind=settings.issuer.kind,
        group=settings.issuer.group,
        duration=go_duration(settings.issuer.duration),
    )
    return ClusterTls(ca_certificate=read_certificates(settings.ca_file), issuer=issuer)


def loki_ref(settings: LokiConfig | None) -> LokiRef | None:
    """The Loki that the stack names, if it names one."""
    if settings is None:
        return None
    formats = [
        TraceLogFormat(
            name=source.name,
            json_fields=source.json_fields,
            regex=source.regex,
            label=source.label,
            url_display_label=source.url_display_label,
        )
        for source in settings.log_formats
    ]
    return LokiRef(url=settings.url, log_formats=formats, labels=settings.labels)


def prometheus_ref(settings: PrometheusConfig | None) -> PrometheusRef | None:
    """The Prometheus data source that the stack names, if it names one."""
    if settings is None:
        return None
    operator = settings.operator and PrometheusOperator(
        labels=settings.operator.labels, runbooks=settings.operator.runbooks
    )
    return PrometheusRef(datasource_uid=settings.datasource_uid, operator=operator)
