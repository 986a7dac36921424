"""The chunks of a stream, as they are sent."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies
from starlette.types import Message

from gateway.bridge import Bridge, BridgeLimits
from gateway.bridge.files import FileWrapper
from gateway.bridge.responder import STREAM_BYTES, pieces
from gateway.problems import GaveUp
from tests.bridge.driver import scope_of

_SIZES = strategies.one_of(
    strategies.integers(0, 200),
    strategies.sampled_from([65_535, 65_536, STREAM_BYTES, STREAM_BYTES + 1, 3 * STREAM_BYTES]),
)


@hypothesis.given(strategies.lists(_SIZES, max_size=6))
@hypothesis.settings(deadline=None, max_examples=50)
def test_nothing_is_lost_and_no_piece_is_huge(sizes: list[int]) -> None:
    """The pieces are the chunks in order, each within the bound."""
    chunks = [bytes([65 + index]) * size for index, size in enumerate(sizes)]
    sent = list(pieces(chunks))
    assert b"".join(sent) == b"".join(chunks)
    assert all(len(piece) <= STREAM_BYTES for piece in sent)


def test_small_chunks_leave_together() -> None:
    """A hundred small chunks that wait are one message."""
    assert list(pieces([b"x" * 100] * 100)) == [b"x" * 10_000]


async def test_a_slow_reader_of_a_huge_chunk_is_not_cut_off() -> None:
    """The write deadline is for each piece: who takes some in time gets all."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"x" * (6 * STREAM_BYTES)

    received: list[int] = []

    async def send(message: Message) -> None:
        if message.get("body"):
            await asyncio.sleep(0.1)
            received.append(len(message["body"]))

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    bridge = Bridge(app, "slow", BridgeLimits(threads=1, write_seconds=0.4))
    await bridge(scope_of(), receive, send)
    assert received == [STREAM_BYTES] * 6
    await bridge.pool.close(10)


@pytest.mark.parametrize("taken", [0, 1, 3, 4])
async def test_a_large_whole_answer_has_the_deadline_of_a_stream(taken: int) -> None:
    """It leaves in pieces, each of which has to be taken in time; its length is known."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x" * (2 * STREAM_BYTES + 10)]

    sent: list[Message] = []

    async def send(message: Message) -> None:
        if len(sent) == taken:
            await asyncio.Event().wait()
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    bridge = Bridge(app, "whole", BridgeLimits(threads=1, write_seconds=0.05))
    async with asyncio.timeout(10):
        with contextlib.nullcontext() if taken == 4 else pytest.raises(GaveUp):
            await bridge(scope_of(), receive, send)
    counters = bridge.pool.counters
    assert (counters.served, counters.left_early) == ((1, 0) if taken == 4 else (0, 1))
    assert [len(message["body"]) for message in sent[1:]] == [STREAM_BYTES, STREAM_BYTES, 10][
        : max(taken - 1, 0)
    ]
    if taken == 4:
        assert (b"content-length", b"%d" % (2 * STREAM_BYTES + 10)) in sent[0]["headers"]
        assert [message["more_body"] for message in sent[1:]] == [True, True, False]
    await bridge.pool.close(10)


def test_a_pipe_is_not_asked_for_more_than_was_suggested(tmp_path: Path) -> None:
    """It would keep back what it has; a file, or memory, is read in larger blocks."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        os.write(writing, b"abcd")
        blocks = iter(FileWrapper(pipe, 2))
        assert (next(blocks), next(blocks)) == (b"ab", b"cd")
        os.close(writing)
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    with path.open("rb") as file:
        assert len(list(FileWrapper(file, 2))) == 1
    assert len(list(FileWrapper(io.BytesIO(b"x" * 100_000), 2))) == 1


@pytest.mark.parametrize("streams", [False, True])
def test_one_bridge_serves_one_loop_after_another(streams: bool) -> None:
    """Test clients have a loop for each request; what was planned on the last one is forgotten."""
    running = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes] | list[bytes]:
        running.wait(10)
        start_response("200 OK", [])
        return iter([b"o", b"k"]) if streams else [b"ok"]

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    bridge = Bridge(app, "loops", BridgeLimits(threads=1))

    async def ask() -> bytes:
        body = b""

        async def send(message: Message) -> None:
            nonlocal body
            body += message.get("body", b"")

        await bridge(scope_of(), receive, send)
        return body

    async def leave_two() -> None:
        # One runs, one waits: the pool looks after both when this loop ends.
        tasks = [asyncio.create_task(ask()) for _ in range(2)]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(leave_two())
    running.set()
    for _ in range(3):
        assert asyncio.run(asyncio.wait_for(ask(), 10)) == b"ok"
