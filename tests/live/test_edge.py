"""Each limit over real sockets: just below, just above, and the connection afterwards."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.gateway.projects import write_project
from tests.live.serving import Gateway, serving, wait_until

MODULE = """
    import asyncio, time
    from fastapi import FastAPI, Request
    from fastapi.responses import StreamingResponse
    from flask import Flask, Response, request

    web, api = Flask(__name__), FastAPI()

    @web.route("/", methods=["GET", "POST"])
    def answer():
        return str(len(request.get_data()))

    @web.get("/<path:rest>")
    def anything(rest):
        return "0"

    @web.get("/wait/<float:seconds>")
    def wait(seconds):
        time.sleep(seconds)
        return "0"

    @web.get("/pause/<float:seconds>")
    def pause(seconds):
        def pieces():
            yield "0"
            time.sleep(seconds)
            yield "1"
        return Response(pieces())

    @api.api_route("/", methods=["GET", "POST"])
    async def answer_there(request: Request):
        return len(await request.body())

    @api.get("/wait/{seconds}")
    async def wait_there(seconds: float):
        await asyncio.sleep(seconds)
        return 0

    @api.get("/thread/{seconds}")
    def wait_in_thread(seconds: float):
        time.sleep(seconds)
        return 0

    @api.get("/pause/{seconds}")
    async def pause_there(seconds: float):
        async def pieces():
            yield "0"
            await asyncio.sleep(seconds)
            yield "1"
        return StreamingResponse(pieces())

    @api.get("/{rest:path}")
    async def anything_there(rest: str):
        return 0
"""

TOML = """
    [server]
    drain_seconds = 3
    header_fields = 20
    header_bytes = 2048
    target_bytes = 512
    header_seconds = 2
    keep_alive_seconds = 30

    [edge]
    allowed_hosts = ["shop.example"]
    rate_limit = "3/hour"
    rate_limit_key = "header:X-Key"
    concurrency = 4

    [[mounts]]
    name = "web"
    prefix = "/web"
    app = "limits_:web"
    max_body_bytes = 1000
    body_idle_seconds = 1.0
    response_timeout_seconds = 2.0
    stream_idle_seconds = 2.0
    threads = 20

    [[mounts]]
    name = "old"
    prefix = "/old"
    app = "limits_:web"
    adapter = "a2wsgi"
    max_body_bytes = 1000
    body_idle_seconds = 1.0
    response_timeout_seconds = 2.0
    stream_idle_seconds = 2.0
    threads = 20

    [[mounts]]
    name = "api"
    prefix = "/api"
    app = "limits_:api"
    max_body_bytes = 1000
    body_idle_seconds = 1.0
    response_timeout_seconds = 2.0
    stream_idle_seconds = 2.0
"""
_keys = iter(range(1_000_000))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("edge")
    write_project(folder, TOML, {"limits_": MODULE})
    with serving(cwd=folder) as running:
        yield running


@dataclass
class Reply:
    """An answer.

    Attributes:
        status: Its status.
        headers: By name, lower case.
        body: As long as its framing says, or as far as it came.
        whole: Whether all of it came.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True


