"""One connection, on either event loop, with TLS and without."""

from __future__ import annotations

import json
import logging
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.protocol.fronts import MIB, Front, front, rest_of, wait_until

CLOSE = b"Connection: close\r\n"
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

Serve = Callable[..., AbstractContextManager[Front]]


@pytest.fixture(
    params=[("asyncio", False), ("asyncio", True), ("uvloop", False), ("uvloop", True)],
    ids=["asyncio", "asyncio with TLS", "uvloop", "uvloop with TLS"],
)
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Serve:
    """A server of each kind."""
    loop, tls = request.param

    def with_limits(**options: Any) -> AbstractContextManager[Front]:
        return front(loop, tmp_path if tls else None, **options)

    return with_limits


@pytest.fixture(params=["asyncio", "uvloop"])
def plain(request: pytest.FixtureRequest) -> Iterator[Front]:
    """A server without TLS, with short times."""
    with front(request.param, header_seconds=1.0, linger_seconds=0.2) as server:
        yield server


def get(path: bytes = b"/", fields: bytes = b"", method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n"


def test_requests_are_answered_and_connections_counted(serve: Serve) -> None:
    """Bodies arrive whole, answers come in order, refusals are read, and nobody is left."""
    with serve() as server:
        length = get(b"/body", b"Content-Length: 5\r\n", b"POST") + b"12345"
        chunks = (
            get(b"/body", b"Transfer-Encoding: chunked\r\n", b"POST") + b"5\r\n12345\r\n0\r\n\r\n"
        )
        answers = server.ask(length + chunks + get(b"/300000", CLOSE))
        assert answers.count(b"HTTP/1.1 200 OK") == 3
        assert answers.count(b"x") >= 300_000
        assert server.app.bodies == [b"12345", b"12345"]
        refusal = server.ask(b"garbage\r\n\r\n")
        assert refusal.startswith(b"HTTP/1.1 400")
        assert refusal.endswith(b"}")
        server.wait_until_alone()
        assert server.counts.refused == {400: 1}


def test_every_way_to_end_is_counted(serve: Serve) -> None:
    """Whatever becomes of a connection, it is taken off the count once."""
    with serve(connections=3) as server:
        for data in (
            b"",
            b"GET",
            get(),
            get(b"/endless"),
            b"\x00",
            get(fields=b"Upgrade: h2c\r\nConnection: Upgrade\r\n"),
            get(b"/ws", WEBSOCKET),
            get(b"/no", WEBSOCKET),
            get(b"/ws", WEBSOCKET.replace(b"13", b"12")),
            get(b"/body", b"Content-Length: 9\r\n", b"POST"),
        ):
            for abruptly in (False, True):
                with server.client(data) as client:
                    if data.startswith(b"GET /"):
                        client.recv(1)
                    wait_until(lambda: server.counts.open <= 1)
                    if abruptly:
                        client.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                server.wait_until_alone()


def test_websockets_are_counted_while_they_are_open(serve: Serve) -> None:
    """They take their share of the connections like any other."""
    with serve(connections=2) as server:
        with (
            server.client(get(b"/ws", WEBSOCKET)) as one,
            server.client(get(b"/ws", WEBSOCKET)) as two,
        ):
            for client in (one, two):
                assert client.recv(12) == b"HTTP/1.1 101"
            assert server.counts.open == 2
            assert server.ask(get()).startswith(b"HTTP/1.1 503")
        server.wait_until_alone()
        assert server.counts.refused == {503: 1}
        assert server.ask(get(fields=CLOSE)).startswith(b"HTTP/1.1 200")


def test_a_client_that_takes_nothing_is_let_go(serve: Serve) -> None:
    """Its connection is gone after the time for it, whatever the answer's size in memory."""
    with serve(write_seconds=0.5) as server:
        with server.client(get(b"/%d" % (32 * MIB)), receive_bytes=8192) as client:
            wait_until(lambda: server.counts.not_taking)
            server.wait_until_alone()
            assert len(rest_of(client)) < 32 * MIB
        assert server.counts.not_taking == 1
        assert server.ask(get(fields=CLOSE)).startswith(b"HTTP/1.1 200")


def test_a_client_that_takes_a_little_is_kept(serve: Serve) -> None:
    """Also where what it takes moves nothing but the systems' own buffers."""
    with serve(write_seconds=1.0) as server:
        with server.client(get(b"/%d" % (16 * MIB), CLOSE), receive_bytes=65_536) as client:
            received = 0
            until = time.monotonic() + 4
            while time.monotonic() < until:
                received += len(client.recv(65_536))
                time.sleep(0.1)
            assert received < 8 * MIB
            received += len(rest_of(client))
        assert received > 16 * MIB
        assert server.counts.not_taking == 0


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("fields", [b"", CLOSE], ids=["kept", "closed"])
def test_the_end_of_an_answer_is_watched_too(loop: Any, fields: bytes) -> None:
    """What is left is too little to stop who writes, and a close waits for it: not for ever."""
    with (
        front(loop, write_seconds=0.5, keep_alive_seconds=1, send_bytes=4096) as server,
        server.client(get(b"/60000", fields), receive_bytes=4096) as client,
    ):
        wait_until(lambda: server.counts.not_taking)
        server.wait_until_alone()
        assert len(rest_of(client)) < 60_000


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_answer_that_is_still_taken_is_not_crowded_out(loop: Any) -> None:
    """Its service is done with it; its client is not."""
    with (
        front(loop, connections=1, send_bytes=4096) as server,
        server.client(get(b"/60000"), receive_bytes=4096) as client,
    ):
        client.recv(1)
        time.sleep(0.2)
        assert server.ask(get()).startswith(b"HTTP/1.1 503")
        received = 1
        while received < 60_000:
            received += len(client.recv(65_536))
        wait_until(lambda: server.ask(get(fields=CLOSE)).startswith(b"HTTP/1.1 200"))
        assert server.counts.crowded_out == 1


def test_a_stream_learns_that_its_client_left_a_pipeline(plain: Front) -> None:
    """Not only the last request of a pipeline is told."""
    with plain.client(get(b"/endless") + get()) as client:
        assert client.recv(12) == b"HTTP/1.1 200"
    wait_until(lambda: plain.app.left)
    plain.wait_until_alone()


def test_a_body_that_breaks_off_within_its_answer_ends_both(plain: Front) -> None:
    """The client sees an answer without its end; the service sees that its client has left."""
    with plain.client(get(b"/endless", b"Transfer-Encoding: chunked\r\n", b"POST")) as client:
        assert client.recv(12) == b"HTTP/1.1 200"
        client.sendall(b"no size\r\n")
        answer = rest_of(client)
    assert b"HTTP/1.1" not in answer
    assert not answer.endswith(b"0\r\n\r\n")
    wait_until(lambda: plain.app.left)
    assert plain.app.failed == []
    assert plain.counts.refused == {400: 1}
    plain.wait_until_alone()


def test_a_refusal_waits_for_its_turn_and_is_counted_once(plain: Front) -> None:
    """Also where the fault is in the body of a request that waits."""
    broken = get(b"/body", b"Transfer-Encoding: chunked\r\n", b"POST") + b"no size\r\n"
    answers = plain.ask(get(b"/300000") + broken)
    assert answers.startswith(b"HTTP/1.1 200")
    assert answers.count(b"HTTP/1.1 400") == 1
    assert plain.counts.refused == {400: 1}
    assert plain.app.bodies == []


def test_a_refusal_is_in_the_log_under_its_id(
    plain: Front, caplog: pytest.LogCaptureFixture
) -> None:
    """For those who look for it; a ping of the server is no refusal."""
    caplog.set_level(logging.DEBUG, "uvicorn.error")
    document = json.loads(plain.ask(get(b"/#")).partition(b"\r\n\r\n")[2])
    assert f"refused request {document['request_id']}: 400" in caplog.text
    assert plain.ask(get(b"*", method=b"OPTIONS")).startswith(b"HTTP/1.1 204")
    assert plain.counts.refused == {400: 1}
