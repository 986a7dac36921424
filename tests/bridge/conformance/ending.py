"""How an answer ends, whoever ends it: its iterable is closed and its thread is free."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tests.bridge.conformance.cases import (
    ANSWERS,
    Adapt,
    Closing,
    Section,
    WSGIApp,
    alive,
    alive_or,
    answering,
    until,
)
from tests.bridge.driver import Exchange, ask, scope_of

case = Section(ANSWERS)


@case("`close` is called once, in the thread that iterated")
async def close_once(adapt: Adapt) -> None:
    iterable = Closing(iter([b"a", b"b"]))
    await ask(adapt(answering(iterable)))
    await until(iterable.is_closed)
    assert set(iterable.closed) == iterable.iterated_in


@case("`close` is called when the iteration raises")
async def close_on_error(adapt: Adapt) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("broken")

    iterable = Closing(chunks())
    with contextlib.suppress(ValueError):
        await ask(adapt(answering(iterable)))
    await until(iterable.is_closed)


@case("an endless answer ends soon after its client has left")
async def endless(adapt: Adapt) -> None:
    def chunks() -> Iterator[bytes]:
        while not over.wait(0.005):
            yield b"x" * 1000

    over = threading.Event()
    iterable = Closing(chunks())
    app = adapt(alive_or(answering(iterable)))
    exchange = Exchange(app, scope_of())
    task = asyncio.create_task(exchange.run())
    try:
        await until(lambda: len(exchange.answer.body) > 3000)
        exchange.left.set()
        await until(iterable.is_closed)
    finally:
        over.set()
        task.cancel()
    await alive(app)


def _has_begun(exchange: Exchange) -> bool:
    return bool(exchange.answer.body)


def _each(make: Callable[[], Closing]) -> WSGIApp:
    """An application with an iterable of its own for each request."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        return answering(make())(environ, start_response)

    return app


@case("a cancelled stream lets its thread go")
async def cancelled(adapt: Adapt) -> None:
    iterables = [Closing(b"x" * 100_000 for _ in range(10_000)) for _ in range(4)]
    pending = iter(iterables)
    app = adapt(alive_or(_each(lambda: next(pending))))
    for _ in range(4):
        exchange = Exchange(app, scope_of())
        task = asyncio.create_task(exchange.run())
        await until(functools.partial(_has_begun, exchange))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await until(lambda: all(iterable.is_closed() for iterable in iterables))
    await alive(app)


@case("a `send` that raises lets the thread go")
async def send_raises(adapt: Adapt) -> None:
    app = adapt(alive_or(_each(lambda: Closing(b"x" * 100_000 for _ in range(1000)))))
    for _ in range(4):
        exchange = Exchange(app, scope_of())

        async def broken(message: Any) -> None:
            raise OSError("gone")

        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(0.3):
                await app(exchange._scope, exchange._receive, broken)
    await alive(app)


@case("clients that do not read are given up after a deadline, and free their threads")
async def not_reading(adapt: Adapt) -> None:
    app = adapt(alive_or(_each(lambda: Closing(b"x" * 100_000 for _ in range(1000)))))
    tasks = []
    for _ in range(4):
        exchange = Exchange(app, scope_of())
        exchange.reads.clear()
        tasks.append(asyncio.create_task(exchange.run()))
    await asyncio.sleep(0.8)
    try:
        await alive(app)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@case("a stream is held back by a client that reads slowly, in bytes")
async def backpressure(adapt: Adapt) -> None:
    produced = 0

    def chunks() -> Iterator[bytes]:
        nonlocal produced
        for _ in range(100):
            produced += 1_000_000
            yield b"x" * 1_000_000

    exchange = Exchange(adapt(answering(chunks())), scope_of())
    exchange.reads.clear()
    task = asyncio.create_task(exchange.run())
    await asyncio.sleep(0.3)
    ahead = produced
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert ahead <= 2_000_000, ahead
