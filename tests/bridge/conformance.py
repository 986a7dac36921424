"""What a WSGI-to-ASGI adapter must hold, case by case; run against each in a process of its own.

`python -m tests.bridge.conformance ADAPTER` prints the outcome of each case as JSON. A process of
its own, because some adapters lose threads in some of these cases, for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast
from wsgiref.validate import validator

from starlette.types import ASGIApp

from tests.bridge.driver import Exchange, ask, scope_of

WSGIApp = Callable[..., Any]
Adapt = Callable[[WSGIApp], ASGIApp]
Case = Callable[[Adapt], Awaitable[None]]

CASES: dict[str, tuple[str, Case]] = {}
SECONDS = 3.0
CHUNKED = [(b"transfer-encoding", b"chunked")]


def case(section: str, title: str) -> Callable[[Case], Case]:
    """Register a case under a section of the table."""

    def register(function: Case) -> Case:
        CASES[title] = (section, function)
        return function

    return register


def adapters() -> dict[str, Adapt]:
    """Each adapter, two threads where it has them: some hold two at once."""
    from a2wsgi import WSGIMiddleware
    from asgiref.wsgi import WsgiToAsgi

    from gateway.adapters import RefuseWebSockets
    from gateway.bridge import Bridge, BridgeLimits

    return {
        "bridge": lambda app: RefuseWebSockets(
            Bridge(app, "conformance", BridgeLimits(threads=2, write_seconds=0.5)), "conformance"
        ),
        "a2wsgi": lambda app: cast(ASGIApp, WSGIMiddleware(app, workers=2)),
        "asgiref": WsgiToAsgi,
    }


class Recorded:
    """An application that answers with what `read` makes of its environ, and keeps it."""

    def __init__(self, read: Callable[[dict[str, Any]], Any] = lambda environ: b"") -> None:
        self.read = read
        self.seen: Any = None
        self.calls = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.calls += 1
        self.seen = self.read(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]


class Closing:
    """An iterable that counts how often it is closed, and from which threads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.closed: list[int] = []
        self.iterated_in: set[int] = set()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.iterated_in.add(threading.get_ident())
            yield chunk

    def close(self) -> None:
        self.closed.append(threading.get_ident())


def answering(iterable: Any, *headers: tuple[str, str], status: str = "200 OK") -> WSGIApp:
    """An application that returns an iterable."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return iterable

    return app


async def until(condition: Callable[[], bool], seconds: float = 1.0) -> None:
    """Wait until a condition holds, at most a second: what FAILURES of this kind allow."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it holds in a thread, which sets no event
            await asyncio.sleep(0.005)


def _has_body(exchange: Exchange) -> bool:
    return bool(exchange.answer.body)


def _is_closed(iterable: Closing) -> bool:
    return len(iterable.closed) == 1


async def alive(app: ASGIApp, requests: int = 4) -> None:
    """The application still answers, more often than it has threads."""
    async with asyncio.timeout(1.5):
        for _ in range(requests):
            assert (await ask(app, "/alive")).status == 200


# --- bodies going in ---

IN = "Bodies going in"


@case(IN, "a chunked upload arrives whole, and the application may read to its end")
async def chunked_upload(adapt: Adapt) -> None:
    app = Recorded(lambda e: (e["wsgi.input"].read(), e.get("wsgi.input_terminated")))
    await ask(adapt(app), body=[b"one", b"two"], headers=CHUNKED, method="POST")
    assert app.seen == (b"onetwo", True)


@case(IN, "a chunked upload reaches Flask whole")
async def chunked_flask(adapt: Adapt) -> None:
    from flask import Flask, request

    app = Flask("x")
    app.add_url_rule("/", view_func=lambda: request.get_data(), methods=["POST"])  # noqa: PLW0108
    answer = await ask(adapt(app), body=[b"one", b"two"], headers=CHUNKED, method="POST")
    assert answer.body == b"onetwo"


