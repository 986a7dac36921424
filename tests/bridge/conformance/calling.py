"""`start_response`, `write`, and errors: what an application may call and raise."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from tests.bridge.conformance.cases import (
    ANSWERS,
    Adapt,
    Section,
    alive,
    alive_or,
    raises,
    until,
)
from tests.bridge.driver import Exchange, ask, scope_of

case = Section(ANSWERS)


@case("an answer without `start_response` is an error")
async def no_start(adapt: Adapt) -> None:
    exchange = Exchange(adapt(lambda environ, start_response: [b"x"]), scope_of())
    with contextlib.suppress(Exception):
        await exchange.run()
    assert exchange.answer.status in {0, 500}
    assert exchange.answer.body != b"x"


@case("`start_response` twice without `exc_info` is an error")
async def start_twice(adapt: Adapt) -> None:
    failures: list[Exception] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            start_response("200 OK", [])
        except Exception as error:  # noqa: BLE001 - PEP 3333: "a fatal error", of any type
            failures.append(error)
        return [b"x"]

    await ask(adapt(app))
    assert failures


@case("`start_response` may come with the first chunk")
async def late_start(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", [("X-Late", "1")])
        yield b"body"

    answer = await ask(adapt(app))
    assert (answer.status, answer.header(b"x-late"), answer.body) == (201, b"1", b"body")


@case("`write` sends, before what is returned")
async def write(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        push = start_response("200 OK", [])
        push(b"a")
        push(b"b")
        return [b"c"]

    assert (await ask(adapt(app))).body == b"abc"


@case("`wsgi.file_wrapper` sends a file and closes it")
async def file_wrapper(adapt: Adapt) -> None:
    file = io.BytesIO(b"x" * 300_000)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file, 8192)

    answer = await ask(adapt(app))
    await until(lambda: file.closed)
    assert len(answer.body) == 300_000


@case("an error before the answer is raised to the server, once")
async def error_before(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise KeyError("broken")

    exchange = Exchange(adapt(app), scope_of())
    await raises(exchange, KeyError)
    assert exchange.answer.status in {0, 500}


@case("an application that exits ends its own request only")
async def exits(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise SystemExit(3)

    wrapped = adapt(alive_or(app))
    exchange = Exchange(wrapped, scope_of())
    with contextlib.suppress(Exception):  # any error, as long as it is one that a server survives
        await exchange.run()
    await alive(wrapped)
