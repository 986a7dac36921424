"""OpenTelemetry traces: one server span for each request, whichever stack answers it.

Loaded only where traces are on: it needs the extra `otel`. What is exported, and to where, the
standard `OTEL_*` variables say.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Mapping

from opentelemetry import context, trace
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.types import Scope

from gateway.exchange import Exchange

_NANOSECONDS = 1_000_000_000
_PROPAGATED = frozenset({b"traceparent", b"tracestate", b"baggage"})


class Tracing:
    """Opens and ends the spans: an observer of exchanges.

    Args:
        version: The gateway's.
        exporter: Where spans go; by default an OTLP endpoint over HTTP, as `OTEL_EXPORTER_OTLP_*`
            names it.
    """

    def __init__(self, version: str, exporter: SpanExporter | None = None) -> None:
        service = os.environ.get("OTEL_SERVICE_NAME", "gateway")
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service, "service.version": version})
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _otlp_exporter()))
        self._tracer = self._provider.get_tracer("gateway", version)
        self._spans: dict[Exchange, Span] = {}

    def opened(self, exchange: Exchange, scope: Scope) -> None:
        """Begin the span, as a child of the caller's, and pass it on to the service."""
        headers = scope["headers"]
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in headers
            if name in _PROPAGATED
        }
        span = self._tracer.start_span(
            exchange.method,
            extract(carrier),
            SpanKind.SERVER,
            {
                "http.request.method": exchange.method,
                "url.path": exchange.path,
                "url.scheme": scope.get("scheme", "http"),
                "client.address": exchange.client,
                "gateway.request_id": exchange.request_id,
            },
        )
        self._spans[exchange] = span
        # What services trace themselves, in this process or beyond it, hangs below.
        current = trace.set_span_in_context(span)
        context.attach(current)
        onward: dict[str, str] = {}
        inject(onward, current)
        kept = [header for header in headers if header[0] not in _PROPAGATED]
        scope["headers"] = [
            *kept,
            *((name.encode(), value.encode("latin-1")) for name, value in onward.items()),
        ]
        exchange.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    def closed(self, exchange: Exchange) -> None:
        """End the span; tell of the wait for a thread as a child of it."""
        span = self._spans.pop(exchange, None)
        if span is None:
            return
        name = f"{exchange.method} {exchange.route}" if exchange.route else exchange.method
        span.update_name(name)
        span.set_attributes(_outcome(exchange))
        if exchange.outcome in {"error", "timeout"}:
            span.set_status(Status(StatusCode.ERROR, exchange.outcome))
        ended = time.time_ns()
        if exchange.waited:
            # A thread is asked for once the request is there, body and all.
            complete = max(exchange.started, exchange.last_received)
            began = ended - round((exchange.ended - complete) * _NANOSECONDS)
            wait = self._tracer.start_span(
                "wait for a thread", trace.set_span_in_context(span), start_time=began
            )
            wait.end(began + round(exchange.waited * _NANOSECONDS))
        span.end(ended)

    async def keep(self) -> None:
        """Until cancelled; then send what is left."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.to_thread(self._provider.shutdown)


def _outcome(exchange: Exchange) -> Mapping[str, str | int]:
    return {
        "http.response.status_code": exchange.status,
        "http.route": exchange.route,
        "http.request.body.size": exchange.bytes_in,
        "http.response.body.size": exchange.bytes_out,
        "gateway.mount": exchange.mount,
        "gateway.stack": exchange.stack,
        "gateway.outcome": exchange.outcome,
    }


def _otlp_exporter() -> SpanExporter:
    # Not at the top: what exports elsewhere does not need it.
    module = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    exporter: SpanExporter = module.OTLPSpanExporter()
    return exporter
