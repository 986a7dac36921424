"""Jobs and requests in any order: whatever happens, the pool is whole afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.bridge import Bridge, BridgeLimits
from gateway.bridge.jobs import Saturated
from gateway.bridge.pool import WorkerPool
from tests.bridge.driver import until
from tests.bridge.machines import FakeJob, Request, Script, is_whole, threads_of, unique_name

THREADS = 2
QUEUE = 3
DEADLINE_SECONDS = 0.03
# Which one of those that there are by then: their number depends on threads.
choices = st.integers(0, 10_000)
STEPS = settings(
    max_examples=40,
    stateful_step_count=30,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class _Machine(RuleBasedStateMachine):
    """A pool, on an event loop that runs while a rule does, and the end of both."""

    pool: WorkerPool

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.name = unique_name()
        self.steps = 0
        self.closing: asyncio.Task[bool] | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run something on the loop, in a bounded time."""
        self.loop.run_until_complete(asyncio.wait_for(coroutine, 30))

    @rule()
    @precondition(lambda self: self.steps > 10 and not self.closing)
    def drain(self) -> None:
        """The pool is closed with whatever is in it."""

        async def act() -> None:
            self.closing = asyncio.create_task(self.pool.close(10))
            await asyncio.sleep(0)

        self.run(act())

    @invariant()
    def bounded(self) -> None:
        """There are never more threads than twice those asked for, nor odd gauges."""
        self.steps += 1
        assert len(threads_of(self.name)) <= 2 * THREADS
        for gauge in (self.pool.busy, self.pool.awake, self.pool.stuck):
            assert 0 <= gauge <= 2 * THREADS

    def teardown(self) -> None:
        """All go on; then nothing is left, and everything was counted once."""
        try:
            self.run(self._end())
        finally:
            self.loop.close()

    async def _end(self) -> None:
        await self.let_all_go()
        # "Within one second of its end the pool is whole."
        await until(lambda: self.closing or is_whole(self.pool), 1.0)
        closing = self.closing or asyncio.create_task(self.pool.close(10))
        assert await closing
        await until(lambda: not threads_of(self.name))
        assert is_whole(self.pool)
        await self.check()

    async def let_all_go(self) -> None:
        """Have everything end that there is."""
        raise NotImplementedError

    async def check(self) -> None:
        """Each thing had one fate, and was counted once."""
        raise NotImplementedError


