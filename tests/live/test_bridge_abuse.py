"""What strangers do to a server, forty at a time: the pool of four is whole a second later."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.gateway.projects import write_project
from tests.live.serving import Gateway, serving, wait_until

THREADS = 4
MANY = 10 * THREADS
MIB = 1024 * 1024

WEB = """
    import threading
    import time
    from collections import Counter

    from flask import Flask, Response, request

    app = Flask(__name__)
    lock = threading.Lock()
    running = Counter()
    called = Counter()
    read_errors = Counter()
    opened = Counter()
    closed = {}

    class Chunks:
        # An iterable that knows how often it was closed.
        def __init__(self, chunks):
            self.chunks = chunks
            with lock:
                opened[request.script_root] += 1
                closed[id(self)] = [self, request.script_root, 0]

        def __iter__(self):
            return self.chunks

        def close(self):
            with lock:
                closed[id(self)][2] += 1

    class Counted:
        # How many calls are between their start and the close of what they returned.
        def __init__(self, app):
            self.app = app

        def __call__(self, environ, start_response):
            mount = environ["SCRIPT_NAME"]
            with lock:
                running[mount] += 1
                called[mount] += 1
            try:
                iterable = self.app(environ, start_response)
            except BaseException:
                with lock:
                    running[mount] -= 1
                raise
            return Ended(iterable, mount)

    class Ended:
        def __init__(self, iterable, mount):
            self.iterable, self.mount = iterable, mount

        def __iter__(self):
            return iter(self.iterable)

        def close(self):
            try:
                if hasattr(self.iterable, "close"):
                    self.iterable.close()
            finally:
                with lock:
                    running[self.mount] -= 1

    app.wsgi_app = Counted(app.wsgi_app)

    @app.get("/ok")
    def ok():
        return "ok"

    @app.post("/upload")
    def upload():
        count = 0
        try:
            while block := request.stream.read(65536):
                count += len(block)
        except OSError:
            with lock:
                read_errors[request.script_root] += 1
            raise
        return str(count)

    @app.get("/endless")
    def endless():
        def chunks():
            while True:
                yield b"x" * 65536

        return Response(Chunks(chunks()))

    @app.get("/trickle")
    def trickle():
        def chunks():
            while True:
                yield b"x"
                time.sleep(0.01)

        return Response(Chunks(chunks()))

    @app.get("/raise")
    def raises():
        raise ValueError("before the answer")

    @app.get("/raise-later")
    def raises_later():
        def chunks():
            yield b"some"
            raise ValueError("within the answer")

        return Response(Chunks(chunks()))

    @app.get("/sleep/<float:seconds>")
    def sleep(seconds):
        time.sleep(seconds)
        return "slept"
"""

API = """
    import gc
    import threading

    import web
    from fastapi import FastAPI
    from gateway.bridge.pool import WorkerPool

    app = FastAPI()

    @app.get("/ok")
    async def ok():
        return "ok"

    @app.get("/state/{name}")
    async def state(name: str):
        pool, = (o for o in gc.get_objects() if isinstance(o, WorkerPool) and o.name == name)
        mount = f"/{name}"
        with web.lock:
            closings = [count for _, where, count in web.closed.values() if where == mount]
            return {
                "gauges": [pool.busy, pool.awake, pool.queued, pool.stuck],
                "counters": vars(pool.counters),
                "threads": sum(t.name.startswith(name + "-") for t in threading.enumerate()),
                "running": web.running[mount],
                "called": web.called[mount],
                "read_errors": web.read_errors[mount],
                "opened": web.opened[mount],
                "closings": closings,
            }
"""

MOUNT = """
    [[mounts]]
    name = "{name}"
    prefix = "/{name}"
    app = "web:app"
    threads = {threads}
