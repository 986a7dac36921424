"""The pool's threads: what they survive, what they keep, and how many there are."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import sys
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.bridge import Bridge, BridgeLimits
from gateway.bridge.jobs import Closing, Saturated
from gateway.bridge.pool import WorkerPool
from gateway.bridge.waking import Watch
from gateway.problems import Expired
from tests.bridge.driver import Exchange, ask, scope_of, until
from tests.bridge.inputs import CHUNKED
from tests.bridge.machines import FakeJob, Gate, bridged, is_whole, threads_of, unique_name


def _simple(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"ok"]


class _Nap(FakeJob):
    """A job that takes a moment."""

    def run(self) -> None:
        """Take it."""
        time.sleep(0.01)
        super().run()


class _Failing(FakeJob):
    """A job that raises, against what it says."""

    def run(self) -> None:
        """Raise."""
        raise SystemExit


async def test_a_job_that_raises_takes_no_thread_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the error, and the next job is run by the same thread."""
    pool = WorkerPool(unique_name(), 1, 10)
    pool.submit(_Failing(pool, "quick"))
    job = FakeJob(pool, "quick")
    pool.submit(job)
    await until(lambda: job.delivered)
    await until(lambda: is_whole(pool))
    assert len(threads_of(pool.name)) == 1
    assert await pool.close(10)
    assert [record.exc_info is not None for record in caplog.records] == [True]


class _Unspeakable(BaseException):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize("buffering", ["spool", "stream"])
async def test_what_an_application_does_to_its_input_or_raises_ends_its_call_alone(
    buffering: Any,
) -> None:
    """A detached input and an error without words are answered, and threads go on."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/raise":
            raise _Unspeakable
        with contextlib.suppress(io.UnsupportedOperation):
            environ["wsgi.input"].detach().close()
        return _simple(environ, start_response)

    async with bridged(app, threads=1, memory_bytes=0, buffering=buffering) as bridge:
        for _ in range(3):
            assert (await ask(bridge, "/", [b"x"], method="POST")).status == 200
            with pytest.raises(RuntimeError, match="_Unspeakable"):
                await ask(bridge, "/raise")
        await until(lambda: is_whole(bridge.pool))


async def test_without_a_lock_all_threads_stay_awake_while_jobs_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is nothing to take turns for, so that none is rested and nothing is looked at."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    # Each thread has a processor of its own.
    monkeypatch.setattr(time, "clock_gettime", lambda clock: time.monotonic())
    pool = WorkerPool(unique_name(), 4, 1000)
    jobs = [_Nap(pool, "quick") for _ in range(80)]
    for job in jobs:
        pool.submit(job)
    seen = set()
    while pool.queued > 4:
        seen.add(pool.awake)
        await asyncio.sleep(0.001)
    assert seen == {4}
    await until(lambda: all(job.delivered for job in jobs))
    assert await pool.close(10)


async def test_where_threads_have_no_clocks_each_job_wakes_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not all systems tell what a thread has used: then nothing can be judged by it."""
    monkeypatch.delattr(time, "pthread_getcpuclockid")
    pool = WorkerPool(unique_name(), 3, 10)
    jobs = [FakeJob(pool, "block") for _ in range(4)]
    for job in jobs:
        pool.submit(job)
    assert (pool.awake, len(threads_of(pool.name))) == (3, 3)
    for job in jobs:
        job.gate.open()
    await until(lambda: all(job.delivered for job in jobs))
    assert await pool.close(10)


async def test_looks_are_rare_where_no_job_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that wait for an event cost next to nothing."""
    pool = WorkerPool(unique_name(), 2, 10)
    jobs = [FakeJob(pool, "block") for _ in range(2)]
    for job in jobs:
        pool.submit(job)
    await until(lambda: all(job.runs for job in jobs))
    looks = 0
    look = Watch.look

    def counted(*args: Any, **options: Any) -> int:
        nonlocal looks
        looks += 1
        return look(*args, **options)

    monkeypatch.setattr(Watch, "look", counted)
    began = time.monotonic()
    await asyncio.sleep(0.3)
    assert looks <= (time.monotonic() - began) / 0.01
    # A job that comes then is looked after as soon as ever.
    late = FakeJob(pool, "block")
    pool.submit(late)
    jobs[0].gate.open()
    await until(lambda: late.runs)
    for job in [*jobs, late]:
        job.gate.open()
    assert await pool.close(10)


class _Thing:
    """Something of a request's."""