class Line:
    """One connection."""

    def __init__(self, gateway: Gateway) -> None:
        host, _, port = gateway.url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20)
        self._file = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def reply(self) -> Reply:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, *self._chunks())
        body = self._file.read(int(headers.get("content-length", "0")))
        return Reply(status, headers, body)

    def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        while size := self._file.readline():
            chunk = self._file.read(int(size, 16) + 2)[:-2]
            if not chunk:
                return body, True
            body += chunk
        return body, False

    def is_closed(self) -> bool:
        """Whether the other end closes it; waits for that."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def line(gateway: Gateway) -> Iterator[Line]:
    one = Line(gateway)
    try:
        yield one
    finally:
        one.close()


def head(path: str, *fields: str, method: str = "GET", host: str = "shop.example") -> bytes:
    """A request's head; each has a key of its own, so that no other test's requests count."""
    keys = [] if any(field.startswith("X-Key") for field in fields) else [f"X-Key: {next(_keys)}"]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *keys, *fields, "", ""]
    return "\r\n".join(lines).encode()


def sized(mount: str, size: int) -> bytes:
    return head(f"{mount}/", f"Content-Length: {size}", method="POST") + b"x" * size


def chunked(mount: str, size: int) -> bytes:
    body = b"%x\r\n%s\r\n1\r\nx\r\n0\r\n\r\n" % (size - 1, b"x" * (size - 1))
    return head(f"{mount}/", "Transfer-Encoding: chunked", method="POST") + body


def target(mount: str, size: int) -> bytes:
    return head(f"{mount}/{'x' * (size - len(mount) - 1)}")


def fields(mount: str, count: int) -> bytes:
    return head(f"{mount}/", *(f"X-{number}: 1" for number in range(count - 2)))


def large(mount: str, size: int) -> bytes:
    # As the gateway counts: each name and value, and four bytes for what stands between.
    plain = len("Host") + len("shop.example") + 4 + len("X-Key") + 1 + 4
    rest = size - plain - len("X-Large") - 4
    return head(f"{mount}/", "X-Key: k", f"X-Large: {'x' * rest}")


def dots(mount: str, count: int) -> bytes:
    return head(f"{mount}/a/{'.' * count}/b")


def hosted(mount: str, port: int) -> bytes:
    host = "shop.example:80" if port == 0 else "shop.example.evil.test"
    return head(f"{mount}/", host=host)


STACKS = ["/web", "/old", "/api"]
Case = tuple[Callable[[str, int], bytes], int, int, int, bool]
# What builds the request, the last that passes, the first that does not, its status, and whether
# the connection stays open.
CASES: list[Case] = [
    (target, 512, 513, 414, False),
    (fields, 20, 21, 431, False),
    (large, 2048, 2049, 431, False),
    (sized, 1000, 1001, 413, False),
    (chunked, 1000, 1001, 413, False),
    (hosted, 0, 1, 421, True),
    (dots, 3, 2, 400, True),
]


def answers(connection: Line, path: str) -> int:
    """The status of a plain request."""
    connection.send(head(path))
    return connection.reply().status


def assert_served(gateway: Gateway, connection: Line | None = None) -> None:
    """A plain request is answered, on this connection and on a new one."""
    if connection is not None:
        connection.send(head("/api/"))
        assert connection.reply().status == 200
    with line(gateway) as fresh:
        fresh.send(head("/web/"))
        assert fresh.reply().status == 200


@pytest.mark.parametrize("mount", STACKS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
def test_a_limit_of_one_request(gateway: Gateway, mount: str, case: Case) -> None:
    """Just below is served; just above has its own answer; and the gateway goes on."""
    build, below, above, status, stays = case
    if build is chunked and mount == "/old":
        pytest.skip("a2wsgi tells Flask of no chunked body, so nothing is read or counted")
    with line(gateway) as connection:
        connection.send(build(mount, below))
        assert connection.reply().status == 200
        assert_served(gateway, connection)
        connection.send(build(mount, above))
        reply = connection.reply()
        assert reply.status == status
        assert reply.headers["content-type"] == "application/problem+json"
        assert json.loads(reply.body)["status"] == status
        if stays:
            assert_served(gateway, connection)
        else:
            assert connection.is_closed()
    assert_served(gateway)


@pytest.mark.parametrize("mount", STACKS)
def test_the_rate_limit(gateway: Gateway, mount: str) -> None:
    """The third passes, the fourth is told to wait, and others of the connection pass."""
    with line(gateway) as connection:
        key = f"X-Key: of-{mount}"
        for left in (2, 1, 0):
            connection.send(head(f"{mount}/", key))
            reply = connection.reply()
            assert (reply.status, reply.headers["ratelimit"].split(";")[1]) == (200, f"r={left}")
        connection.send(head(f"{mount}/", key))
        reply = connection.reply()
        assert reply.status == 429
        assert 0 < int(reply.headers["retry-after"]) <= 3601
        assert reply.headers["ratelimit"].startswith('"gateway";r=0;t=')
        assert_served(gateway, connection)


@pytest.mark.parametrize("mount", STACKS)
def test_the_limit_of_requests_at_the_same_time(gateway: Gateway, mount: str) -> None:
    """Four run, the fifth is refused at once, and when they have ended there is room."""
    lines = [Line(gateway) for _ in range(5)]
    try:
        for connection in lines[:4]:
            connection.send(head(f"{mount}/wait/1.5"))
        # They were sent first, on connections that were open first; still, wait until all run.
        threading.Event().wait(0.5)
        lines[4].send(head(f"{mount}/"))
        reply = lines[4].reply()
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        lines[4].send(head("/_gateway/livez"))
        assert lines[4].reply().status == 200
        assert [connection.reply().status for connection in lines[:4]] == [200] * 4
        # An answer is whole a moment before its thread is done with it.
        wait_until(lambda: answers(lines[4], f"{mount}/") == 200)
        for connection in lines:
            assert_served(gateway, connection)
    finally:
        for connection in lines:
            connection.close()


@pytest.mark.parametrize("path", ["/web/wait", "/old/wait", "/api/wait", "/api/thread"])
def test_the_deadline_of_an_answer(gateway: Gateway, path: str) -> None:
    """What comes in time is passed on; else the gateway answers, and the connection is good."""
    with line(gateway) as connection:
        connection.send(head(f"{path}/0.5"))
        assert connection.reply().status == 200
        connection.send(head(f"{path}/4.0"))
        assert connection.reply().status == 504
        assert_served(gateway, connection)


@pytest.mark.parametrize("mount", STACKS)
def test_the_deadline_of_an_answer_that_has_begun(gateway: Gateway, mount: str) -> None:
    """One that pauses goes on; one that stops is broken off, so that nobody takes it for whole."""
    with line(gateway) as connection:
        connection.send(head(f"{mount}/pause/0.5"))
        reply = connection.reply()
        assert (reply.status, reply.body, reply.whole) == (200, b"01", True)
        assert_served(gateway, connection)
        connection.send(head(f"{mount}/pause/5.0"))
        reply = connection.reply()
        assert (reply.status, reply.body, reply.whole) == (200, b"0", False)
        assert connection.is_closed()
    assert_served(gateway)


@pytest.mark.parametrize("mount", STACKS)
def test_the_deadline_of_a_body(gateway: Gateway, mount: str) -> None:
    """One that pauses is read; one that stalls gets 408, and its connection is closed."""
    announced = head(f"{mount}/", "Content-Length: 4", method="POST")
    with line(gateway) as connection:
        connection.send(announced + b"xx")
        threading.Event().wait(0.3)
        connection.send(b"xx")
        reply = connection.reply()
        assert (reply.status, reply.body) == (200, b"4")
        assert_served(gateway, connection)
        connection.send(announced + b"xx")
        assert connection.reply().status == 408
        assert connection.is_closed()
    assert_served(gateway)


def test_the_deadline_of_a_head(gateway: Gateway) -> None:
    """One that pauses is read; one that stalls gets 408, and its connection is closed."""
    whole = head("/web/")
    with line(gateway) as connection:
        connection.send(whole[:20])
        threading.Event().wait(0.3)
        connection.send(whole[20:])
        assert connection.reply().status == 200
        connection.send(whole[:20])
        assert connection.reply().status == 408
        assert connection.is_closed()
    assert_served(gateway)