@case(IN, "an upload that the client breaks off is never taken for a whole one")
async def truncated(adapt: Adapt) -> None:
    whole: list[bytes] = []
    app = Recorded(lambda e: whole.append(e["wsgi.input"].read()))
    headers = [(b"content-length", b"100")]
    with contextlib.suppress(OSError):
        await ask(adapt(app), body=[b"half"], headers=headers, method="POST", leaves=True)
    assert whole == []


@case(IN, "stalled uploads hold no thread")
async def stalled(adapt: Adapt) -> None:
    app = adapt(Recorded(lambda e: e["wsgi.input"].read()))
    headers = [(b"content-length", b"100")]
    stuck = []
    for _ in range(4):
        exchange = Exchange(app, scope_of(method="POST", headers=headers), [b"half"])
        exchange._incoming[-1]["more_body"] = True
        stuck.append(asyncio.create_task(exchange.run()))
    await asyncio.sleep(0.05)
    await alive(app)


@case(IN, "`readline` and `readlines` do what a file's do, with and without a limit")
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


@case(IN, "a request without a body has an empty input")
async def no_body(adapt: Adapt) -> None:
    app = Recorded(lambda e: e["wsgi.input"].read())
    await ask(adapt(app))
    assert app.seen == b""


# --- answers coming out ---

OUT = "Answers coming out"


@case(OUT, "`exc_info` before the first byte replaces the answer")
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


@case(OUT, "`exc_info` after the first byte is raised again")
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
    try:
        await exchange.run()
    except KeyError:
        pass
    else:
        raise AssertionError("not raised")
    assert exchange.answer.status == 200
    assert b"never" not in exchange.answer.body


@case(OUT, "headers leave with the first non-empty chunk")
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


@case(OUT, "a chunk is sent when it is yielded, not when the next one is")
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


@case(OUT, "`close` is called once, in the thread that iterated")
async def close_once(adapt: Adapt) -> None:
    iterable = Closing(iter([b"a", b"b"]))
    await ask(adapt(answering(iterable)))
    await until(lambda: bool(iterable.closed))
    assert len(iterable.closed) == 1
    assert set(iterable.closed) == iterable.iterated_in


@case(OUT, "`close` is called when the iteration raises")
async def close_on_error(adapt: Adapt) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("broken")

    iterable = Closing(chunks())
    with contextlib.suppress(ValueError):
        await ask(adapt(answering(iterable)))
    await until(lambda: len(iterable.closed) == 1)


@case(OUT, "an endless answer ends soon after its client has left")
async def endless(adapt: Adapt) -> None:
    def chunks() -> Iterator[bytes]:
        while not over.wait(0.005):
            yield b"x" * 1000

    over = threading.Event()
    iterable = Closing(chunks())
    app = adapt(_alive_or(answering(iterable)))
    exchange = Exchange(app, scope_of())
    task = asyncio.create_task(exchange.run())
    try:
        await until(lambda: len(exchange.answer.body) > 3000)
        exchange.left.set()
        await until(lambda: len(iterable.closed) == 1)
    finally:
        over.set()
        task.cancel()
    await alive(app)


def _alive_or(app: WSGIApp) -> WSGIApp:
    ok = answering([b"ok"])

    def either(environ: dict[str, Any], start_response: Any) -> Any:
        return (ok if environ["PATH_INFO"] == "/alive" else app)(environ, start_response)

    return either


