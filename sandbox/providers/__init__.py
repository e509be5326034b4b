"""The simulated providers, and the servers the engine finds them at."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from ..cloud import Cloud
from .grafana import GrafanaSimulation
from .kubernetes import KubernetesSimulation
from .minio import MinioSimulation
from .random import RandomSimulation
from .servicer import Servicer

SIMULATIONS = (KubernetesSimulation, MinioSimulation, GrafanaSimulation, RandomSimulation)
# A chart's values can be larger than gRPC's default of four megabytes; the engine's is this.
_LARGEST_MESSAGE = 400 * 1024 * 1024


class Providers:
    """One server per provider, on ports of the system's choice."""

    def __init__(self, cloud: Cloud) -> None:
        self.cancelled = threading.Event()
        """Set when the engine asks providers to give up what they are doing."""
        self._simulations = {made.package: made(cloud) for made in SIMULATIONS}
        self._ports: dict[str, int] = dict.fromkeys(self._simulations, 0)
        self._crashed: dict[str, threading.Event] = {}
        self._servers = {name: self._serve(name) for name in self._simulations}
        self.addresses = ",".join(f"{name}:{port}" for name, port in self._ports.items())
        """In the form of PULUMI_DEBUG_PROVIDERS."""

    def _serve(self, name: str) -> grpc.Server:
        sizes = [
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
        ]
        server = grpc.server(ThreadPoolExecutor(max_workers=8), options=sizes)
        servicer = Servicer(self._simulations[name], self.cancelled)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        self._ports[name] = server.add_insecure_port(f"127.0.0.1:{self._ports[name]}")
        server.start()
        return server

    def crash(self, name: str) -> None:
        """Let a provider be gone, with no answer to what it was asked, until `revive`."""
        self._crashed[name] = self._servers[name].stop(grace=None)

    def revive(self) -> None:
        """Start anew what crashed, as the engine does with plugins for its next command."""
        self.cancelled.clear()
        for name, stopped in self._crashed.items():
            stopped.wait()
            self._servers[name] = self._serve(name)
        self._crashed.clear()

    def stop(self) -> None:
        """Stop serving at once."""
        for stopped in [server.stop(grace=None) for server in self._servers.values()]:
            stopped.wait()
