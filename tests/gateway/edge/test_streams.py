"""What has no end of its own ends when the process stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from flask import Flask, Response

from tests.gateway.edge.driving import Answer, Front, both, front, service


def endless() -> Flask:
    app = Flask("endless")

    @app.get("/events")
    def events() -> Response:
        def forever() -> Iterator[str]:
            while True:
                yield "data: x\n\n"
                app.extensions["pause"].wait(0.02)

        return Response(forever(), mimetype="Text/Event-Stream")

    app.extensions["pause"] = threading.Event()
    return app


async def begin(gateway: Front, path: str) -> asyncio.Task[Answer]:
    task = asyncio.create_task(gateway.get(path))
    await asyncio.sleep(0.15)
    assert not task.done()
    return task


@pytest.mark.parametrize("path", ["/web/events", "/fastapi/events"])
async def test_event_streams_end_cleanly_when_the_process_stops(path: str) -> None:
    """Their clients see an end, and not a broken answer."""
    async with front(*both(), service(endless(), "web", "wsgi")) as gateway:
        task = await begin(gateway, path)
        gateway.health.drain(10)
        await asyncio.sleep(0.1)
        assert not task.done()  # not ready any more is no reason to end anything yet
        gateway.health.stop()
        answer = await task
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body.startswith(b"data: x")


async def test_a_stream_that_begins_later_ends_at_once() -> None:
    """A request that was accepted before the stop is answered, and does not hold it up."""
    async with front() as gateway:
        gateway.health.stop()
        answer = await gateway.get("/fastapi/events")
        assert (answer.status, answer.complete) == (200, True)
        assert (await gateway.get("/fastapi/seen")).status == 200


async def test_websockets_are_closed_with_going_away() -> None:
    """1001 says that the client may connect again."""
    async with front() as gateway, gateway.websocket("/fastapi/ws") as client:
        assert (await client.next())["type"] == "websocket.accept"
        await client.incoming.put({"type": "websocket.receive", "text": "hello"})
        assert (await client.next())["text"] == "hello"
        gateway.health.stop()
        closed = await client.next()
    assert (closed["type"], closed["code"]) == ("websocket.close", 1001)


async def test_an_ordinary_answer_is_finished() -> None:
    """What has an end of its own is not cut."""
    async with front() as gateway:
        task = asyncio.create_task(gateway.ask("POST", "/flask/read", (), b"x" * 100_000))
        await asyncio.sleep(0)
        gateway.health.stop()
        assert (await task).text == "100000"
