"""Clients that leave, or take nothing, while both body and answer are under way."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message

from gateway.exchange import ExchangeMiddleware
from gateway.problems import ProblemsMiddleware
from tests.bridge.driver import Exchange, scope_of, until
from tests.bridge.machines import bridged, is_whole

_CHUNKED = [(b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize("reads", [True, False])
async def test_an_endless_answer_to_a_streamed_upload_ends_when_its_client_leaves(
    reads: bool,
) -> None:
    """Whether the application has read the body to its end or not at all."""
    closed, stop = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        if reads:
            environ["wsgi.input"].read()
        start_response("200 OK", [])
        try:
            while not stop.is_set():
                yield b"x"
                time.sleep(0.005)
        finally:
            closed.set()

    async with bridged(app, threads=1, buffering="stream") as bridge:
        exchange = Exchange(bridge, scope_of(method="POST", headers=_CHUNKED), [b"a"])
        task = asyncio.create_task(exchange.run())
        try:
            await until(lambda: len(exchange.answer.body) > 3)
            exchange.left.set()
            await until(closed.is_set)
        finally:
            stop.set()
            task.cancel()


async def test_a_receive_that_raises_reaches_the_reader_once() -> None:
    """What a middleware raises in `receive` is an `OSError` of `read`, and ends the receiving."""
    calls = 0
    seen: list[BaseException] = []

    async def receive() -> Message:
        nonlocal calls
        calls += 1
        raise ValueError("of a middleware")

    async def send(message: Message) -> None:
        pass

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            seen.append(error)
        start_response("200 OK", [])
        return [b"ok"]

    async with bridged(app, threads=1, buffering="stream") as bridge:
        await bridge(scope_of(method="POST", headers=_CHUNKED), receive, send)
    assert calls == 1
    assert isinstance(seen[0].__cause__, ValueError)


async def test_a_client_that_takes_nothing_is_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is counted as having left; a slow reader cannot fill the log with tracebacks."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        while True:
            yield b"x" * 100_000

    async with bridged(app, threads=1, write_seconds=0.05) as bridge:
        exchange = Exchange(ExchangeMiddleware(ProblemsMiddleware(bridge)), scope_of())
        exchange.reads.clear()
        with contextlib.suppress(Exception):
            await exchange.run()
        await until(lambda: is_whole(bridge.pool))
    assert bridge.pool.counters.left_early == 1
    assert [record.exc_info for record in caplog.records if "was given up" in record.message] == [
        None
    ]


async def test_a_complete_answer_is_not_counted_as_left() -> None:
    """The client may go as soon as it has everything."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        return iter([b"a", b"b"])

    class Leaving(Exchange):
        async def _send(self, message: Message) -> None:
            await super()._send(message)
            if self.answer.complete:
                self.left.set()
                for _ in range(5):
                    await asyncio.sleep(0)

    async with bridged(app) as bridge:
        answer = await Leaving(bridge, scope_of()).run()
        assert answer.complete
        assert answer.body == b"ab"
        assert bridge.pool.counters.left_early == 0


@pytest.mark.parametrize(
    ("status", "headers", "chunk"),
    [
        ("200 OK", [], "text"),
        ("200 OK", [("Content-Length", "4")], "text"),
        ("200 OK", [("Content-Length", "3"), ("Content-Length", "5")], b"abcde"),
        ("100 Continue", [], b"abcde"),
        ("600 Odd", [], b"abcde"),
        ("999", [], b"abcde"),
    ],
    ids=["str", "str of a length", "two lengths", "interim", "600", "999"],
)
async def test_an_answer_that_cannot_be_sent_is_an_error_before_anything_is(
    status: str, headers: list[tuple[str, str]], chunk: Any
) -> None:
    """The client gets a clean 500 instead of half an answer."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[Any]:
        start_response(status, headers)
        return iter([chunk])

    async with bridged(app) as bridge:
        exchange = Exchange(bridge, scope_of())
        with pytest.raises((TypeError, ValueError)):
            await exchange.run()
        assert exchange.answer.status == 0


async def test_a_length_that_is_said_twice_alike_is_sent_once() -> None:
    """Two equal Content-Length headers are one (RFC 9110, section 8.6)."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2"), ("Content-Length", "2")])
        return [b"ok"]

    async with bridged(app) as bridge:
        answer = await Exchange(bridge, scope_of()).run()
        assert [v for name, v in answer.headers if name == b"content-length"] == [b"2"]
