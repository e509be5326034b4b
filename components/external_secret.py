"""A Secret that the External Secrets operator brings."""

from collections.abc import Mapping

from pulumi import Input, ResourceOptions

from config.external_secrets import ExternalSecretConfig, RemoteKeyConfig
from config.kinds import go_duration

from .kubernetes_object import WAIT_READY, KubernetesObject, object_metadata


def external_secret(
    name: str,
    settings: ExternalSecretConfig,
    *,
    secret_name: str,
    namespace: Input[str],
    keys: Mapping[str, RemoteKeyConfig],
    opts: ResourceOptions,
) -> KubernetesObject:
    """Has the operator make the Secret, and is ready once that is there.

    `keys` are those of the Secret, each with where its value is. No value passes through Pulumi.
    """
    return KubernetesObject(
        name,
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": object_metadata(secret_name, namespace, annotations=WAIT_READY),
            "spec": {
                "refreshInterval": go_duration(settings.refresh_interval),
                "secretStoreRef": {"name": settings.store, "kind": settings.store_kind},
                # With the ExternalSecret the Secret goes as well.
                "target": {"name": secret_name, "creationPolicy": "Owner"},
                "data": [
                    {"secretKey": key, "remoteRef": _reference(remote)}
                    for key, remote in keys.items()
                ],
            },
        },
        opts,
    )


def _reference(remote: RemoteKeyConfig) -> dict[str, str]:
    named = {} if remote.property is None else {"property": remote.property}
    return {"key": remote.key, **named}
