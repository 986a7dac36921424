"""The pool of threads, by itself: its bound, its order, its deadline, its end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bridge.jobs import Saturated
from gateway.bridge.pool import WorkerPool
from gateway.bridge.waking import FIRST_USUAL_SECONDS, PATIENCE_JOBS
from tests.bridge.driver import until
from tests.bridge.machines import FakeJob, is_whole, threads_of, unique_name

DEADLINE_SECONDS = 0.03
# Shorter than jobs of a new pool wait for a thread that computes.
MOMENT_SECONDS = 0.8 * PATIENCE_JOBS * FIRST_USUAL_SECONDS


def _runs(job: FakeJob) -> int:
    return job.runs


@contextlib.asynccontextmanager
async def pooled(threads: int, queue: int, deadline_seconds: float = 0) -> Any:
    """A pool, and the jobs that `add` gave it; let go and closed afterwards."""
    name = unique_name()
    pool = WorkerPool(name, threads, queue, deadline_seconds)
    jobs: list[FakeJob] = []

    def add(kind: str, *, urgent: bool = True) -> FakeJob:
        job = FakeJob(pool, kind, urgent=urgent)
        pool.submit(job)
        jobs.append(job)
        return job

    try:
        async with asyncio.timeout(20):
            yield pool, add
    finally:
        for job in jobs:
            job.gate.open()
        assert await pool.close(10)
        await until(lambda: not threads_of(name))


@pytest.mark.parametrize("queue", [0, 1, 5])
@pytest.mark.parametrize("threads", [1, 3])
async def test_the_bound_of_the_queue_is_exact(threads: int, queue: int) -> None:
    """The last that fits is accepted, the next is refused at once, and again after a free place."""
    async with pooled(threads, queue) as (pool, add):
        jobs = [add("block") for _ in range(threads + queue)]
        for _ in range(3):
            with pytest.raises(Saturated):
                add("block")
        assert pool.counters.rejected == 3
        await until(lambda: sum(job.runs for job in jobs) == threads)
        assert (pool.busy, pool.queued) == (threads, queue)
        with pytest.raises(Saturated):
            add("block")
        if queue:
            assert pool.cancel(jobs[-1])
        else:
            jobs[0].gate.open()
            await until(lambda: pool.busy < threads)
        add("block")
        with pytest.raises(Saturated):
            add("block")
        assert pool.counters.rejected == 5


@settings(max_examples=40, deadline=None)
@given(cancelled=st.sets(st.integers(0, 19)), data=st.data())
def test_jobs_are_taken_in_the_order_in_which_they_came(
    cancelled: set[int], data: st.DataObject
) -> None:
    """One thread runs what is left of the queue from its front."""

    async def act() -> None:
        async with pooled(1, 50) as (pool, add):
            first = add("block")
            jobs = [add("quick", urgent=data.draw(st.booleans())) for _ in range(20)]
            for index in cancelled:
                assert pool.cancel(jobs[index])
                assert not pool.cancel(jobs[index])
            first.gate.open()
            left = [job for index, job in enumerate(jobs) if index not in cancelled]
            await until(lambda: all(job.delivered for job in left))
            assert left == sorted(left, key=lambda job: job.order)
            await until(lambda: is_whole(pool))

    asyncio.run(act())


async def test_a_blocked_worker_leads_to_another() -> None:
    """Sleeping views take as many threads as there are."""
    async with pooled(4, 10) as (pool, add):
        jobs = [add("block") for _ in range(6)]
        await until(lambda: pool.awake == 4)
        await until(lambda: sum(job.runs for job in jobs) == 4)
        assert (pool.busy, pool.queued) == (4, 2)


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="without the lock each job wakes a worker",
)
async def test_a_computing_worker_does_not_lead_to_another() -> None:
    """Computing views take turns on one thread, and on a second one while that is tried out."""
    most: list[int] = []
    # Where the machine is busy with something else, a computing thread can look blocked.
    for _ in range(5):
        async with pooled(4, 10) as (pool, add):
            first = add("compute")
            await until(functools.partial(_runs, first))
            others = [add("compute") for _ in range(5)]
            seen = 0
            end = time.monotonic() + MOMENT_SECONDS
            while time.monotonic() < end:
                await asyncio.sleep(0.002)
                seen = max(seen, pool.awake)
            most.append(seen)
            for job in [first, *others]:
                job.gate.open()
        if seen <= 2:
            return
    raise AssertionError(f"awake workers: {most}")


async def test_a_job_does_not_wait_for_ever_behind_one_that_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a bounded time another thread takes it, although the first is never seen to wait."""
    # As where the processor has nothing else to do: a thread uses all the time that passes.
    monkeypatch.setattr(time, "clock_gettime", lambda clock: time.monotonic())
    async with pooled(2, 10) as (_, add):
        first = add("compute")
        second = add("quick")
        await until(lambda: second.delivered)
        assert not first.ends


