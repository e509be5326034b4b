"""An Ingress to one Service."""

from typing import Any

from pulumi import Input

from config.platform import IngressConfig


def ingress_spec(ingress: IngressConfig, service: Input[str], port: str) -> dict[str, Any]:
    """The `spec` of an Ingress to the port of a Service, by the port's name."""
    backend = {"service": {"name": service, "port": {"name": port}}}
    spec: dict[str, Any] = {
        "rules": [
            {
                "host": ingress.host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ]
    }
    if ingress.class_name is not None:
        spec["ingressClassName"] = ingress.class_name
    if ingress.tls_secret_name is not None:
        spec["tls"] = [{"hosts": [ingress.host], "secretName": ingress.tls_secret_name}]
    return spec
