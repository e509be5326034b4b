"""The collector as processes of this machine: what a stack's values configure, run for real.

Only what a cluster would give is replaced: addresses and ports, where volumes are mounted, and the
Kubernetes API, which is not there (pods are not found, and nothing waits for them).
"""

from __future__ import annotations

import contextlib
import copy
import http.server
import os
import subprocess
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import grpc
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    TraceServiceStub,
    add_TraceServiceServicer_to_server,
)

from components.values.collector_metrics import OWN
from ops.registrations import record
from tests.live import process
from tests.live.needs import free_port
from tests.live.process import Process, answers
from tests.live.waiting import until

SEND_SECONDS: Final = 120

NO_PROXY: Final = [("grpc.enable_http_proxy", 0), ("grpc.max_reconnect_backoff_ms", 500)]

RETRYABLE: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""What an SDK sends again: of the codes of OTLP's rules those that a collector answers with."""

FIRST: Final = "collector"
GATEWAY: Final = "collector-gateway"
"""The tiers, as the values of a stack are named."""


def configurations(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The configuration of each tier of a stack with these settings of its collector."""
    values = record("dev", {"tracing:collector": settings}, {}).helm_values()
    return {tier: values[tier]["alternateConfig"] for tier in (FIRST, GATEWAY) if tier in values}


def variables(settings: dict[str, Any]) -> dict[str, str]:
    """The environment that a stack with these settings gives its first tier."""
    values = record("dev", {"tracing:collector": settings}, {}).helm_values()[FIRST]
    return {variable["name"]: variable["value"] for variable in values["extraEnvs"]}


def environment(pod: str) -> dict[str, str]:
    """What the chart sets in the environment of a pod; and no Kubernetes API at its address."""
    return {
        **os.environ,
        "MY_POD_IP": "127.0.0.1",
        "OTEL_K8S_POD_NAME": pod,
        "OTEL_K8S_NODE_NAME": "node",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "1",
    }


def refused(program: Path, configuration: dict[str, Any], directory: Path) -> str:
    """What the program itself says against a configuration; empty if nothing."""
    file = directory / "validate.yaml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    done = subprocess.run(
        [program, "validate", "--config", file],
        env=environment("pod"),
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr + done.stdout


class Pod:
    """One pod of a tier, as a process that can be killed and started again on its volume."""

    def __init__(
        self,
        program: Path,
        configuration: dict[str, Any],
        directory: Path,
        exports_to: Iterable[str],
        variables: dict[str, str] | None = None,
    ) -> None:
        self._program, self._directory = program, directory
        self._variables = variables or {}
        self._process: Process | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self.configuration = copy.deepcopy(configuration)
        self.ports: dict[str, int] = {}
        self._place(list(exports_to))

    def _place(self, exports_to: list[str]) -> None:
        """Everything on this machine's loopback and in this directory."""
        config = self.configuration
        self._place_own_metrics(config)
        for receiver, part in config["receivers"].items():
            if receiver == f"otlp/{OWN}":
                continue
            for protocol, server in part.get("protocols", {receiver: part}).items():
                server["endpoint"] = self._address(protocol)
        config["extensions"]["health_check"]["endpoint"] = self._address("health")
        if (storage := config["extensions"].get("file_storage/queue")) is not None:
            place = str(self._directory / "queue")
            storage["directory"] = storage["compaction"]["directory"] = place
        if "k8s_attributes" in config["processors"]:
            config["processors"]["k8s_attributes"]["auth_type"] = "none"
        if "otlp_grpc" in config["exporters"]:
            [config["exporters"]["otlp_grpc"]["endpoint"]] = exports_to
        else:
            # Names that resolve to several addresses are what only a cluster's DNS has.
            resolver = {"static": {"hostnames": exports_to}}
            config["exporters"]["load_balancing"]["resolver"] = resolver

    def _place_own_metrics(self, config: dict[str, Any]) -> None:
        [reader] = config["service"]["telemetry"]["metrics"]["readers"]
        if "pull" in reader:
            reader["pull"]["exporter"]["prometheus"]["port"] = self._port("metrics")
            return
        receiver = config["receivers"][f"otlp/{OWN}"]["protocols"]["grpc"]
        receiver["endpoint"] = self._address("own metrics")
        reader["periodic"]["exporter"]["otlp"]["endpoint"] = f"http://{receiver['endpoint']}"
        config["exporters"][f"prometheus/{OWN}"]["endpoint"] = self._address("metrics")

    def _port(self, name: str) -> int:
        self.ports[name] = free_port()
        return self.ports[name]

    def _address(self, name: str) -> str:
        return f"127.0.0.1:{self._port(name)}"

    @property
    def grpc(self) -> str:
        """Where it takes OTLP over gRPC."""
        return f"127.0.0.1:{self.ports['grpc']}"

    @property
    def log(self) -> str:
        """All it has logged since it was first started."""
        assert self._process is not None
        return self._process.said

    def start(self) -> None:
        """Start it, and wait until its health check is content."""
        file = self._directory / "config.yaml"
        file.write_text(yaml.safe_dump(self.configuration), encoding="utf-8")
        self._process = Process(
            self._directory.name,
            self._directory,
            *(self._program, "--config", file),
            environment=environment(self._directory.name) | self._variables,
        )
        health = f"http://127.0.0.1:{self.ports['health']}/"
        self._process.until_ready(lambda: answers(health))

    def kill(self) -> None:
        """End it as the kernel does, without a word (SIGKILL)."""
        assert self._process is not None
        self._process.kill()

    def end(self) -> None:
        """End it as the kubelet does (SIGTERM), and wait until it has."""
        assert self._process is not None
        self._process.end()

    def metric(self, name: str) -> float:
        """One of its own metrics, summed over all labels; 0 if it has none of that name."""
        return sum(
            float(line.rpartition(" ")[2])
            for line in (get(self.ports["metrics"], "/metrics") or "").splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        )


def get(port: int, path: str) -> str | None:
    """What is served at a port of this machine; `None` if nothing is."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


class Tempo:
    """A monolithic Tempo, as a stack configures it, with a directory for its bucket."""

    def __init__(self, program: Path, directory: Path, settings: dict[str, Any]) -> None:
        raw = {"tracing:tempo": {"profile": "monolithic"} | settings}
        config = yaml.safe_load(record("dev", raw, {}).helm_values()["tempo"]["config"])
        self._program, self._directory = program, directory
        self._http = free_port()
        self.otlp = f"127.0.0.1:{free_port()}"
        """Where it takes OTLP over gRPC."""
        config["server"] = {
            "http_listen_address": "127.0.0.1",
            "http_listen_port": self._http,
            "grpc_listen_address": "127.0.0.1",
            "grpc_listen_port": free_port(),
        }
        config["distributor"]["receivers"] = {
            "otlp": {"protocols": {"grpc": {"endpoint": self.otlp}}}
        }
        config["storage"]["trace"] = {
            "backend": "local",
            "local": {"path": str(directory / "traces")},
            "wal": {"path": str(directory / "wal")},
        }
        del config["overrides"]["per_tenant_override_config"]
        # One process, which needs nobody else to be found.
        config["memberlist"] = {"bind_addr": ["127.0.0.1"], "bind_port": free_port()}
        directory.mkdir(parents=True)
        (directory / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def discarded(self) -> float:
        """Spans that it acknowledged and dropped."""
        lines = (get(self._http, "/metrics") or "").splitlines()
        counts = [line for line in lines if line.startswith("tempo_discarded_spans_total{")]
        assert counts
        return sum(float(line.rpartition(" ")[2]) for line in counts)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While the block runs, so does it."""
        ready = f"http://127.0.0.1:{self._http}/ready"
        command = (self._program, f"-config.file={self._directory / 'config.yaml'}")
        with process.running(
            "tempo",
            self._directory,
            *command,
            ready=lambda: answers(ready),
            # It would take minutes to put in order what nobody reads again.
            end=Process.kill,
        ):
            yield


@contextlib.contextmanager
def running(*pods: Pod) -> Iterator[tuple[Pod, ...]]:
    """While the block runs, so do these; ended afterwards, however it went."""
    try:
        for pod in pods:
            pod.start()
        yield pods
    finally:
        for pod in pods:
            with contextlib.suppress(AssertionError):
                pod.kill()


class Sink(TraceServiceServicer):
    """Where Tempo would be: takes OTLP over gRPC, while it is up, and remembers what came."""

    def __init__(self) -> None:
        self.port = free_port()
        self.spans: Counter[bytes] = Counter()
        """How often each span came, by its id."""
        self.requests: list[ExportTraceServiceRequest] = []
        self._server: grpc.Server | None = None

    @property
    def address(self) -> str:
        """Where to send to."""
        return f"127.0.0.1:{self.port}"

    def Export(
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Take spans."""
        self.spans.update(span_ids(request))
        self.requests.append(request)
        return ExportTraceServiceResponse()

    def up(self) -> None:
        """From now on it answers."""
        # One worker, because what is counted is counted by no two at once.
        self._server = grpc.server(futures.ThreadPoolExecutor(1))
        add_TraceServiceServicer_to_server(self, self._server)
        assert self._server.add_insecure_port(self.address) == self.port
        self._server.start()

    def down(self) -> None:
        """From now on nobody listens."""
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None


class Prometheus:
    """Where series are written to; it only counts what it takes."""

    def __init__(self) -> None:
        self.taken = 0
        prometheus = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                snappy = self.headers["Content-Encoding"] == "snappy"
                prometheus.taken += snappy and b"traces_span_metrics" in body
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/v1/write"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While the block runs it answers."""
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def span_ids(request: ExportTraceServiceRequest) -> Iterator[bytes]:
    """The ids of the spans in a request."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield span.span_id


def export(
    authority: str, request: ExportTraceServiceRequest, known_as: grpc.ChannelCredentials | None
) -> None:
    """Send once, in clear or as somebody; raises grpc.RpcError."""
    channel = (
        grpc.insecure_channel(authority, options=NO_PROXY)
        if known_as is None
        else grpc.secure_channel(authority, known_as, options=NO_PROXY)
    )
    with channel:
        TraceServiceStub(channel).Export(request, timeout=10)


class Sender:
    """Sends requests as an SDK does, each again until it is acknowledged; ends with its block."""

    def __init__(self, authority: str, requests: Iterable[ExportTraceServiceRequest]) -> None:
        self.acknowledged: set[bytes] = set()
        self.refusals: list[str] = []
        """What it was told for each request that was not taken."""
        self._authority, self._requests = authority, requests
        self._over = threading.Event()
        self._pool = futures.ThreadPoolExecutor(4)
        self._sent: list[futures.Future[None]] = []

    def __enter__(self) -> Sender:
        self._channel = grpc.insecure_channel(self._authority, options=NO_PROXY)
        self._stub = TraceServiceStub(self._channel)
        self._sent = [self._pool.submit(self._send, request) for request in self._requests]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown(cancel_futures=True)
        self._channel.close()

    def _send(self, request: ExportTraceServiceRequest) -> None:
        def once() -> bool:
            try:
                self._stub.Export(request, timeout=30, wait_for_ready=True)
            except grpc.RpcError as error:
                self.refusals.append(error.details() or "")
                if error.code() not in RETRYABLE:
                    raise
                return self._over.is_set()
            self.acknowledged.update(span_ids(request))
            return True

        until(f"{self._authority} acknowledges a request", SEND_SECONDS, once)

    def wait(self) -> None:
        """Until everything is acknowledged."""
        for sent in self._sent:
            sent.result()


def send(authority: str, requests: Iterable[ExportTraceServiceRequest]) -> set[bytes]:
    """Send all, until all is acknowledged: the ids of the spans."""
    with Sender(authority, requests) as sender:
        sender.wait()
        return sender.acknowledged
