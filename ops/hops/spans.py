"""The smoke test's trace: a request through a few services, sent as applications send theirs."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from components.contracts import TENANT_HEADER
from ops.hops.hop import HopFailed
from ops.hops.http import session, trust
from ops.hops.reach import Way

SERVICES: Final = (
    ("smoke-traefik", "GET /smoke", SpanKind.SERVER),
    ("smoke-web", "render", SpanKind.SERVER),
    ("smoke-api", "GET /items", SpanKind.SERVER),
    ("smoke-db", "SELECT items", SpanKind.CLIENT),
)
"""Service, span, kind, from the outermost inwards. Names of their own: the metrics that a Tempo or
a collector makes of spans are kept by service, and a real one's must not have these in them."""

RUN_ATTRIBUTE: Final = "smoke.run"

_LOGGER: Final = "opentelemetry.exporter.otlp.proto"


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A trace that was made and is to be found."""

    trace_id: str
    """32 hexadecimal digits."""
    run: str
    """What all its spans carry as RUN_ATTRIBUTE."""
    spans: Sequence[ReadableSpan]


class _Known(RandomIdGenerator):
    """Every trace has the id that is known beforehand."""

    def __init__(self, trace_id: str) -> None:
        self._trace_id = int(trace_id, 16)

    def generate_trace_id(self) -> int:
        """That id."""
        return self._trace_id


def make_trace(run: str) -> Trace:
    """A request that each of the services has a span of, the last one with an error.

    An error, and a priority: a collector that samples keeps such a trace.
    """
    trace_id = secrets.token_hex(16)
    kept = InMemorySpanExporter()
    end = time.time_ns()
    open_spans, context = [], None
    for depth, (service, name, kind) in enumerate(SERVICES):
        # Not `Resource.create`, nor the default sampler: both take settings from the environment.
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource({"service.name": service}),
            id_generator=_Known(trace_id),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(SimpleSpanProcessor(kept))
        span = provider.get_tracer("tracing.smoke").start_span(
            name,
            context=context,
            kind=kind,
            attributes={RUN_ATTRIBUTE: run, "sampling.priority": 1},
            start_time=end - (len(SERVICES) - depth) * 10_000_000,
        )
        context = set_span_in_context(span)
        open_spans.append(span)
    open_spans[-1].set_status(Status(StatusCode.ERROR, "made by the smoke test"))
    for depth, span in reversed(list(enumerate(open_spans))):
        span.end(end - depth * 1_000_000)
    return Trace(trace_id=trace_id, run=run, spans=kept.get_finished_spans())


def send_grpc(
    way: Way, trace: Trace, *, tenant: str | None, ca_file: Path | None, seconds: float
) -> None:
    """Sends a trace by OTLP over gRPC; raises HopFailed."""
    # A proxy leads nowhere on this machine.
    options: list[Any] = [("grpc.enable_http_proxy", 0 if way.is_local else 1)]
    if way.server_name is not None:
        options.append(("grpc.ssl_target_name_override", way.server_name))
    credentials = None
    if way.tls:
        credentials = grpc.ssl_channel_credentials(None if ca_file is None else trust(ca_file))
    exporter = GrpcExporter(
        endpoint=way.authority,
        insecure=not way.tls,
        credentials=credentials,
        # gRPC has lower-case keys only.
        headers={TENANT_HEADER.lower(): tenant} if tenant else None,
        timeout=seconds,
        channel_options=cast(Any, tuple(options)),
    )
    _export(exporter, trace, way)


def send_http(
    way: Way, trace: Trace, *, tenant: str | None, trusted: Path | None, seconds: float
) -> None:
    """Sends a trace by OTLP over HTTP; raises HopFailed."""
    exporter = HttpExporter(
        endpoint=f"{way.url}/v1/traces",
        certificate_file=None if trusted is None else str(trusted),
        headers={TENANT_HEADER: tenant} if tenant else None,
        timeout=seconds,
        session=session(way, trusted),
    )
    _export(exporter, trace, way)


def _export(exporter: SpanExporter, trace: Trace, way: Way) -> None:
    with _said() as said:
        try:
            done = exporter.export(trace.spans)
        finally:
            exporter.shutdown()
    if done is not SpanExportResult.SUCCESS:
        # The last of it says that it gave up, the one before that why.
        why = "; ".join(dict.fromkeys(said[-2:]))
        raise HopFailed(f"{way.authority} did not take the spans: {why or done}")


@contextmanager
def _said() -> Iterator[list[str]]:
    """What the exporters log, which is where they say why they failed, and nowhere else."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(" ".join(record.getMessage().split()))
    logger = logging.getLogger(_LOGGER)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated
