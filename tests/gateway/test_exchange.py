"""The request's ID."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from unittest.mock import AsyncMock

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from gateway.exchange import Exchange, ExchangeMiddleware, Observers, exchange_of
from gateway.mounts import Mount, MountTable


def client() -> httpx.AsyncClient:
    service = FastAPI()

    @service.get("/")
    async def read(request: Request, response: Response) -> list[str]:
        response.headers["X-Request-ID"] = "of-the-service"
        return [request.headers["x-request-id"], exchange_of(request.scope).request_id]

    transport = httpx.ASGITransport(ExchangeMiddleware(service))
    return httpx.AsyncClient(transport=transport, base_url="http://x")


async def test_a_request_without_an_id_gets_one() -> None:
    """The service, the gateway and the client see the same new ID."""
    async with client() as http:
        first, second = await http.get("/"), await http.get("/")
    (of_service, of_gateway), of_client = first.json(), first.headers["x-request-id"]
    assert of_service == of_gateway == of_client
    assert re.fullmatch("[0-9a-f]{32}", of_client)
    assert second.headers["x-request-id"] != of_client


async def test_a_plain_id_of_the_client_is_kept() -> None:
    """A caller can follow its own request."""
    async with client() as http:
        answer = await http.get("/", headers={"X-Request-ID": "order-42"})
    assert answer.json() == ["order-42", "order-42"]
    assert answer.headers.get_list("x-request-id") == ["order-42"]


@pytest.mark.parametrize(
    "headers",
    [
        [("x-request-id", "a b")],
        [("x-request-id", "x" * 129)],
        [("x-request-id", "")],
        [("x-request-id", "<script>")],
        [("x-request-id", "one"), ("x-request-id", "two")],
    ],
)
async def test_an_id_that_could_harm_a_log_is_replaced(headers: list[tuple[str, str]]) -> None:
    """Long, odd or doubled IDs are not passed on."""
    async with client() as http:
        answer = await http.get("/", headers=headers)
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.json()[0] == answer.headers["x-request-id"]


async def test_an_exchange_that_an_observer_fails_for_costs_no_other_its_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those that ended in the same step are told of all the same, and nothing stays open."""
    told: list[str] = []

    def observe(exchanges: Iterable[Exchange]) -> None:
        for exchange in exchanges:
            if exchange.path == "/bad":
                raise ValueError("bad")
            told.append(exchange.path)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    observers = Observers(closed=[observe])
    app = ExchangeMiddleware(answer, observers)
    scopes: list[Scope] = [
        {"type": "http", "method": "GET", "path": path, "headers": []}
        for path in ("/one", "/bad", "/two", "/three")
    ]
    await asyncio.gather(*(app(scope, AsyncMock(), AsyncMock()) for scope in scopes))
    await asyncio.sleep(0)
    assert told == ["/one", "/two", "/three"]
    assert len(caplog.records) == 1
    assert not observers.running


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/api/plain/1", "/plain/{x}"),
        ("/api/v1/things/1", "/v1/things/{x}"),
        ("/api/sub/1", "/sub/{x}"),
        ("/api/nothing", ""),
    ],
)
async def test_the_template_is_that_of_the_whole_service(path: str, template: str) -> None:
    """With the prefixes of routers that were included, and of applications mounted within it."""
    service, inner, router = FastAPI(), FastAPI(), APIRouter(prefix="/things")

    async def answer(x: int) -> int:
        return x

    router.get("/{x}")(answer)
    service.get("/plain/{x}")(answer)
    inner.get("/{x}")(answer)
    service.include_router(router, prefix="/v1")
    service.mount("/sub", inner)
    records: list[Exchange] = []
    table = MountTable([Mount("/api", service)], otherwise=service)
    app = ExchangeMiddleware(table, Observers(closed=[records.extend]))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        await http.get(path)
    await asyncio.sleep(0)
    assert records[0].route == template