"""
# Each kind of abuse has a mount, and so a pool, of its own.
MOUNTS: dict[str, dict[str, float | str]] = {
    "uploads": {"body_idle_seconds": 0.5},
    "streams": {"request_buffering": '"stream"', "body_idle_seconds": 0.4},
    "downloads": {"write_timeout_seconds": 0.4},
    "errors": {},
    "late": {"response_timeout_seconds": 0.4},
    "full": {"queue": 3},
}
TOML = (
    "".join(
        MOUNT.format(name=name, threads=THREADS)
        + "".join(f"    {key} = {value}\n" for key, value in options.items())
        for name, options in MOUNTS.items()
    )
    + """
    [[mounts]]
    name = "api"
    prefix = "/api"
    app = "api:app"

    [server]
    access_log = false
"""
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a small pool for each kind of abuse, and FastAPI beside them."""
    folder = tmp_path_factory.mktemp("abuse")
    write_project(folder, TOML, {"web": WEB, "api": API})
    with serving(cwd=folder) as gateway:
        yield gateway


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    """Somebody who behaves."""
    with httpx.Client(base_url=gateway.url, timeout=5) as client:
        yield client


class Strangers:
    """Many raw connections at once; all closed at the end."""

    def __init__(self, gateway: Gateway) -> None:
        parts = urlsplit(gateway.url)
        assert parts.hostname
        assert parts.port
        self._address = (parts.hostname, parts.port)
        self.sockets: list[socket.socket] = []

    def connect(self, request: bytes, *, receive_buffer: int = 0) -> socket.socket:
        """Connect and send."""
        connection = socket.socket()
        self.sockets.append(connection)
        connection.settimeout(10)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(self._address)
        connection.sendall(request)
        return connection

    def leave(self, *, abruptly: bool = False) -> None:
        """Close all connections, with a reset or properly."""
        for connection in self.sockets:
            _close(connection, abruptly=abruptly)
        self.sockets.clear()


def _close(connection: socket.socket, *, abruptly: bool) -> None:
    with contextlib.suppress(OSError):
        if abruptly:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


@pytest.fixture
def strangers(gateway: Gateway) -> Iterator[Strangers]:
    """Raw connections to the gateway."""
    strangers = Strangers(gateway)
    yield strangers
    strangers.leave()


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def _post(path: str, body: bytes, framing: str = f"Content-Length: {MIB}") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n\r\n"
    return head.encode() + body


def _status(connection: socket.socket) -> int:
    return int(connection.recv(65536).split(b" ", 2)[1])


def _state(http: httpx.Client, name: str) -> dict[str, Any]:
    state: dict[str, Any] = http.get(f"/api/state/{name}").json()
    return state


def _is_whole(state: dict[str, Any]) -> bool:
    return (
        state["gauges"] == [0, 0, 0, 0]
        and state["running"] == 0
        and len(state["closings"]) == state["opened"]
        and set(state["closings"]) <= {1}
        and state["threads"] <= THREADS
    )


def _check_whole(http: httpx.Client, name: str) -> dict[str, Any]:
    """Within a second the pool is whole, each iterable was closed once, and requests succeed."""
    seen: list[dict[str, Any]] = []

    def whole() -> bool:
        seen.append(_state(http, name))
        return _is_whole(seen[-1])

    wait_until(whole, 1.0, lambda: f"not whole: {seen[-1]}")
    for _ in range(2 * THREADS):
        assert http.get(f"/{name}/ok").text == "ok"
    # Nothing is closed a second time later.
    final = _state(http, name)
    assert set(final["closings"]) <= {1}
    return seen[-1]


def _fastapi_answers(http: httpx.Client) -> None:
    began = time.monotonic()
    assert http.get("/api/ok").status_code == 200
    assert time.monotonic() - began < 1.0


