"""Who connects to whom, as network policies have to know it: pods, ports, and who is outside.

A policy sees the pods behind a Service, and their ports, not the Service's. So whoever makes an
address says here what is behind it, and whoever is handed the address says who connects to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pulumi import Input


@dataclass(frozen=True, kw_only=True)
class TargetPort:
    """A port of a pod or a machine."""

    number: int
    protocol: Literal["TCP", "UDP"] = "TCP"


@dataclass(frozen=True, kw_only=True)
class Pods:
    """Pods of one kind in one namespace."""

    role: str
    """What they are, once in a stack: their policy is called after it, forever."""
    namespace: Input[str]
    labels: Mapping[str, str]
    """Labels that all of them have; all pods of the namespace if empty."""
    one_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Labels that have one of several values."""


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Who is not this stack's: namespaces of the cluster, and addresses outside it.

    Nobody if nothing of it is given.
    """

    namespaces: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    every_namespace: bool = False
    """All pods of the cluster."""
    everybody: bool = False
    """Every address, in the cluster and outside it."""

    @property
    def nobody(self) -> bool:
        """Whether there is no one to connect with."""
        return self == Outside()


Peer = Pods | Outside


@dataclass(frozen=True, kw_only=True)
class Server:
    """Who answers."""

    at: Peer
    ports: tuple[TargetPort, ...]
    """Every port if empty."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What is allowed: these clients may open connections to that server."""

    client: Peer
    server: Server


@dataclass(frozen=True, kw_only=True)
class Network:
    """A component's part in the network."""

    pods: tuple[Pods, ...] = ()
    """Its own."""
    connections: tuple[Connection, ...] = ()
    """Those that its own pods open, or that it opens its pods for."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Who is around a stack's pods, as its configuration says."""

    senders: Outside
    """Applications that send spans."""
    readers: Outside
    """Who asks a gateway that asks who they are."""
    askers: Outside
    """Who asks Tempo for traces without that: where there are tenants, only Grafana."""
    scrapers: Outside
    """Who asks for metrics."""
    ingress_controllers: tuple[Peer, ...]
    """Who hands on the requests of the stack's Ingresses, beside the stack's Traefik."""
    traefik: Peer | None
    """The stack's Traefik."""
    served_by_traefik: frozenset[str]
    """The sections of the stack file whose Ingresses are its."""
    visitors: Outside
    """Who sends requests to the stack's Traefik."""
    backends: Outside
    """What that Traefik may hand requests to."""
    dns: Server
    api_server: Server
    remote_write: Server | None
    """Where metrics made of spans are written to; `None` where none are."""

    def controllers(self, section: str) -> tuple[Peer, ...]:
        """Who hands on the requests of the Ingress of a section."""
        if self.traefik is None or section not in self.served_by_traefik:
            return self.ingress_controllers
        return (self.traefik, *self.ingress_controllers)


def tcp(*numbers: int) -> tuple[TargetPort, ...]:
    """TCP ports."""
    return tuple(TargetPort(number=number) for number in numbers)


def at(pods: Peer, *numbers: int) -> Server:
    """Pods on TCP ports of theirs."""
    return Server(at=pods, ports=tcp(*numbers))


def connections(client: Peer, *servers: Server | None) -> tuple[Connection, ...]:
    """One client's connections to each server that there is."""
    return tuple(Connection(client=client, server=server) for server in servers if server)
