"""`wsgi.input`, however a body arrives and however it is read."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import itertools
import math
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from gateway.bridge import Bridge, BridgeLimits
from gateway.bridge.body import BodyTimeout, BodyTooLarge, NoRoom
from gateway.bridge.pool import Saturated
from tests.bridge.driver import Answer, Exchange, ask, scope_of

CHUNKED = [(b"transfer-encoding", b"chunked")]
# Memory, a temporary file, or as it arrives.
KINDS = {
    "memory": BridgeLimits(threads=1),
    "file": BridgeLimits(threads=1, memory_bytes=0),
    "stream": BridgeLimits(threads=1, buffering="stream"),
}
Read = tuple[str, int | None]


class App:
    """An application that does `read` with its input and keeps what came of it."""

    def __init__(self, read: Callable[[Any], Any] = lambda file: file.read()) -> None:
        self.read = read
        self.calls = 0
        self.seen: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.calls += 1
        self.seen = self.read(environ["wsgi.input"])
        start_response("200 OK", [])
        return [b"ok"]


@contextlib.asynccontextmanager
async def bridged(app: Any, limits: BridgeLimits) -> Any:
    """The bridge around an application, closed afterwards, in a bounded time."""
    bridge = Bridge(app, "input", limits)
    async with asyncio.timeout(20):
        yield bridge
        assert await bridge.pool.close(5)


async def _sent(
    limits: BridgeLimits, read: Callable[[Any], Any], pieces: Sequence[bytes], **options: Any
) -> App:
    app = App(read)
    async with bridged(app, limits) as bridge:
        await ask(bridge, "/", pieces, method="POST", headers=CHUNKED, **options)
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


def _apply(file: Any, operations: Sequence[Read]) -> list[Any]:
    return [_apply_one(file, name, size) for name, size in operations]


def _apply_one(file: Any, name: str, size: int | None) -> Any:
    if name == "next":
        return next(file, None)
    if name == "all":
        return list(file)
    if name == "readinto":
        buffer = bytearray(max(size or 0, 0))
        return file.readinto(buffer), bytes(buffer)
    if size is None:
        return getattr(file, name)()
    return getattr(file, name)(size)


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
    app = asyncio.run(_sent(KINDS[kind], lambda file: _apply(file, operations), pieces))
    assert app.seen == _apply(_reference(b"".join(pieces), kind), operations)


@settings(max_examples=60, deadline=None)
@given(pieces=arrivals(), memory_bytes=st.integers(0, 400))
def test_a_body_is_whole_on_either_side_of_the_memory_limit(
    pieces: list[bytes], memory_bytes: int
) -> None:
    """Where a body moves from memory to a file, nothing is lost or doubled."""
    limits = BridgeLimits(threads=1, memory_bytes=memory_bytes)
    app = asyncio.run(_sent(limits, lambda file: file.read(), pieces))
    assert app.seen == b"".join(pieces)


async def test_a_large_body_is_whole_through_a_file() -> None:
    """Several mebibytes, more than is written at once."""
    pieces = [bytes([n]) * 300_000 for n in range(20)]
    app = await _sent(KINDS["file"], lambda file: file.read(), pieces)
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

    app = await _sent(KINDS[kind], read, ["grün\nbl".encode(), b"au"])
    assert app.seen == ["grün\n", "blau"]


# --- a client that leaves -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=40, deadline=None)
@given(pieces=arrivals())
def test_a_spooled_body_that_is_cut_short_calls_nobody(kind: str, pieces: list[bytes]) -> None:
    """The application does not learn of an upload that its client broke off."""
    app = asyncio.run(_sent(KINDS[kind], lambda file: file.read(), pieces, leaves=True))
    assert app.calls == 0


def _read_until_error(file: Any, operations: Sequence[Read]) -> tuple[list[Any], list[OSError]]:
    got: list[Any] = []
    errors: list[OSError] = []
    for name, size in [*operations, ("read", None), ("read", None), ("readline", None)]:
        try:
            got.append(_apply_one(file, name, size))
        except OSError as error:
            errors.append(error)
    return got, errors


@settings(max_examples=80, deadline=None)
@given(pieces=arrivals(), operations=reads)
def test_a_streamed_body_that_is_cut_short_raises(
    pieces: list[bytes], operations: list[Read]
) -> None:
    """No read takes a departure for the end, neither the first one after it nor a later one."""
    read = _sent(
        KINDS["stream"], lambda file: _read_until_error(file, operations), pieces, leaves=True
    )
    _, errors = asyncio.run(read).seen
    # At least the three reads that were added: each of them would reach the end.
    assert len(errors) >= 3


async def test_a_reader_is_let_go_when_its_request_is_cancelled() -> None:
    """A thread that waits for more of a body does not outlive its request."""
    errors: list[OSError] = []

    def read(file: Any) -> None:
        try:
            file.read()
        except OSError as error:
            errors.append(error)
            raise

    async with bridged(App(read), KINDS["stream"]) as bridge:
        exchange = Exchange(bridge, scope_of(method="POST", headers=CHUNKED), [b"half"])
        exchange._incoming[-1]["more_body"] = True
        task = asyncio.create_task(exchange.run())
        while exchange._incoming:  # noqa: ASYNC110 - read by a thread, which sets no event
            await asyncio.sleep(0.002)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        while bridge.pool.busy:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.002)
    assert len(errors) == 1


# --- limits -------------------------------------------------------------------------------------

LIMIT = 1000


def _limited(kind: str, **more: Any) -> BridgeLimits:
    memory_bytes = 0 if kind == "file" else 1024 * 1024
    buffering: Any = "stream" if kind == "stream" else "spool"
    return BridgeLimits(
        threads=1, memory_bytes=memory_bytes, buffering=buffering, max_body_bytes=LIMIT, **more
    )


@pytest.mark.parametrize("headers", [CHUNKED, []], ids=["chunked", "announced"])
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_up_to_the_limit_is_accepted(kind: str, size: int, headers: Any) -> None:
    """The limit is what may be sent, not the first that may not."""
    app = App()
    async with bridged(app, _limited(kind)) as bridge:
        pieces = [b"x" * 400, b"x" * (size - 400)]
        assert (await ask(bridge, "/", pieces, method="POST", headers=headers)).status == 200
    assert app.seen == b"x" * size


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_that_announces_one_byte_too_many_is_not_read(kind: str) -> None:
    """413 before anything is received, and without a thread."""
    app = App()
    async with bridged(app, _limited(kind)) as bridge:
        headers = [(b"content-length", str(LIMIT + 1).encode())]
        exchange = Exchange(bridge, scope_of(method="POST", headers=headers), [b"x"])
        with pytest.raises(BodyTooLarge):
            await exchange.run()
        assert len(exchange._incoming) == 1
    assert app.calls == 0


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_spooled_body_one_byte_over_the_limit_is_refused(kind: str) -> None:
    """413 where the bytes are counted as they come, and nobody is called."""
    app = App()
    async with bridged(app, _limited(kind)) as bridge:
        with pytest.raises(BodyTooLarge):
            await ask(bridge, "/", [b"x" * LIMIT, b"x"], method="POST", headers=CHUNKED)
    assert app.calls == 0


async def test_a_streamed_body_one_byte_over_the_limit_raises_to_its_reader() -> None:
    """The application cannot take it for a whole one, whatever it reads."""
    app = App(lambda file: _read_until_error(file, [("read", 10)]))
    async with bridged(app, _limited("stream")) as bridge:
        await ask(bridge, "/", [b"x" * LIMIT, b"x"], method="POST", headers=CHUNKED)
    got, errors = app.seen
    assert got == [b"x" * 10]
    assert "larger" in str(errors[0])


Receive = Callable[[], Awaitable[Message]]


def _slowly(seconds: float, pieces: int = 10**9) -> Receive:
    """A client that sends a byte every so often, and then nothing."""
    left = iter(range(pieces))

    async def receive() -> Message:
        if next(left, None) is None:
            await asyncio.sleep(math.inf)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": b"x", "more_body": True}

    return receive


async def _refused(limits: BridgeLimits, receive: Receive, app: App) -> BaseException | None:
    answer = Answer()

    async def send(message: Message) -> None:
        answer.messages.append(message)

    async with bridged(app, limits) as bridge:
        try:
            await bridge(scope_of(method="POST", headers=CHUNKED), receive, send)
        except (OSError, BodyTimeout) as error:
            return error
    return None


STALLS = {
    "it never begins": (_slowly(0, 0), {"body_idle_seconds": 0.05}),
    "it stops": (_slowly(0, 3), {"body_idle_seconds": 0.05}),
    # Each piece is in time; the whole is not.
    "it trickles": (_slowly(0.005), {"body_idle_seconds": 5.0, "body_seconds": 0.08}),
    "it never begins, and may idle for longer than it may take": (
        _slowly(0, 0),
        {"body_idle_seconds": 60.0, "body_seconds": 0.05},
    ),
}


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("kind", KINDS)
async def test_an_upload_has_deadlines(kind: str, stall: str) -> None:
    """A stalled upload and an endless one both end: 408, or an `OSError` to who reads it."""
    receive, deadlines = STALLS[stall]
    receive = _slowly(0, 3) if stall == "it stops" else receive
    app = App()
    error = await _refused(_limited(kind, **deadlines), receive, app)
    if kind == "stream":
        assert isinstance(error, OSError)
        assert "in time" in str(error)
    else:
        assert isinstance(error, BodyTimeout)
        assert app.calls == 0


# --- the temporary file -------------------------------------------------------------------------


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[BinaryIO]:
    """The temporary files that are opened."""
    opened: list[BinaryIO] = []
    make: Any = tempfile.TemporaryFile

    def remembered(*args: Any, **options: Any) -> Any:
        file = make(*args, **options)
        opened.append(file)
        return file

    monkeypatch.setattr(tempfile, "TemporaryFile", remembered)
    return opened


def _raises(file: Any) -> None:
    raise ValueError("broken")


@pytest.mark.parametrize(
    "read", [lambda file: file.read(), lambda file: None, lambda file: file.close(), _raises]
)
async def test_the_temporary_file_is_closed_after_the_request(
    files: list[BinaryIO], read: Callable[[Any], Any]
) -> None:
    """Read, unread, closed by the application or left by an error: no descriptor stays."""
    async with bridged(App(read), KINDS["file"]) as bridge:
        with contextlib.suppress(ValueError):
            await ask(bridge, "/", [b"x" * 100], method="POST")
    assert [file.closed for file in files] == [True]


@pytest.mark.parametrize(
    ("limits", "options"),
    [
        ({}, {"leaves": True}),
        ({"max_body_bytes": 150}, {"headers": CHUNKED}),
        ({"body_idle_seconds": 0.05}, {"stalls": True}),
    ],
    ids=["left", "too large", "stalled"],
)
async def test_the_temporary_file_is_closed_when_the_body_does_not_arrive(
    files: list[BinaryIO], limits: dict[str, Any], options: dict[str, Any]
) -> None:
    """A body that is given up leaves nothing behind."""
    stalls = options.pop("stalls", False)
    app = App()
    async with bridged(app, BridgeLimits(threads=1, memory_bytes=0, **limits)) as bridge:
        headers = options.pop("headers", [(b"content-length", b"1000")])
        scope = scope_of(method="POST", headers=headers)
        exchange = Exchange(bridge, scope, [b"x" * 100, b"x" * 100], **options)
        exchange._incoming[-1]["more_body"] = stalls or bool(options)
        with contextlib.suppress(BodyTooLarge, BodyTimeout):
            await exchange.run()
    assert app.calls == 0
    assert [file.closed for file in files] == [True]


async def test_the_temporary_file_is_closed_when_nobody_is_called(files: list[BinaryIO]) -> None:
    """Refused by a full queue, or cancelled in it: the file goes, too."""
    limits = BridgeLimits(threads=1, queue=1, memory_bytes=0)
    app = App(lambda file: _wait_for(gate))
    gate = asyncio.Event()
    async with bridged(app, limits) as bridge:
        tasks = [
            asyncio.create_task(ask(bridge, "/", [b"x"], method="POST", headers=CHUNKED))
            for _ in range(3)
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        queued = [task for task in tasks if not task.done()]
        assert len(queued) == 2
        while not app.calls:  # noqa: ASYNC110 - called in a thread
            await asyncio.sleep(0.002)
        for task in queued:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == [
            "CancelledError",
            "CancelledError",
            "Saturated",
        ]
        assert sum(isinstance(outcome, Saturated) for outcome in outcomes) == 1
        assert sum(file.closed for file in files) == 2
        gate.set()
    assert app.calls == 1
    assert [file.closed for file in files] == [True] * 3


def _wait_for(gate: asyncio.Event) -> None:
    # In a thread: an `asyncio.Event` is only looked at here.
    import time

    deadline = time.monotonic() + 10
    while not gate.is_set() and time.monotonic() < deadline:
        time.sleep(0.002)


class _FullAtOnce(io.BytesIO):
    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def _full_when_flushed() -> BinaryIO:
    # A buffered file of a full disk: a short write fails when it is flushed, not when it is made.
    return Path("/dev/full").open("r+b")


@pytest.fixture(params=[_FullAtOnce, _full_when_flushed])
def full_disk(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[BinaryIO]]:
    """The temporary files that are opened, on a disk without room."""
    opened: list[BinaryIO] = []

    def make() -> BinaryIO:
        opened.append(request.param())
        return opened[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", make)
    return iter([opened])


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
async def test_a_full_disk_refuses_the_body(full_disk: Iterator[list[BinaryIO]], size: int) -> None:
    """507, nobody is called, and the file is closed."""
    app = App()
    async with bridged(app, KINDS["file"]) as bridge:
        with pytest.raises(NoRoom):
            await ask(bridge, "/", [b"x" * size, b"y"], method="POST", headers=CHUNKED)
        assert (await ask(bridge)).status == 200
    assert app.calls == 1
    assert [file.closed for file in next(full_disk)] == [True]
