"""A certificate for a server or a client within the cluster."""

from collections.abc import Sequence

from pulumi import Input, Output, ResourceOptions

from .contracts import ClusterTls
from .kubernetes_object import WAIT_READY, KubernetesObject, object_metadata


def certificate(
    name: str,
    *,
    given: str | None,
    secret_name: str,
    namespace: Input[str],
    dns_names: Sequence[Input[str]],
    tls: ClusterTls | None,
    opts: ResourceOptions,
    client: bool = False,
) -> Input[str]:
    """The name of the Secret (tls.crt, tls.key) with the certificate for these DNS names.

    That is `given`, where it is there already; otherwise cert-manager is asked for one, in
    `secret_name`, and what uses the name waits until it is there.

    Without `client` it is a server's only: Tempo's receivers take any client's certificate of the
    authority, and would take the key of any server for the collector.

    Raises ValueError where nobody makes one; the configuration's rules refuse such a stack first.
    """
    if given is not None:
        return given
    if tls is None or tls.issuer is None:
        raise ValueError(f"{name}: a certificate needs a Secret or an issuer")
    made = KubernetesObject(
        name,
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": object_metadata(secret_name, namespace, annotations=WAIT_READY),
            "spec": {
                "secretName": secret_name,
                "dnsNames": list(dns_names),
                "duration": tls.issuer.duration,
                "issuerRef": {
                    "name": tls.issuer.name,
                    "kind": tls.issuer.kind,
                    "group": tls.issuer.group,
                },
                # A new key with each certificate: one that was stolen is of no use for long.
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                "usages": [
                    "digital signature",
                    "server auth",
                    *(["client auth"] if client else []),
                ],
            },
        },
        opts,
    )
    return Output.all(made.physical_name).apply(lambda _: secret_name)
