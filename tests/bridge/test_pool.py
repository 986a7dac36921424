"""The pool of threads: whatever happens, in any order, it is whole afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from flask import Flask, g, request
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from starlette.types import Message

from gateway.bridge import Bridge, BridgeLimits
from gateway.bridge import pool as pool_module
from gateway.bridge.pool import PATIENCE_SECONDS, Saturated, WorkerPool
from gateway.exchange import ExchangeMiddleware
from gateway.problems import ProblemsMiddleware
from tests.bridge.driver import Exchange, ask, scope_of
from tests.bridge.machines import (
    FakeJob,
    Gate,
    Request,
    Script,
    bridged,
    threads_of,
    unique_name,
    until,
)

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


def _whole(pool: WorkerPool) -> bool:
    return (pool.busy, pool.awake, pool.queued, pool.stuck) == (0, 0, 0, 0)


class _Loop:
    """An event loop that runs while a rule does."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(coroutine, 30))

    def close(self) -> None:
        self._loop.close()


# --- with jobs that are not requests ------------------------------------------------------------


class PoolMachine(RuleBasedStateMachine):
    """Jobs in any order; the pool's own part, where each count can be exact."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = _Loop()
        self.name = unique_name()
        self.pool = WorkerPool(self.name, THREADS, QUEUE, DEADLINE_SECONDS)
        self.jobs: list[FakeJob] = []
        self.rejected = self.steps = 0
        self.closing: asyncio.Task[bool] | None = None

    def _outstanding(self) -> int:
        """Jobs in the queue or with a worker, as the pool's own lock sees them."""
        gone = sum(job.cancelled + job.discarded for job in self.jobs)
        return len(self.jobs) - gone - self.pool.counters.served

    @rule(
        kinds=st.lists(st.sampled_from(["quick", "block", "compute"]), min_size=1, max_size=7),
        urgent=st.booleans(),
    )
    def submit(self, kinds: list[str], *, urgent: bool) -> None:
        """Jobs come; one is refused where the bound is reached, and nowhere else."""

        async def act() -> None:
            for kind in kinds:
                self._submit(FakeJob(self.pool, kind, urgent=urgent))

        self.loop.run(act())

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
            self.loop.run(asyncio.sleep(0.001))

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
            self.loop.run(act())

    @rule()
    def expire(self) -> None:
        """Everything that there is now passes its deadline."""

        async def act() -> None:
            now = [job for job in self.jobs if not job.ends and not job.cancelled]
            await until(lambda: all(job.expired or job.ends for job in now))

        self.loop.run(act())

    @rule()
    def wait(self) -> None:
        """Time passes."""
        self.loop.run(asyncio.sleep(0.003))

    @rule()
    @precondition(lambda self: self.steps > 10)
    def drain(self) -> None:
        """The pool is closed with jobs in it."""

        async def act() -> None:
            self.closing = asyncio.create_task(self.pool.close(10))
            await asyncio.sleep(0)

        if self.closing is None:
            self.loop.run(act())

    @invariant()
    def bounded(self) -> None:
        """There are never more threads than twice those asked for, nor odd gauges."""
        self.steps += 1
        assert len(threads_of(self.name)) <= 2 * THREADS
        assert 0 <= self.pool.busy <= 2 * THREADS
        assert 0 <= self.pool.awake <= 2 * THREADS
        assert 0 <= self.pool.stuck <= 2 * THREADS
        assert all(job.runs <= 1 and job.expired <= 1 for job in self.jobs)

    def teardown(self) -> None:
        """All go on; then nothing is left, and everything was counted once."""
        try:
            self.loop.run(self._end())
        finally:
            self.loop.close()

    async def _end(self) -> None:
        for job in self.jobs:
            job.gate.open()
        await until(lambda: self._outstanding() == 0)
        await until(lambda: self.closing or _whole(self.pool))
        closing = self.closing or asyncio.create_task(self.pool.close(10))
        assert await closing
        await until(lambda: not threads_of(self.name))
        assert _whole(self.pool)
        assert self.pool.counters.served == sum(job.runs for job in self.jobs)
        assert self.pool.counters.rejected == self.rejected
        for job in self.jobs:
            # Each had one fate.
            assert job.runs + job.cancelled + job.discarded == 1
            assert job.expired or not job.discarded
            assert not (job.cancelled and job.expired)
            assert job.ends == job.runs
        await until(lambda: all(job.delivered == job.notified for job in self.jobs))


