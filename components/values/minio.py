"""The pod of the MinIO server."""

from typing import Any, Final

from pulumi import Input

from config.object_store import MinioConfig

from .annotations import VERSION_ANNOTATION
from .resources import compute_resources

S3_PORT: Final = 9000
CONSOLE_PORT: Final = 9001

USER_ID: Final = 1000
"""Any user but root will do: the server writes to its volume only, which the group owns."""


def minio_spec(
    settings: MinioConfig,
    *,
    labels: dict[str, str],
    service: Input[str],
    root_secret: Input[str],
    root_version: Input[str],
) -> dict[str, Any]:
    """The `spec` of the server's StatefulSet: one replica, one volume, nothing it does not need."""
    return {
        "replicas": 1,
        "serviceName": service,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {VERSION_ANNOTATION: root_version}},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER_ID,
                    "runAsGroup": USER_ID,
                    "fsGroup": USER_ID,
                    # Without it every start walks the whole volume to change its owner.
                    "fsGroupChangePolicy": "OnRootMismatch",
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(settings, root_secret)],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        },
        "volumeClaimTemplates": [_volume_claim(settings)],
    }


def _container(settings: MinioConfig, root_secret: Input[str]) -> dict[str, Any]:
    timing = {"periodSeconds": 5, "timeoutSeconds": 3}
    return {
        "name": "minio",
        "image": settings.image,
        "command": ["minio"],
        "args": ["server", "/data", "--console-address", f":{CONSOLE_PORT}"],
        "env": [{"name": "MINIO_SITE_REGION", "value": settings.region}],
        "envFrom": [{"secretRef": {"name": root_secret}}],
        "ports": [
            {"name": "s3", "containerPort": S3_PORT},
            {"name": "console", "containerPort": CONSOLE_PORT},
        ],
        "readinessProbe": {"httpGet": {"path": "/minio/health/ready", "port": "s3"}, **timing},
        "livenessProbe": {
            "httpGet": {"path": "/minio/health/live", "port": "s3"},
            "failureThreshold": 6,
            **timing,
        },
        "resources": compute_resources(settings.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _volume_claim(settings: MinioConfig) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": settings.volume_size}},
    }
    if settings.storage_class is not None:
        spec["storageClassName"] = settings.storage_class
    return {"metadata": {"name": "data"}, "spec": spec}
