"""Settings of several tenants in one Tempo: whose spans are whose, and who may read which."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Section
from .collector import AttributeName
from .external_secrets import UsersConfig
from .kinds import Cidr, DnsLabel, NonEmpty, TenantId
from .scope import PerEnvironment

User = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]


class BasicAuthConfig(Section):
    """Clients sign in with name and password."""

    type: PerEnvironment[Literal["basic"]]
    """By HTTP basic authentication."""
    secret_name: PerEnvironment[DnsLabel]
    """Secret, in Tempo's namespace, that is there already unless `externalSecret` brings it: key
    .htpasswd, as htpasswd writes it."""
    external_secret: PerEnvironment[UsersConfig | None] = None
    users: PerEnvironment[Annotated[dict[User, TenantId], Field(min_length=1)]]
    """The tenant of each user. Who is in the Secret and not here reads nothing."""


class TrustedProxyConfig(Section):
    """A proxy that has authenticated clients already says which tenant they are of."""

    type: PerEnvironment[Literal["trusted-proxy"]]
    """By a header."""
    header: PerEnvironment[HeaderName] = "X-Tenant"
    """Header with the tenant. The proxy has to take it out of what clients send."""
    networks: PerEnvironment[Annotated[tuple[Cidr, ...], Field(min_length=1)]]
    """Addresses of the proxy, such as 10.1.0.0/16: from anywhere else nothing is taken."""


Authentication = Annotated[BasicAuthConfig | TrustedProxyConfig, Field(discriminator="type")]


class TenancyConfig(Section):
    """Several tenants, each of which sees its own traces only.

    The collector says whose a span is; the gateway who may read. Limits and retention of a tenant
    are `tracing:tempo.tenants`.
    """

    attribute: PerEnvironment[AttributeName] = "k8s.namespace.name"
    """Resource attribute that a span's tenant is told by. One of `k8s.` is what the cluster says of
    the sender's pod, whatever the sender itself says; not beside `tracing:linkerd`, as a meshed
    collector sees its own proxy's address only. Any other is the sender's word."""
    tenants: PerEnvironment[Annotated[dict[TenantId, tuple[NonEmpty, ...]], Field(min_length=1)]]
    """The values of the attribute by tenant, such as shop: [shop, checkout]; the tenant's own name
    if there are none."""
    default: PerEnvironment[TenantId]
    """Tenant of the spans that are nobody else's; one of `tenants`, or one more."""
    authentication: PerEnvironment[Authentication | None] = None
    """How the gateway knows who asks (`tracing:tempo.gateway`)."""

    @property
    def all(self) -> tuple[str, ...]:
        """Every tenant, the default one first."""
        return (self.default, *(tenant for tenant in self.tenants if tenant != self.default))

    @property
    def by_cluster(self) -> bool:
        """Whether the attribute is what the cluster says of the sender's pod, not the sender."""
        return self.attribute.startswith("k8s.")

    def values(self, tenant: str) -> tuple[str, ...]:
        """The values of the attribute that make a span this tenant's."""
        return self.tenants.get(tenant, ()) or (tenant,)
