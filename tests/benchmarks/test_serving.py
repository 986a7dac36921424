"""The reader of an event stream beside what is measured."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.serving import PeerFailedError, reading

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: overview\ndata: {}\n\n"


@contextmanager
def answering(answer: bytes, *, ends: bool) -> Iterator[tuple[int, threading.Event, list[bytes]]]:
    """Answers one connection; tells its port, whether the client has left, and what it asked."""
    left = threading.Event()
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_one() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(answer)
                if not ends:
                    connection.recv(65536)
                    left.set()

        thread = threading.Thread(target=answer_one)
        thread.start()
        yield listener.getsockname()[1], left, asked
        thread.join(10)


def wait_for_readers() -> None:
    """Until none of them has anything left to read."""
    for thread in threading.enumerate():
        if "_read_on" in thread.name:
            thread.join(10)


def test_a_stream_is_read_until_the_block_ends() -> None:
    """From its first event on."""
    with answering(EVENTS, ends=False) as (port, left, asked):
        with reading(port, "/events"):
            assert asked[0].startswith(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1:")
            assert not left.is_set()
        assert left.wait(10)


def test_no_stream_is_read_where_none_is_wanted() -> None:
    """Nobody need listen."""
    with reading(1, ""):
        pass


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b""]
)
def test_what_is_no_stream_ends_the_run(answer: bytes) -> None:
    """Else a portal that is closed would be measured for one that is open."""
    with (
        answering(answer, ends=True) as (port, _, _),
        pytest.raises(PeerFailedError, match="no event stream"),
        reading(port, "/events"),
    ):
        pytest.fail("it was taken for one")


def test_a_stream_that_ends_early_ends_the_run() -> None:
    """What was measured after it was measured without."""
    with (
        answering(EVENTS, ends=True) as (port, _, _),
        pytest.raises(PeerFailedError, match="ended while it was read"),
        reading(port, "/events"),
    ):
        wait_for_readers()
