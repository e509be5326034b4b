"""What the resource types of the minio provider share: a server, by way of the cloud."""

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from ..cloud import Cloud
from .bridged import Field, Kind, same_json
from .simulation import Failure, ProviderError

REPLACES: Final = Field(replaces=True)
IDENTITY: Final = Field(replaces=True, required=True)
NAME: Final = Field(replaces=True, computed=True)
POLICY: Final = Field(required=True, same=same_json)
SWITCH: Final = Field(default=False)


class Stored(Kind):
    """A resource type with a server behind it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def get(self, kind: str, id: str) -> dict[str, Any] | None:
        """Look an object up."""
        return self._cloud.get("minio", kind, id)

    def need(self, kind: str, id: str, otherwise: str) -> dict[str, Any]:
        """Look up an object that has to exist."""
        found = self.get(kind, id)
        if found is None:
            raise ProviderError(f"{otherwise} ({id})")
        return found

    def put(self, kind: str, id: str, properties: Mapping[str, Any]) -> None:
        """Create or overwrite an object."""
        self._cloud.put("minio", kind, id, dict(properties))

    def remove(self, kind: str, id: str) -> None:
        """Remove an object that exists."""
        self._cloud.remove("minio", kind, id)


def policy_failures(inputs: Mapping[str, Any]) -> list[Failure]:
    """Refuse a policy that is no document."""
    try:
        json.loads(inputs.get("policy", "{}"))
    except ValueError as error:
        return [Failure(f"the policy is not JSON: {error}", "policy")]
    return []


def unique(prefix: str) -> str:
    """Make an id or a name as the provider does."""
    return f"{prefix}{secrets.token_hex(13)}"
