"""A service that is asked what no client asked it."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from flask import Flask, session
from flask import request as flask_request
from itsdangerous import URLSafeTimedSerializer
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.adapters import adapt
from gateway.config import MountSettings, ServerSettings
from gateway.exchange import Exchange, current_exchange, exchange_of
from gateway.sessions import Session, SessionCookie, SharedSession
from gateway.switch.remote import TooLate
from gateway.switch.shadows.asking import Reply, ask, request_to_repeat
from gateway.switch.shadows.copying import COPY
from gateway.switch.sides import SHADOW
from tests.gateway.asgi import running
from tests.gateway.switch.sides import answering, piece, request, side_of, start, values

LENGTH = (b"content-length", b"4")


async def asked(
    app: ASGIApp,
    scope: Scope | None = None,
    body: bytes = b"",
    *,
    seconds: float = 5.0,
    cap: int = 1000,
) -> Reply:
    """What became of a request."""
    asking = ask(
        side_of(app), scope or request(), body, seconds=seconds, cap=cap, request_id="id-1"
    )
    return await asyncio.wait_for(asking, 10)


# --- What the service sees --------------------------------------------------------------------


async def test_a_service_is_asked_what_the_client_asked() -> None:
    """With the body in one piece, and told that it is a shadow."""
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((scope, await receive()))
        await send(start(200, (b"x-a", b"1")))
        await send(piece(b"done"))

    scope = request("POST", "/api/items", LENGTH, query_string=b"q=1")
    reply = await asked(app, request_to_repeat(scope), b"body")
    assert (reply.failure, reply.why, reply.left) == ("", "", None)
    assert (reply.answer.status, reply.answer.headers) == (200, (("x-a", "1"),))
    assert reply.answer.body == b"done"
    assert 0 < reply.seconds < 5
    for key in ("method", "path", "raw_path", "query_string", "root_path", "headers", "client"):
        assert seen[0][key] == scope[key]
    assert seen[0][SHADOW] is True
    assert seen[1] == {"type": "http.request", "body": b"body", "more_body": False}


async def test_how_long_a_service_takes_is_no_matter_of_who_else_runs() -> None:
    """Neither before it is called nor after its answer; else it would look slow under load."""
    busy_seconds = 0.1

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200))
        await send(piece(b"done"))

    async def others() -> None:
        while True:
            time.sleep(busy_seconds)  # noqa: ASYNC251 - as clients' requests keep the event loop
            await asyncio.sleep(0)

    busy = asyncio.ensure_future(others())
    reply = await asked(app)
    busy.cancel()
    assert reply.answer.body == b"done"
    assert 0 < reply.seconds < busy_seconds


async def test_what_a_service_does_in_other_tasks_is_its_time() -> None:
    """Such as one whose middleware hands on its answer piece by piece."""
    work_seconds = 0.02

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pieces: asyncio.Queue[bytes] = asyncio.Queue()

        async def produce() -> None:
            for _ in range(5):
                time.sleep(work_seconds)  # noqa: ASYNC251 - as what computes does
                pieces.put_nowait(b"a")
                await asyncio.sleep(0)

        producing = asyncio.ensure_future(produce())
        await send(start(200))
        for left in (True, True, True, True, False):
            await send(piece(await pieces.get(), more=left))
        await producing

    reply = await asked(app)
    assert reply.answer.body == b"aaaaa"
    assert reply.seconds > 4 * work_seconds


async def test_a_shadow_leaves_nothing_behind_in_the_clients_request() -> None:
    """Neither service sees what the other has done to its scope."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["headers"].append((b"x-mine", b"1"))
        scope["path"] = "/other"
        scope["state"]["mine"] = True
        await send(start())
        await send(piece())

    kept = request_to_repeat(request())
    before = {**kept, "headers": list(kept["headers"])}
    for _ in range(2):
        reply = await asked(app, kept)
        assert reply.failure == ""
    assert kept == before


def test_a_request_is_kept_without_what_belongs_to_its_answer() -> None:
    """And apart from what a service changes in it."""
    scope = request()
    scope.update({COPY: object(), "gateway.exchange": object(), "extensions": {"tls": {}}})
    kept = request_to_repeat(scope)
    scope["headers"].append((b"x-late", b"1"))
    scope["path"] = "/other"
    assert COPY not in kept
    assert "gateway.exchange" not in kept
    assert kept["extensions"] == {}
    assert kept["path"] == "/api/items"
    assert (b"x-late", b"1") not in kept["headers"]