def _runs(job: FakeJob) -> int:
    return job.runs


async def _begins(job: FakeJob) -> bool:
    await until(lambda: job.runs)
    return True


# --- with requests ------------------------------------------------------------------------------


class BridgeMachine(RuleBasedStateMachine):
    """Requests in any order: answered, refused, too late, left, cancelled, broken."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = _Loop()
        self.name = unique_name()
        self.script = Script()
        limits = BridgeLimits(
            threads=THREADS, queue=QUEUE, response_seconds=DEADLINE_SECONDS, write_seconds=5
        )
        self.bridge = Bridge(self.script, self.name, limits)
        self.requests: list[Request] = []
        self.steps = 0
        self.closing: asyncio.Task[bool] | None = None

    @rule(
        kind=st.sampled_from(["quick", "block", "compute", "raise", "stream", "flood", "break"]),
        later=st.booleans(),
    )
    def submit(self, kind: str, *, later: bool) -> None:
        """A request comes, and is begun with at once or a moment later."""

        async def act() -> None:
            self.requests.append(Request(self.bridge, self.script, kind))
            await asyncio.sleep(0.002 if later else 0)

        self.loop.run(act())

    def _choose(self, which: int) -> Request:
        return self.requests[which % len(self.requests)]

    @rule(which=choices)
    @precondition(lambda self: self.requests)
    def let_go(self, which: int) -> None:
        """A view that waits goes on."""
        self._choose(which).gate.open()
        self.loop.run(asyncio.sleep(0.001))

    @rule(which=choices, wait=st.booleans())
    @precondition(lambda self: self.requests)
    def cancel(self, which: int, *, wait: bool) -> None:
        """The server cancels a request, and may wait for its end."""

        async def act() -> None:
            chosen = self._choose(which)
            chosen.task.cancel()
            if wait:
                await chosen.end()

        self.loop.run(act())

    @rule(which=choices)
    @precondition(lambda self: self.requests)
    def leave(self, which: int) -> None:
        """A client leaves."""
        self._choose(which).exchange.left.set()
        self.loop.run(asyncio.sleep(0.001))

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

        self.loop.run(act())

    @rule()
    @precondition(lambda self: self.steps > 10)
    def drain(self) -> None:
        """The pool is closed while requests run."""

        async def act() -> None:
            self.closing = asyncio.create_task(self.bridge.pool.close(10))
            await asyncio.sleep(0)

        if self.closing is None:
            self.loop.run(act())

    @invariant()
    def bounded(self) -> None:
        """No iterable is closed twice, no request is served twice, and threads have a bound."""
        self.steps += 1
        assert len(threads_of(self.name)) <= 2 * THREADS
        assert set(self.script.calls.values()) <= {1}
        assert set(self.script.closed.values()) <= {1}

    def teardown(self) -> None:
        """All views go on, all clients leave; then nothing is left, and all was counted once."""
        try:
            self.loop.run(self._end())
        finally:
            self.loop.close()

    async def _end(self) -> None:
        pool = self.bridge.pool
        for each in self.requests:
            each.gate.open()
            each.exchange.reads.set()
            if each.kind == "flood":
                each.exchange.left.set()
        for each in self.requests:
            await each.end()
        # "Within one second of its end the pool is whole."
        await until(lambda: self.closing or _whole(pool), 1.0)
        closing = self.closing or asyncio.create_task(pool.close(10))
        assert await closing
        await until(lambda: not threads_of(self.name))
        assert _whole(pool)
        assert self.script.closed == dict.fromkeys(self.script.opened, 1)
        outcomes = Counter(each.outcome for each in self.requests)
        counters = pool.counters
        assert counters.rejected == outcomes["rejected"]
        # A request may be cancelled in the moment in which it expires.
        late = counters.timed_out - outcomes["timed out"]
        assert 0 <= late <= outcomes["cancelled"]
        assert counters.left_early == outcomes["left"]
        # A worker may take a job that was given up in that moment, and calls nobody.
        accepted = len(self.requests) - outcomes["rejected"]
        assert sum(self.script.calls.values()) <= counters.served <= accepted
        for each in self.requests:
            called = self.script.calls.get(each.path, 0)
            if each.outcome in {"complete", "left", "raised"}:
                assert called == 1
            elif each.outcome == "rejected":
                assert called == 0


@pytest.fixture
def frequent_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are looked at more often, so that a test can have short ones."""
    monkeypatch.setattr(pool_module, "SWEEP_SECONDS", 0.005)


