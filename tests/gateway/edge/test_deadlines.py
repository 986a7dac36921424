"""Services that do not answer in time, or stop in the middle."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from flask import Flask, Response
from starlette.types import Scope

from gateway.edge.deadlines import Deadlines, Sweeper
from gateway.exchange import Exchange
from tests.gateway.edge.driving import Answer, front, service

SHORT = {"response_timeout_seconds": 0.3}
IDLE = {"stream_idle_seconds": 0.3}


class Hanging:
    """Services that wait until they are released, in every way there is."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.cleaned: list[str] = []
        self.web, self.api = Flask("web"), FastAPI()
        self.web.add_url_rule("/thread", view_func=self._in_thread)
        self.web.add_url_rule("/begun", view_func=self._begun_in_thread)
        self.web.add_url_rule("/steady", view_func=lambda: Response(self._steadily_in_thread()))
        self.api.get("/coroutine")(self._in_coroutine)
        self.api.get("/thread")(self._in_thread)
        self.api.get("/begun")(self._begun)
        self.api.get("/steady")(self._steady)
        self.api.get("/swallow")(self._swallow)
        self.api.post("/slowly")(self._read)
        self.api.websocket("/ws")(self._ws)

    def _in_thread(self) -> str:
        self.release.wait(30)
        return "late"

    async def _in_coroutine(self) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            self.cleaned.append("coroutine")
        return "late"

    async def _swallow(self) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "after all"

    def _begun_in_thread(self) -> Response:
        def pieces() -> Iterator[str]:
            yield "first"
            self.release.wait(30)

        return Response(pieces())

    def _steadily_in_thread(self) -> Iterator[str]:
        for _ in range(12):
            time.sleep(0.05)
            yield "x"

    async def _begun(self) -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            try:
                yield "first"
                await asyncio.Event().wait()
            finally:
                self.cleaned.append("stream")

        return StreamingResponse(pieces())

    async def _steady(self) -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            for _ in range(12):
                await asyncio.sleep(0.05)
                yield "x"

        return StreamingResponse(pieces())

    async def _read(self, request: Request) -> int:
        return len(await request.body())

    async def _ws(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await asyncio.sleep(1)
        await websocket.send_text("still here")
        await websocket.receive()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    services = Hanging()
    yield services
    services.release.set()


@pytest.mark.parametrize("path", ["/api/coroutine", "/api/thread", "/web/thread", "/old/thread"])
async def test_a_service_that_hangs_is_answered_for(hanging: Hanging, path: str) -> None:
    """504 from the gateway, in a coroutine or a thread; and the next request is served."""
    services = [
        service(hanging.api, "api"),
        service(hanging.web, "web", "wsgi"),
        service(hanging.web, "old", "wsgi", adapter="a2wsgi"),
    ]
    async with front(*services, mount=SHORT) as gateway:
        answers = await asyncio.gather(*(gateway.get(path) for _ in range(3)))
        for answer in answers:
            assert (answer.status, answer.complete) == (504, True)
            assert answer.header("content-type") == "application/problem+json"
            assert answer.json["detail"] == "The service did not answer in time."
            assert answer.header("x-request-id") == answer.json["request_id"]
        hanging.release.set()
        if "thread" in path:
            assert (await gateway.get(path)).status == 200
    assert hanging.cleaned == ["coroutine"] * 3 * path.endswith("coroutine")


async def test_a_coroutine_that_ignores_its_end_still_answers(hanging: Hanging) -> None:
    """What comes late is better than what comes never, and its answer is whole."""
    async with front(service(hanging.api, "api"), mount=SHORT) as gateway:
        answer = await gateway.get("/api/swallow")
        assert (answer.status, answer.text) == (200, '"after all"')


@pytest.mark.parametrize("path", ["/api/begun", "/web/begun"])
async def test_an_answer_that_stands_still_is_broken_off(hanging: Hanging, path: str) -> None:
    """The client is not told that it was complete."""
    services = service(hanging.api, "api"), service(hanging.web, "web", "wsgi")
    async with front(*services, mount={**SHORT, **IDLE}) as gateway:
        answer = await gateway.get(path)
        assert (answer.status, answer.body, answer.complete) == (200, b"first", False)
        hanging.release.set()
    assert hanging.cleaned == ["stream"] * path.startswith("/api")


@pytest.mark.parametrize("path", ["/api/steady", "/web/steady"])
async def test_a_stream_that_moves_may_take_as_long_as_it_likes(
    hanging: Hanging, path: str
) -> None:
    """The deadline is for standing still, and starts again with each piece."""
    services = service(hanging.api, "api"), service(hanging.web, "web", "wsgi")
    idle = {"stream_idle_seconds": 0.5, "response_timeout_seconds": 0.5}
    async with front(*services, mount=idle) as gateway:
        answer = await gateway.get(path)
    assert (answer.text, answer.complete) == ("x" * 12, True)


async def test_websockets_have_no_deadline(hanging: Hanging) -> None:
    """They may be silent."""
    mount = {**SHORT, **IDLE}
    async with (
        front(service(hanging.api, "api"), mount=mount) as gateway,
        gateway.websocket("/api/ws") as client,
    ):
        assert (await client.next())["type"] == "websocket.accept"
        assert (await client.next())["text"] == "still here"


async def test_zero_is_no_deadline(hanging: Hanging) -> None:
    """0 stands for none."""
    mount = {"response_timeout_seconds": 0.0}
    async with front(service(hanging.api, "api"), mount=mount) as gateway:
        task = asyncio.create_task(gateway.get("/api/thread"))
        await asyncio.sleep(0.5)
        hanging.release.set()
        assert (await task).status == 200


async def test_while_a_body_arrives_its_own_limits_hold(hanging: Hanging) -> None:
    """An upload that takes longer than the answer may is no service that hangs."""
    mount = {"response_timeout_seconds": 0.6, "body_idle_seconds": 5.0}
    async with front(service(hanging.api, "api"), mount=mount) as gateway:
        answer = await gateway.ask("POST", "/api/slowly", (), [b"x"] * 6, pause=0.2)
    assert (answer.status, answer.text) == (200, "6")


def exchange(**state: float) -> Exchange:
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    one = Exchange("id", scope, {})
    one.mount = "api"
    for name, value in state.items():
        setattr(one, name, value)
    return one


@pytest.mark.parametrize(
    ("state", "now", "expires"),
    [
        ({"started": 10.0}, 12.9, False),
        ({"started": 10.0}, 13.1, True),
        ({"started": 10.0, "last_received": 11.0}, 13.9, False),
        ({"started": 10.0, "last_received": 11.0}, 14.1, True),
        ({"started": 10.0, "first_byte": 12.0, "answered": True}, 16.9, False),
        ({"started": 10.0, "first_byte": 12.0, "answered": True}, 17.1, True),
        ({"started": 10.0, "first_byte": 12.0, "last_sent": 15.0, "answered": True}, 19.9, False),
        ({"started": 10.0, "first_byte": 12.0, "last_sent": 15.0, "answered": True}, 20.1, True),
        ({"started": 10.0, "ending": True}, 99.0, False),
        ({"started": 10.0, "complete": True}, 99.0, False),
        ({"started": 10.0, "websocket": True}, 99.0, False),
    ],
)
def test_a_deadline_runs_from_the_last_thing_that_happened(
    state: dict[str, float], now: float, expires: bool
) -> None:
    """Until the answer begins from the request or its body; then from the answer's last piece."""
    one = exchange(**state)
    sweeper = Sweeper({"api": Deadlines(response_seconds=3, idle_seconds=5)}, {one: None})
    sweeper.look(now)
    assert one.expired is expires


def test_what_has_no_deadline_is_left_alone() -> None:
    """A mount without one, and the gateway's own endpoints."""
    none, own = exchange(started=0.0), exchange(started=0.0)
    own.mount = "gateway"
    deadlines = {"api": Deadlines(response_seconds=0, idle_seconds=0)}
    Sweeper(deadlines, {none: None, own: None}).look(1e9)
    assert not none.expired
    assert not own.expired


async def test_the_answer_and_the_deadline_race_and_one_of_them_wins() -> None:
    """At the very end of its time a request has one whole answer, and never two."""
    app = FastAPI()

    @app.get("/{delay}")
    async def wait(delay: float) -> str:
        await asyncio.sleep(delay)
        return "in time"

    async with front(service(app, "api"), mount={"response_timeout_seconds": 0.2}) as gateway:
        delays = [0.15 + 0.005 * step for step in range(40)]
        answers: list[Answer] = await asyncio.gather(
            *(gateway.get(f"/api/{delay}") for delay in delays)
        )
    assert {answer.status for answer in answers} <= {200, 504}
    assert all(answer.complete for answer in answers)
    assert all((answer.body == b'"in time"') is (answer.status == 200) for answer in answers)
