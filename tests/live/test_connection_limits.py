"""What a connection may take: time, and its share of all connections."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.gateway.projects import write_project
from tests.live.serving import Gateway, serving, wait_until

ROOT = Path(__file__).parents[2]
PLAIN = b"GET /fastapi/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
STREAM = b"GET /fastapi/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = b"GET /fastapi/async HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF = b"GET /fastapi/ HTTP/1.1\r\nHost: "
LARGE = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPLOAD = b"POST /flask/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2147483648\r\n\r\n"
CONNECTIONS = 20
# Of the large answer: more than the systems on both sides keep for a client that does not read.
MIB = 1024 * 1024
SIZE = 32 * MIB

LARGE_APP = f"""
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        size = {SIZE} if scope["path"].endswith("/large") else 2
        headers = [(b"content-length", b"%d" % size)]
        await send({{"type": "http.response.start", "status": 200, "headers": headers}})
        if scope["path"].endswith("/large"):
            for _ in range(31):
                await send(
                    {{"type": "http.response.body", "body": b"x" * {MIB}, "more_body": True}}
                )
            size = {MIB}
        await send({{"type": "http.response.body", "body": b"x" * size}})
"""
LARGE_TOML = """
    [[mounts]]
    name = "large"
    prefix = "/"
    app = "large:app"
"""


@contextmanager
def gateway_with(tmp_path: Path, **settings: float) -> Iterator[Gateway]:
    """Both reference services, on a server with these settings."""
    env = {
        "CATALOG_DATABASE_URL": f"sqlite:///{tmp_path}/catalog.db",
        "GATEWAY_SERVER__DRAIN_SECONDS": "10",
        **{f"GATEWAY_SERVER__{key.upper()}": str(value) for key, value in settings.items()},
    }
    with serving(cwd=ROOT, env=env) as served:
        yield served


@contextmanager
def large_with(tmp_path: Path, **settings: float) -> Iterator[Gateway]:
    """A service with a large answer."""
    write_project(tmp_path, LARGE_TOML, {"large": LARGE_APP})
    env = {f"GATEWAY_SERVER__{key.upper()}": str(value) for key, value in settings.items()}
    with serving(cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), **env}) as served:
        yield served


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Gateway]:
    """At most twenty connections."""
    with gateway_with(tmp_path, connections=CONNECTIONS, header_seconds=5.0) as served:
        yield served


def connect(gateway: Gateway, data: bytes = b"", receive_bytes: int = 0) -> socket.socket:
    """A client; with a small buffer for what it receives where that is said."""
    parts = urlsplit(gateway.url)
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(20)
    connection.connect((parts.hostname, parts.port))
    connection.sendall(data)
    return connection


def answer_of(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head and the body of an answer with a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    head = received.lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return received, body


def is_open(connection: socket.socket) -> bool:
    """Whether neither the end nor a reset has arrived."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def is_reset(connection: socket.socket) -> bool:
    """Whether what has arrived ends with a reset."""
    try:
        while connection.recv(MIB):
            pass
    except ConnectionResetError:
        return True
    return False


def descriptors(gateway: Gateway) -> int:
    """Sockets that the server's process has open."""
    count = 0
    for entry in Path(f"/proc/{gateway.process.pid}/fd").iterdir():
        try:
            count += str(entry.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return count


def test_the_connection_that_waits_longest_makes_room(small: Gateway) -> None:
    """Silent clients cannot shut out those who ask."""
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(small, HALF)) for _ in range(CONNECTIONS)]
        for _ in range(5):
            with connect(small, PLAIN) as connection:
                assert answer_of(connection)[0].startswith(b"HTTP/1.1 200")
        assert not is_open(silent[0])
        assert all(is_open(connection) for connection in silent[-10:])


def test_an_idle_connection_makes_room_too(small: Gateway) -> None:
    """Kept connections are closed before anybody is refused."""
    with ExitStack() as stack:
        kept = [stack.enter_context(connect(small, PLAIN)) for _ in range(CONNECTIONS)]
        for connection in kept:
            assert answer_of(connection)[0].startswith(b"HTTP/1.1 200")
        with connect(small, PLAIN) as connection:
            assert answer_of(connection)[0].startswith(b"HTTP/1.1 200")
        wait_until(lambda: not is_open(kept[0]))


def test_where_all_are_busy_the_newest_is_refused(small: Gateway) -> None:
    """The last that fits is served; the next gets 503 at once, and room when one is done."""
    with ExitStack() as stack:
        busy = [stack.enter_context(connect(small, STREAM)) for _ in range(CONNECTIONS)]
        for connection in busy:
            assert connection.recv(99).startswith(b"HTTP/1.1 200")
        for _ in range(3):
            with connect(small, PLAIN) as refused:
                head, body = answer_of(refused)
                assert refused.recv(1) == b""
            assert head.startswith(b"HTTP/1.1 503")
            assert b"\r\nretry-after: 1\r\n" in head
            assert json.loads(body)["detail"] == "Too many connections."
            assert f"\r\nx-request-id: {json.loads(body)['request_id']}\r\n".encode() in head
        assert all(is_open(connection) for connection in busy)
        busy[0].close()

        def is_served() -> bool:
            with connect(small, PLAIN) as connection:
                return answer_of(connection)[0].startswith(b"HTTP/1.1 200")

        wait_until(is_served)


