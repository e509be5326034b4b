"""Rules on tenants: each is there once, and nobody goes round the collector or the gateway."""

import re
from collections.abc import Iterator
from typing import Final

from ..collector import KUBERNETES_ATTRIBUTES, REDACTED, redaction_pattern
from ..errors import Finding, shown
from ..kinds import is_every_address
from ..object_store import ManagedStoreConfig
from ..platform import Environment
from ..retention import deletes_live_blocks, retention_days
from ..stack import StackConfig
from ..tempo import DistributedConfig
from ..tenancy import BasicAuthConfig, TrustedProxyConfig
from .registry import rule, twice

KEY: Final = "tracing:tenancy"
GRAFANA_UID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


@rule("tenancy")
def _a_value_is_of_one_tenant(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    tenancy = stack.tenancy
    if tenancy is None:
        return
    places = {
        f"{KEY}.tenants.{tenant}[{index}]" if values else f"{KEY}.tenants.{tenant}": value
        for tenant, values in tenancy.tenants.items()
        for index, value in enumerate(values or (tenant,))
    }
    yield from twice(places, "a span is of one tenant")


@rule("tenancy", "collector", "tempo")
def _spans_come_through_the_collector(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.tenancy is not None and stack.collector is None:
        yield Finding(
            "tracing:collector",
            f"is missing: with {KEY} it is what says whose a span is; add tracing:collector: {{}}",
        )


@rule("tenancy", "tempo")
def _who_has_limits_is_a_tenant(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    known = ("single-tenant",) if stack.tenancy is None else stack.tenancy.all
    for tenant, limits in stack.tempo.tenants.items():
        if tenant not in known:
            remedy = (
                f"add it to {KEY}.tenants, or remove it"
                if stack.tenancy is not None
                else f"write {KEY}, or single-tenant for the only one"
            )
            yield Finding(
                f"tracing:tempo.tenants.{tenant}", f"is no tenant of this stack; {remedy}"
            )
        elif limits.block_retention is not None and stack.tenancy is None:
            yield Finding(
                f"tracing:tempo.tenants.{tenant}.blockRetention",
                "is the only tenant's; write tracing:tempo.blockRetention",
            )


@rule("tenancy", "tempo", "object_store")
def _the_bucket_outlives_every_tenant(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    store = stack.object_store
    if not isinstance(store, ManagedStoreConfig) or store.lifecycle.expire_days is None:
        return
    for tenant, limits in stack.tempo.tenants.items():
        retention = limits.block_retention
        if retention is not None and deletes_live_blocks(store.lifecycle, retention):
            yield Finding(
                "tracing:objectStore.lifecycle.expireDays",
                f"{store.lifecycle.expire_days} deletes blocks that Tempo still keeps "
                f"(tracing:tempo.tenants.{tenant}.blockRetention is {retention}); write more than "
                f"{retention_days(retention)}, or remove the key",
            )


@rule("tenancy", "tempo")
def _the_gateway_knows_who_asks(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.tenancy is None:
        return
    gateway = isinstance(stack.tempo, DistributedConfig) and stack.tempo.gateway is not None
    authentication = stack.tenancy.authentication
    if gateway and authentication is None:
        yield Finding(
            f"{KEY}.authentication",
            "is missing: the gateway would not know whose traces to show; write it, or remove "
            "tracing:tempo.gateway",
        )
    if not gateway and authentication is not None:
        yield Finding(
            f"{KEY}.authentication",
            "is done by the gateway, and there is none; write tracing:tempo.gateway: {} (not with "
            "profile: monolithic), or remove it",
        )
    if isinstance(authentication, BasicAuthConfig):
        for user, tenant in authentication.users.items():
            if tenant not in stack.tenancy.all:
                yield Finding(
                    f"{KEY}.authentication.users.{user}",
                    f"{shown(tenant)} is no tenant; write one of {', '.join(stack.tenancy.all)}",
                )


@rule("tenancy")
def _a_trusted_proxy_is_not_everybody(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    authentication = stack.tenancy and stack.tenancy.authentication
    if isinstance(authentication, TrustedProxyConfig) and is_every_address(authentication.networks):
        yield Finding(
            f"{KEY}.authentication.networks",
            f"{shown(list(authentication.networks))} is every address, so that anybody could say "
            "who they are; write the proxy's own",
        )


@rule("tenancy", "collector")
def _the_attribute_is_there(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    # Otherwise every span would be the default tenant's.
    tenancy, collector = stack.tenancy, stack.collector
    if tenancy is None or collector is None:
        return
    if tenancy.by_cluster and tenancy.attribute not in KUBERNETES_ATTRIBUTES:
        yield Finding(
            f"{KEY}.attribute",
            f"{shown(tenancy.attribute)} is not what the collector asks the cluster for, and the "
            f"sender's word is not taken for it; write one of {', '.join(KUBERNETES_ATTRIBUTES)}, "
            "or an attribute without k8s. that senders set",
        )
    if not collector.redaction.enabled:
        return
    if any(re.search(redaction_pattern(name), tenancy.attribute) for name in REDACTED):
        yield Finding(
            f"{KEY}.attribute",
            f"{shown(tenancy.attribute)} is blanked as a credential before anybody reads it; write "
            "another",
        )
    for index, name in enumerate(collector.redaction.attributes):
        if re.search(redaction_pattern(name), tenancy.attribute):
            yield Finding(
                f"tracing:collector.redaction.attributes[{index}]",
                f"{shown(name)} blanks {shown(tenancy.attribute)}, by which {KEY} tells tenants; "
                f"remove it, or write another {KEY}.attribute",
            )


@rule("tenancy", "linkerd")
def _the_cluster_can_say_who_sends(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    # The collector looks up the pod by the connection's address. In a meshed pod that is the
    # address of its own proxy: every span would be that of a tenant who did not send it.
    if stack.tenancy is None or stack.linkerd is None:
        return
    if stack.tenancy.by_cluster:
        yield Finding(
            f"{KEY}.attribute",
            f"{shown(stack.tenancy.attribute)} is told by the address that a span comes from, "
            "which in a meshed collector is its own proxy's; write another attribute, which "
            "senders set themselves, or remove tracing:linkerd",
        )


@rule("tenancy", "grafana")
def _each_data_source_has_a_uid(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.tenancy is None or stack.grafana is None:
        return
    for tenant in stack.tenancy.all[1:]:
        uid = f"{stack.grafana.tempo.uid}-{tenant}"
        if not GRAFANA_UID.fullmatch(uid):
            yield Finding(
                f"{KEY}.tenants.{tenant}",
                f"makes a data source with the uid {shown(uid)}, which Grafana does not take; "
                "write a tenant of letters, digits, - and _, or a shorter one",
            )


@rule("tenancy", "vulture")
def _vulture_is_a_tenant(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    if stack.vulture is None or stack.vulture.tenant is None:
        return
    if stack.tenancy is None:
        yield Finding(
            "tracing:vulture.tenant",
            f"has no effect without {KEY}; remove it",
        )
    elif stack.vulture.tenant not in stack.tenancy.all:
        yield Finding(
            "tracing:vulture.tenant",
            f"{shown(stack.vulture.tenant)} is no tenant; write one of "
            f"{', '.join(stack.tenancy.all)}",
        )
