"""Settings of the network policies: who outside the stack is at the other end of a connection."""

from typing import Final

from .base import Section
from .kinds import Cidr, DnsLabel, Port
from .scope import PerEnvironment

API_SERVER_PORTS: Final = (443, 6443)


class PeersConfig(Section):
    """Who is at the other end; nobody if empty."""

    namespaces: PerEnvironment[tuple[DnsLabel, ...]] = ()
    """Namespaces of the cluster: all pods in them."""
    cidrs: PerEnvironment[tuple[Cidr, ...]] = ()
    """Addresses outside the cluster, such as 10.20.0.0/16."""
    acknowledge_every_address: PerEnvironment[bool] = False
    """Allow `cidrs` that together are every address (0.0.0.0/0, ::/0)."""

    @property
    def given(self) -> bool:
        """Whether anybody is named."""
        return bool(self.namespaces or self.cidrs)


class TargetConfig(PeersConfig):
    """Where something outside the stack is; if empty: what its address says. That is the namespace
    of a name such as kafka.kafka.svc.cluster.local, the address itself if it is a number, and
    otherwise any address, on that port only."""

    ports: PerEnvironment[tuple[Port, ...]] = ()
    """Ports of its pods or machines, where a Service in between has others than they have."""


class ApiServerConfig(PeersConfig):
    """The Kubernetes API server, for what asks it (collector, Traefik, Strimzi): any address on its
    ports if empty, as it is no pod."""

    ports: PerEnvironment[tuple[Port, ...]] = API_SERVER_PORTS
    """Where API servers listen: a policy sees the port behind the Service `kubernetes`."""


class DnsConfig(PeersConfig):
    """The cluster's DNS, on port 53."""

    namespaces: PerEnvironment[tuple[DnsLabel, ...]] = ("kube-system",)
    """Namespaces of its pods. A node-local cache needs its address under `cidrs`."""


class TargetsConfig(Section):
    """Where this stack's pods connect to that is not the stack's own."""

    object_store: TargetConfig = TargetConfig()
    """A store outside the stack."""
    kafka: TargetConfig = TargetConfig()
    """A Kafka outside the stack."""
    remote_write: TargetConfig = TargetConfig()
    """Where metrics made of spans are written to."""
    api_server: ApiServerConfig = ApiServerConfig()
    dns: DnsConfig = DnsConfig()
    backends: PeersConfig = PeersConfig()
    """What this stack's Traefik may hand requests to, beside all pods of the namespaces that it
    serves (`traefik.routeNamespaces`); all pods of the cluster if it serves all and nobody is
    named."""


class NetworkPoliciesConfig(Section):
    """Who may connect to whom. What this stack's components are told of each other is allowed by
    itself; everything else in the stack's namespaces is denied, in both directions. Needs a network
    plug-in that enforces NetworkPolicies."""

    enabled: PerEnvironment[bool] = True
    """Make the policies. With false everything may connect to everything."""
    senders: PeersConfig = PeersConfig()
    """Who sends spans, beside this stack's Traefik, Harness and demo application: the namespaces of
    applications. With Linkerd those of all meshed pods: the proxies send."""
    readers: PeersConfig = PeersConfig()
    """Who asks for traces: through the gateway, where there is one. With `tracing:tenancy` through
    nothing else."""
    grafana: PeersConfig = PeersConfig()
    """Where Grafana runs, which asks for traces too. With `tracing:tenancy` it reaches Tempo round
    the gateway and says itself whose traces it reads: name nobody else here. With `grafana.mode:
    sidecar` `grafana.namespace` is let in as well."""
    scrapers: PeersConfig = PeersConfig()
    """Who asks for metrics: Prometheus' namespace."""
    ingress_controllers: PeersConfig = PeersConfig()
    """Controllers of the stack's Ingresses, beside its own Traefik."""
    visitors: PeersConfig = PeersConfig()
    """Who sends requests to this stack's Traefik; everybody if empty."""
    targets: TargetsConfig = TargetsConfig()