def _read_then(connections: list[socket.socket], act: Any, seconds: float = 15) -> None:
    """Act on each connection once it has bytes to read, in the order in which they come."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        deadline = time.monotonic() + seconds
        while selector.get_map():
            assert time.monotonic() < deadline, f"{len(selector.get_map())} got nothing"
            for key, _ in selector.select(0.5):
                selector.unregister(key.fileobj)
                act(key.fileobj)


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("framing", [f"Content-Length: {MIB}", "Transfer-Encoding: chunked"])
def test_disconnect_mid_upload_while_it_is_spooled(
    http: httpx.Client, strangers: Strangers, framing: str, *, abruptly: bool
) -> None:
    """An upload that is broken off reaches no view, in memory or in a file."""
    before = _state(http, "uploads")
    body = b"x" * (MIB // 2)
    if "chunked" in framing:
        body = b"%x\r\n%s\r\n" % (len(body), body)
    for _ in range(MANY):
        strangers.connect(_post("/uploads/upload", body, framing))
    _fastapi_answers(http)
    strangers.leave(abruptly=abruptly)
    after = _check_whole(http, "uploads")
    assert after["called"] == before["called"]


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
def test_disconnect_mid_upload_while_it_is_read(
    http: httpx.Client, strangers: Strangers, *, abruptly: bool
) -> None:
    """A view that reads along is told by an `OSError`, each of them."""
    before = _state(http, "streams")
    for _ in range(MANY):
        strangers.connect(_post("/streams/upload", b"x" * 100_000))
    wait_until(lambda: _state(http, "streams")["running"] == THREADS, 5)
    _fastapi_answers(http)
    strangers.leave(abruptly=abruptly)
    after = _check_whole(http, "streams")
    assert after["read_errors"] - before["read_errors"] == after["called"] - before["called"]


def test_stalled_uploads_hold_no_thread(http: httpx.Client, strangers: Strangers) -> None:
    """Meanwhile others are served; after the deadline each gets 408."""
    before = _state(http, "uploads")
    stalled = [strangers.connect(_post("/uploads/upload", b"x" * 100_000)) for _ in range(MANY)]
    assert http.get("/uploads/ok").text == "ok"
    _fastapi_answers(http)
    assert [_status(connection) for connection in stalled] == [408] * MANY
    strangers.leave()
    after = _check_whole(http, "uploads")
    assert after["called"] == before["called"] + 1


def test_stalled_uploads_that_are_read_along_end(http: httpx.Client, strangers: Strangers) -> None:
    """A view that waits for a stalled client is let go by the deadline, one after the other."""
    before = _state(http, "streams")
    stalled = [strangers.connect(_post("/streams/upload", b"x" * 1000)) for _ in range(MANY)]
    _fastapi_answers(http)
    statuses: list[int] = []
    _read_then(stalled, lambda connection: statuses.append(_status(connection)))
    assert statuses == [500] * MANY
    after = _check_whole(http, "streams")
    assert after["read_errors"] - before["read_errors"] == MANY


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("path", ["endless", "trickle"])
def test_disconnect_mid_download(
    http: httpx.Client, strangers: Strangers, path: str, *, abruptly: bool
) -> None:
    """An endless answer ends when its client leaves, whether it is fast or slow."""
    downloads = [strangers.connect(_get(f"/downloads/{path}")) for _ in range(MANY)]
    _fastapi_answers(http)

    def leave(connection: Any) -> None:
        assert connection.recv(65536)
        _close(connection, abruptly=abruptly)

    _read_then(downloads, leave)
    state = _check_whole(http, "downloads")
    assert state["opened"] >= MANY


def test_all_leave_at_once_mid_download(http: httpx.Client, strangers: Strangers) -> None:
    """Those whose requests still waited for a thread hold none either."""
    for _ in range(MANY):
        strangers.connect(_get("/downloads/trickle"))
    wait_until(lambda: _state(http, "downloads")["running"] == THREADS, 5)
    strangers.leave()
    _check_whole(http, "downloads")


def test_clients_that_do_not_read(http: httpx.Client, strangers: Strangers) -> None:
    """Each is given up after the write deadline, and its iterable closed."""
    before = _state(http, "downloads")["opened"]
    for _ in range(MANY):
        strangers.connect(_get("/downloads/endless"), receive_buffer=4096)
    _fastapi_answers(http)
    # Ten turns of four, each of which ends by the deadline alone.
    wait_until(lambda: _state(http, "downloads")["opened"] == before + MANY, 20)
    wait_until(lambda: _state(http, "downloads")["running"] == 0, 3)
    _check_whole(http, "downloads")


@pytest.mark.parametrize(("path", "status"), [("raise", 500), ("raise-later", 200)])
def test_handlers_that_raise(
    http: httpx.Client, strangers: Strangers, path: str, status: int
) -> None:
    """Before the answer: 500. Within it: the connection ends, so that nobody takes it for whole."""
    broken = [strangers.connect(_get(f"/errors/{path}")) for _ in range(MANY)]
    _fastapi_answers(http)
    answers = []
    for connection in broken:
        answer = b""
        while b"\r\n\r\n" not in answer or (status == 200 and b"some" not in answer):
            part = connection.recv(65536)
            assert part
            answer += part
        if status == 200:
            while part := connection.recv(65536):
                answer += part
        answers.append(answer)
    assert {int(answer.split(b" ", 2)[1]) for answer in answers} == {status}
    if status == 200:
        assert not any(answer.endswith(b"\r\n0\r\n\r\n") for answer in answers)
    _check_whole(http, "errors")


def test_handlers_past_their_deadline(http: httpx.Client, strangers: Strangers) -> None:
    """Each client gets 504, running or queued; the threads come back when their views end."""
    before = _state(http, "late")
    late = [strangers.connect(_get("/late/sleep/1.5")) for _ in range(MANY)]
    _fastapi_answers(http)
    assert [_status(connection) for connection in late] == [504] * MANY
    state = _state(http, "late")
    assert state["counters"]["timed_out"] - before["counters"]["timed_out"] == MANY
    assert 0 < state["gauges"][3] <= 2 * THREADS
    wait_until(lambda: _state(http, "late")["running"] == 0, 5)
    _check_whole(http, "late")


def test_a_full_queue_is_answered_at_once(http: httpx.Client, strangers: Strangers) -> None:
    """503 with `Retry-After` for those beyond threads and queue, and FastAPI does not notice."""
    before = _state(http, "full")["counters"]
    waiting = [strangers.connect(_get("/full/sleep/0.8")) for _ in range(THREADS + 3)]
    wait_until(lambda: _state(http, "full")["gauges"][0::2] == [THREADS, 3], 5)
    for _ in range(5):
        began = time.monotonic()
        refused = http.get("/full/ok")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert time.monotonic() - began < 0.5
        _fastapi_answers(http)
    assert [_status(connection) for connection in waiting] == [200] * (THREADS + 3)
    after = _check_whole(http, "full")["counters"]
    assert after["rejected"] - before["rejected"] == 5


@pytest.mark.parametrize("mount", ["uploads", "streams"])
def test_expect_100_continue_is_answered_once_before_the_body(
    strangers: Strangers, mount: str
) -> None:
    """A client that asks first is told to go on, once, and then answered."""
    framing = "Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close"
    connection = strangers.connect(_post(f"/{mount}/upload", b"", framing))
    first = connection.recv(65536)
    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"hello")
    rest = b""
    while part := connection.recv(65536):
        rest += part
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest.count(b"HTTP/1.1") == 1
    assert rest.endswith(b"\r\n\r\n5")


def test_expect_100_continue_is_not_answered_to_a_body_that_is_refused(
    strangers: Strangers,
) -> None:
    """413 instead of an invitation to send what nobody wants."""
    framing = "Content-Length: 99999999999\r\nExpect: 100-continue"
    connection = strangers.connect(_post("/uploads/upload", b"", framing))
    assert _status(connection) == 413