def _each(make: Callable[[], Closing]) -> WSGIApp:
    """An application with an iterable of its own for each request."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        return answering(make())(environ, start_response)

    return app


@case(OUT, "a cancelled stream lets its thread go")
async def cancelled(adapt: Adapt) -> None:
    iterables = [Closing(b"x" * 100_000 for _ in range(10_000)) for _ in range(4)]
    pending = iter(iterables)
    app = adapt(_alive_or(_each(lambda: next(pending))))
    for _ in range(4):
        exchange = Exchange(app, scope_of())
        task = asyncio.create_task(exchange.run())
        await until(functools.partial(_has_body, exchange))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await until(lambda: all(len(iterable.closed) == 1 for iterable in iterables))
    await alive(app)


@case(OUT, "a `send` that raises lets the thread go")
async def send_raises(adapt: Adapt) -> None:
    app = adapt(_alive_or(_each(lambda: Closing(b"x" * 100_000 for _ in range(1000)))))
    for _ in range(4):
        exchange = Exchange(app, scope_of())

        async def broken(message: Any) -> None:
            raise OSError("gone")

        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(0.3):
                await app(exchange._scope, exchange._receive, broken)
    await alive(app)


@case(OUT, "clients that do not read are given up after a deadline, and free their threads")
async def not_reading(adapt: Adapt) -> None:
    app = adapt(_alive_or(_each(lambda: Closing(b"x" * 100_000 for _ in range(1000)))))
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


@case(OUT, "a stream is held back by a client that reads slowly, in bytes")
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


@case(OUT, "a status without a reason phrase is accepted")
async def no_reason(adapt: Adapt) -> None:
    assert (await ask(adapt(answering([b"x"], status="200")))).status == 200


@case(OUT, "a line feed in a header is an error before anything is sent")
async def header_injection(adapt: Adapt) -> None:
    exchange = Exchange(adapt(answering([b"x"], ("X-A", "1\r\nX-B: 2"))), scope_of())
    with contextlib.suppress(ValueError):
        await exchange.run()
    assert exchange.answer.status in {0, 500}


@case(OUT, "hop-by-hop headers stay behind")
async def hop_by_hop(adapt: Adapt) -> None:
    headers = [("Connection", "close"), ("Keep-Alive", "5"), ("Transfer-Encoding", "chunked")]
    answer = await ask(adapt(answering([b"x"], *headers, ("X-Kept", "1"))))
    assert {name for name, _ in answer.headers} >= {b"x-kept"}
    assert not {b"connection", b"keep-alive", b"transfer-encoding"} & {n for n, _ in answer.headers}


@case(OUT, "more bytes than Content-Length says are cut off")
async def too_many(adapt: Adapt) -> None:
    for body in ([b"abcdef"], iter([b"ab", b"cdef"]), iter([b"abc", b"def"])):
        answer = await ask(adapt(answering(body, ("Content-Length", "3"))))
        assert (answer.body, answer.complete) == (b"abc", True)


@case(OUT, "fewer bytes than Content-Length says are not passed off as the whole")
async def too_few(adapt: Adapt) -> None:
    exchange = Exchange(adapt(answering(iter([b"ab", b"c"]), ("Content-Length", "5"))), scope_of())
    with contextlib.suppress(Exception):
        await exchange.run()
    assert not exchange.answer.complete


@case(OUT, "HEAD, 204 and 304 have no body, and `close` is called all the same")
async def bodiless(adapt: Adapt) -> None:
    for method, status in (("HEAD", "200 OK"), ("GET", "204 No"), ("GET", "304 Not Modified")):
        iterable = Closing(iter([b"body"]))
        answer = await ask(adapt(answering(iterable, status=status)), method=method)
        # The server itself leaves the body of an answer to HEAD out.
        body = b"" if method == "HEAD" else answer.body
        assert (answer.status, body, answer.complete) == (int(status[:3]), b"", True)
        await until(functools.partial(_is_closed, iterable))


@case(OUT, "HEAD keeps the Content-Length of the answer to GET")
async def head_length(adapt: Adapt) -> None:
    answer = await ask(adapt(answering([b"body"], ("Content-Length", "4"))), method="HEAD")
    assert answer.header(b"content-length") == b"4"


@case(OUT, "an answer without `start_response` is an error")
async def no_start(adapt: Adapt) -> None:
    exchange = Exchange(adapt(lambda environ, start_response: [b"x"]), scope_of())
    with contextlib.suppress(Exception):
        await exchange.run()
    assert exchange.answer.status in {0, 500}
    assert exchange.answer.body != b"x"


@case(OUT, "`start_response` twice without `exc_info` is an error")
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


@case(OUT, "`start_response` may come with the first chunk")
async def late_start(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", [("X-Late", "1")])
        yield b"body"

    answer = await ask(adapt(app))
    assert (answer.status, answer.header(b"x-late"), answer.body) == (201, b"1", b"body")


@case(OUT, "`write` sends, before what is returned")
async def write(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        push = start_response("200 OK", [])
        push(b"a")
        push(b"b")
        return [b"c"]

    assert (await ask(adapt(app))).body == b"abc"


@case(OUT, "`wsgi.file_wrapper` sends a file and closes it")
async def file_wrapper(adapt: Adapt) -> None:
    file = io.BytesIO(b"x" * 300_000)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file, 8192)

    answer = await ask(adapt(app))
    await until(lambda: file.closed)
    assert len(answer.body) == 300_000


@case(OUT, "an error before the answer is raised to the server, once")
async def raises(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise KeyError("broken")

    exchange = Exchange(adapt(app), scope_of())
    try:
        await exchange.run()
    except KeyError:
        pass
    else:
        raise AssertionError("not raised")
    assert exchange.answer.status in {0, 500}


@case(OUT, "an application that exits ends its own request only")
async def exits(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise SystemExit(3)

    wrapped = adapt(_alive_or(app))
    exchange = Exchange(wrapped, scope_of())
    with contextlib.suppress(Exception):  # any error, as long as it is one that a server survives
        await exchange.run()
    await alive(wrapped)


# --- headers, paths, names ---

NAMES = "Headers, paths, names"


async def environ_of(adapt: Adapt, path: str = "/", **options: Any) -> dict[str, Any]:
    app = Recorded(dict)
    await ask(adapt(app), path, **options)
    seen: dict[str, Any] = app.seen
    return seen


@case(NAMES, "a header name with an underscore does not reach the application")
async def underscore(adapt: Adapt) -> None:
    headers = [(b"x_forwarded_for", b"evil"), (b"x-forwarded-for", b"good")]
    environ = await environ_of(adapt, headers=headers)
    assert environ["HTTP_X_FORWARDED_FOR"] == "good"


@case(NAMES, "`Proxy` does not become HTTP_PROXY")
async def httpoxy(adapt: Adapt) -> None:
    assert "HTTP_PROXY" not in await environ_of(adapt, headers=[(b"proxy", b"http://evil")])


@case(NAMES, "several Cookie lines are joined by `; `, other headers by a comma")
async def cookies(adapt: Adapt) -> None:
    headers = [(b"cookie", b"a=1"), (b"x-a", b"1"), (b"cookie", b"b=2"), (b"x-a", b"2")]
    environ = await environ_of(adapt, headers=headers)
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_A"].replace(" ", "") == "1,2"


@case(NAMES, "a header that is repeated 40,000 times costs linear time")
async def many_copies(adapt: Adapt) -> None:
    headers = [(b"x-a", b"v" * 20)] * 40_000
    async with asyncio.timeout(1.0):
        before = asyncio.get_running_loop().time()
        await environ_of(adapt, headers=headers)
        assert asyncio.get_running_loop().time() - before < 0.7


@case(NAMES, "bytes of a path survive")
async def path_bytes(adapt: Adapt) -> None:
    environ = await environ_of(adapt, "/a\ufffdb", raw_path=b"/a%FFb")
    assert environ["PATH_INFO"].encode("latin-1") == b"/a\xffb"


@case(NAMES, "a path of UTF-8 is passed as PEP 3333 says")
async def path_utf8(adapt: Adapt) -> None:
    environ = await environ_of(adapt, "/grün", raw_path=b"/gr%C3%BCn")
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/grün"


@case(NAMES, "a query string of any bytes is passed on")
async def query_bytes(adapt: Adapt) -> None:
    environ = await environ_of(adapt, query=b"q=\xff\xfe")
    assert environ["QUERY_STRING"].encode("latin-1") == b"q=\xff\xfe"


@case(NAMES, "the prefix is in SCRIPT_NAME and not in PATH_INFO")
async def prefix(adapt: Adapt) -> None:
    environ = await environ_of(adapt, "/shop/items", root_path="/shop")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/items")


@case(NAMES, "an environment variable SCRIPT_NAME is ignored")
async def script_name_variable(adapt: Adapt) -> None:
    os.environ["SCRIPT_NAME"] = "/evil"
    try:
        environ = await environ_of(adapt, "/shop/items", root_path="/shop")
    finally:
        del os.environ["SCRIPT_NAME"]
    assert environ["SCRIPT_NAME"] == "/shop"


@case(NAMES, "`wsgi.errors` is standard error")
async def errors(adapt: Adapt) -> None:
    app = Recorded(lambda e: e["wsgi.errors"].write("a line for the log\n"))
    stream, sys.stderr = sys.stderr, io.StringIO()
    try:
        await ask(adapt(app))
        written = sys.stderr.getvalue()
    finally:
        sys.stderr = stream
    assert "a line for the log" in written


@case(NAMES, "CONTENT_TYPE and CONTENT_LENGTH have no HTTP_ in front")
async def special_names(adapt: Adapt) -> None:
    headers = [(b"content-type", b"text/x"), (b"content-length", b"1")]
    environ = await environ_of(adapt, method="POST", body=[b"x"], headers=headers)
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/x", "1")
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(environ)


@case(NAMES, "the ASGI scope and the request's contextvars reach the application")
async def context(adapt: Adapt) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("of the request")
    app = Recorded(lambda e: (variable.get(), e["asgi.scope"]["type"]))
    await ask(adapt(app))
    assert app.seen == ("of the request", "http")


# --- time and load ---

LOAD = "Time and load"


@case(LOAD, "a WebSocket does not crash the adapter")
async def websocket(adapt: Adapt) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    app = adapt(answering([b"x"]))
    await app({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert sent[0]["type"] == "websocket.close"


@case(LOAD, "wsgiref's validator finds nothing")
async def validated(adapt: Adapt) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(10)
        start_response(
            "200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        )
        return [body]

    checked = adapt(validator(app))
    assert (await ask(checked, body=[b"hello"], method="POST")).body == b"hello"
    assert (await ask(checked, "/x", query=b"a=1", headers=[(b"x-a", b"1")])).status == 200


async def _outcome(function: Case, adapt: Adapt) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            await function(adapt)
    except TimeoutError:
        return "it did not end in time"
    except Exception as error:  # noqa: BLE001 - each is an outcome
        return f"{type(error).__name__}: {error}".strip()[:200]
    return ""


def _isolated(function: Case, adapt: Adapt) -> str:
    """The outcome of a case in a process of its own, which takes its lost threads with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = "the process ended"
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # an adapter may print
        try:
            outcome = asyncio.new_event_loop().run_until_complete(_outcome(function, adapt))
        except BaseException as error:  # noqa: BLE001 - an adapter may let SystemExit through
            outcome = f"{type(error).__name__} reached the event loop"
        finally:
            os.write(writer, outcome.encode() or b"ok")
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        outcome = pipe.read().decode()
    os.waitpid(child, 0)
    return "" if outcome == "ok" else outcome or "the process ended"


def outcomes(adapter: str) -> dict[str, str]:
    """What came of each case; empty for a pass."""
    adapt = adapters()[adapter]
    return {title: _isolated(function, adapt) for title, (_, function) in CASES.items()}


def main(adapter: str) -> None:
    """Print the outcomes as JSON."""
    logging.disable()
    sys.stdout.write(json.dumps(outcomes(adapter)))


if __name__ == "__main__":
    main(sys.argv[1])
