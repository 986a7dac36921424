"""Spans, without a collector: in memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from gateway.exchange import Exchange, Outcome
from gateway.telemetry import traces
from tests.gateway.asgi import client_of
from tests.gateway.telemetry.services import observed_gateway

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(traces, "_otlp_exporter", lambda: exporter)
    return exporter


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    assert span.attributes is not None
    return span.attributes


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


@pytest.mark.parametrize(
    ("path", "route"),
    [("/web/items/5", "/items/<int:item_id>"), ("/api/items/5", "/items/{item_id}")],
)
async def test_a_request_is_one_server_span_whichever_stack_answers(
    exported: InMemorySpanExporter, path: str, route: str
) -> None:
    """Below the caller's span, above the service's own, with the record of the exchange."""
    async with client_of(observed_gateway(telemetry={"traces": True})) as http:
        answer = (await http.get(path, headers={"traceparent": PARENT})).json()
    span = spans(exported)[f"GET {route}"]
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert answer["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert attributes_of(span)["http.response.status_code"] == 200
    assert attributes_of(span)["http.route"] == route


async def test_the_wait_for_a_thread_is_a_child(exported: InMemorySpanExporter) -> None:
    """Within the request's span, for services that need a thread."""
    async with client_of(observed_gateway(telemetry={"traces": True})) as http:
        await http.get("/web/items/5")
    found = spans(exported)
    wait, whole = found["wait for a thread"], found["GET /items/<int:item_id>"]
    assert wait.parent is not None
    assert whole.context is not None
    assert wait.parent.span_id == whole.context.span_id
    assert whole.start_time is not None
    assert wait.start_time is not None
    assert wait.end_time is not None
    assert whole.end_time is not None
    # The two clocks are read one after the other.
    assert whole.start_time - 5_000_000 <= wait.start_time <= wait.end_time <= whole.end_time


@pytest.mark.parametrize("mount", ["web", "api"])
async def test_an_error_is_marked(exported: InMemorySpanExporter, mount: str) -> None:
    """A failed request shows as one, with its status for a reason."""
    app = observed_gateway(telemetry={"traces": True})
    async with client_of(app, raise_app_exceptions=False) as http:
        await http.get(f"/{mount}/fails")
    span = spans(exported)["GET /fails"]
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert attributes_of(span)["error.type"] == "500"


async def test_what_a_client_asks_wrongly_is_no_error(exported: InMemorySpanExporter) -> None:
    """Nor is it of a route."""
    async with client_of(observed_gateway(telemetry={"traces": True})) as http:
        await http.get("/api/nowhere")
    (span,) = exported.get_finished_spans()
    assert span.name == "GET"
    assert span.status.status_code is StatusCode.UNSET
    assert not {"error.type", "http.route"} & set(attributes_of(span))
    assert attributes_of(span)["http.response.status_code"] == 404


def closed_span(outcome: Outcome, **scope: Any) -> ReadableSpan:
    """The span of an exchange that ended so after its answer began with 200."""
    exporter = InMemorySpanExporter()
    tracing = traces.Tracing("1", exporter)
    whole = {"type": "http", "method": "GET", "path": "/", "headers": [], **scope}
    exchange = Exchange("id", whole, dict(whole["headers"]))
    tracing.opened(exchange, whole)
    exchange.outcome, exchange.status = outcome, 200
    tracing.closed([exchange])
    tracing._provider.shutdown()
    (span,) = exporter.get_finished_spans()
    return span


@pytest.mark.parametrize(
    ("outcome", "error"),
    [("error", "error"), ("timeout", "timeout"), ("client left", None), ("ok", None)],
)
def test_an_answer_that_is_broken_off_is_an_error(outcome: Outcome, error: str | None) -> None:
    """Though its status was well; a client that leaves is none, as streams end so."""
    span = closed_span(outcome)
    assert attributes_of(span).get("error.type") == error
    assert (span.status.status_code is StatusCode.ERROR) is (error is not None)


FORWARDED = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example:8443",
    "User-Agent": "browser/1",
}


