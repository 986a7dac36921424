"""The temporary file of a large body: it goes when its request does, and a disk may be full."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from gateway.bridge.body import BodyLimits, NoRoom, spool
from gateway.bridge.jobs import Saturated
from gateway.problems import BodyTimeout, BodyTooLarge
from tests.bridge.driver import Exchange, ask, scope_of, until
from tests.bridge.inputs import CHUNKED, KINDS, App
from tests.bridge.machines import Gate, bridged


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
    async with bridged(App(read), **KINDS["file"]) as bridge:
        with contextlib.suppress(ValueError):
            await ask(bridge, "/", [b"x" * 100], method="POST")
    assert [file.closed for file in files] == [True]


@pytest.mark.parametrize(
    ("limits", "options"),
    [
        ({}, {"leaves": True}),
        ({"max_body_bytes": 1150}, {}),
        ({"body_idle_seconds": 0.05}, {"stalls": True}),
    ],
    ids=["left", "too large", "stalled"],
)
async def test_the_temporary_file_is_closed_when_the_body_does_not_arrive(
    files: list[BinaryIO], limits: dict[str, Any], options: dict[str, Any]
) -> None:
    """A body that is given up leaves nothing behind."""
    app = App()
    async with bridged(app, **KINDS["file"], **limits) as bridge:
        scope = scope_of(method="POST", headers=CHUNKED)
        exchange = Exchange(bridge, scope, [b"x" * 1000, b"x" * 1000], **options)
        with contextlib.suppress(BodyTooLarge, BodyTimeout):
            await exchange.run()
    assert app.calls == 0
    assert [file.closed for file in files] == [True]


async def test_the_temporary_file_is_closed_when_nobody_is_called(files: list[BinaryIO]) -> None:
    """Refused by a full queue, or cancelled in it: the file goes, too."""
    gate = Gate()
    app = App(lambda file: gate.block())
    async with bridged(app, **KINDS["file"], queue=1) as bridge:
        tasks = [
            asyncio.create_task(ask(bridge, "/", [b"x"], method="POST", headers=CHUNKED))
            for _ in range(3)
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        queued = [task for task in tasks if not task.done()]
        assert len(queued) == 2
        await until(lambda: app.calls)
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
        gate.open()
    assert app.calls == 1
    assert [file.closed for file in files] == [True] * 3


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
    async with bridged(app, **KINDS["file"]) as bridge:
        with pytest.raises(NoRoom):
            await ask(bridge, "/", [b"x" * size, b"y"], method="POST", headers=CHUNKED)
        assert (await ask(bridge)).status == 200
    assert app.calls == 1
    assert [file.closed for file in next(full_disk)] == [True]


class _Slow(io.BytesIO):
    """A file of a disk that takes nothing for a while; its buffer has a lock, as a real one's."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = threading.Event()
        self.gate = threading.Event()
        self.closed_by = 0
        self._lock = threading.Lock()

    def write(self, data: Any) -> int:
        with self._lock:
            self.writes.set()
            self.gate.wait(3)
            return super().write(data)

    def close(self) -> None:
        with self._lock:
            self.closed_by = self.closed_by or threading.get_ident()
            super().close()


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> _Slow:
    """The temporary file that is opened."""
    file = _Slow()
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: file)
    return file


async def test_a_slow_disk_is_not_the_client_s_fault(slow_disk: _Slow) -> None:
    """What it takes to write counts for none of the deadlines of an upload."""
    app = App()
    limits = {"body_idle_seconds": 0.2, "body_seconds": 0.3}
    async with bridged(app, **KINDS["file"], **limits) as bridge:
        sending = asyncio.create_task(
            ask(bridge, "/", [b"ab", b"cd"], method="POST", headers=CHUNKED)
        )
        await until(slow_disk.writes.is_set)
        await asyncio.sleep(0.5)
        slow_disk.gate.set()
        assert (await sending).status == 200
    assert app.seen == b"abcd"


async def test_a_file_that_is_being_written_is_closed_by_its_writer(slow_disk: _Slow) -> None:
    """The event loop, and all requests with it, would wait for the disk."""

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    task = asyncio.create_task(spool(receive, BodyLimits(10, 0, 5, 5)))
    await until(slow_disk.writes.is_set)
    task.cancel()
    await asyncio.wait([task])
    assert not slow_disk.closed_by
    slow_disk.gate.set()
    await until(lambda: slow_disk.closed_by)
    assert slow_disk.closed_by != threading.get_ident()
