"""`wsgi.input`, however a body arrives and however it is read."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.bridge.body import BodyLimits, BodyStream, ClientLeft
from gateway.problems import Expired
from tests.bridge.driver import SECONDS, Exchange, ask, scope_of, until
from tests.bridge.inputs import CHUNKED, KINDS, App, Read, apply, read_until_error
from tests.bridge.machines import Gate, bridged, is_whole


async def _sent(
    kind: str,
    read: Callable[[Any], Any],
    pieces: Sequence[bytes],
    *,
    leaves: bool = False,
    **limits: Any,
) -> App:
    app = App(read)
    async with bridged(app, **KINDS[kind], **limits) as bridge:
        await ask(bridge, "/", pieces, method="POST", headers=CHUNKED, leaves=leaves)
    return app


# --- the same as a file -------------------------------------------------------------------------

sizes = st.one_of(st.none(), st.integers(-1, 12), st.integers(0, 300_000))
reads: st.SearchStrategy[list[Read]] = st.lists(
    st.tuples(st.sampled_from(["read", "readline", "readlines", "next", "all", "readinto"]), sizes),
    max_size=12,
)
# Of a small alphabet, so that line feeds are where reads end; sometimes larger than any buffer.
short_bodies = st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\0", b"bc"]), max_size=60).map(
    b"".join
)
long_bodies = st.builds(
    lambda line, count: line * count, short_bodies, st.integers(1_000, 6_000)
).map(lambda body: body[:300_000])


@st.composite
def arrivals(draw: st.DrawFn) -> list[bytes]:
    """A body in the pieces that it arrives in, empty ones included."""
    body = draw(st.one_of(short_bodies, short_bodies, long_bodies))
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    edges = [0, *cuts, len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def _reference(body: bytes, kind: str) -> Any:
    """A file with this body.

    `BytesIO.readlines(hint)` stops when the lines have reached the hint, all other files of Python
    when they have exceeded it (`io.IOBase.readlines`); nothing else is different.
    """
    plain = io.BytesIO(body)
    return plain if kind == "memory" else io.BufferedReader(plain)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(pieces=arrivals(), operations=reads)
@example(pieces=[b"a\n", b"b"], operations=[("readline", 100), ("readlines", None), ("read", -1)])
@example(pieces=[b""], operations=[("readlines", None), ("readline", 100), ("read", 0)])
def test_any_reads_give_what_a_file_gives(
    kind: str, pieces: list[bytes], operations: list[Read]
) -> None:
    """Whatever the pieces and the reads, the application sees what `io` would show it."""
    app = asyncio.run(_sent(kind, lambda file: apply(file, operations), pieces))
    assert app.seen == apply(_reference(b"".join(pieces), kind), operations)


@settings(max_examples=60, deadline=None)
@given(pieces=arrivals(), memory_bytes=st.integers(0, 400))
def test_a_body_is_whole_on_either_side_of_the_memory_limit(
    pieces: list[bytes], memory_bytes: int
) -> None:
    """Where a body moves from memory to a file, nothing is lost or doubled."""
    app = asyncio.run(_sent("memory", lambda file: file.read(), pieces, memory_bytes=memory_bytes))
    assert app.seen == b"".join(pieces)


async def test_a_large_body_is_whole_through_a_file() -> None:
    """Several mebibytes, more than is written at once."""
    pieces = [bytes([n]) * 300_000 for n in range(20)]
    app = await _sent("file", lambda file: file.read(), pieces)
    assert app.seen == b"".join(pieces)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_input_is_a_file_for_others(kind: str) -> None:
    """What wraps a file wraps the input: `io.TextIOWrapper`, and asking what it can do."""

    def read(file: Any) -> Any:
        assert file.readable()
        assert not file.closed
        text = io.TextIOWrapper(file, "utf-8")
        lines = list(text)
        text.detach()
        return lines

    app = await _sent(kind, read, ["grün\nbl".encode(), b"au"])
    assert app.seen == ["grün\n", "blau"]


# --- a client that leaves -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=40, deadline=None)
@given(pieces=arrivals())
def test_a_spooled_body_that_is_cut_short_calls_nobody(kind: str, pieces: list[bytes]) -> None:
    """The application does not learn of an upload that its client broke off."""
    app = asyncio.run(_sent(kind, lambda file: file.read(), pieces, leaves=True))
    assert app.calls == 0


@settings(max_examples=80, deadline=None)
@given(pieces=arrivals(), operations=reads)
def test_a_streamed_body_that_is_cut_short_raises(
    pieces: list[bytes], operations: list[Read]
) -> None:
    """No read takes a departure for the end, neither the first one after it nor a later one."""
    read = _sent("stream", lambda file: read_until_error(file, operations), pieces, leaves=True)
    _, errors = asyncio.run(read).seen
    # At least the three reads that were added: each of them would reach the end.
    assert len(errors) >= 3


@pytest.mark.parametrize("reads_already", [True, False])
async def test_a_reader_is_let_go_when_its_request_is_cancelled(*, reads_already: bool) -> None:
    """A thread that waits for more of a body, or is about to, does not outlive its request."""
    gate = Gate()

    def read(file: Any) -> Any:
        gate.block()
        return read_until_error(file, [])

    app = App(read)
    async with bridged(app, **KINDS["stream"]) as bridge:
        scope = scope_of(method="POST", headers=CHUNKED)
        exchange = Exchange(bridge, scope, [b"half"], stalls=True)
        task = asyncio.create_task(exchange.run())
        await until(lambda: app.calls)
        gate.open()
        if reads_already:
            await until(lambda: not exchange._incoming)
        else:
            time.sleep(0.02)  # noqa: ASYNC251 - the thread asks, and the loop does not look yet
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await until(lambda: is_whole(bridge.pool))
    _, errors = app.seen
    assert len(errors) == 3


async def test_a_reader_that_begins_to_wait_as_its_request_ends_is_let_go() -> None:
    """Between its look and its wait nothing is lost."""
    looked, goes_on = threading.Event(), threading.Event()

    class Interrupted(threading.Event):
        def clear(self) -> None:
            # Its thread loses its turn here.
            looked.set()
            goes_on.wait(SECONDS)
            super().clear()

    async def receive() -> Any:
        await asyncio.Event().wait()

    stream = BodyStream(receive, BodyLimits(1, 0, 30, 600), asyncio.get_running_loop())
    stream._arrived = Interrupted()
    ended = threading.Event()

    def read() -> None:
        with contextlib.suppress(ClientLeft):
            stream.readinto(bytearray(10))
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    await until(looked.is_set)
    # In a thread, as it may wait for the reader now.
    abandoning = asyncio.create_task(asyncio.to_thread(stream.abandon))
    await asyncio.sleep(0.05)
    goes_on.set()
    await abandoning
    await until(ended.is_set)


@pytest.mark.usefixtures("frequent_sweeps")
async def test_the_time_for_an_answer_begins_when_an_upload_that_is_read_along_has_come() -> None:
    """Uploads have deadlines of their own; what an application does with its thread has one."""
    gate = Gate()
    late = asyncio.Event()
    sent: list[Any] = []
    pieces = 3

    async def receive() -> Any:
        nonlocal pieces
        if not pieces:
            await asyncio.Event().wait()
        pieces -= 1
        if pieces < 2:
            await asyncio.sleep(0.5)
        return {"type": "http.request", "body": b"x", "more_body": pieces > 0}

    async def send(message: Any) -> None:
        sent.append(message)

    def read(file: Any) -> Any:
        body = file.read()
        if late.is_set():
            gate.block()
        return body

    app = App(read)
    async with bridged(app, **KINDS["stream"], response_seconds=0.3) as bridge:
        scope = scope_of(method="POST", headers=CHUNKED)
        await bridge(scope, receive, send)
        assert app.seen == b"xxx"
        assert sent[0]["status"] == 200
        pieces = 3
        late.set()
        with pytest.raises(Expired):
            await bridge(scope, receive, send)
        gate.open()


@pytest.mark.usefixtures("frequent_sweeps")
async def test_an_application_that_does_not_read_its_upload_is_late_all_the_same() -> None:
    """An upload that nobody asks for does not end, and is no reason to wait for ever."""
    gate = Gate()
    app = App(lambda file: gate.block())
    async with bridged(app, **KINDS["stream"], response_seconds=0.05) as bridge:
        scope = scope_of(method="POST", headers=CHUNKED)
        with pytest.raises(Expired):
            await Exchange(bridge, scope, [b"x"], stalls=True).run()
        gate.open()
