"""TLS of the collector: what it listens with, what it verifies, and what it shows."""

from dataclasses import dataclass
from typing import Any, Final

from pulumi import Input

from config.collector import CollectorConfig
from config.collector_tiers import Tier

from ..contracts import CaBundle, Endpoint

TLS_PATH: Final = "/etc/otelcol/tls"
CLIENT_CA_PATH: Final = "/etc/otelcol/client-ca"
CLIENT_PATH: Final = "/etc/otelcol/client-tls"
CA_PATH: Final = "/etc/otelcol/ca"

RELOAD: Final = "5m"
"""How often a certificate is read anew: a renewed one needs no restart."""

MIN_VERSION: Final = "1.2"


@dataclass(frozen=True, kw_only=True)
class CollectorTls:
    """What the collector's pods mount; what they do not need is `None`."""

    server: Input[str] | None = None
    """Secret with the certificate of its receivers."""
    client: Input[str] | None = None
    """Secret with the certificate that it shows to Tempo."""
    ca: CaBundle | None = None
    """The authority that Tempo and the second tier are verified against, and that Prometheus
    verifies both tiers against; the usual ones if `None`."""


def server_tls(settings: CollectorConfig, tier: Tier) -> dict[str, Any]:
    """The `tls` of a receiver."""
    if settings.tls is None:
        return {}
    files = certificate_files()
    # Applications are asked for a certificate; the first tier has none to show to the second.
    if tier.is_first and settings.tls.client_ca_secret_name is not None:
        files["client_ca_file"] = f"{CLIENT_CA_PATH}/ca.crt"
        # As soon as it changes: an authority that was withdrawn would be trusted until a restart.
        files["client_ca_file_reload"] = True
    return {"tls": files}


def client_tls(endpoint: Endpoint, name: Input[str] | None = None) -> dict[str, Any]:
    """The `tls` of an exporter.

    `name` is what the certificate is for, where the address itself is another.
    """
    if not endpoint.tls:
        return {"tls": {"insecure": True}}
    tls: dict[str, Any] = {"insecure": False, "min_version": MIN_VERSION}
    if endpoint.ca_certificate is not None:
        tls["ca_file"] = f"{CA_PATH}/ca.crt"
    if endpoint.client_certificate:
        tls |= certificate_files(CLIENT_PATH)
    if name is not None:
        tls["server_name_override"] = name
    return {"tls": tls}


def certificate_files(path: str = TLS_PATH) -> dict[str, Any]:
    """A certificate as a server or a client shows it, from where it is mounted."""
    return {
        "cert_file": f"{path}/tls.crt",
        "key_file": f"{path}/tls.key",
        "min_version": MIN_VERSION,
        "reload_interval": RELOAD,
    }


def telemetry_tls(endpoint: Endpoint) -> dict[str, Any]:
    """The same for the collector's own spans, whose exporter is configured otherwise."""
    if not endpoint.tls:
        return {"insecure": True}
    tls: dict[str, Any] = {"insecure": False}
    if endpoint.ca_certificate is not None:
        tls["certificate"] = f"{CA_PATH}/ca.crt"
    if endpoint.client_certificate:
        tls |= {
            "client_certificate": f"{CLIENT_PATH}/tls.crt",
            "client_key": f"{CLIENT_PATH}/tls.key",
        }
    return tls


def tls_secrets(
    settings: CollectorConfig, tier: Tier, tls: CollectorTls
) -> dict[str, tuple[Input[str], str]]:
    """The Secrets that a tier's pods mount: by the volume's name, with the path."""
    client_ca = settings.tls.client_ca_secret_name if settings.tls and tier.is_first else None
    to_tempo = tier.is_last or settings.telemetry.trace_sample_rate > 0
    secrets = {
        "tls": (tls.server, TLS_PATH),
        "client-ca": (client_ca, CLIENT_CA_PATH),
        "client-tls": (tls.client if to_tempo else None, CLIENT_PATH),
    }
    return {name: (secret, path) for name, (secret, path) in secrets.items() if secret is not None}
