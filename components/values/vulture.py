"""The CronJob of tempo-vulture."""

from typing import Any, Final

from config.kinds import duration_seconds, go_duration
from config.vulture import VultureConfig

from ..contracts import CaBundle, TraceIngest, TraceQuery, joined
from .resources import compute_resources
from .security import CONTAINER, pod_security_context

LABELS: Final = {"app.kubernetes.io/name": "tempo-vulture"}
"""Labels of its pods."""

USER_ID: Final = 10001
"""The user of the image."""
CA_PATH: Final = "/etc/tempo-ca"
RETRIES: Final = 2
"""Runs after one that failed. It asks for each trace right after writing it, once: only what is
missing three times in a row is a failure."""
PAUSE_SECONDS: Final = 60
"""More than the pauses before the retries (Kubernetes doubles them from 10 s) and two starts."""
KEPT_SECONDS: Final = 86_400
"""A Job that somebody made by hand is nobody's to remove; after a day it goes by itself."""


def vulture_args(settings: VultureConfig, traces_to: TraceIngest, query: TraceQuery) -> list[Any]:
    """The arguments with which tempo-vulture checks once, and says so by its exit status."""
    push = traces_to.require_otlp_grpc()
    arguments: dict[str, Any] = {
        "tempo-push-url": push.url(),
        "tempo-query-url": query.url,
        "validation-cycles": settings.cycles,
        "validation-timeout": go_duration(settings.timeout),
        # No search. It looks for attributes that it did not write (its generator of random ones is
        # one step off in this mode, in 2.10.8 and 3.0.3), and so never finds them.
        "tempo-search-backoff-duration": "0s",
    }
    if push.tls:
        arguments["tempo-push-tls"] = "true"
    if query.tenants:
        arguments["tempo-org-id"] = settings.tenant or query.tenants[0]
    return ["-validation-mode", *(joined("-", key, "=", value) for key, value in arguments.items())]


def cron_job_spec(
    settings: VultureConfig, traces_to: TraceIngest, query: TraceQuery, ca: CaBundle | None = None
) -> dict[str, Any]:
    """The `spec` of the CronJob."""
    labels = dict(LABELS)
    return {
        "schedule": settings.schedule,
        "suspend": settings.suspended,
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {
            "metadata": {"labels": labels},
            "spec": {
                "backoffLimit": RETRIES,
                "activeDeadlineSeconds": _deadline_seconds(settings),
                "ttlSecondsAfterFinished": KEPT_SECONDS,
                "template": {
                    "metadata": {"labels": labels},
                    "spec": _pod(settings, traces_to, query, ca),
                },
            },
        },
    }


def _deadline_seconds(settings: VultureConfig) -> int:
    return int(duration_seconds(settings.timeout)) * (1 + RETRIES) + PAUSE_SECONDS


def _pod(
    settings: VultureConfig, traces_to: TraceIngest, query: TraceQuery, ca: CaBundle | None
) -> dict[str, Any]:
    # It has no argument for an authority; Go reads this variable in place of the usual ones.
    trusted = [] if ca is None else [{"name": "SSL_CERT_FILE", "value": f"{CA_PATH}/{ca.key}"}]
    volumes = [] if ca is None else [{"name": "ca", "configMap": {"name": ca.config_map}}]
    mounts = [] if ca is None else [{"name": "ca", "mountPath": CA_PATH, "readOnly": True}]
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": pod_security_context(USER_ID),
        "containers": [
            {
                "name": "tempo-vulture",
                "image": settings.image,
                "args": vulture_args(settings, traces_to, query),
                # It wants a token in this mode; Tempo asks for none.
                "env": [{"name": "TEMPO_ACCESS_POLICY_TOKEN", "value": "unused"}, *trusted],
                "resources": compute_resources(settings.resources),
                "securityContext": CONTAINER,
                **({"volumeMounts": mounts} if mounts else {}),
            }
        ],
        **({"volumes": volumes} if volumes else {}),
    }
