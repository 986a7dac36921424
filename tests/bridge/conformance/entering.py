"""Bodies on their way to the application."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable
from typing import Any

from tests.bridge.conformance.cases import Adapt, Recorded, Section, alive
from tests.bridge.driver import Exchange, ask, scope_of

CHUNKED = [(b"transfer-encoding", b"chunked")]
case = Section("Bodies going in")


@case("a chunked upload arrives whole, and the application may read to its end")
async def chunked_upload(adapt: Adapt) -> None:
    app = Recorded(lambda e: (e["wsgi.input"].read(), e.get("wsgi.input_terminated")))
    await ask(adapt(app), body=[b"one", b"two"], headers=CHUNKED, method="POST")
    assert app.seen == (b"onetwo", True)


@case("a chunked upload reaches Flask whole")
async def chunked_flask(adapt: Adapt) -> None:
    from flask import Flask, request

    app = Flask("x")
    app.add_url_rule("/", view_func=lambda: request.get_data(), methods=["POST"])  # noqa: PLW0108
    answer = await ask(adapt(app), body=[b"one", b"two"], headers=CHUNKED, method="POST")
    assert answer.body == b"onetwo"


@case("an upload that the client breaks off is never taken for a whole one")
async def truncated(adapt: Adapt) -> None:
    whole: list[bytes] = []
    app = Recorded(lambda e: whole.append(e["wsgi.input"].read()))
    headers = [(b"content-length", b"100")]
    with contextlib.suppress(OSError):
        await ask(adapt(app), body=[b"half"], headers=headers, method="POST", leaves=True)
    assert whole == []


@case("stalled uploads hold no thread")
async def stalled(adapt: Adapt) -> None:
    app = adapt(Recorded(lambda e: e["wsgi.input"].read()))
    headers = [(b"content-length", b"100")]
    stuck = []
    for _ in range(4):
        scope = scope_of(method="POST", headers=headers)
        exchange = Exchange(app, scope, [b"half"], stalls=True)
        stuck.append(asyncio.create_task(exchange.run()))
    await asyncio.sleep(0.05)
    await alive(app)


@case("`readline` and `readlines` do what a file's do, with and without a limit")
async def readline(adapt: Adapt) -> None:
    bodies = [b"", b"a", b"a\n", b"a\nb", b"\n\na\n"]
    reads: list[Callable[[Any], Any]] = [
        lambda f: f.readlines(),
        lambda f: [f.readline(), f.readline(), f.readline()],
        lambda f: [f.readline(1), f.readline(100)],
        lambda f: f.readlines(1),
        list,
        lambda f: [f.read(1), f.readline(), f.read()],
        lambda f: [f.read(0), f.read(-1), f.read(5)],
    ]
    for body in bodies:
        for read in reads:
            app = Recorded(_reading(read))
            await ask(adapt(app), body=[body], method="POST")
            assert app.seen == read(io.BytesIO(body)), (body, app.seen)


def _reading(read: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda environ: read(environ["wsgi.input"])


@case("a request without a body has an empty input")
async def no_body(adapt: Adapt) -> None:
    app = Recorded(lambda e: e["wsgi.input"].read())
    await ask(adapt(app))
    assert app.seen == b""