async def test_a_shadow_has_an_exchange_of_its_own() -> None:
    """Which log lines refer to by the ID of the client's request."""
    seen: list[Exchange | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((exchange_of(scope), current_exchange.get()))
        await send(start())
        await send(piece())

    await asked(app)
    assert seen[0] is seen[1]
    assert seen[0] is not None
    assert seen[0].request_id == "id-1"


@pytest.mark.parametrize(
    ("path", "takes_empty", "expected", "raw"),
    [
        ("/api", False, "/api/", b"/api/"),
        ("/api", True, "/api", b"/api"),
        ("/api/a", False, "/api/a", b"/api/a"),
        ("/api/", False, "/api/", b"/api/"),
    ],
)
async def test_a_service_sees_its_prefix_as_under_a_mount_of_its_own(
    path: str, takes_empty: bool, expected: str, raw: bytes
) -> None:
    """With the slash where it cannot do without, and its lifespan's state."""
    scope = request("GET", path)
    state = {"pool": object()}
    side_of(answering(), path_may_be_empty=takes_empty, state=state).prepare(scope)
    assert (scope["path"], scope["raw_path"], scope["root_path"]) == (expected, raw, "/api")
    assert scope["state"] == state
    assert scope["state"] is not state


async def test_the_session_is_read_and_written_as_for_a_client() -> None:
    """The copy has its cookie; no client gets it."""
    cookie = SessionCookie(URLSafeTimedSerializer("not a secret"))
    told = cookie.dump(Session({"user_id": 7}), tls=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["count"] = scope["session"]["user_id"] + 1
        await send(start())
        await send(piece())

    scope = request("GET", "/api/items", (b"cookie", told.split(";")[0].encode()))
    reply = await asked(SharedSession(app, cookie), scope)
    (line,) = values(reply.answer.headers, "set-cookie")
    written = cookie.load(line.partition("=")[2].partition(";")[0])
    assert written == {"user_id": 7, "count": 8}
    assert values(reply.answer.headers, "vary") == ["Cookie"]


async def test_a_session_that_cannot_be_written_is_no_failure() -> None:
    """Its client would have had the answer, too."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["user"] = object()
        await send(start())
        await send(piece(b"x"))

    cookie = SessionCookie(URLSafeTimedSerializer("not a secret"))
    reply = await asked(SharedSession(app, cookie))
    assert (reply.failure, reply.answer.body) == ("", b"x")


# --- Services that fail -----------------------------------------------------------------------


class Odd(BaseException):
    """What hardly anybody catches."""


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (SystemExit(3), "RuntimeError: the service raised SystemExit"),
        (KeyboardInterrupt(), "RuntimeError: the service raised KeyboardInterrupt"),
        (Odd("odd"), "Odd: odd"),
        (asyncio.CancelledError(), "no whole answer"),
        (BaseExceptionGroup("two", [SystemExit(1), ValueError()]), "BaseExceptionGroup"),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
async def test_what_a_service_raises_stays_with_it(
    error: BaseException, why: str, begun: bool
) -> None:
    """It is a failure of its own, and ends nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await send(start())
            await send(piece(b"a", more=True))
        raise error

    reply = await asked(app)
    assert reply.failure == "error"
    assert reply.why.startswith(why)
    assert reply.left is None
    assert not reply.answer.complete


async def test_who_says_that_time_is_up_is_too_late() -> None:
    """A service at an address has a time to connect of its own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise TooLate

    assert (await asked(app)).failure == "timeout"


@pytest.mark.parametrize(
    "messages", [(), (start(),), (start(), piece(b"a", more=True))], ids=["none", "start", "part"]
)
async def test_an_answer_that_does_not_come_to_its_end_is_an_error(messages: Any) -> None:
    """The service has returned."""
    reply = await asked(answering(*messages))
    assert (reply.failure, reply.why) == ("error", "no whole answer")


async def test_what_is_raised_after_the_answer_is_nobodys() -> None:
    """Starlette answers 500 and raises once more."""
    app = FastAPI()

    @app.get("/items")
    async def fail() -> None:
        raise ValueError("bad")

    reply = await asked(app)
    assert (reply.failure, reply.answer.status) == ("", 500)
    assert reply.answer.body == b"Internal Server Error"


async def test_a_service_that_never_answers_is_ended() -> None:
    """When its time is up; it sees its cancellation."""
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("ended")

    started = time.perf_counter()
    reply = await asked(app, seconds=0.05)
    assert time.perf_counter() - started < 2
    assert (reply.failure, reply.why) == ("timeout", "no answer within 0.05 s")
    assert reply.left is None
    assert ended == ["ended"]


async def test_a_service_that_waits_for_its_client_to_leave_is_told_after_its_answer() -> None:
    """And not before: nobody has left."""
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        listening = asyncio.ensure_future(receive())
        await asyncio.sleep(0.02)
        assert not listening.done()
        await send(start())
        await send(piece())
        heard.append((await listening)["type"])

    reply = await asked(app)
    assert (reply.failure, heard) == ("", ["http.disconnect"])


@pytest.mark.parametrize("kind", [b"text/event-stream", b"text/plain"])
async def test_a_service_that_streams_for_ever_is_ended(kind: bytes) -> None:
    """A stream at once, anything else over the cap; other tasks run meanwhile."""
    pieces = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal pieces
        await send(start(200, (b"content-type", kind)))
        while True:
            pieces += 1
            await send(piece(b"a" * 100, more=True))

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.ensure_future(tick())
    reply = await asked(app)
    ticking.cancel()
    assert (reply.failure, reply.left) == ("", None)
    assert reply.answer.absent
    assert reply.answer._pieces == []
    assert ticks > pieces / 3
    was = pieces
    await asyncio.sleep(0.02)
    assert pieces == was


async def test_what_takes_no_time_of_the_loop_is_not_waited_for_longer_than_it_may_take() -> None:
    """An endless answer within the cap, a byte now and then."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        while True:
            await send(piece(more=True))
            await asyncio.sleep(0.01)

    reply = await asked(app, seconds=0.05)
    assert (reply.failure, reply.left) == ("timeout", None)


async def test_who_does_not_end_when_told_to_is_named() -> None:
    """So that its place can be kept until it does."""
    release = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        raise ValueError("late")

    reply = await asked(app, seconds=0.02)
    assert reply.failure == "timeout"
    assert reply.left is not None
    assert not reply.left.done()
    release.set()
    await asyncio.wait({reply.left})


async def test_what_a_service_raises_in_the_end_is_not_logged_as_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its outcome has been told."""
    release = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await release.wait()
        except asyncio.CancelledError:
            await release.wait()
        raise ValueError("late")

    reply = await asked(app, seconds=0.02)
    release.set()
    assert reply.left is not None
    await asyncio.wait({reply.left})
    del reply
    gc.collect()
    await asyncio.sleep(0)
    assert caplog.messages == []


async def test_a_shadow_that_is_cancelled_cancels_its_service() -> None:
    """At the drain."""
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    task = asyncio.create_task(asked(app))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(ended.wait(), 2)


async def test_an_answer_over_the_cap_is_had_without_its_body() -> None:
    """Status and headers can be compared."""
    reply = await asked(answering(start(201), piece(b"a" * 11)), cap=10)
    assert (reply.failure, reply.answer.status, reply.answer.body) == ("", 201, None)


# --- Real services ----------------------------------------------------------------------------


async def test_fastapi_answers_a_shadow() -> None:
    """With the prefix, the query and the body."""
    app = FastAPI()

    @app.post("/items")
    async def create(request: Request, q: int) -> dict[str, Any]:
        return {
            "body": (await request.body()).decode(),
            "q": q,
            "url": str(request.url),
            "shadow": request.scope[SHADOW],
        }

    @app.get("/text")
    async def text() -> PlainTextResponse:
        return PlainTextResponse("text")

    reply = await asked(app, request("POST", "/api/items", LENGTH, query_string=b"q=1"), b"body")
    assert reply.answer.body == (
        b'{"body":"body","q":1,"url":"http://shop.example/api/items?q=1","shadow":true}'
    )
    reply = await asked(app, request("GET", "/api/text"))
    assert reply.answer.body == b"text"


@pytest.fixture
def flask_app() -> Flask:
    """A service with threads."""
    app = Flask(__name__)
    app.secret_key = "not a secret"

    @app.post("/items")
    def create() -> dict[str, Any]:
        session["count"] = 1
        return {
            "body": flask_request.get_data(as_text=True),
            "url": flask_request.url,
            "shadow": flask_request.environ.get(SHADOW),
        }

    @app.get("/endless")
    def endless() -> Any:
        def pieces() -> Any:
            while True:
                time.sleep(0.001)
                yield b"a" * 100

        return pieces(), {"Content-Type": "text/plain"}

    @app.get("/exit")
    def leave() -> str:
        raise SystemExit(3)

    return app


async def test_flask_answers_a_shadow(flask_app: Flask) -> None:
    """It knows that it is one; its cookie is in the copy; what it raises or streams ends there."""
    mount = MountSettings(name="flask", prefix="/api", app="shop:app", threads=2)
    app = adapt(flask_app, mount, ServerSettings())
    async with running(app):
        scope = request("POST", "/api/items", LENGTH)
        reply = await asked(app, scope, b"body")
        assert reply.answer.body is not None
        assert b'"body":"body"' in reply.answer.body
        assert b'"shadow":true' in reply.answer.body
        assert b'"url":"http://shop.example/api/items"' in reply.answer.body
        (cookie,) = values(reply.answer.headers, "set-cookie")
        assert cookie.startswith("session=")

        for _ in range(3):  # more often than it has threads
            reply = await asked(app, request("GET", "/api/endless"))
            assert (reply.failure, reply.left) == ("", None)
            assert reply.answer.absent == "an answer over the cap: status and headers only"
        reply = await asked(app, request("GET", "/api/exit"))
        assert reply.failure == "error" or reply.answer.status == 500
        reply = await asked(app, scope, b"body")
        assert reply.answer.status == 200
