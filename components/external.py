"""What is not this stack's own, as contracts made from configuration."""

from pulumi import Output

from config.certificates import read as read_certificates
from config.grafana import LokiConfig, PrometheusConfig
from config.kinds import go_duration
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


def external_store(
    settings: ExternalMinioConfig | S3Config, password: Output[str] | None
) -> StoreServer:
    """A store outside this stack; with an admin API if it is a MinIO and `password` is given."""
    if isinstance(settings, S3Config):
        return StoreServer(
            endpoint=settings.endpoint,
            insecure=settings.insecure,
            path_style=settings.path_style,
            ca_certificate=_read(settings.ca_file),
            admin=None,
        )
    if password is None:
        raise ValueError("a managed store needs its administrator's password")
    return StoreServer(
        endpoint=settings.endpoint,
        insecure=settings.insecure,
        path_style=True,
        ca_certificate=_read(settings.ca_file),
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


def external_kafka(settings: TempoConfig) -> KafkaAccess | None:
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
        version=kafka.sasl.external_secret and str(kafka.sasl.external_secret.version),
    )
    return KafkaAccess(address=kafka.address, login=login)


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