def test_two_hundred_half_requests_are_gone_after_the_deadline(tmp_path: Path) -> None:
    """Slow heads hold nothing for ever, and nobody else waits for them."""
    with gateway_with(tmp_path, header_seconds=3.0) as gateway, ExitStack() as stack:
        began = time.monotonic()
        slow = [stack.enter_context(connect(gateway, HALF)) for _ in range(200)]
        assert httpx.get(f"{gateway.url}/flask/hello").status_code == 200
        assert time.monotonic() - began < 3
        answers = [answer_of(connection) for connection in slow]
        assert time.monotonic() - began > 2.9
        for head, body in answers:
            assert head.startswith(b"HTTP/1.1 408")
            detail = "The header fields took longer than 3 seconds."
            assert json.loads(body)["detail"] == detail


def test_a_kept_connection_is_closed_after_its_time(tmp_path: Path) -> None:
    """It stays for the next request and no longer, also after a body that came late."""
    late = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
    with (
        gateway_with(tmp_path, keep_alive_seconds=2.0) as gateway,
        connect(gateway, PLAIN) as kept,
        connect(gateway, late) as answered,
    ):
        assert answer_of(kept)[0].startswith(b"HTTP/1.1 200")
        assert answer_of(answered)[0].startswith(b"HTTP/1.1 404")
        answered.sendall(b"12345")
        time.sleep(0.5)
        began = time.monotonic()
        kept.sendall(PLAIN)
        assert answer_of(kept)[0].startswith(b"HTTP/1.1 200")
        assert answered.recv(1) == b""
        assert kept.recv(1) == b""
        assert time.monotonic() - began > 1.9


def test_a_drain_waits_for_what_runs_and_for_nobody_else(small: Gateway) -> None:
    """A running request is answered; an idle connection is closed, and a silent one soon."""
    with ExitStack() as stack:
        idle = stack.enter_context(connect(small, PLAIN))
        answer_of(idle)
        silent = stack.enter_context(connect(small))
        half = stack.enter_context(connect(small, HALF))
        running = stack.enter_context(connect(small, SLOW + PLAIN))
        time.sleep(0.3)
        small.signal(signal.SIGTERM)
        assert small.wait() == 0
        received = b""
        while data := running.recv(4096):
            received += data
        assert received.count(b"HTTP/1.1 200") == 2
        assert idle.recv(1) == silent.recv(1) == b""
        head, body = answer_of(half)
        assert head.startswith(b"HTTP/1.1 408")
        assert json.loads(body)["detail"].startswith("The server stops")


def test_a_flood_of_pipelined_requests_does_not_pile_up(small: Gateway) -> None:
    """Those before the limit are answered, then 429, then the end."""
    with connect(small, PLAIN * 2000) as connection:
        received = b""
        try:
            while data := connection.recv(1 << 16):
                received += data
        except ConnectionResetError:
            pass
    assert 0 < received.count(b"HTTP/1.1 200") < 200
    assert received.count(b"HTTP/1.1 429") == 1


def test_a_client_that_goes_on_after_its_refusal_is_let_go(small: Gateway) -> None:
    """The connection lingers, so that the refusal can be read, and not for ever."""
    with connect(small, b"garbage\r\n\r\n") as connection:
        assert answer_of(connection)[0].startswith(b"HTTP/1.1 400")

        def is_gone() -> bool:
            try:
                connection.sendall(b"more")
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        wait_until(is_gone)


def test_a_client_that_sends_its_body_all_the_same_reads_why_it_is_refused(
    small: Gateway,
) -> None:
    """A connection that is closed at once would be reset, and the answer lost."""
    with connect(small, UPLOAD) as connection:
        for _ in range(20):
            # Goes on for a while after the answer, as clients do that read it at the end only.
            connection.sendall(b"x" * 65_536)
            time.sleep(0.01)
        head, body = answer_of(connection)
        assert head.startswith(b"HTTP/1.1 413")
        assert json.loads(body)["status"] == 413
        assert connection.recv(1) == b""


def test_a_client_that_takes_nothing_of_its_answer_is_let_go(tmp_path: Path) -> None:
    """Its connection is aborted and its descriptor freed; others do not notice."""
    with large_with(tmp_path, write_seconds=1.0, keep_alive_seconds=0.5) as gateway:
        before = descriptors(gateway)
        with ExitStack() as stack:
            idle = [stack.enter_context(connect(gateway, LARGE, 8192)) for _ in range(10)]
            wait_until(lambda: descriptors(gateway) >= before + 10)
            assert httpx.get(f"{gateway.url}/").text == "xx"
            wait_until(lambda: descriptors(gateway) <= before)
            assert all(is_reset(connection) for connection in idle)


def test_a_client_that_takes_a_little_now_and_then_is_kept(tmp_path: Path) -> None:
    """Slow is not gone: the whole answer arrives, long after the time to take something of it."""
    with (
        large_with(tmp_path, write_seconds=1.5) as gateway,
        connect(gateway, LARGE, 65_536) as connection,
    ):
        received = 0
        until = time.monotonic() + 6
        while time.monotonic() < until:
            received += len(connection.recv(131_072))
            time.sleep(0.1)
        assert received < SIZE / 2
        while data := connection.recv(MIB):
            received += len(data)
            if received > SIZE:
                break
        assert received > SIZE


@pytest.mark.parametrize(
    ("write_seconds", "most"), [(60.0, 5.0), (0.5, 3.0)], ids=["drain first", "deadline first"]
)
def test_a_stop_is_not_held_up_by_clients_that_take_nothing(
    tmp_path: Path, write_seconds: float, most: float
) -> None:
    """The time to drain is the most that they get, and their own deadline holds meanwhile."""
    with (
        large_with(tmp_path, write_seconds=write_seconds, drain_seconds=3.0) as gateway,
        ExitStack() as stack,
    ):
        for _ in range(5):
            connection = stack.enter_context(connect(gateway, LARGE, 8192))
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        gateway.wait()
        assert time.monotonic() - began < most
