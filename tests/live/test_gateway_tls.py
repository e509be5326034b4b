"""A real nginx before Tempo, with TLS: a renewed certificate is shown without a restart."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Final

import pytest
import trustme

from tests.live.needs import free_port
from tests.live.nginx import nginx
from tests.live.processes import missing
from tests.live.waiting import until

REASON: Final = missing("nginx")
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")

STACK: Final[dict[str, Any]] = {
    "tracing:tls": {
        "caFile": "examples/private-ca/ca.pem",
        "issuer": {"name": "tracing", "kind": "ClusterIssuer"},
    },
    "tracing:collector": {"tls": {}},
    "tracing:tempo": {"gateway": {}, "tls": {}},
}


def renewed(directory: Path, authority: trustme.CA) -> str:
    """Put a new certificate where the gateway's is; the certificate in PEM."""
    made = authority.issue_cert("127.0.0.1")
    (directory / "tls.key").write_bytes(made.private_key_pem.bytes())
    chain = b"".join(part.bytes() for part in made.cert_chain_pems)
    (directory / "tls.crt").write_bytes(chain)
    return made.cert_chain_pems[0].bytes().decode()


def test_a_renewed_certificate_is_shown_at_the_next_connection(tmp_path: Path) -> None:
    authority = trustme.CA()
    for each in ("tempo-tls", "tempo-ca"):
        (tmp_path / each).mkdir()
    ca = tmp_path / "tempo-ca/ca.crt"
    authority.cert_pem.write_to_path(ca)
    first = renewed(tmp_path / "tempo-tls", authority)
    behind = free_port()
    with nginx(
        tmp_path, "gateway", STACK, query=behind, otlp=behind, otlp_grpc=behind, trusted=ca
    ) as gateway:
        port = int(gateway.url.rpartition(":")[2])

        def shown() -> str:
            return ssl.get_server_certificate(("127.0.0.1", port), ca_certs=str(ca))

        assert shown().strip() == first.strip()
        second = renewed(tmp_path / "tempo-tls", authority)
        until("the second one is shown", 30, lambda: shown().strip() == second.strip())