@pytest.mark.parametrize(
    ("trusted", "told"),
    [
        (["127.0.0.0/8"], ("192.0.2.1", "https", "shop.example", 8443)),
        ([], ("127.0.0.1", "http", "gateway.test", None)),
    ],
)
async def test_a_span_tells_what_trusted_proxies_have_told(
    exported: InMemorySpanExporter, trusted: list[str], told: tuple[Any, ...]
) -> None:
    """Who asks, for which host, and how: as the logs and the services see it."""
    app = observed_gateway(telemetry={"traces": True}, edge={"trusted_proxies": trusted})
    async with client_of(app) as http:
        await http.get("/api/items/5", headers=FORWARDED)
    (span,) = exported.get_finished_spans()
    found = attributes_of(span)
    names = ("client.address", "url.scheme", "server.address", "server.port")
    assert tuple(found.get(name) for name in names) == told
    assert found["network.protocol.version"] == "1.1"
    assert found["user_agent.original"] == "browser/1"


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        (b"a.test", "a.test", None),
        (b"a.test:80", "a.test", 80),
        (b"[::1]", "::1", None),
        (b"[::1]:8443", "::1", 8443),
        (b"a.test:", "a.test", None),
        (b"a.test:x", "a.test", None),
        (b"", None, None),
    ],
)
def test_a_host_is_an_address_and_maybe_a_port(
    host: bytes, address: str | None, port: int | None
) -> None:
    """As the request names it."""
    found = attributes_of(closed_span("ok", headers=[(b"host", host)]))
    assert (found.get("server.address"), found.get("server.port")) == (address, port)


@pytest.mark.parametrize("method", ["FUZZ", "get", "WEBSOCKET"])
async def test_a_method_that_nobody_knows_names_no_span(
    exported: InMemorySpanExporter, method: str
) -> None:
    """Else a client makes names without end; what it sent is an attribute."""
    async with client_of(observed_gateway(telemetry={"traces": True})) as http:
        # Not `request`, which spells methods in capitals.
        request = http.build_request("GET", "/api/items/5")
        request.method = method
        await http.send(request)
    (span,) = exported.get_finished_spans()
    assert span.name.split()[0] == "HTTP"
    assert attributes_of(span)["http.request.method"] == "_OTHER"
    assert attributes_of(span)["http.request.method_original"] == method


def test_known_methods_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variable that the conventions name; it replaces all of them."""
    assert closed_span("ok", method="QUERY").name == "QUERY"
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, PURGE")
    assert closed_span("ok", method="PURGE").name == "PURGE"
    assert closed_span("ok", method="QUERY").name == "HTTP"


def test_a_websocket_is_a_get() -> None:
    """Its handshake is one (RFC 6455, section 4.1); the scheme tells it from others."""
    exporter = InMemorySpanExporter()
    tracing = traces.Tracing("1", exporter)
    scope = {"type": "websocket", "path": "/ws", "headers": [], "scheme": "wss"}
    exchange = Exchange("id", scope, {})
    tracing.opened(exchange, scope)
    tracing.closed([exchange])
    tracing._provider.shutdown()
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET"
    assert attributes_of(span)["url.scheme"] == "wss"
    assert "http.response.status_code" not in attributes_of(span)


async def test_a_trace_that_comes_is_passed_on_where_traces_are_off() -> None:
    """The gateway then is no part of it."""
    async with client_of(observed_gateway()) as http:
        for path in ("/web/items/5", "/api/items/5"):
            answer = (await http.get(path, headers={"traceparent": PARENT})).json()
            assert answer["traceparent"] == PARENT


async def test_spans_reach_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over OTLP, to where the standard variables say, at the latest when the gateway stops."""
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "shop-gateway")
        async with client_of(observed_gateway(telemetry={"traces": True})) as http:
            await http.get("/api/items/5")
        server.shutdown()
    assert [path for path, _ in received] == ["/v1/traces"]
    body = received[0][1]
    sent = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    assert b"GET /items/{item_id}" in sent
    assert b"shop-gateway" in sent


def test_nothing_of_it_is_imported_where_traces_are_off() -> None:
    """It is an extra: the gateway runs where it is not installed."""
    program = (
        "import sys, gateway.app, gateway.server, gateway.cli; "
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
