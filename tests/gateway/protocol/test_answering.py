"""How one answer leaves: its lines, its framing, its end."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.gateway.protocol.fronts import Front, front, rest_of, wait_until

seen = contextvars.ContextVar("seen", default="nothing")


@pytest.fixture(params=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest) -> Iterator[Front]:
    """A server whose application a test chooses."""
    with front(request.param, keep_alive_seconds=1) as running:
        yield running


def answering(
    front: Front, *pieces: bytes, status: int = 200, headers: Any = (), **end: Any
) -> None:
    """Have every request answered so."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", **end})

    install(front, answer)


def install(front: Front, app: Any) -> None:
    front.app.__class__ = type("Chosen", (type(front.app),), {"_answer": staticmethod(app)})


def get(version: bytes = b"1.1", *, method: bytes = b"GET", close: bool = True) -> bytes:
    connection = b"Connection: close\r\n" if close else b""
    return method + b" / HTTP/" + version + b"\r\nHost: localhost\r\n" + connection + b"\r\n"


def read_to(connection: socket.socket, end: bytes) -> None:
    """Read what arrives until it ends so."""
    received = b""
    while not received.endswith(end):
        piece = connection.recv(1000)
        assert piece, received
        received += piece


def test_an_answer_without_a_length_is_chunked(server: Front) -> None:
    """Each piece is a chunk, an empty one none, and the last has the end."""
    answering(server, b"ab", b"", b"cde", body=b"f")
    head, _, body = server.ask(get()).partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"2\r\nab\r\n3\r\ncde\r\n1\r\nf\r\n0\r\n\r\n"


