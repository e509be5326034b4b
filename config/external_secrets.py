"""Settings of secrets that the External Secrets operator brings from a store of secrets."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Section
from .kinds import Duration, HostName, NonEmpty
from .scope import PerEnvironment


class RemoteKeyConfig(Section):
    """One value in the store of secrets."""

    key: PerEnvironment[NonEmpty]
    """Name or path of the secret in the store, such as tracing/s3."""
    property: PerEnvironment[NonEmpty | None] = None
    """Field of it; all of it if not given."""


class ExternalSecretConfig(Section):
    """A Secret that the External Secrets operator makes, which has to be in the cluster."""

    store: PerEnvironment[HostName]
    """Name of the store, as the operator knows it."""
    store_kind: PerEnvironment[Literal["SecretStore", "ClusterSecretStore"]] = "ClusterSecretStore"
    """A `ClusterSecretStore` serves every namespace; a `SecretStore` is in the Secret's own."""
    refresh_interval: PerEnvironment[Duration] = "1h"
    """How often the operator looks for another value."""
    version: PerEnvironment[Annotated[int, Field(ge=1, le=9999)]] = 1
    """Raise it once the value has changed in the store: what reads the Secret is restarted."""


class StoreKeysConfig(ExternalSecretConfig):
    """The object store's keys."""

    access_key: RemoteKeyConfig
    """Access key."""
    secret_key: RemoteKeyConfig
    """Secret key."""


class UsersConfig(ExternalSecretConfig):
    """Users and the hashes of their passwords."""

    htpasswd: RemoteKeyConfig
    """All of them, as htpasswd writes them."""


class LoginConfig(ExternalSecretConfig):
    """A user's name and password."""

    username: RemoteKeyConfig
    """The user's name."""
    password: RemoteKeyConfig
    """The user's password."""
