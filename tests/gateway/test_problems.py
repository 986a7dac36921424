"""The gateway's own errors."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from unittest.mock import AsyncMock

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected

from gateway.exchange import CONNECTION, Exchange, ExchangeMiddleware, Observers
from gateway.mounts import Mount, MountTable
from gateway.problems import NotFound, ProblemsMiddleware, announces_too_much


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the secret reason")


def client() -> httpx.AsyncClient:
    nothing = NotFound("No <b>service</b> here.", {"shop & more": "/shop/?a&b"})
    app = Starlette(
        routes=[MountTable([Mount("/broken", broken)], otherwise=nothing)],
        middleware=[Middleware(ExchangeMiddleware), Middleware(ProblemsMiddleware)],
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://x")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/problem+json", ""])
async def test_a_program_gets_a_problem_document(accept: str) -> None:
    """RFC 9457, with the request's ID."""
    async with client() as http:
        answer = await http.get("/nope?q=1", headers={"accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No <b>service</b> here.",
        "instance": "/nope",
        "request_id": answer.headers["x-request-id"],
        "links": {"shop & more": "/shop/?a&b"},
    }


async def test_a_browser_gets_a_page() -> None:
    """HTML for who prefers it, with everything escaped and no script allowed."""
    async with client() as http:
        accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        answer = await http.get("/nope", headers={"accept": accept})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "No &lt;b&gt;service&lt;/b&gt; here." in answer.text
    assert '<a href="/shop/?a&amp;b">shop &amp; more</a>' in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_service_that_raises_says_nothing_of_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No stack trace and no message leaves; the ID finds them in the log."""
    async with client() as http:
        answer = await http.get("/broken")
    assert answer.status_code == 500
    assert f"request {answer.headers['x-request-id']} failed: GET '/broken'" in caplog.text
    assert "the secret reason" in caplog.text
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"] != ""


@pytest.mark.parametrize("kind", [SystemExit, asyncio.CancelledError, BaseException])
async def test_what_is_no_exception_ends_its_request_and_nothing_else(
    kind: type[BaseException],
) -> None:
    """A service that raises `SystemExit` gets a 500 with an ID, as for any other error."""

    async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
        raise kind

    transport = httpx.ASGITransport(ExchangeMiddleware(ProblemsMiddleware(leaving)))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        answer = await http.get("/")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_an_error_after_a_whole_answer_costs_the_client_nothing() -> None:
    """Starlette answers 500 and raises once more; the connection stays."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"its own"})
        raise RuntimeError

    transport = httpx.ASGITransport(ExchangeMiddleware(ProblemsMiddleware(answering)))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        assert (await http.get("/")).text == "its own"


@pytest.mark.parametrize(
    ("length", "limit", "too_much"),
    [
        (b"1000", 1000, False),
        (b"1001", 1000, True),
        (b"999", 1000, False),
        (b"2000", 1000, True),
        (b"0", 1000, False),
        (b"", 1000, False),
        (b"0" * 5000 + b"1000", 1000, False),
        (b"0" * 5000 + b"1001", 1000, True),
        (b"0" * 5000, 1000, False),
        (b"9" * 5000, 1000, True),
        (b"9" * 5000, 0, False),
        (b"-1", 1000, False),
        (b"+5000", 1000, False),
        (b"5000, 5000", 1000, False),
        (b"5_000", 1000, False),
        ("²²²²²".encode("latin-1"), 1000, False),
    ],
)
def test_a_length_is_judged_as_the_number_that_it_is(
    length: bytes, limit: int, too_much: bool
) -> None:
    """However many digits and zeros it has; what is no number announces nothing."""
    assert announces_too_much(length, limit) is too_much


@pytest.mark.parametrize("error", [ClientDisconnect(), ClientDisconnected(), WebSocketDisconnect()])
async def test_a_client_that_left_is_no_error_of_the_service(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever exception the framework or the server makes of it, the record says what it was."""
    records: list[Exchange] = []

    async def left(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    app = ExchangeMiddleware(ProblemsMiddleware(left), Observers(closed=[records.extend]))
    scope = {"type": "websocket", "path": "/", "headers": []}
    await app(scope, AsyncMock(), AsyncMock())
    await asyncio.sleep(0)
    assert [record.outcome for record in records] == ["client left"]
    assert not caplog.records


@dataclass
class Connection:
    """What a server tells."""

    disconnected: bool = False
    waits_for_client: bool = False


async def _returns(scope: Scope, receive: Receive, send: Send) -> None: ...


async def _says_that_the_client_left(scope: Scope, receive: Receive, send: Send) -> None:
    raise ClientDisconnect


async def _sends_what_is_no_header(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"x-a", b"1\r\n2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


@pytest.mark.parametrize(
    "service", [_returns, _says_that_the_client_left, _sends_what_is_no_header]
)
@pytest.mark.parametrize("left", [True, False])
async def test_a_client_that_waits_is_answered_whatever_the_service_makes_of_it(
    service: ASGIApp, left: bool
) -> None:
    """With a problem document under its ID; nobody who has left is taken for an error's reason."""
    records: list[Exchange] = []
    sent: list[Message] = []

    async def send(message: Message) -> None:
        if any(b"\r\n" in value for _, value in message.get("headers", ())):
            raise RuntimeError("no header")
        sent.append(message)

    app = ExchangeMiddleware(ProblemsMiddleware(service), Observers(closed=[records.extend]))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        CONNECTION: Connection(disconnected=left),
    }
    await app(scope, AsyncMock(), send)
    await asyncio.sleep(0)
    error = service is _sends_what_is_no_header or not left
    assert [message.get("status") for message in sent] == ([500, None] if error else [])
    assert records[0].outcome == ("error" if error else "client left")
    assert records[0].status == (500 if error else 0)
    if error:
        assert json.loads(sent[1]["body"])["request_id"] == records[0].request_id
