"""What a client gets when a request cannot be served as asked, and what its thread does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, send_file
from starlette.types import Message

from gateway.bridge import Bridge
from gateway.exchange import ExchangeMiddleware
from gateway.problems import GaveUp, ProblemsMiddleware
from tests.bridge.driver import Exchange, ask, scope_of, until
from tests.bridge.machines import Gate, bridged, is_whole


def _edge(bridge: Bridge) -> Any:
    return ExchangeMiddleware(ProblemsMiddleware(bridge))


def _waiting(gate: Gate) -> Callable[..., list[bytes]]:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        gate.block()
        start_response("200 OK", [])
        return [b"ok"]

    return app


async def test_a_full_queue_answers_503_with_retry_after() -> None:
    """The client learns at once that it may come back."""
    gate = Gate()
    async with bridged(_waiting(gate), threads=1, queue=1) as bridge:
        app = _edge(bridge)
        waiting = [asyncio.create_task(ask(app)) for _ in range(2)]
        await until(lambda: bridge.pool.busy == 1)
        answer = await ask(app)
        assert (answer.status, answer.header(b"retry-after")) == (503, b"1")
        assert answer.header(b"content-type") == b"application/problem+json"
        assert json.loads(answer.body)["status"] == 503
        gate.open()
        assert [(await task).status for task in waiting] == [200, 200]
        assert bridge.pool.counters.rejected == 1


@pytest.mark.usefixtures("frequent_sweeps")
async def test_a_late_answer_becomes_504_and_its_thread_comes_back() -> None:
    """Running or still queued: the client does not wait longer than the deadline."""
    gate = Gate()
    async with bridged(_waiting(gate), threads=1, queue=5, response_seconds=0.05) as bridge:
        app = _edge(bridge)
        answers = await asyncio.gather(*(ask(app) for _ in range(4)))
        assert [answer.status for answer in answers] == [504] * 4
        assert bridge.pool.counters.timed_out == 4
        assert bridge.pool.stuck > 0
        gate.open()
        await until(lambda: is_whole(bridge.pool))
        statuses = [(await ask(app)).status for _ in range(10)]
        assert 200 in statuses  # on a busy machine not each is in time


async def test_a_body_that_is_too_large_becomes_413() -> None:
    """And the connection is not used for what is still on its way."""
    async with bridged(_waiting(Gate()), max_body_bytes=10) as bridge:
        answer = await ask(_edge(bridge), "/", [b"x" * 11], method="POST")
        assert (answer.status, answer.header(b"connection")) == (413, b"close")


async def test_a_body_that_stalls_becomes_408() -> None:
    """And the connection is not used for what is still on its way."""
    async with bridged(_waiting(Gate()), body_idle_seconds=0.03) as bridge:
        headers = [(b"content-length", b"100")]
        scope = scope_of(method="POST", headers=headers)
        exchange = Exchange(_edge(bridge), scope, [b"half"], stalls=True)
        answer = await exchange.run()
        assert (answer.status, answer.header(b"connection")) == (408, b"close")


async def test_an_error_becomes_500_and_the_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An application that raises takes no thread with it."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise ValueError("broken")

    caplog.set_level("CRITICAL")
    async with bridged(app, threads=1) as bridge:
        for _ in range(5):
            assert (await ask(_edge(bridge))).status == 500
        await until(lambda: is_whole(bridge.pool))
        assert bridge.pool.counters.served == 5


async def test_a_request_given_up_as_a_thread_takes_it_calls_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is in the queue no longer, and not begun: the thread that has it leaves it at that."""
    gate = Gate()
    called: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        called.append(environ["PATH_INFO"])
        return _waiting(gate)(environ, start_response)

    async with bridged(app, threads=1) as bridge:
        first = asyncio.create_task(ask(bridge, "/first"))
        await until(lambda: called)
        second = asyncio.create_task(ask(bridge, "/second"))
        await until(lambda: bridge.pool.queued)
        # What it says where a thread was faster.
        monkeypatch.setattr(bridge.pool, "cancel", lambda job: False)
        second.cancel()
        await asyncio.wait([second])
        gate.open()
        assert (await first).status == 200
        await until(lambda: is_whole(bridge.pool))
        assert bridge.pool.counters.served == 1
    assert called == ["/first"]


async def test_an_endless_answer_without_bytes_ends_when_nobody_waits() -> None:
    """Empty chunks are a sign of life of the application, and not a reason to keep its thread."""
    closed = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b""
                time.sleep(0.001)
        finally:
            closed.set()

    async with bridged(app, threads=1) as bridge:
        task = asyncio.create_task(ask(bridge))
        await until(lambda: bridge.pool.busy)
        task.cancel()
        await until(closed.is_set, 1.0)
        await until(lambda: is_whole(bridge.pool), 1.0)


@pytest.mark.parametrize("taken", [0, 1, 5])
async def test_a_client_that_takes_nothing_more_is_given_up(taken: int) -> None:
    """From the first message on or later on: after the write deadline its thread is free."""
    closed = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * 100_000
        finally:
            closed.set()

    left = taken

    async def send(message: Message) -> None:
        nonlocal left
        if not left:
            await asyncio.Event().wait()
        left -= 1

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async with bridged(app, threads=1, write_seconds=0.05) as bridge:
        with contextlib.suppress(GaveUp):
            await bridge(scope_of(), receive, send)
        assert left == 0
        await until(closed.is_set)
        await until(lambda: is_whole(bridge.pool))


async def test_a_fast_stream_leaves_the_event_loop_to_others() -> None:
    """Where neither the application nor its client ever waits, others are served all the same."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        # Far more than is sent, and not without an end: memory has one.
        for _ in range(2000):
            yield b"x" * 100_000

    sent = turns = 0

    async def send(message: Message) -> None:
        nonlocal sent
        sent += 1
        time.sleep(0.002)  # noqa: ASYNC251 - the thread is ahead again when this returns

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async with bridged(app, threads=1) as bridge:
        task = asyncio.create_task(bridge(scope_of(), receive, send))
        while sent < 50:
            await asyncio.sleep(0)
            turns += sent > 0
        task.cancel()
        await asyncio.wait([task])
    assert turns >= 40


async def test_a_range_of_a_file_leaves_nothing_open(tmp_path: Path) -> None:
    """Werkzeug iterates over the wrapper to skip to the range, and closes what it iterates over."""
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    opened: list[Any] = []
    app = Flask("ranges")

    @app.get("/")
    def send() -> Any:
        response = send_file(file, conditional=True)
        ranged: Any = response.response
        opened.append(ranged.iterable.file)
        return response

    async with bridged(app) as bridge:
        answer = await ask(bridge, headers=[(b"range", b"bytes=2-4")])
        assert (answer.status, answer.body) == (206, b"234")
        await until(lambda: opened[0].closed)
