"""TLS of Tempo: what it listens with, and what its processes verify each other against.

Tempo reads its certificate anew for each connection (exporter-toolkit's server and dskit's client
do), so that a renewed one needs no restart. But for gossip: dskit's memberlist listens with what it
read at first, which `make doctor` looks for. The authority is read once.
"""

from dataclasses import dataclass
from typing import Any, Final

from pulumi import Input

from ..contracts import CaBundle

CERTIFICATE_PATH: Final = "/etc/tempo-tls"
AUTHORITY_PATH: Final = "/etc/tempo-ca"

MIN_VERSION: Final = "VersionTLS12"
"""The oldest version that is spoken, as Go calls it."""

GRPC_CLIENTS: Final = {
    "distributed-2": ("ingester_client", "metrics_generator_client"),
    "distributed-3": ("live_store_client", "backend_scheduler_client"),
    "monolithic": ("ingester_client", "metrics_generator_client"),
}
"""Which of Tempo's processes talk to which over gRPC, beside the queriers: the clients' sections in
its configuration."""


@dataclass(frozen=True, kw_only=True)
class TempoTls:
    """Certificate and authority of all of Tempo's processes."""

    secret_name: Input[str]
    """Secret with the certificate (tls.crt, tls.key)."""
    ca: CaBundle
    server_name: Input[str]
    """A name in the certificate. Tempo's processes find each other by address, so that they have
    to be told which name to verify."""
    client_certificates: bool
    """Whether spans are only taken from who shows a certificate of the same authority."""

    @property
    def ca_file(self) -> str:
        """Path of the authority in a pod."""
        return f"{AUTHORITY_PATH}/{self.ca.key}"


_FILES: Final = {
    "cert_file": f"{CERTIFICATE_PATH}/tls.crt",
    "key_file": f"{CERTIFICATE_PATH}/tls.key",
}


def volumes(tls: TempoTls | None) -> list[dict[str, Any]]:
    """The volumes with certificate and authority."""
    if tls is None:
        return []
    return [
        {"name": "tempo-tls", "secret": {"secretName": tls.secret_name}},
        {"name": "tempo-ca", "configMap": {"name": tls.ca.config_map}},
    ]


def mounts(tls: TempoTls | None) -> list[dict[str, Any]]:
    """Where `volumes` are mounted."""
    if tls is None:
        return []
    return [
        {"name": "tempo-tls", "mountPath": CERTIFICATE_PATH, "readOnly": True},
        {"name": "tempo-ca", "mountPath": AUTHORITY_PATH, "readOnly": True},
    ]


def receiver(tls: TempoTls | None) -> dict[str, Any]:
    """The `tls` of a receiver, which is configured as the collector's are."""
    if tls is None:
        return {}
    client = {"client_ca_file": tls.ca_file} if tls.client_certificates else {}
    return {"tls": {**_FILES, **client, "min_version": "1.2", "reload_interval": "5m"}}


def listening(tls: TempoTls | None) -> dict[str, Any]:
    """The part of Tempo's `server` section."""
    if tls is None:
        return {}
    # No client certificates here: the kubelet's probes have none.
    return {
        "tls_min_version": MIN_VERSION,
        "http_tls_config": _FILES,
        "grpc_tls_config": _FILES,
    }


def clients(tls: TempoTls | None, profile: str) -> dict[str, Any]:
    """The sections of Tempo's configuration with the clients of its own gRPC."""
    if tls is None:
        return {}
    client = {"grpc_client_config": _verifying(tls)}
    return {
        **dict.fromkeys(GRPC_CLIENTS[profile], client),
        "querier": {"frontend_worker": client},
    }


def gossip(tls: TempoTls | None) -> dict[str, Any]:
    """The part of Tempo's `memberlist` section."""
    if tls is None:
        return {}
    return {
        **_verifying(tls),
        "tls_cert_path": _FILES["cert_file"],
        "tls_key_path": _FILES["key_file"],
    }


def _verifying(tls: TempoTls) -> dict[str, Any]:
    return {
        "tls_enabled": True,
        "tls_ca_path": tls.ca_file,
        "tls_server_name": tls.server_name,
        "tls_min_version": MIN_VERSION,
    }


def probe_scheme(tls: TempoTls | None) -> dict[str, str]:
    """What a probe's `httpGet` is told; the kubelet does not verify certificates."""
    return {} if tls is None else {"scheme": "HTTPS"}
