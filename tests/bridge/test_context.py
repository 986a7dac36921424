"""What crosses between the request on the event loop and the call in its thread."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any, Literal

import pytest
from flask import Flask, g
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.adapters import adapt
from gateway.bridge import Bridge
from gateway.config import MountSettings, ServerSettings
from gateway.exchange import Exchange, ExchangeMiddleware, exchange_of
from tests.bridge.driver import ask


def application(torn_down: list[int]) -> Flask:
    app = Flask("web")

    @app.get("/items/<int:item_id>")
    def read(item_id: int) -> dict[str, Any]:
        g.thread = threading.get_ident()
        return {"id": item_id}

    @app.get("/stream")
    def stream() -> Any:
        return (chunk for chunk in ["a", "b"])

    @app.teardown_request
    def forget(error: BaseException | None) -> None:
        torn_down.append(g.get("thread", 0) or threading.get_ident())

    return app


class _Seeing:
    """Keeps the exchange of the last request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.exchange: Exchange | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.exchange = exchange_of(scope)
        await self.app(scope, receive, send)


@pytest.mark.parametrize("adapter", ["bridge", "a2wsgi"])
@pytest.mark.parametrize(
    ("path", "route"),
    [("/items/5", "/items/<int:item_id>"), ("/items/x", ""), ("/stream", "/stream")],
)
async def test_the_rule_that_matched_is_written_back(
    path: str, route: str, adapter: Literal["bridge", "a2wsgi"]
) -> None:
    """Labels know the template of a Flask route, never its raw path."""
    mount = MountSettings(name="web", prefix="/", app="x:y", adapter=adapter)
    seeing = _Seeing(adapt(application([]), mount, ServerSettings()))
    await ask(ExchangeMiddleware(seeing), path)
    assert seeing.exchange is not None
    assert seeing.exchange.route == route


async def test_teardown_runs_once_in_the_request_s_thread() -> None:
    """What Flask cleans up, it cleans up once, where it was made."""
    torn_down: list[int] = []
    bridge = Bridge(application(torn_down), "web")
    await ask(bridge, "/items/5")
    assert await bridge.pool.close(5)
    assert len(torn_down) == 1
    assert torn_down[0] != threading.get_ident()


async def test_contextvars_of_the_request_are_seen_and_not_changed() -> None:
    """A call sees the request's variables; what it sets stays in it."""
    variable = contextvars.ContextVar("variable", default="nobody")
    seen: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(variable.get())
        variable.set("the application")
        start_response("200 OK", [])
        return [b""]

    bridge = Bridge(app, "web")
    for name in ("ada", "grace"):
        variable.set(name)
        await ask(bridge)
        assert variable.get() == name
    assert seen == ["ada", "grace"]


async def test_many_requests_at_once_keep_their_answers_apart() -> None:
    """No answer goes to another request, however many share the pool."""
    bridge = Bridge(application([]), "web")
    answers = await asyncio.gather(*(ask(bridge, f"/items/{n}") for n in range(100)))
    assert [answer.body for answer in answers] == [b'{"id":%d}\n' % n for n in range(100)]


async def test_a_small_answer_is_two_messages() -> None:
    """One hand-over: the start, and the whole body."""
    answer = await ask(Bridge(application([]), "web"), "/items/5")
    kinds = [(m["type"], m.get("more_body", False)) for m in answer.messages]
    assert kinds == [("http.response.start", False), ("http.response.body", False)]
