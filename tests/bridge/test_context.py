"""What crosses between the request on the event loop and the call in its thread."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from flask import Flask, g, request
from starlette.types import ASGIApp, Receive, Scope, Send
from werkzeug.middleware.proxy_fix import ProxyFix

from gateway.adapters import adapt
from gateway.bridge import Bridge, BridgeLimits
from gateway.config import MountSettings, ServerSettings
from gateway.exchange import Exchange, ExchangeMiddleware, exchange_of
from tests.bridge.driver import ask, until
from tests.bridge.machines import bridged


def application() -> Flask:
    app = Flask("web")

    @app.get("/items/<int:item_id>")
    def read(item_id: int) -> dict[str, Any]:
        return {"id": item_id}

    @app.get("/stream")
    def stream() -> Any:
        return (chunk for chunk in ["a", "b"])

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
    seeing = _Seeing(adapt(application(), mount, ServerSettings()))
    await ask(ExchangeMiddleware(seeing), path)
    assert seeing.exchange is not None
    assert seeing.exchange.route == route


async def test_the_rule_is_seen_through_middleware() -> None:
    """A Flask application that is wrapped, as behind `ProxyFix`, has labels all the same."""
    mount = MountSettings(name="web", prefix="/", app="x:y")
    seeing = _Seeing(adapt(ProxyFix(application()), mount, ServerSettings()))
    await ask(ExchangeMiddleware(seeing), "/items/5")
    assert seeing.exchange is not None
    assert seeing.exchange.route == "/items/<int:item_id>"


@pytest.mark.parametrize("adapter", ["bridge", "a2wsgi"])
async def test_exc_info_may_be_given_by_its_name(adapter: Literal["bridge", "a2wsgi"]) -> None:
    """Whatever of `start_response` a service names, it is PEP 3333's."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2")], exc_info=None)
        return [b"ok"]

    mount = MountSettings(name="web", prefix="/", app="x:y", adapter=adapter)
    answer = await ask(adapt(app, mount, ServerSettings()))
    assert (answer.status, answer.body) == (200, b"ok")


async def test_a_client_without_an_address_has_an_empty_one() -> None:
    """Behind a Unix socket the variable is there all the same, as with Gunicorn."""
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["REMOTE_ADDR"])
        start_response("200 OK", [])
        return []

    async with bridged(app) as bridge:
        await ask(bridge, client=None, server=("/run/gateway.sock", None))
        await ask(bridge)
    assert seen == ["", "203.0.113.9"]


async def test_a_view_has_the_request_s_context_and_keeps_its_own() -> None:
    """Context variables come in with the request; what a view sets stays in its request."""
    variable = contextvars.ContextVar("variable", default="nothing")
    app = Flask("context")

    @app.get("/")
    def index() -> str:
        seen = variable.get()
        variable.set("of another request")
        return f"{seen} {request.environ['asgi.scope']['path']}"

    async def of(name: str) -> bytes:
        variable.set(name)
        return (await ask(bridge)).body

    async with bridged(app, threads=1) as bridge:
        bodies = await asyncio.gather(of("a"), of("b"), of("c"))
        assert list(bodies) == [b"a /", b"b /", b"c /"]
        assert (await ask(bridge)).body == b"nothing /"
        assert variable.get() == "nothing"


@pytest.mark.parametrize("path", ["/", "/stream", "/raise", "/raise-later"])
async def test_flask_s_teardown_runs_once_and_in_the_view_s_thread(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Database sessions are given back by who opened them, once, however the view ends."""
    app = Flask("teardown")
    torn_down: list[int] = []

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        torn_down.append(threading.get_ident())
        assert g.thread == threading.get_ident()

    @app.before_request
    def remember() -> None:
        g.thread = threading.get_ident()

    @app.get("/")
    def index() -> str:
        return "ok"

    @app.get("/stream")
    def stream() -> Any:
        return iter(["a" * 100_000, "b" * 500_000, "c"])

    @app.get("/raise")
    def raises() -> str:
        raise ValueError("broken")

    @app.get("/raise-later")
    def raises_later() -> Any:
        def chunks() -> Iterator[str]:
            yield "a"
            raise ValueError("broken")

        return chunks()

    caplog.set_level("CRITICAL")
    async with bridged(app, threads=2) as bridge:
        with contextlib.suppress(ValueError):
            await ask(bridge, path)
        await until(lambda: torn_down)
    assert len(torn_down) == 1
    assert torn_down[0] != threading.get_ident()


@pytest.mark.parametrize("multiprocess", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
async def test_an_application_learns_what_runs_beside_it(
    threads: int, *, multiprocess: bool
) -> None:
    """Other threads and other processes are in the environ, as PEP 3333 has them."""
    seen: list[tuple[bool, bool]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append((environ["wsgi.multithread"], environ["wsgi.multiprocess"]))
        start_response("200 OK", [])
        return []

    bridge = Bridge(app, "beside", BridgeLimits(threads=threads), multiprocess=multiprocess)
    await ask(bridge)
    assert await bridge.pool.close(5)
    assert seen == [(threads > 1, multiprocess)]


async def test_many_requests_at_once_keep_their_answers_apart() -> None:
    """No answer goes to another request, however many share the pool."""
    async with bridged(application()) as bridge:
        answers = await asyncio.gather(*(ask(bridge, f"/items/{n}") for n in range(100)))
    assert [answer.body for answer in answers] == [b'{"id":%d}\n' % n for n in range(100)]


async def test_a_small_answer_is_two_messages() -> None:
    """One hand-over: the start, and the whole body."""
    async with bridged(application()) as bridge:
        answer = await ask(bridge, "/items/5")
    kinds = [(m["type"], m.get("more_body", False)) for m in answer.messages]
    assert kinds == [("http.response.start", False), ("http.response.body", False)]