async def test_a_sleeping_thread_keeps_nothing_of_its_last_request() -> None:
    """What a view put in its environ is gone once it was answered."""
    refs: list[weakref.ref[_Thing]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["thing"] = _Thing()
        refs.append(weakref.ref(environ["thing"]))
        return _simple(environ, start_response)

    async with bridged(app, threads=1) as bridge:
        await ask(bridge)
        await until(lambda: refs[0]() is None)


class _Broken(ValueError):
    """An error that can be referred to weakly."""


@pytest.mark.parametrize("body", [[], [b"abc"]], ids=["no body", "body"])
@pytest.mark.parametrize("buffering", ["spool", "stream"])
@pytest.mark.parametrize("path", ["/early", "/late"])
async def test_an_error_leaves_nothing_to_the_collector(
    path: str, buffering: Any, body: list[bytes]
) -> None:
    """An error, its frames and its request are freed at once, not when a collection stops all."""
    refs: list[weakref.ref[BaseException]] = []

    def broken() -> _Broken:
        error = _Broken("broken")
        refs.append(weakref.ref(error))
        return error

    def late() -> Iterator[bytes]:
        yield b"x"
        raise broken()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        if path == "/early":
            raise broken()
        start_response("200 OK", [])
        return late()

    async with bridged(app, threads=1, buffering=buffering) as bridge:
        gc.disable()
        try:
            with contextlib.suppress(_Broken):
                await ask(bridge, path, body, method="POST")
            await until(lambda: refs[0]() is None)
        finally:
            gc.enable()


@pytest.mark.usefixtures("frequent_sweeps")
async def test_a_single_thread_is_not_replaced() -> None:
    """`threads = 1` is for what is not safe for threads: no two calls are ever at once."""
    gate = Gate()
    running: list[str] = []
    most = 0

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        nonlocal most
        assert not environ["wsgi.multithread"]
        running.append(environ["PATH_INFO"])
        most = max(most, len(running))
        if environ["PATH_INFO"] == "/stuck":
            gate.block()
        running.pop()
        return _simple(environ, start_response)

    async with bridged(app, threads=1, response_seconds=0.1) as bridge:
        with pytest.raises(Expired):
            await ask(bridge, "/stuck")
        assert bridge.pool.stuck == 1
        with pytest.raises(Expired):
            await ask(bridge, "/next")
        assert len(threads_of(bridge.pool.name)) == 1
        gate.open()
    assert most == 1


async def test_an_upload_for_which_there_is_no_room_is_not_received() -> None:
    """It is refused before any of it is read, and not after a gigabyte."""
    gate = Gate()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        gate.block()
        return _simple(environ, start_response)

    async with bridged(app, threads=1, queue=0) as bridge:
        first = asyncio.create_task(ask(bridge))
        await until(lambda: bridge.pool.busy == 1)
        scope = scope_of(method="POST", headers=CHUNKED)
        upload = Exchange(bridge, scope, [b"x"], stalls=True)
        with pytest.raises(Saturated):
            await upload.run()
        assert len(upload._incoming) == 1
        assert bridge.pool.counters.rejected == 1
        gate.open()
        await first


async def test_a_service_may_start_again_in_the_same_process() -> None:
    """Each test client starts and stops what it is given."""
    bridge = Bridge(_simple, unique_name(), BridgeLimits(threads=1))
    for _ in range(2):
        incoming: asyncio.Queue[Any] = asyncio.Queue()
        sent: list[str] = []

        async def send(message: Any) -> None:
            sent.append(message["type"])  # noqa: B023

        lifespan = asyncio.create_task(bridge({"type": "lifespan"}, incoming.get, send))
        await incoming.put({"type": "lifespan.startup"})
        await until(lambda: sent)  # noqa: B023
        assert (await ask(bridge)).status == 200
        await incoming.put({"type": "lifespan.shutdown"})
        await lifespan
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_pool_that_closes_says_that_it_does() -> None:
    """Neither threads nor queue are full."""
    pool = WorkerPool(unique_name(), 1, 10)
    assert await pool.close(10)
    with pytest.raises(Closing) as refused:
        pool.submit(FakeJob(pool, "quick"))
    assert "stopping" in refused.value.detail
    pool.open()
    job = FakeJob(pool, "quick")
    pool.submit(job)
    await until(lambda: job.delivered)
    assert await pool.close(10)


@pytest.mark.usefixtures("frequent_sweeps")
async def test_a_stream_that_goes_on_for_nobody_is_stuck() -> None:
    """A view that waits for its next event, and its client is gone: its thread is replaced."""
    gate = Gate()

    def events() -> Iterator[bytes]:
        yield b"data: 1\n\n"
        gate.block()
        yield b"data: 2\n\n"

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/events":
            start_response("200 OK", [])
            return events()
        return _simple(environ, start_response)

    async with bridged(app, threads=2, queue=5, response_seconds=1.0) as bridge:
        streams = [Exchange(bridge, scope_of("/events")) for _ in range(2)]
        tasks = [asyncio.create_task(stream.run()) for stream in streams]
        await until(lambda: all(stream.answer.body for stream in streams))
        for stream in streams:
            stream.left.set()
        await asyncio.gather(*tasks)
        await until(lambda: bridge.pool.stuck == 2)
        assert (await ask(bridge)).status == 200
        assert (bridge.pool.counters.served, bridge.pool.counters.left_early) == (1, 2)
        assert bridge.pool.counters.timed_out == 0
        gate.open()
        await until(lambda: is_whole(bridge.pool))
