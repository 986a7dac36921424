"""Spans, without a collector: in memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

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
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["http.route"] == route


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


async def test_an_error_is_marked(exported: InMemorySpanExporter) -> None:
    """A failed request shows as one."""
    app = observed_gateway(telemetry={"traces": True})
    async with client_of(app, raise_app_exceptions=False) as http:
        await http.get("/api/fails")
    assert not spans(exported)["GET /fails"].status.is_ok


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