def _run(machine: type[RuleBasedStateMachine]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

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


# --- one behaviour each -------------------------------------------------------------------------


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
            await until(lambda: pool.counters.served == 1)
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
            await until(lambda: pool.counters.served == 1 + len(left))

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
            end = time.monotonic() + PATIENCE_SECONDS / 2
            while time.monotonic() < end:
                await asyncio.sleep(0.002)
                seen = max(seen, pool.awake)
            most.append(seen)
            for job in [first, *others]:
                job.gate.open()
        if seen <= 2:
            return
    raise AssertionError(f"awake workers: {most}")


async def test_a_job_does_not_wait_for_ever_behind_one_that_computes() -> None:
    """After a bounded time another thread takes it."""
    async with pooled(2, 10) as (_, add):
        first = add("compute")
        second = add("quick")
        await until(lambda: second.delivered)
        assert not first.ends


@pytest.mark.usefixtures("frequent_sweeps")
async def test_stuck_threads_are_replaced_up_to_a_bound_and_come_back() -> None:
    """As many again as there are threads; then jobs wait, and expire in the queue."""
    async with pooled(2, 10, DEADLINE_SECONDS) as (pool, add):
        stuck = [add("block") for _ in range(2)]
        await until(lambda: pool.stuck == 2)
        assert [job.expired for job in stuck] == [1, 1]
        quick = add("quick")
        await until(lambda: quick.delivered)

        more = [add("block") for _ in range(2)]
        await until(lambda: pool.stuck == 4)
        assert pool.busy == 4
        late = add("quick")
        await until(lambda: late.expired)
        assert (late.runs, late.discarded, pool.queued) == (0, 1, 0)

        for job in [*stuck, *more]:
            job.gate.open()
        await until(lambda: _whole(pool))
        await until(lambda: len(threads_of(pool.name)) == 2)
        assert pool.counters.served == 5
        again = add("quick")
        await until(lambda: again.delivered)


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


# --- through the bridge -------------------------------------------------------------------------


def _edge(bridge: Bridge) -> Any:
    return ExchangeMiddleware(ProblemsMiddleware(bridge))


def _waiting(gate: Gate) -> Callable[..., list[bytes]]:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        gate.block()
        start_response("200 OK", [])
        return [b"ok"]

    return app


async def test_a_full_queue_answers_503_with_retry_after() -> None:
    """The client learns at once that it may come back."""
    gate = Gate()
    async with bridged(_waiting(gate), threads=1, queue=1) as bridge:
        app = _edge(bridge)
        waiting = [asyncio.create_task(ask(app)) for _ in range(2)]
        await until(lambda: bridge.pool.busy == 1)
        answer = await ask(app)
        assert (answer.status, answer.header(b"retry-after")) == (503, b"1")
        assert answer.header(b"content-type") == b"application/problem+json"
        assert json.loads(answer.body)["status"] == 503
        gate.open()
        assert [(await task).status for task in waiting] == [200, 200]
        assert bridge.pool.counters.rejected == 1


@pytest.mark.usefixtures("frequent_sweeps")
async def test_a_late_answer_becomes_504_and_its_thread_comes_back() -> None:
    """Running or still queued: the client does not wait longer than the deadline."""
    gate = Gate()
    async with bridged(_waiting(gate), threads=1, queue=5, response_seconds=0.05) as bridge:
        app = _edge(bridge)
        answers = await asyncio.gather(*(ask(app) for _ in range(4)))
        assert [answer.status for answer in answers] == [504] * 4
        assert bridge.pool.counters.timed_out == 4
        assert bridge.pool.stuck > 0
        gate.open()
        await until(lambda: _whole(bridge.pool))
        assert (await ask(app)).status == 200


async def test_a_body_that_is_too_large_becomes_413() -> None:
    """And the connection is not used for what is still on its way."""
    async with bridged(_waiting(Gate()), max_body_bytes=10) as bridge:
        answer = await ask(_edge(bridge), "/", [b"x" * 11], method="POST")
        assert (answer.status, answer.header(b"connection")) == (413, b"close")


async def test_a_body_that_stalls_becomes_408() -> None:
    """And the connection is not used for what is still on its way."""
    async with bridged(_waiting(Gate()), body_idle_seconds=0.03) as bridge:
        headers = [(b"content-length", b"100")]
        exchange = Exchange(_edge(bridge), scope_of(method="POST", headers=headers), [b"half"])
        exchange._incoming[-1]["more_body"] = True
        answer = await exchange.run()
        assert (answer.status, answer.header(b"connection")) == (408, b"close")


async def test_an_error_becomes_500_and_the_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An application that raises takes no thread with it."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise ValueError("broken")

    caplog.set_level("CRITICAL")
    async with bridged(app, threads=1) as bridge:
        for _ in range(5):
            assert (await ask(_edge(bridge))).status == 500
        await until(lambda: _whole(bridge.pool))
        assert bridge.pool.counters.served == 5


async def test_an_endless_answer_without_bytes_ends_when_nobody_waits() -> None:
    """Empty chunks are a sign of life of the application, and not a reason to keep its thread."""
    closed = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b""
                time.sleep(0.001)
        finally:
            closed.set()

    async with bridged(app, threads=1) as bridge:
        task = asyncio.create_task(ask(bridge))
        await until(lambda: bridge.pool.busy)
        task.cancel()
        await until(closed.is_set, 1.0)
        await until(lambda: _whole(bridge.pool), 1.0)


async def test_a_fast_stream_leaves_the_event_loop_to_others() -> None:
    """Where neither the application nor its client ever waits, others are served all the same."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        while True:
            yield b"x" * 100_000

    sent = turns = 0

    async def send(message: Message) -> None:
        nonlocal sent
        sent += 1
        time.sleep(0.002)  # noqa: ASYNC251 - the thread is ahead again when this returns

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async with bridged(app, threads=1) as bridge:
        task = asyncio.create_task(bridge(scope_of(), receive, send))
        while sent < 50:
            await asyncio.sleep(0)
            turns += sent > 0
        task.cancel()
        await asyncio.wait([task])
    assert turns >= 40


async def test_a_view_has_the_request_s_context_and_keeps_its_own() -> None:
    """Context variables come in with the request; what a view sets stays in its request."""
    variable = contextvars.ContextVar("variable", default="nothing")
    app = Flask("context")

    @app.get("/")
    def index() -> str:
        seen = variable.get()
        variable.set("of another request")
        return f"{seen} {request.environ['asgi.scope']['path']}"

    async def of(name: str) -> bytes:
        variable.set(name)
        return (await ask(bridge)).body

    async with bridged(app, threads=1) as bridge:
        bodies = await asyncio.gather(of("a"), of("b"), of("c"))
        assert list(bodies) == [b"a /", b"b /", b"c /"]
        assert (await ask(bridge)).body == b"nothing /"
        assert variable.get() == "nothing"


@pytest.mark.parametrize("path", ["/", "/stream", "/raise", "/raise-later"])
async def test_flask_s_teardown_runs_once_and_in_the_view_s_thread(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Database sessions are given back by who opened them, once, however the view ends."""
    app = Flask("teardown")
    torn_down: list[int] = []

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        torn_down.append(threading.get_ident())
        assert g.thread == threading.get_ident()

    @app.before_request
    def remember() -> None:
        g.thread = threading.get_ident()

    @app.get("/")
    def index() -> str:
        return "ok"

    @app.get("/stream")
    def stream() -> Any:
        return iter(["a" * 100_000, "b" * 500_000, "c"])

    @app.get("/raise")
    def raises() -> str:
        raise ValueError("broken")

    @app.get("/raise-later")
    def raises_later() -> Any:
        def chunks() -> Iterator[str]:
            yield "a"
            raise ValueError("broken")

        return chunks()

    caplog.set_level("CRITICAL")
    async with bridged(app, threads=2) as bridge:
        with contextlib.suppress(ValueError):
            await ask(bridge, path)
        await until(lambda: torn_down)
    assert len(torn_down) == 1
    assert torn_down[0] != threading.get_ident()
