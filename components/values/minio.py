"""The objects of the MinIO server: pods, Services, volume claims, what keeps it available."""

from typing import Any, Final

from pulumi import Input

from config.object_store import MinioConfig

from ..contracts import CaBundle, joined, service_host
from .annotations import CA_ANNOTATION, VERSION_ANNOTATION
from .resources import compute_resources
from .security import CONTAINER, pod_security_context

S3_PORT: Final = 9000
CONSOLE_PORT: Final = 9001

METRICS_PATH: Final = "/minio/v2/metrics/cluster"

USER_ID: Final = 1000
"""Any user but root will do: the server writes to its volume only, which the group owns."""

CERTIFICATES: Final = "/certs"

JOIN_SECONDS: Final = 15
"""Time that a restarted server gets to join its pool."""


def minio_spec(
    settings: MinioConfig,
    *,
    labels: dict[str, str],
    namespace: Input[str],
    headless: Input[str],
    root_secret: Input[str],
    root_version: Input[str],
    ca: CaBundle | None,
    metrics: bool,
    tls_secret: Input[str] | None = None,
) -> dict[str, Any]:
    """The `spec` of the servers' StatefulSet: one volume each, nothing they do not need.

    With `metrics` their metrics are open to everybody who reaches the servers.
    """
    annotations = {VERSION_ANNOTATION: root_version}
    if ca is not None:
        annotations[CA_ANNOTATION] = ca.version
    return {
        "replicas": settings.replicas,
        "serviceName": headless,
        **_pool(settings),
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {
                    **pod_security_context(USER_ID),
                    "fsGroup": USER_ID,
                    # Without it every start walks the whole volume to change its owner.
                    "fsGroupChangePolicy": "OnRootMismatch",
                },
                **_spread(settings, labels),
                "containers": [_container(settings, namespace, headless, root_secret, metrics)],
                "volumes": [{"name": "tmp", "emptyDir": {}}, *_certificates(tls_secret, ca)],
            },
        },
        "volumeClaimTemplates": [
            {"metadata": {"name": "data"}, "spec": volume_claim_spec(settings)}
        ],
    }


def volume_claim_name(settings: MinioConfig, index: int) -> str:
    """Name of the claim that the StatefulSet gives to its pod number `index`, from 0."""
    return f"data-{settings.name}-{index}"


def volume_claim_spec(settings: MinioConfig) -> dict[str, Any]:
    """The `spec` of each server's volume claim."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": settings.volume_size}},
    }
    if settings.storage_class is not None:
        spec["storageClassName"] = settings.storage_class
    return spec


def service_spec(labels: dict[str, str]) -> dict[str, Any]:
    """The `spec` of the Service for clients."""
    return {
        "selector": labels,
        "ports": [
            {"name": "s3", "port": S3_PORT, "targetPort": "s3"},
            {"name": "console", "port": CONSOLE_PORT, "targetPort": "console"},
        ],
    }


def headless_service_spec(labels: dict[str, str]) -> dict[str, Any]:
    """The `spec` of the Service that gives each server a name of its own."""
    return {
        "clusterIP": "None",
        "selector": labels,
        # The servers have to find each other before any of them is ready.
        "publishNotReadyAddresses": True,
        "ports": [{"name": "s3", "port": S3_PORT, "targetPort": "s3"}],
    }


def disruption_budget_spec(labels: dict[str, str]) -> dict[str, Any]:
    """The `spec` of the PodDisruptionBudget: a drain takes one server at a time.

    The smallest pool, four servers, writes with three (MinIO's documentation, "Erasure Coding":
    half of the drives and one more).
    """
    return {"maxUnavailable": 1, "selector": {"matchLabels": labels}}


def _pool(settings: MinioConfig) -> dict[str, Any]:
    """How servers of one pool follow each other."""
    if settings.replicas == 1:
        return {}
    return {
        # They wait for each other: started one by one, the first is never ready.
        "podManagementPolicy": "Parallel",
        # A server says that it is ready before it has joined the others (seen with MinIO of
        # 2026-02): without a pause a rollout stops them all. Its health path for the whole pool is
        # no readiness probe: servers with different settings wait for each other forever.
        "minReadySeconds": JOIN_SECONDS,
    }


def _spread(settings: MinioConfig, labels: dict[str, str]) -> dict[str, Any]:
    """Servers on as many nodes and in as many zones as there are.

    Not required, only wanted: a pool that can't be placed is worse than one that shares a node.
    """
    if settings.replicas == 1:
        return {}
    return {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
            for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
        ]
    }


def _drives(settings: MinioConfig, namespace: Input[str], headless: Input[str]) -> Input[str]:
    """Where the data is: a directory, or the same one on each server of the pool."""
    if settings.replicas == 1:
        return "/data"
    scheme = "http" if settings.tls is None else "https"
    servers = f"{settings.name}-{{0...{settings.replicas - 1}}}"
    host = service_host(headless, namespace)
    return joined(f"{scheme}://{servers}.", host, f":{S3_PORT}/data")


def _container(
    settings: MinioConfig,
    namespace: Input[str],
    headless: Input[str],
    root_secret: Input[str],
    metrics: bool,
) -> dict[str, Any]:
    timing = {"periodSeconds": 5, "timeoutSeconds": 3}
    scheme = {} if settings.tls is None else {"scheme": "HTTPS"}

    def probe(path: str) -> dict[str, Any]:
        return {"httpGet": {"path": f"/minio/health/{path}", "port": "s3", **scheme}, **timing}

    certificates = [] if settings.tls is None else ["--certs-dir", CERTIFICATES]
    return {
        "name": "minio",
        "image": settings.image,
        # No `command`: the image's own entry point knows what its server is called.
        "args": [
            "server",
            _drives(settings, namespace, headless),
            "--console-address",
            f":{CONSOLE_PORT}",
            *certificates,
        ],
        "env": [
            {"name": "MINIO_SITE_REGION", "value": settings.region},
            # MinIO takes no notice of the lifecycle action of S3 that does this.
            {
                "name": "MINIO_API_STALE_UPLOADS_EXPIRY",
                "value": f"{settings.abort_multipart_days * 24}h",
            },
            # Otherwise Prometheus would need a token, made with root's password, that never ends.
            *([{"name": "MINIO_PROMETHEUS_AUTH_TYPE", "value": "public"}] if metrics else []),
        ],
        "envFrom": [{"secretRef": {"name": root_secret}}],
        "ports": [
            {"name": "s3", "containerPort": S3_PORT},
            {"name": "console", "containerPort": CONSOLE_PORT},
        ],
        "readinessProbe": probe("ready"),
        "livenessProbe": {"failureThreshold": 6, **probe("live")},
        "resources": compute_resources(settings.resources),
        "securityContext": CONTAINER,
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "tmp", "mountPath": "/tmp"},
            *([{"name": "certificates", "mountPath": CERTIFICATES}] if settings.tls else []),
        ],
    }


def _certificates(tls_secret: Input[str] | None, ca: CaBundle | None) -> list[dict[str, Any]]:
    """The server's own certificate and the authority's, under the names that MinIO looks for."""
    if tls_secret is None:
        return []
    own = {
        "secret": {
            "name": tls_secret,
            "items": [
                {"key": "tls.crt", "path": "public.crt"},
                {"key": "tls.key", "path": "private.key"},
            ],
        }
    }
    sources: list[dict[str, Any]] = [own]
    if ca is not None:
        items = [{"key": ca.key, "path": "CAs/ca.crt"}]
        sources.append({"configMap": {"name": ca.config_map, "items": items}})
    return [{"name": "certificates", "projected": {"sources": sources}}]