class PoolMachine(_Machine):
    """Jobs in any order; the pool's own part, where each count can be exact."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = WorkerPool(self.name, THREADS, QUEUE, DEADLINE_SECONDS)
        self.jobs: list[FakeJob] = []
        self.rejected = 0

    def _outstanding(self) -> int:
        """Jobs in the queue or with a worker."""
        with self.pool._lock:
            return self.pool.queued + self.pool.busy

    @rule(
        kinds=st.lists(st.sampled_from(["quick", "block", "compute"]), min_size=1, max_size=7),
        urgent=st.booleans(),
    )
    def submit(self, kinds: list[str], *, urgent: bool) -> None:
        """Jobs come; one is refused where the bound is reached, and nowhere else."""

        async def act() -> None:
            for kind in kinds:
                self._submit(FakeJob(self.pool, kind, urgent=urgent))

        self.run(act())

    def _submit(self, job: FakeJob) -> None:
        before = self._outstanding()
        stuck = self.pool.stuck
        try:
            self.pool.submit(job)
        except Saturated:
            self.rejected += 1
            assert self.closing or before >= THREADS + QUEUE
        else:
            self.jobs.append(job)
            assert not self.closing
            assert self._outstanding() <= THREADS + min(stuck, THREADS) + QUEUE

    @rule(which=choices)
    def let_go(self, which: int) -> None:
        """A job goes on."""
        if waiting := [job for job in self.jobs if not job.gate.is_open()]:
            waiting[which % len(waiting)].gate.open()
            self.run(asyncio.sleep(0.001))

    @rule(which=choices)
    def cancel(self, which: int) -> None:
        """A job is taken out of the queue, or cannot be."""

        async def act() -> None:
            job = self.jobs[which % len(self.jobs)]
            if self.pool.cancel(job):
                job.cancelled += 1
                assert not job.runs
            else:
                assert job.cancelled or job.discarded or await _begins(job)

        if self.jobs:
            self.run(act())

    @rule()
    def expire(self) -> None:
        """Everything that there is now passes its deadline."""

        async def act() -> None:
            now = [job for job in self.jobs if not job.ends and not job.cancelled]
            await until(lambda: all(job.expired or job.ends for job in now))

        self.run(act())

    @rule()
    def wait(self) -> None:
        """Time passes."""
        self.run(asyncio.sleep(0.003))

    @invariant()
    def at_most_once(self) -> None:
        """No job runs or expires twice."""
        assert all(job.runs <= 1 and job.expired <= 1 for job in self.jobs)

    async def let_all_go(self) -> None:
        """All jobs go on."""
        for job in self.jobs:
            job.gate.open()
        await until(lambda: self._outstanding() == 0)

    async def check(self) -> None:
        """Each job had one fate, and what it told of was delivered as often."""
        assert self.pool.counters.rejected == self.rejected
        for job in self.jobs:
            assert job.runs + job.cancelled + job.discarded == 1
            assert job.expired or not job.discarded
            assert not (job.cancelled and job.expired)
            assert job.ends == job.runs
        await until(lambda: all(job.delivered == job.notified for job in self.jobs))


async def _begins(job: FakeJob) -> bool:
    await until(lambda: job.runs)
    return True


class BridgeMachine(_Machine):
    """Requests in any order: answered, refused, too late, left, cancelled, broken."""

    def __init__(self) -> None:
        super().__init__()
        self.script = Script()
        limits = BridgeLimits(
            threads=THREADS, queue=QUEUE, response_seconds=DEADLINE_SECONDS, write_seconds=5
        )
        self.bridge = Bridge(self.script, self.name, limits)
        self.pool = self.bridge.pool
        self.requests: list[Request] = []

    @rule(
        kind=st.sampled_from(["quick", "block", "compute", "raise", "stream", "flood", "break"]),
        later=st.booleans(),
    )
    def submit(self, kind: str, *, later: bool) -> None:
        """A request comes, and is begun with at once or a moment later."""

        async def act() -> None:
            self.requests.append(Request(self.bridge, self.script, kind))
            await asyncio.sleep(0.002 if later else 0)

        self.run(act())

    def _choose(self, which: int) -> Request:
        return self.requests[which % len(self.requests)]

    @rule(which=choices)
    @precondition(lambda self: self.requests)
    def let_go(self, which: int) -> None:
        """A view that waits goes on."""
        self._choose(which).gate.open()
        self.run(asyncio.sleep(0.001))

    @rule(which=choices, wait=st.booleans())
    @precondition(lambda self: self.requests)
    def cancel(self, which: int, *, wait: bool) -> None:
        """The server cancels a request, and may wait for its end."""

        async def act() -> None:
            chosen = self._choose(which)
            chosen.task.cancel()
            if wait:
                await chosen.end()

        self.run(act())

    @rule(which=choices)
    @precondition(lambda self: self.requests)
    def leave(self, which: int) -> None:
        """A client leaves."""
        self._choose(which).exchange.left.set()
        self.run(asyncio.sleep(0.001))

    @rule(which=choices)
    @precondition(lambda self: self.requests)
    def stop_reading(self, which: int) -> None:
        """A client takes nothing more."""
        self._choose(which).exchange.reads.clear()

    @rule()
    def expire(self) -> None:
        """Every answer that has not begun is late."""

        async def act() -> None:
            late = [each for each in self.requests if not each.exchange.answer.status]
            await until(
                lambda: all(
                    # An answer whose client reads nothing has begun and does not show it.
                    each.task.done()
                    or each.exchange.answer.status
                    or not each.exchange.reads.is_set()
                    for each in late
                )
            )

        self.run(act())

    @invariant()
    def at_most_once(self) -> None:
        """No iterable is closed twice and no request is served twice."""
        assert set(self.script.calls.values()) <= {1}
        assert set(self.script.closed.values()) <= {1}

    async def let_all_go(self) -> None:
        """All views go on, and no client stays for an answer without an end."""
        for each in self.requests:
            each.gate.open()
            each.exchange.reads.set()
            if each.kind == "flood":
                each.exchange.left.set()
        for each in self.requests:
            await each.end()

    async def check(self) -> None:
        """Each iterable was closed, and each request counted as what became of it."""
        assert self.script.closed == dict.fromkeys(self.script.opened, 1)
        outcomes = Counter(each.outcome for each in self.requests)
        counters = self.pool.counters
        assert counters.rejected == outcomes["rejected"]
        # A request may be cancelled in the moment in which it expires.
        late = counters.timed_out - outcomes["timed out"]
        assert 0 <= late <= outcomes["cancelled"]
        assert counters.left_early == outcomes["left"]
        assert counters.served == outcomes["complete"] + outcomes["raised"]
        for each in self.requests:
            called = self.script.calls.get(each.path, 0)
            if each.outcome in {"complete", "left", "raised"}:
                assert called == 1
            elif each.outcome == "rejected":
                assert called == 0


def _run(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(machine, settings=STEPS)


@pytest.mark.usefixtures("frequent_sweeps")
def test_jobs_in_any_order_leave_the_pool_whole() -> None:
    """Submit, block, compute, cancel, expire, drain: all threads free, all counts right."""
    _run(PoolMachine)


@pytest.mark.usefixtures("frequent_sweeps")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_requests_in_any_order_leave_the_pool_whole(caplog: pytest.LogCaptureFixture) -> None:
    """Submit, block, compute, cancel, leave, raise, expire, drain: the same through the bridge."""
    caplog.set_level("CRITICAL")
    _run(BridgeMachine)
