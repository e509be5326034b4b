"""The stack's secrets: which there are, which a stack needs, and how the program gets them.

Each secret is a configuration value of its own, because Pulumi keeps whole values secret, not
parts of one: `require_object` would hand a nested secret to the program as plain text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from .errors import Finding
from .grafana import GrafanaApiConfig
from .object_store import ExternalMinioConfig, MinioConfig, S3Config
from .stack import StackConfig

SECRET_KEYS: Final[Mapping[str, str]] = {
    "objectStoreRootPassword": "password of the object store's root user or administrator; "
    "generated for an in-cluster MinIO if not given",
    "objectStoreAccessKey": "access key of an `s3` store",
    "objectStoreSecretKey": "secret key of an `s3` store",
    "grafanaAuth": "service-account token, or user:password, of Grafana",
}
"""Every secret a stack file may hold, without the `tracing:` prefix, and what it is."""


MINIO_SHORTEST: Final = 8
"""Characters that MinIO wants of a root password at least (`secretKeyMinLen` of its auth
package)."""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The stack's secrets as secret outputs; `None` where the stack holds none."""

    object_store_root_password: pulumi.Output[str] | None
    object_store_access_key: pulumi.Output[str] | None
    object_store_secret_key: pulumi.Output[str] | None
    grafana_auth: pulumi.Output[str] | None

    @classmethod
    def load(cls, config: pulumi.Config) -> "Secrets":
        """Reads each secret on its own, so that it stays an output marked secret."""
        return cls(
            object_store_root_password=config.get_secret("objectStoreRootPassword"),
            object_store_access_key=config.get_secret("objectStoreAccessKey"),
            object_store_secret_key=config.get_secret("objectStoreSecretKey"),
            grafana_auth=config.get_secret("grafanaAuth"),
        )


def needed(stack: StackConfig) -> dict[str, str]:
    """The secrets that this stack can't do without, and why."""
    keys: dict[str, str] = {}
    match stack.object_store:
        case ExternalMinioConfig(root_user=user):
            keys["objectStoreRootPassword"] = f"the store is managed as its administrator '{user}'"
        case S3Config(external_secret=None):
            keys["objectStoreAccessKey"] = "the store's keys are given, not managed"
            keys["objectStoreSecretKey"] = "the store's keys are given, not managed"
        case S3Config() | MinioConfig():
            pass
    if isinstance(stack.grafana, GrafanaApiConfig):
        keys["grafanaAuth"] = "data sources are written through Grafana's API"
    return keys


def check(
    stack: StackConfig, name: str, raw: Mapping[str, Any], secret_keys: set[str]
) -> list[Finding]:
    """What is wrong with the secrets of a stack: missing, without use, unfit, or in plain text.

    `raw` holds the configuration by full key (`tracing:...`); no value of it is ever shown.
    """
    needs = needed(stack)
    findings = []
    for key in SECRET_KEYS:
        full_key = f"tracing:{key}"
        # With the stack's name: without it the secret lands in whichever stack is selected.
        set_it = f"run: pulumi config set --stack {name} --secret {full_key}"
        if full_key not in raw:
            if key in needs:
                findings.append(Finding(full_key, f"is missing ({needs[key]}); {set_it}"))
            continue
        in_clear = full_key not in secret_keys
        if not _used(key, stack):
            remove = f"run: pulumi config rm --stack {name} {full_key}"
            also = ", and stands in the stack file in plain text: change it where it is used"
            problem = f"is not used by this stack{also if in_clear else ''}"
            findings.append(Finding(full_key, f"{problem}; {remove}"))
            continue
        if in_clear:
            problem = "stands in the stack file in plain text; change it where it is used, then "
            findings.append(Finding(full_key, problem + set_it))
        if (length := len(str(raw[full_key]))) < _shortest(key, stack):
            least = f"{_shortest(key, stack)} characters or more are wanted"
            problem = "is empty" if length == 0 else f"has {length} characters, {least}"
            findings.append(Finding(full_key, f"{problem}; {set_it}"))
    return findings


def _shortest(key: str, stack: StackConfig) -> int:
    """Characters that a secret has at least."""
    return MINIO_SHORTEST if key == "objectStoreRootPassword" else 1


def _used(key: str, stack: StackConfig) -> bool:
    if key in needed(stack):
        return True
    return key == "objectStoreRootPassword" and isinstance(stack.object_store, MinioConfig)
