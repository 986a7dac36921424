"""The temporary file of a large body: it goes when its request does, and a disk may be full."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from gateway.bridge.body import NoRoom
from gateway.bridge.pool import Saturated
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
