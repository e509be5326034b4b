"""Rules on the network policies."""

from collections.abc import Iterator

from ..errors import Finding, shown
from ..kinds import is_every_address
from ..network_policies import NetworkPoliciesConfig, PeersConfig
from ..object_store import MinioConfig
from ..platform import Environment
from ..stack import StackConfig, remote_write_url
from ..tempo import Distributed3Config, DistributedConfig
from .registry import rule

KEY = "tracing:networkPolicies"


def _peers(settings: NetworkPoliciesConfig) -> dict[str, PeersConfig]:
    """All who are named anywhere, by their key."""
    targets = settings.targets
    return {
        "senders": settings.senders,
        "readers": settings.readers,
        "grafana": settings.grafana,
        "scrapers": settings.scrapers,
        "ingressControllers": settings.ingress_controllers,
        "visitors": settings.visitors,
        "targets.objectStore": targets.object_store,
        "targets.kafka": targets.kafka,
        "targets.remoteWrite": targets.remote_write,
        "targets.apiServer": targets.api_server,
        "targets.dns": targets.dns,
        "targets.backends": targets.backends,
    }


@rule("network_policies", "open")
def _nothing_is_said_of_policies_that_are_off(
    stack: StackConfig, _: Environment
) -> Iterator[Finding]:
    settings = stack.network_policies
    # What stays beside `open` is there for the day when that is taken out again.
    if settings.enabled or stack.open is not None:
        return
    for name in sorted(settings.model_fields_set - {"enabled"}):
        alias = type(settings).model_fields[name].alias
        yield Finding(
            f"{KEY}.{alias}",
            "has no effect while the policies are off; remove it, or enabled: false",
        )


@rule("network_policies")
def _every_address_is_acknowledged(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    for key, peers in _peers(stack.network_policies).items():
        every = is_every_address(peers.cidrs)
        if every and not peers.acknowledge_every_address:
            yield Finding(
                f"{KEY}.{key}.cidrs",
                f"{shown(list(peers.cidrs))} is every address; write the addresses that are meant, "
                f"or {KEY}.{key}.acknowledgeEveryAddress: true",
            )
        if peers.acknowledge_every_address and not every:
            yield Finding(
                f"{KEY}.{key}.acknowledgeEveryAddress",
                "has no effect: the CIDRs are not every address; remove it",
            )


@rule("network_policies", "tenancy")
def _every_address_is_not_put_together(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    # Without tenants Grafana and readers are let in to the same port.
    readers, grafana = stack.network_policies.readers, stack.network_policies.grafana
    if stack.tenancy is not None or readers.acknowledge_every_address:
        return
    if is_every_address(readers.cidrs) or is_every_address(grafana.cidrs):
        return
    if is_every_address((*readers.cidrs, *grafana.cidrs)):
        yield Finding(
            f"{KEY}.readers.cidrs",
            f"{shown(list(readers.cidrs))} is every address together with {KEY}.grafana.cidrs, and "
            "both are let in to the same port; write the addresses that are meant",
        )


@rule("network_policies", "object_store", "kafka", "tempo", "collector", "traefik")
def _targets_are_used(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    kafka_outside = isinstance(stack.tempo, Distributed3Config) and stack.kafka is None
    own_traefik = stack.traefik is not None and stack.traefik.install == "release"
    unused = {
        "object_store": isinstance(stack.object_store, MinioConfig)
        and "the store is this stack's own",
        "kafka": not kafka_outside and "there is no Kafka outside the stack",
        "remote_write": remote_write_url(stack) is None and "nothing writes metrics",
        "backends": not own_traefik and "there is no Traefik of this stack's own",
    }
    targets = stack.network_policies.targets
    for name, reason in unused.items():
        if reason and name in targets.model_fields_set:
            alias = type(targets).model_fields[name].alias
            yield Finding(f"{KEY}.targets.{alias}", f"has no effect: {reason}; remove it")
    if "visitors" in stack.network_policies.model_fields_set and unused["backends"]:
        yield Finding(f"{KEY}.visitors", f"has no effect: {unused['backends']}; remove it")


@rule("network_policies", "tenancy", "tempo")
def _readers_of_tenants_ask_the_gateway(stack: StackConfig, _: Environment) -> Iterator[Finding]:
    gateway = isinstance(stack.tempo, DistributedConfig) and stack.tempo.gateway is not None
    settings = stack.network_policies
    if stack.tenancy is None or gateway or not settings.enabled or not settings.readers.given:
        return
    yield Finding(
        f"{KEY}.readers",
        "has no effect: with tracing:tenancy readers ask the gateway, and there is none; write "
        f"{KEY}.grafana for where Grafana runs, and remove it",
    )
