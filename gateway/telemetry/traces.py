"""OpenTelemetry traces: one server span for each request, whichever stack answers it.

Loaded only where traces are on: it needs the extra `otel`. What is exported, and to where, the
standard `OTEL_*` variables say. Attributes are those of OpenTelemetry's "Semantic conventions for
HTTP spans"; the query string is left out, as it is in the logs.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping

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
# What clients may invent names no span ("http.request.method" in the conventions).
_KNOWN_METHODS = "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,QUERY,TRACE"
_OTHER = "_OTHER"
_SERVER_ERROR = 500


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
        known = os.environ.get("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", _KNOWN_METHODS)
        self._methods = frozenset(method.strip() for method in known.split(","))
        # With the scope, in which the edge puts right whom the request is for, and how it came.
        self._spans: dict[Exchange, tuple[Span, Scope]] = {}

    def opened(self, exchange: Exchange, scope: Scope) -> None:
        """Begin the span, as a child of the caller's, and pass it on to the service."""
        headers = scope["headers"]
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in headers
            if name in _PROPAGATED
        }
        attributes = self._asked(exchange, scope)
        span = self._tracer.start_span(
            _named(attributes), extract(carrier), SpanKind.SERVER, attributes
        )
        self._spans[exchange] = span, scope
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

    def closed(self, exchanges: Iterable[Exchange]) -> None:
        """End their spans."""
        for exchange in exchanges:
            self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        """End the span; tell of the wait for a thread as a child of it."""
        span, scope = self._spans.pop(exchange, (None, None))
        if span is None or scope is None:
            return
        attributes = self._asked(exchange, scope)
        attributes.update(_outcome(exchange))
        span.update_name(_named(attributes))
        span.set_attributes(attributes)
        if "error.type" in attributes:
            span.set_status(Status(StatusCode.ERROR))
        ended = time.time_ns() - round((time.perf_counter() - exchange.ended) * _NANOSECONDS)
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

    def _asked(self, exchange: Exchange, scope: Scope) -> dict[str, str | int]:
        """What is known of the request: at its end as trusted proxies have told it."""
        method = "GET" if scope["type"] == "websocket" else exchange.method
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "url.path": exchange.path,
            "url.scheme": scope.get("scheme", "http"),
            "network.protocol.version": scope.get("http_version", "1.1"),
            "gateway.request_id": exchange.request_id,
        }
        if method not in self._methods:
            attributes["http.request.method"] = _OTHER
            attributes["http.request.method_original"] = method
        if exchange.client:
            attributes["client.address"] = exchange.client
        agent = exchange.fields.get(b"user-agent")
        if agent is not None:
            attributes["user_agent.original"] = agent.decode("latin-1")
        attributes.update(_server(scope))
        return attributes


def _named(attributes: Mapping[str, str | int]) -> str:
    """The span's name: of a few methods and of templates, so that there are not many."""
    method = attributes["http.request.method"]
    route = attributes.get("http.route")
    verb = "HTTP" if method == _OTHER else f"{method}"
    return f"{verb} {route}" if route else verb


def _server(scope: Scope) -> Iterator[tuple[str, str | int]]:
    """The host that was asked for, and its port where it is named."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    name, colon, port = host.decode("latin-1").rpartition(":")
    if not colon or port.endswith("]"):
        name, port = host.decode("latin-1"), ""
    if name:
        yield "server.address", name.strip("[]")
    if port.isdecimal() and port.isascii():
        yield "server.port", int(port)


def _outcome(exchange: Exchange) -> Iterator[tuple[str, str | int]]:
    yield "http.request.body.size", exchange.bytes_in
    yield "http.response.body.size", exchange.bytes_out
    yield "gateway.mount", exchange.mount
    yield "gateway.stack", exchange.stack
    yield "gateway.outcome", exchange.outcome
    if exchange.route:
        yield "http.route", exchange.route
    if exchange.status:
        yield "http.response.status_code", exchange.status
    if exchange.status >= _SERVER_ERROR:
        yield "error.type", str(exchange.status)
    elif exchange.outcome in {"error", "timeout"}:
        # Broken off after another status. A client that leaves has not failed: streams end so.
        yield "error.type", exchange.outcome


def _otlp_exporter() -> SpanExporter:
    # Not at the top: what exports elsewhere does not need it.
    module = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    exporter: SpanExporter = module.OTLPSpanExporter()
    return exporter