def test_http_1_0_is_answered_to_the_end_of_the_connection(server: Front) -> None:
    """Such a client knows no chunks (RFC 9112, section 6.1)."""
    answering(server, b"ab", b"cde")
    head, _, body = server.ask(get(b"1.0", close=False)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body == b"abcde"


@pytest.mark.parametrize(
    ("method", "status", "headers"),
    [
        (b"HEAD", 200, [(b"content-length", b"3")]),
        (b"HEAD", 200, []),
        (b"GET", 304, [(b"content-length", b"3")]),
        (b"GET", 304, []),
        (b"GET", 204, []),
    ],
)
def test_what_has_no_body_is_sent_none(
    server: Front, method: bytes, status: int, headers: Any
) -> None:
    """Whatever the application says; the next answer begins where it should."""
    answering(server, b"a", status=status, headers=headers, body=b"bc")
    answer = server.ask(get(method=method, close=False) + get(method=method))
    assert answer.count(b"HTTP/1.1 %d" % status) == 2
    assert answer.endswith(b"\r\n\r\n")
    assert not any(line in answer for line in (b"abc", b"bc", b"chunked"))


@pytest.mark.parametrize(
    "header",
    [
        (b"x a", b"1"),
        (b"X-A", b"1"),
        (b"", b"1"),
        (b"x-a", b"1\r\nX-B: 2"),
        (b"x-a", b"\x00"),
        (b"x-a", b"1\n" + b"x" * 300),
        (b"content-length", b"1"),
        (b"content-length", b"1_0"),
        (b"content-length", b"-2"),
        (b"content-length", b"9" * 5000),
        (b"x-a", "text"),
    ],
)
def test_a_header_that_is_none_gives_500_and_costs_nothing_else(
    server: Front, header: tuple[bytes, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in the log, and the connection goes on."""
    answering(server, headers=[(b"content-length", b"0"), header])
    with caplog.at_level(logging.ERROR):
        answer = server.ask(get())
    assert b"X-B" not in answer
    assert answer.startswith(b"HTTP/1.1 500")
    assert any("the application raised" in record.message for record in caplog.records)
    answering(server, headers=[(b"content-length", b"0")])
    assert server.ask(get()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("status", [100, 101, 103, 600])
def test_a_status_that_ends_no_request_gives_500(server: Front, status: int) -> None:
    """What follows an interim answer would be taken for the answer to the next request."""
    answering(server, status=status, headers=[(b"content-length", b"2")], body=b"ab")
    answer = server.ask(get(close=False))
    assert answer.startswith(b"HTTP/1.1 500")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("status", "headers", "framing"),
    [
        (200, [(b"content-length", b"2"), (b"transfer-encoding", b"chunked")], {b"content-length"}),
        (200, [(b"transfer-encoding", b"chunked")], {b"transfer-encoding"}),
        (200, [(b"transfer-encoding", b"gzip")], {b"transfer-encoding"}),
        (200, [(b"content-length", b"2"), (b"content-length", b"2")], {b"content-length"}),
        (204, [(b"content-length", b"2"), (b"transfer-encoding", b"chunked")], set()),
        (304, [(b"content-length", b"2")], {b"content-length"}),
    ],
)
def test_the_framing_is_the_servers(
    server: Front, status: int, headers: Any, framing: set[bytes]
) -> None:
    """One way to tell the end, whatever the application has copied from elsewhere."""
    answering(server, status=status, headers=headers, body=b"ab")
    head, _, _ = server.ask(get()).partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
    found = [name for name in names if name in {b"content-length", b"transfer-encoding"}]
    assert found == sorted(framing)


def test_a_broken_off_answer_to_http_1_0_does_not_look_whole(server: Front) -> None:
    """To such a client the end of the connection is the end of the answer, unless it is a reset."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await asyncio.sleep(0.2)
        raise ValueError("in the middle")

    install(server, answer)
    with server.client(get(b"1.0")) as connection:
        read_to(connection, b"part")
        with pytest.raises(ConnectionResetError):
            connection.recv(1000)


@pytest.mark.parametrize(("length", "body"), [(b"2", b"abc"), (b"4", b"abc")])
def test_a_length_that_is_not_kept_breaks_the_answer_off(
    server: Front, length: bytes, body: bytes
) -> None:
    """So that the client knows; nothing is sent beyond the length."""
    answering(server, headers=[(b"content-length", length)], body=body)
    _, _, received = server.ask(get(close=False)).partition(b"\r\n\r\n")
    assert received == b""


@pytest.mark.parametrize("value", [b"close", b"Close, x-a"])
def test_an_application_may_close_the_connection(server: Front, value: bytes) -> None:
    """It is said once."""
    answering(server, headers=[(b"content-length", b"0"), (b"connection", value)])
    answer = server.ask(get(close=False))
    assert answer.lower().count(b"connection:") == 1


def test_messages_out_of_turn_are_errors_of_the_application(server: Front) -> None:
    """A body before the beginning, a second beginning, anything after the end."""
    raised: list[str] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": []}
        body = {"type": "http.response.body", "body": b"x"}
        for message, sound in ((body, False), (start, True), (start, False), (body, True)):
            try:
                await send(message)
                assert sound
            except RuntimeError as error:
                raised.append(str(error))
        try:
            await send(body)
        except RuntimeError as error:
            raised.append(str(error))

    install(server, answer)
    assert server.ask(get()).endswith(b"1\r\nx\r\n0\r\n\r\n")
    assert len(raised) == 3


def test_an_error_after_the_answer_costs_no_connection(server: Front) -> None:
    """The client has all of its answer, and asks again on the same connection."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})
        raise ValueError("afterwards")

    install(server, answer)
    with server.client(get(close=False)) as connection:
        read_to(connection, b"ok")
        time.sleep(0.1)
        connection.sendall(get())
        assert rest_of(connection).endswith(b"ok")


def test_a_request_sees_nothing_of_the_one_before_on_its_connection(server: Front) -> None:
    """Each begins with the server's own context variables, also where they were sent at once."""
    found: list[str] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(seen.get())
        seen.set("the request before")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    install(server, answer)
    server.ask(get(close=False) + get(close=False) + get())
    assert found == ["nothing"] * 3


def test_a_connection_is_kept_as_long_as_it_is_used(server: Front) -> None:
    """Its time begins anew with each answer, and ends it."""
    answering(server, headers=[(b"content-length", b"0")])
    with server.client() as connection:
        connection.settimeout(5)
        for _ in range(4):
            connection.sendall(get(close=False))
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            time.sleep(0.6)
        begun = time.monotonic()
        assert rest_of(connection) == b""
        assert time.monotonic() - begun < 4
    wait_until(lambda: server.counts.open == 0)


def test_a_connection_in_use_outlives_its_rest(server: Front) -> None:
    """The time of a rest is over while the next request is answered: that ends nothing."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(1.5 if scope["path"] == "/slow" else 0)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    install(server, answer)
    with server.client(get(close=False)) as connection:
        read_to(connection, b"ok")
        connection.sendall(get(close=False).replace(b" / ", b" /slow "))
        read_to(connection, b"ok")
        connection.sendall(get())
        assert rest_of(connection).endswith(b"ok")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_head_behind_a_body_is_measured_like_any_other(loop: Any) -> None:
    """Also where both come in one piece."""
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n%bConnection: close\r\n\r\n"
    first = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12345"
    with front(loop, header_bytes=2000) as server:
        answering(server, headers=[(b"content-length", b"0")])
        assert server.ask(first + head % (b"X-A: %b\r\n" % (b"x" * 1900))).count(b" 200 OK") == 2
        long = head % (b"X-A: %b\r\n" % (b"x" * 2100))
        answer = server.ask(first + long)
        assert answer.count(b" 200 OK") == 1
        assert answer.count(b"HTTP/1.1 431") == 1
        with server.client(first + long[:1500]) as connection:
            time.sleep(0.1)
            connection.sendall(long[1500:])
            answer = rest_of(connection)
        assert answer.count(b" 200 OK") == 1
        assert answer.count(b"HTTP/1.1 431") == 1


def test_a_client_that_leaves_is_no_error(server: Front, caplog: pytest.LogCaptureFixture) -> None:
    """What is sent to it goes nowhere."""
    ended: list[bool] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})
        ended.append(True)

    install(server, answer)
    with caplog.at_level(logging.ERROR):
        with server.client(get(close=False)) as connection:
            connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: ended)
        server.wait_until_alone()
    assert not caplog.records


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_resting_client_of_tls_does_not_hold_its_connection(loop: Any, tmp_path: Path) -> None:
    """One that answers no farewell is let go soon, and holds up no stop."""
    with front(loop, tmp_path, keep_alive_seconds=1, linger_seconds=0.2) as server:
        answering(server, headers=[(b"content-length", b"0")])
        with server.client(get(close=False)) as connection:
            read_to(connection, b"\r\n\r\n")
            wait_until(lambda: server.counts.open == 0, 5)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_slow_client_of_tls_gets_all_of_its_last_answer(loop: Any, tmp_path: Path) -> None:
    """What is still owed is waited for, also when the client pauses."""
    size = 8_000_000
    with front(loop, tmp_path, linger_seconds=0.1, send_bytes=65536) as server:
        answering(server, headers=[(b"content-length", b"%d" % size)], body=b"x" * size)
        with server.client(get(), receive_bytes=65536) as connection:
            received = len(connection.recv(1000))
            time.sleep(1.5)
            received += len(rest_of(connection))
        assert received > size


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_request_that_waited_for_the_process_is_answered(loop: Any) -> None:
    """A process that got no time finds deadline and request at once: the request counts."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        loops.append(asyncio.get_running_loop())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with front(loop, header_seconds=0.3) as server:
        install(server, answer)
        server.ask(get())
        with server.client(b"GET / HTTP/1.1\r\n") as connection:
            time.sleep(0.1)
            loops[0].call_soon_threadsafe(time.sleep, 0.6)
            time.sleep(0.1)
            connection.sendall(b"Host: localhost\r\nConnection: close\r\n\r\n")
            assert rest_of(connection).startswith(b"HTTP/1.1 204")
