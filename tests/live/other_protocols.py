"""Spans as clients of Zipkin and Jaeger send them: one protocol after another, one span each."""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, ClassVar, Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.Thrift import TMessageType, TType
from thrift.transport.TTransport import TMemoryBuffer

from tests.live.cluster import REQUEST_TIMEOUT_SECONDS, request
from tests.live.traces import SERVICE

DURATION_MICROSECONDS: Final = 1000


def send_zipkin(address: str, trace_id: str, name: str) -> None:
    """As JSON of Zipkin's version 2."""
    span = {
        "traceId": trace_id,
        "id": secrets.token_hex(8),
        "name": name,
        "kind": "SERVER",
        "timestamp": _now(),
        "duration": DURATION_MICROSECONDS,
        "localEndpoint": {"serviceName": SERVICE},
    }
    _post(f"http://{address}/api/v2/spans", json.dumps([span]).encode(), "application/json")


def send_jaeger_grpc(address: str, trace_id: str, name: str) -> None:
    """As `jaeger.api_v2.CollectorService` takes it.

    Encoded here, field by field as in Jaeger's model.proto: no package with its messages is
    maintained any more.
    """
    start = Timestamp()
    start.FromMicroseconds(_now())
    span = _message(
        (1, bytes.fromhex(trace_id)),
        (2, secrets.token_bytes(8)),
        (3, name.encode()),
        (6, start.SerializeToString()),
        (7, Duration(nanos=DURATION_MICROSECONDS * 1000).SerializeToString()),
    )
    batch = _message((1, span), (2, _message((1, SERVICE.encode()))))
    # No proxy: the receiver is on this machine, or forwarded to it.
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options=options) as channel:
        post_spans = channel.unary_unary("/jaeger.api_v2.CollectorService/PostSpans")
        post_spans(_message((1, batch)), timeout=REQUEST_TIMEOUT_SECONDS, wait_for_ready=True)


def send_jaeger_thrift_http(address: str, trace_id: str, name: str) -> None:
    """A batch in Thrift's binary form, posted."""
    buffer = TMemoryBuffer()
    _Batch.of(trace_id, name).write(TBinaryProtocol(buffer))
    _post(f"http://{address}/api/traces", buffer.getvalue(), "application/x-thrift")


def send_jaeger_thrift_compact(address: str, trace_id: str, name: str) -> None:
    """A datagram with a call of Jaeger's agent, in Thrift's compact form."""
    _emit(address, TCompactProtocol, trace_id, name)


def send_jaeger_thrift_binary(address: str, trace_id: str, name: str) -> None:
    """A datagram with a call of Jaeger's agent, in Thrift's binary form."""
    _emit(address, TBinaryProtocol, trace_id, name)


TCP: Final[dict[str, Callable[[str, str, str], None]]] = {
    "zipkin": send_zipkin,
    "jaegerGrpc": send_jaeger_grpc,
    "jaegerThriftHttp": send_jaeger_thrift_http,
}
UDP: Final[dict[str, Callable[[str, str, str], None]]] = {
    "jaegerThriftCompact": send_jaeger_thrift_compact,
    "jaegerThriftBinary": send_jaeger_thrift_binary,
}
"""How to send a span to each receiver: its `host:port`, the trace's id, the span's name."""


class _Struct:
    """A struct of Thrift's; Thrift's library writes it by the description in `thrift_spec`."""

    thrift_spec: ClassVar[tuple[Any, ...]]

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def write(self, protocol: Any) -> None:
        protocol.writeStruct(self, self.thrift_spec)


# Numbers and types as in Jaeger's jaeger.thrift and agent.thrift.


class _Span(_Struct):
    thrift_spec = (
        (1, TType.I64, "trace_id_low", None, None),
        (2, TType.I64, "trace_id_high", None, None),
        (3, TType.I64, "span_id", None, None),
        (4, TType.I64, "parent_span_id", None, None),
        (5, TType.STRING, "operation_name", "UTF8", None),
        (7, TType.I32, "flags", None, None),
        (8, TType.I64, "start_time", None, None),
        (9, TType.I64, "duration", None, None),
    )


class _Process(_Struct):
    thrift_spec = ((1, TType.STRING, "service_name", "UTF8", None),)


class _Batch(_Struct):
    thrift_spec = (
        (1, TType.STRUCT, "process", (_Process, _Process.thrift_spec), None),
        (2, TType.LIST, "spans", (TType.STRUCT, (_Span, _Span.thrift_spec), False), None),
    )

    @classmethod
    def of(cls, trace_id: str, name: str) -> _Batch:
        high, low = bytes.fromhex(trace_id[:16]), bytes.fromhex(trace_id[16:])
        span = _Span(
            trace_id_low=_signed(low),
            trace_id_high=_signed(high),
            span_id=_signed(secrets.token_bytes(8)),
            parent_span_id=0,
            operation_name=name,
            flags=1,
            start_time=_now(),
            duration=DURATION_MICROSECONDS,
        )
        return cls(process=_Process(service_name=SERVICE), spans=[span])


class _EmitBatch(_Struct):
    thrift_spec = ((1, TType.STRUCT, "batch", (_Batch, _Batch.thrift_spec), None),)


def _emit(address: str, form: Callable[[Any], Any], trace_id: str, name: str) -> None:
    buffer = TMemoryBuffer()
    protocol = form(buffer)
    protocol.writeMessageBegin("emitBatch", TMessageType.ONEWAY, 0)
    _EmitBatch(batch=_Batch.of(trace_id, name)).write(protocol)
    protocol.writeMessageEnd()
    host, port = address.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(buffer.getvalue(), (host, int(port)))


def _post(url: str, body: bytes, content_type: str) -> None:
    status, said = request(url, method="POST", body=body, headers={"Content-Type": content_type})
    assert status == 202, said


def _message(*fields: tuple[int, bytes]) -> bytes:
    """A message in protobuf's encoding whose fields all have a length: bytes, text, messages."""
    return b"".join(
        bytes([number << 3 | 2]) + _varint(len(content)) + content for number, content in fields
    )


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _signed(eight_bytes: bytes) -> int:
    return int.from_bytes(eight_bytes, "big", signed=True)


def _now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000
