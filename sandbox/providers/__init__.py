"""The simulated providers, and the servers the engine finds them at."""

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
        sizes = [
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
        ]
        self._servers: list[grpc.Server] = []
        ports = {}
        for simulation in SIMULATIONS:
            server = grpc.server(ThreadPoolExecutor(max_workers=8), options=sizes)
            servicer = Servicer(simulation(cloud))
            provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
            ports[simulation.package] = server.add_insecure_port("127.0.0.1:0")
            server.start()
            self._servers.append(server)
        self.addresses = ",".join(f"{name}:{port}" for name, port in ports.items())
        """In the form of PULUMI_DEBUG_PROVIDERS."""

    def stop(self) -> None:
        """Stop serving at once."""
        for stopped in [server.stop(grace=None) for server in self._servers]:
            stopped.wait()
