"""Certificates of authorities as a ConfigMap."""

import hashlib
from typing import Final

from pulumi import Input, ResourceOptions

from .contracts import CaBundle
from .kubernetes_object import KubernetesObject, object_metadata

CA_KEY: Final = "ca.crt"


def ca_bundle(
    name: str,
    *,
    object_name: str,
    namespace: Input[str],
    certificate: str,
    opts: ResourceOptions,
) -> CaBundle:
    """Makes the ConfigMap `object_name` with a PEM `certificate` in it."""
    config_map = KubernetesObject(
        name,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": object_metadata(object_name, namespace),
            "data": {CA_KEY: certificate},
        },
        opts,
    )
    return CaBundle(
        config_map=config_map.physical_name,
        key=CA_KEY,
        # Of a certificate, unlike of a password, everybody may know the hash.
        version=hashlib.sha256(certificate.encode()).hexdigest()[:16],
    )
