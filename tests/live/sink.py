"""Something that takes spans, over OTLP (gRPC and HTTP) and Zipkin, and keeps them."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import grpc
import trustme
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One span, whichever protocol it came by."""

    trace_id: str
    span_id: str
    parent_id: str
    protocol: str
    attributes: dict[str, str]
    """Of the span and of its resource."""


class Sink:
    """Where spans go; each protocol has a port of its own on the loopback address."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.grpc_port = 0
        self.otlp_http_port = 0
        self.zipkin_port = 0

    def otlp(self, protocol: str, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            about = _texts(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [
                    Seen(
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        protocol=protocol,
                        attributes=about | _texts(span.attributes),
                    )
                    for span in scope.spans
                ]

    def zipkin(self, spans: list[dict[str, Any]]) -> None:
        self.spans += [
            Seen(
                trace_id=span["traceId"],
                span_id=span["id"],
                parent_id=span.get("parentId", ""),
                protocol="zipkin",
                attributes=span["tags"] | {"service.name": span["localEndpoint"]["serviceName"]},
            )
            for span in spans
        ]


def _texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return {each.key: each.value.string_value for each in attributes}


@contextmanager
def sink(certificate: trustme.LeafCert | None = None) -> Iterator[Sink]:
    """A sink that listens until the end of the block; OTLP with TLS if it has a certificate."""
    taker = Sink()

    class Service(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(
            self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
        ) -> ExportTraceServiceResponse:
            taker.otlp("grpc", request)
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Service(), server)
    if certificate is None:
        taker.grpc_port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
        credentials = grpc.ssl_server_credentials([pair])
        taker.grpc_port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()

    def take_otlp(path: str, body: bytes) -> None:
        assert path == "/v1/traces", path
        taker.otlp("http", ExportTraceServiceRequest.FromString(body))

    def take_zipkin(path: str, body: bytes) -> None:
        assert path == "/api/v2/spans", path
        taker.zipkin(json.loads(body))

    try:
        with (
            listening(take_otlp, certificate=certificate) as otlp_http,
            listening(take_zipkin) as zipkin,
        ):
            taker.otlp_http_port, taker.zipkin_port = otlp_http, zipkin
            yield taker
    finally:
        server.stop(grace=None)


@contextmanager
def listening(
    take: Callable[[str, bytes], None] | None = None,
    headers: list[dict[str, str]] | None = None,
    certificate: trustme.LeafCert | None = None,
) -> Iterator[int]:
    """An HTTP server on a port of its own: what is posted is handed to `take`, the headers of what
    is asked for are added to `headers`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert take is not None
            take(self.path, self._body())
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            assert headers is not None
            headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.end_headers()

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b"".join(iter(self._chunk, b""))
            else:
                body = self.rfile.read(int(self.headers["Content-Length"]))
            return gzip.decompress(body) if self.headers.get("Content-Encoding") else body

        def _chunk(self) -> bytes:
            chunk = self.rfile.read(int(self.rfile.readline(), 16))
            self.rfile.readline()
            return chunk

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield cast(int, server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
