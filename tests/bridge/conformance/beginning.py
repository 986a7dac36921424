"""When an answer begins, and what can still replace it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from typing import Any

from tests.bridge.conformance.cases import ANSWERS, Adapt, Section, answering, raises, until
from tests.bridge.driver import Exchange, ask, scope_of

case = Section(ANSWERS)


@case("`exc_info` before the first byte replaces the answer")
async def exc_info_before(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-First", "1")])
        try:
            raise ValueError("x")
        except ValueError:
            start_response("500 Oops", [("X-Second", "1")], sys.exc_info())
        return [b"replaced"]

    answer = await ask(adapt(app))
    assert (answer.status, answer.body) == (500, b"replaced")
    assert answer.header(b"x-first") is None


@case("`exc_info` after the first byte is raised again")
async def exc_info_after(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        try:
            raise KeyError("later")
        except KeyError:
            start_response("500 Oops", [], sys.exc_info())
        yield b"never"

    exchange = Exchange(adapt(app), scope_of())
    await raises(exchange, KeyError)
    assert exchange.answer.status == 200
    assert b"never" not in exchange.answer.body


@case("headers leave with the first non-empty chunk")
async def lazy_headers(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("X-A", "old")])
        yield b""
        try:
            raise ValueError("x")
        except ValueError:
            start_response("503 Later", [("X-A", "new")], sys.exc_info())
        yield b"body"

    answer = await ask(adapt(app))
    assert (answer.status, answer.header(b"x-a")) == (503, b"new")


@case("a chunk is sent when it is yielded, not when the next one is")
async def no_delay(adapt: Adapt) -> None:
    go = threading.Event()

    def chunks() -> Iterator[bytes]:
        yield b"first"
        go.wait(2)
        yield b"second"

    exchange = Exchange(adapt(answering(chunks())), scope_of())
    task = asyncio.create_task(exchange.run())
    try:
        await until(lambda: exchange.answer.body == b"first")
    finally:
        go.set()
    assert (await task).body == b"firstsecond"
