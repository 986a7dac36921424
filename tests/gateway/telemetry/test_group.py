"""Workers that ask each other, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import __version__
from gateway.telemetry import group as group_module
from gateway.telemetry.group import Told, WorkerGroup
from tests.gateway.telemetry.workers import another, big, listener, names, worker


@pytest.fixture
def folder() -> Iterator[Path]:
    """Private, and with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="g-") as name:
        yield Path(name)


async def test_alone_it_asks_itself(folder: Path) -> None:
    """Without a folder there is nobody else, and no socket."""
    async with worker(None, add=lambda a, b: a + b) as group:
        assert (await group.ask("add", a=1, b=2)).answers == [3]
        assert (await group.ask("unknown")).answers == []
    assert names(folder) == set()


async def test_all_workers_answer(folder: Path) -> None:
    """Each from its own process, this one's answer first; a long one is whole."""
    async with worker(folder, who=lambda: {"pid": os.getpid()}, big=lambda: "short") as group:
        with another(folder) as first, another(folder) as second:
            answers = (await group.ask("who")).answers
            assert answers[0] == {"pid": os.getpid()}
            assert {answer["pid"] for answer in answers} == {os.getpid(), first.pid, second.pid}
            assert (await group.ask("big")).answers == ["short", big(), big()]
            assert (await group.ask("add", a=1, b=2)).answers == [3, 3]
            first.kill()
            await asyncio.to_thread(first.join)
            told = await group.ask("who")
            assert told == Told([{"pid": os.getpid()}, {"pid": second.pid}], [])


async def test_the_socket_of_a_dead_worker_is_removed(folder: Path) -> None:
    """Whoever finds it; that of a process that lives and does not listen yet stays."""
    for pid in (999_999_999, os.getppid()):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(folder / f"{pid}.sock"))
    async with worker(folder, who=lambda: 1) as group:
        # Neither is silent: a worker that hangs would take a connection.
        assert await group.ask("who") == Told([1], [])
        assert names(folder) == {str(os.getppid()), str(os.getpid())}
    assert names(folder) == {str(os.getppid())}


async def test_a_worker_that_is_stopped_is_silent_until_it_goes_on(folder: Path) -> None:
    """It lives, and what it knows is missing; however often it was asked in vain."""
    async with worker(folder, who=lambda: {"pid": 0}) as group:
        with another(folder) as other:
            assert other.pid is not None
            os.kill(other.pid, signal.SIGSTOP)
            try:
                asked = await asyncio.gather(*(group.ask("who") for _ in range(200)))
                assert all(told == Told([{"pid": 0}], [other.pid]) for told in asked)
            finally:
                os.kill(other.pid, signal.SIGCONT)
            for _ in range(100):
                told = await group.ask("who")
                if not told.silent:
                    break
            assert told == Told([{"pid": 0}, {"pid": other.pid}], [])


async def test_a_worker_that_ends_while_it_is_asked_is_not_silent(folder: Path) -> None:
    """Its socket is gone by then."""
    path = folder / "1.sock"
    with listener(path, lambda connection: path.unlink()):
        async with worker(folder, who=lambda: "here") as group:
            assert await group.ask("who") == Told(["here"], [])


async def test_a_worker_that_hangs_costs_a_second_and_no_more(folder: Path) -> None:
    """However many hang; the others' answers are there, and who is silent is told."""

    def hang(connection: socket.socket) -> None:
        time.sleep(3)

    def begin_and_hang(connection: socket.socket) -> None:
        connection.sendall(b'{"version": ')
        time.sleep(3)

    with (
        # Some process that lives; whoever started this one may be number 1 itself.
        subprocess.Popen(["sleep", "60"]) as living,  # noqa: ASYNC220 - at once
        listener(folder / "1.sock", hang),
        listener(folder / f"{living.pid}.sock", begin_and_hang),
        another(folder) as other,
    ):
        async with worker(folder, who=lambda: {"pid": 0}) as group:
            started = time.monotonic()
            told = await group.ask("who")
            took = time.monotonic() - started
            living.kill()
            assert told == Told([{"pid": 0}, {"pid": other.pid}], [1, living.pid])
            assert 0.9 < took < 2


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00",
        b"not JSON",
        b"[1, 2",
        b"[]",
        b"5",
        b"null",
        b"{}",
        b'{"version": "%s"}' % __version__.encode(),
        b'{"answer": 1}',
        b'{"version": "0.0.0", "answer": 1}',
        b"[" * 100_000,
    ],
    ids=lambda text: text[:20].decode("latin-1"),
)
async def test_an_answer_in_other_words_is_left_out(folder: Path, text: bytes) -> None:
    """Also that of another version, which replaces this one at the moment."""
    with listener(folder / "1.sock", lambda connection: connection.sendall(text)):
        async with worker(folder, who=lambda: "here") as group:
            assert (await group.ask("who")).answers == ["here"]


async def test_an_answer_without_end_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no more memory than a long answer does."""
    monkeypatch.setattr(group_module, "_LONGEST_ANSWER", 100_000)

    def endless(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x" * 10_000)

    with listener(folder / "1.sock", endless):
        async with worker(folder, who=lambda: "here") as group:
            started = time.monotonic()
            assert (await group.ask("who")).answers == ["here"]
            assert time.monotonic() - started < 0.9


@pytest.mark.parametrize(
    "question",
    [
        b"",
        b"\n",
        b"x" * 200_000,
        b"nothing\n",
        b'{"question": "who"}\n',
        b'{"question": "no"}\n',
        b'{"question": "fails", "arguments": {}}\n',
        b'{"question": "who", "arguments": {"a": 1}}\n',
    ],
    ids=lambda question: question[:20].decode(),
)
async def test_a_question_that_has_no_answer_does_no_harm(
    folder: Path, question: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection is closed, and the next question is answered."""

    def fails() -> None:
        raise RuntimeError("of the test")

    async with worker(folder, who=lambda: "here", fails=fails):
        for text, answered in ((question, b""), (b'{"question":"who","arguments":{}}\n', b"here")):
            reader, writer = await asyncio.open_unix_connection(folder / f"{os.getpid()}.sock")
            writer.write(text)
            writer.write_eof()
            try:
                answer = await asyncio.wait_for(reader.read(), 5)
            except ConnectionResetError:
                answer = b""
            assert answered in answer
            assert bool(answer) == bool(answered)
            writer.close()
    assert "could not be answered" in caplog.text


async def test_nobody_else_may_connect(folder: Path) -> None:
    """The socket is the owner's alone, wherever the folder is."""
    async with worker(folder, who=lambda: 1):
        mode = (folder / f"{os.getpid()}.sock").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600


async def test_a_socket_left_by_an_earlier_process_is_replaced(folder: Path) -> None:
    """Numbers of processes come again."""
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(folder / f"{os.getpid()}.sock"))
    async with worker(folder, who=lambda: "here"):
        reader, writer = await asyncio.open_unix_connection(folder / f"{os.getpid()}.sock")
        writer.write(b'{"question":"who","arguments":{}}\n')
        assert json.loads(await reader.read()) == {"version": __version__, "answer": "here"}
        writer.close()


async def test_where_there_can_be_no_socket_it_goes_on_alone(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A path that is too long, say: the operator is told, and nothing fails."""
    deep = folder / ("x" * 120)
    deep.mkdir()
    group = WorkerGroup(deep)
    await group.keep({"who": lambda: "here"})
    assert (await group.ask("who")).answers == ["here"]
    assert "cannot ask this one" in caplog.text