@pytest.mark.usefixtures("frequent_sweeps")
async def test_stuck_threads_are_replaced_up_to_a_bound_and_come_back() -> None:
    """As many again as there are threads; then jobs wait, and expire in the queue."""
    async with pooled(2, 10, DEADLINE_SECONDS) as (pool, add):

        async def serves() -> bool:
            """Whether a job is served, and not late: several may be, on a busy machine."""
            for _ in range(20):
                job = add("quick")
                await until(lambda: job.delivered or job.discarded)  # noqa: B023
                if job.delivered:
                    return True
            return False

        stuck = [add("block") for _ in range(2)]
        await until(lambda: pool.stuck == 2)
        assert [job.expired for job in stuck] == [1, 1]
        assert await serves()

        while pool.stuck < 4:
            more = add("block")
            await until(lambda: more.expired)  # noqa: B023
            stuck.append(more)
        assert pool.busy == 4
        late = add("quick")
        await until(lambda: late.expired)
        assert (late.runs, late.discarded, pool.queued) == (0, 1, 0)

        for job in stuck:
            job.gate.open()
        await until(lambda: is_whole(pool))
        await until(lambda: len(threads_of(pool.name)) == 2)
        assert await serves()


async def test_a_pool_that_closes_finishes_its_queue_and_refuses_the_rest() -> None:
    """What was accepted is served; what comes later is not."""
    async with pooled(1, 10) as (pool, add):
        first, second = add("block"), add("quick")
        closing = asyncio.create_task(pool.close(10))
        await asyncio.sleep(0)
        with pytest.raises(Saturated):
            add("quick")
        assert not closing.done()
        first.gate.open()
        assert await closing
        assert (second.runs, second.delivered) == (1, 1)


async def test_a_pool_says_that_it_could_not_close() -> None:
    """A thread that does not end is told of, in time; it is a daemon, which keeps no process."""
    async with pooled(1, 10) as (pool, add):
        job = add("block")
        await until(lambda: job.runs)
        assert not await pool.close(0.02)
        assert [thread.daemon for thread in threads_of(pool.name)] == [True]


def test_a_thread_that_ends_after_its_loop_does_so_quietly() -> None:
    """A view that outlives the event loop raises nothing in its thread."""
    name = unique_name()
    pool = WorkerPool(name, 1, 10)
    job = FakeJob(pool, "block")

    async def act() -> None:
        pool.submit(job)
        await until(lambda: job.runs)
        assert not await pool.close(0.01)

    asyncio.run(act())
    threads = threads_of(name)
    job.gate.open()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


async def test_a_thread_that_cannot_start_costs_one_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the system allows no more threads, nothing is left queued for one that never was."""
    pool = WorkerPool(unique_name(), 1, 10)

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(Saturated):
            pool.submit(FakeJob(pool, "quick"))
    assert is_whole(pool)
    job = FakeJob(pool, "quick")
    pool.submit(job)
    await until(lambda: job.delivered)
    assert await pool.close(10)
