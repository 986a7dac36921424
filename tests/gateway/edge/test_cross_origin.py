"""The one rule against cross-site request forgery, case by case."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket

from gateway.edge.cross_origin import CrossOriginProtection
from gateway.exchange import ExchangeMiddleware

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"]


async def ok(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def connect(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def application(*trusted: str) -> ExchangeMiddleware:
    routes = [Route("/", ok, methods=METHODS), WebSocketRoute("/ws", connect)]
    return ExchangeMiddleware(CrossOriginProtection(Starlette(routes=routes), trusted))


async def status_of(method: str, headers: dict[str, str], *trusted: str) -> int:
    transport = httpx.ASGITransport(application(*trusted))
    async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as http:
        return (await http.request(method, "/", headers=headers)).status_code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "nonsense"}, 403),
        ({"Origin": "https://shop.example"}, 200),
        ({"Origin": "http://shop.example"}, 200),
        ({"Origin": "https://SHOP.example"}, 200),
        ({"Origin": "https://shop.example:8443"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://shop.example.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}, 200),
        ({"Origin": "https://APP.example"}, 200),
        ({"Origin": "https://app.example.evil.example"}, 403),
    ],
)
async def test_a_write_is_judged_by_where_it_comes_from(
    headers: dict[str, str], status: int
) -> None:
    """Other origins are refused, trusted ones and programs pass."""
    assert await status_of("POST", headers, "https://app.example") == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
async def test_every_unsafe_method_is_judged(method: str) -> None:
    """Whatever is not known to be safe counts as unsafe."""
    assert await status_of(method, {"Sec-Fetch-Site": "cross-site"}) == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_safe_methods_pass(method: str) -> None:
    """Links from other sites work."""
    assert await status_of(method, {"Sec-Fetch-Site": "cross-site"}) == 200


async def test_the_refusal_says_what_to_do() -> None:
    """A developer who meets the rule learns the setting's name."""
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        answer = await http.post("/", headers={"Origin": "https://app.example"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert "edge.trusted_origins" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("origin", "answer"),
    [
        (b"https://evil.example", "websocket.close"),
        (b"https://shop.example", "websocket.accept"),
        (b"https://app.example", "websocket.accept"),
        (None, "websocket.accept"),
    ],
)
async def test_a_websocket_is_judged_like_a_write(origin: bytes | None, answer: str) -> None:
    """A handshake brings the session, so a page of another origin does not get one."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"shop.example")] + ([(b"origin", origin)] if origin else [])
    scope = {"type": "websocket", "path": "/ws", "headers": headers}
    await application("https://app.example")(scope, receive, send)
    assert sent[0]["type"] == answer


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//", "file://"])
async def test_an_origin_that_is_none_is_refused(origin: str) -> None:
    """Nonsense is another origin, not an error of the gateway."""
    assert await status_of("POST", {"Origin": origin}) == 403


async def test_no_line_of_the_log_can_be_forged(caplog: pytest.LogCaptureFixture) -> None:
    """A line feed in a path stays inside its quotes."""
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        headers = {"Sec-Fetch-Site": "cross-site"}
        await http.post("/a%0AINFO:%20forged%1b[31m", headers=headers)
    assert "forged" in caplog.text
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert "\x1b" not in caplog.text
