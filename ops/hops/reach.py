"""The way to an address: as it is, or forwarded from the cluster to this machine."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from config.platform import KubernetesConfig
from ops.hops.hop import HopFailed
from ops.hops.target import Address
from port_forward import ADDRESS, PortForward, PortForwardError

POD_SECONDS: Final = 15
"""How long a forward waits for a pod that runs: a stack that is up has one."""

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Way:
    """An address that can be used from here."""

    url: str
    """Without a slash at its end."""
    server_name: str | None = None
    """The name that its certificate is for, where that is not the address's own."""

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS."""
        return self.url.startswith("https://")

    @property
    def authority(self) -> str:
        """`host:port`."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"

    @property
    def is_local(self) -> bool:
        """Whether it leads to this machine, to which no proxy does."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")


def service_of(address: Address) -> tuple[str, str]:
    """Name and namespace of the Service that an address in the cluster is of."""
    service, namespace = (urlsplit(address.url).hostname or "").split(".")[:2]
    return service, namespace


class Reach:
    """Opens ways; what it forwards ends with the ExitStack it is given."""

    def __init__(self, kubernetes: KubernetesConfig, held: ExitStack) -> None:
        self._kubernetes = kubernetes
        self._held = held
        self._ways: dict[Address, Way] = {}

    def way(self, address: Address) -> Way:
        """The way to an address; raises HopFailed."""
        if address not in self._ways:
            self._ways[address] = self._open(address)
        return self._ways[address]

    def _open(self, address: Address) -> Way:
        url = address.url.rstrip("/")
        if not address.in_cluster:
            return Way(url=url, server_name=address.server_name)
        parts = urlsplit(url)
        service, namespace = service_of(address)
        resource = address.resource or f"service/{service}"
        port = self.forwarded(namespace, resource, parts.port or _PORTS[parts.scheme])
        return Way(
            url=f"{parts.scheme}://{ADDRESS}:{port}{parts.path}",
            server_name=parts.hostname if parts.scheme == "https" else None,
        )

    def forwarded(self, namespace: str, resource: str, port: int) -> int:
        """The local port that leads to a port of a resource; raises HopFailed."""
        forward = PortForward(
            remote_port=port,
            context=self._kubernetes.context,
            kubeconfig=self._kubernetes.kubeconfig,
            pod_seconds=POD_SECONDS,
        )
        try:
            return self._held.enter_context(forward.held(namespace, resource))
        except PortForwardError as error:
            raise HopFailed(str(error)) from None
