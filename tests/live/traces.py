"""Spans sent as OTLP, and traces asked back from Tempo."""

from __future__ import annotations

import base64
import json
import secrets
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from tests.live.cluster import REQUEST_TIMEOUT_SECONDS, request

SERVICE = "live-tests"


def export_request(trace_id: str, name: str) -> ExportTraceServiceRequest:
    """One span, as an application's SDK exports it."""
    now = time.time_ns()
    span = Span(
        trace_id=bytes.fromhex(trace_id),
        span_id=secrets.token_bytes(8),
        name=name,
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=now - 1_000_000,
        end_time_unix_nano=now,
    )
    service = KeyValue(key="service.name", value=AnyValue(string_value=SERVICE))
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=[service]),
                scope_spans=[ScopeSpans(spans=[span])],
            )
        ]
    )


Load = dict[str, ExportTraceServiceRequest]
"""Requests by the ids of their traces."""

TOGETHER: Final = 100
"""Spans of a trace of a load, which are one request."""


def load(count: int) -> Load:
    """So many spans, in traces of one request each."""
    requests: Load = {}
    for _ in range(count // TOGETHER):
        trace_id = secrets.token_hex(16)
        request = export_request(trace_id, "work")
        [scope] = request.resource_spans[0].scope_spans
        for _ in range(TOGETHER - 1):
            another = scope.spans.add()
            another.CopyFrom(scope.spans[0])
            another.span_id = secrets.token_bytes(8)
        requests[trace_id] = request
    return requests


def send_http(authority: str, spans: ExportTraceServiceRequest) -> None:
    status, body = request(
        f"http://{authority}/v1/traces",
        method="POST",
        body=spans.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
    )
    assert status == 200, body


def send_grpc(authority: str, spans: ExportTraceServiceRequest) -> None:
    # No proxy: the collector is forwarded to this machine.
    options = [("grpc.enable_http_proxy", 0)]
    _export(grpc.insecure_channel(authority, options=options), spans)


def send_grpc_tls(authority: str, spans: ExportTraceServiceRequest, ca: bytes, name: str) -> None:
    """The same, to a server whose certificate is for that name and of that authority (PEM)."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.ssl_target_name_override", name)]
    credentials = grpc.ssl_channel_credentials(ca)
    _export(grpc.secure_channel(authority, credentials, options=options), spans)


def _export(opened: grpc.Channel, spans: ExportTraceServiceRequest) -> None:
    with opened as channel:
        TraceServiceStub(channel).Export(
            spans, timeout=REQUEST_TIMEOUT_SECONDS, wait_for_ready=True
        )


SENDERS: dict[str, Callable[[str, ExportTraceServiceRequest], None]] = {
    "otlpHttpEndpoint": send_http,
    "otlpGrpcEndpoint": send_grpc,
}
"""How to send to each of the stack's outputs."""


def span_names(tempo: str, trace_id: str) -> list[str] | None:
    """The spans' names of a trace, by Tempo's query API at a `host:port`; `None` if unknown."""
    found = _found(f"http://{tempo}/api/traces/{trace_id}")
    return None if found is None else _names(found["batches"])


def span_names_in_blocks(querier: str, trace_id: str) -> list[str] | None:
    """The same, of what is in blocks alone: by the API of a querier at a `host:port`."""
    found = _found(f"http://{querier}/querier/api/traces/{trace_id}?mode=blocks")
    return None if found is None else _names(found["trace"]["resourceSpans"])


def span_ids(tempo: str, trace_id: str) -> set[bytes]:
    """The ids of a trace's spans, by Tempo's query API at a `host:port`; none if it is unknown."""
    found = _found(f"http://{tempo}/api/traces/{trace_id}")
    return _ids([] if found is None else found["batches"])


def span_ids_in_blocks(querier: str, trace_id: str) -> set[bytes]:
    """The same, of what is in blocks alone: by the API of a querier at a `host:port`."""
    found = _found(f"http://{querier}/querier/api/traces/{trace_id}?mode=blocks")
    return _ids([] if found is None else found["trace"]["resourceSpans"])


def participants(tempo: str, trace_id: str) -> set[str] | None:
    """Who took part in a trace, by Tempo's query API: the services, and what servers were asked
    for (their spans' names); `None` if it is unknown."""
    found = _found(f"http://{tempo}/api/traces/{trace_id}")
    if found is None:
        return None
    services = {
        attribute["value"]["stringValue"]
        for resource in found["batches"]
        for attribute in resource["resource"]["attributes"]
        if attribute["key"] == "service.name"
    }
    return services | {
        span["name"]
        for resource in found["batches"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
        if span["kind"] == "SPAN_KIND_SERVER"
    }


def search(tempo: str, traceql: str) -> list[str]:
    """The ids of traces that a search finds, in 32 digits."""
    asked = urllib.parse.urlencode({"q": traceql})
    found = _found(f"http://{tempo}/api/search?{asked}")
    assert found is not None, traceql
    # Tempo leaves out zeros at the beginning.
    return [trace["traceID"].zfill(32) for trace in found.get("traces") or []]


def _found(url: str) -> dict[str, Any] | None:
    status, body = request(url, headers={"Accept": "application/json"})
    if status == 404:
        return None
    assert status == 200, f"{status} {body.decode(errors='replace')}"
    return json.loads(body)


def _names(resource_spans: list[dict[str, Any]]) -> list[str]:
    return [
        span["name"]
        for resource in resource_spans
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def _ids(resource_spans: list[dict[str, Any]]) -> set[bytes]:
    return {
        base64.b64decode(span["spanId"])
        for resource in resource_spans
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }
