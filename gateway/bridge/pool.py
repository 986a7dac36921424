"""A mount's threads: few awake at a time, as many as block.

Python code of all threads takes turns with one lock, the GIL, and the event loop is one more that
waits for its turn. So a second worker is woken when the first is *blocked* and not when it
*computes*, an awake worker takes job after job, and what is finished goes back in batches with one
wake-up of the loop. Without a GIL there is nothing to take turns for: each job wakes a worker.

All methods but `notify` are called on the event loop.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Protocol

from gateway.bridge.trial import Trial
from gateway.problems import Refusal

logger = logging.getLogger("gateway.bridge")

# While jobs wait, the loop looks this often how the awake workers fare. One millisecond is what
# the loop's timers resolve.
LOOK_SECONDS = 0.001
# Awake workers that used less of the time than this, while the loop left it to them, are blocked.
BLOCKED_SHARE = 0.05
BLOCKED_SECONDS = 0.0015
# Workers that used nothing at all for so long are blocked even where the loop was busy throughout:
# one that waits for the GIL gets it within two switch intervals.
SURELY_BLOCKED_SECONDS = 0.012
# However busy the awake workers are, jobs do not wait longer than this for one that computes.
PATIENCE_SECONDS = 0.25
# Below this use of the processor, awake workers can only be blocked: the next job wakes another.
IDLE_SHARE = 0.3
# A sample of that use that is older says nothing about now.
SAMPLE_SECONDS = 0.05
# How often deadlines are looked at.
SWEEP_SECONDS = 0.1


class Job(Protocol):
    """What a worker does for one request.

    Attributes:
        waited: Seconds that it waited for a worker.
    """

    waited: float

    def run(self) -> None:
        """Do it, in a worker's thread. Never raises."""

    def deliver(self) -> None:
        """Take over what `notify` told of, on the event loop."""

    def expire(self) -> bool:
        """The deadline has passed, on the event loop; False where it has answered already."""

    def discard(self) -> None:
        """It will not be run, on the event loop."""


class Saturated(Refusal):
    """All threads are busy and the queue is full."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    detail = "All threads of the service are busy and its queue is full. Try again soon."
    headers = MappingProxyType({"Retry-After": "1"})


@dataclass
class Counters:
    """What has happened since the start; published by telemetry."""

    served: int = 0
    rejected: int = 0
    timed_out: int = 0
    left_early: int = 0


class _Worker:
    """One thread of the pool."""

    __slots__ = ("clock", "cpu_seconds", "job", "since", "stuck", "wake")

    def __init__(self) -> None:
        self.wake = threading.Lock()
        self.wake.acquire()
        self.job: Job | None = None
        self.since = 0.0  # when the job was submitted
        self.stuck = False
        self.clock: int | None = None
        self.cpu_seconds = 0.0  # at the last look

    def used(self) -> float:
        """CPU seconds used since the last call."""
        if self.clock is None:
            return 0.0
        before = self.cpu_seconds
        try:
            self.cpu_seconds = time.clock_gettime(self.clock)
        except OSError:  # the thread has ended meanwhile
            return 0.0
        return self.cpu_seconds - before


class WorkerPool:
    """A bounded number of threads behind a bounded queue.

    Args:
        name: The mount's, for thread names and messages.
        threads: How many work at most. Stuck ones are replaced, up to as many again.
        queue: How many jobs may wait; the next one is refused.
        deadline_seconds: After which a job that has not answered expires; 0 for never.

    Attributes:
        counters: What has happened.
    """

    def __init__(self, name: str, threads: int, queue: int, deadline_seconds: float = 0) -> None:
        self.name = name
        self.threads = threads
        self.counters = Counters()
        self._queue_limit = queue
        self._deadline_seconds = deadline_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gil = getattr(sys, "_is_gil_enabled", lambda: True)()
        self._lock = threading.Lock()  # guards what follows
        self._jobs: deque[tuple[float, Job]] = deque()
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()
        self._awake = self._busy = 0
        self._target = 1  # as many are woken without waiting to see how the others fare
        self._stuck = 0
        self._closing = False
        self._all_gone: asyncio.Event | None = None
        # Workers put notices in, the loop takes them out.
        self._notices: deque[Job] = deque()
        self._loop_told = False
        self._looking = False
        self._sweeping = False
        self._last_look = self._last_loop_cpu = 0.0
        self._blocked_since = 0.0
        self._last_sample = self._last_process_cpu = 0.0
        self._to_rest = 0
        self._trial = Trial()
        self._last_taken = 0.0

    # --- gauges ---------------------------------------------------------------------------------

    @property
    def busy(self) -> int:
        """Workers that have a job."""
        return self._busy

    @property
    def awake(self) -> int:
        """Workers that are not asleep."""
        return self._awake

    @property
    def queued(self) -> int:
        """Jobs that wait for a worker."""
        return len(self._jobs)

    @property
    def stuck(self) -> int:
        """Workers whose job has expired and still runs."""
        return self._stuck

    @property
    def totals(self) -> dict[str, int]:
        """What has happened since the start, by name."""
        return dataclasses.asdict(self.counters)

    # --- on the event loop ----------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Queue a job.

        Raises:
            Saturated: All threads are busy and the queue is full.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        now = time.monotonic()
        with self._lock:
            # Jobs that a thread is free to take do not wait.
            waiting = len(self._jobs) + self._busy - self._size_limit()
            if self._closing or waiting >= self._queue_limit:
                self.counters.rejected += 1
                raise Saturated
            self._jobs.append((now, job))
            alone = self._awake == 0
            if self._awake < self._target or not self._gil:
                self._wake_one(now)
                if not self._workers:
                    # Not one thread could be started.
                    self._jobs.pop()
                    self.counters.rejected += 1
                    raise Saturated
        if not alone:
            if now - self._last_sample >= LOOK_SECONDS and self._process_idles(now):
                self._wake_another(now)
            if not self._looking:
                self._start_looking(now)
        if self._deadline_seconds and not self._sweeping:
            self._sweeping = True
            loop.call_later(SWEEP_SECONDS, self._sweep)

    def cancel(self, job: Job) -> bool:
        """Take a job out of the queue; False where a worker has it already."""
        with self._lock:
            for entry in self._jobs:
                if entry[1] is job:
                    self._jobs.remove(entry)
                    return True
        return False

    async def close(self, timeout_seconds: float) -> bool:
        """Refuse new jobs, finish those that there are, and end the threads.

        Returns:
            Whether all threads ended in time. Those that did not are daemons: they keep no process
            alive.
        """
        self._all_gone = asyncio.Event()
        self._bind(asyncio.get_running_loop())
        with self._lock:
            self._closing = True
            idle, self._idle = self._idle, []
            for worker in idle:
                self._awake += 1
                worker.wake.release()
            if not self._workers:
                self._all_gone.set()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._all_gone.wait()
        except TimeoutError:
            return False
        return True

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to the loop that runs now: a pool is made before its server has one.

        Test clients have one loop per request; what was planned on an earlier one never happens.
        """
        if loop is not self._loop:
            self._loop = loop
            self._loop_told = self._looking = self._sweeping = False
            self._notices.clear()

    def _size_limit(self) -> int:
        """Threads allowed now: those asked for, and one for each stuck one, within a bound."""
        return self.threads + min(self._stuck, self.threads)

    def _wake_one(self, now: float) -> None:
        """Wake a worker or start one. The lock is held."""
        if self._idle:
            worker = self._idle.pop()
            self._awake += 1
            worker.wake.release()
        elif len(self._workers) < self._size_limit():
            worker = _Worker()
            thread = threading.Thread(
                target=self._work, args=(worker,), name=f"{self.name}-{len(self._workers) + 1}"
            )
            thread.daemon = True
            self._workers.add(worker)
            self._awake += 1
            try:
                thread.start()
            except RuntimeError as error:
                # The system allows no more. Those that there are go on.
                self._workers.discard(worker)
                self._awake -= 1
                logger.error('mount "%s": cannot start a thread: %s', self.name, error)  # noqa: TRY400
        self._last_taken = self._blocked_since = now

    def _wake_another(self, now: float) -> None:
        """Wake one more than are awake, for a job that waits; from now on it takes so many."""
        with self._lock:
            if self._jobs:
                self._wake_one(now)
                self._target = max(self._awake, 1)

    def _process_idles(self, now: float) -> bool:
        """Whether the whole process used so little that whoever is awake must be blocked."""
        cpu = time.process_time()
        elapsed, used = now - self._last_sample, cpu - self._last_process_cpu
        self._last_sample, self._last_process_cpu = now, cpu
        return elapsed < SAMPLE_SECONDS and used < IDLE_SHARE * elapsed

    def _start_looking(self, now: float) -> None:
        self._looking = True
        self._last_look = self._blocked_since = now
        self._last_loop_cpu = time.thread_time()
        for worker in tuple(self._workers):
            worker.used()
        asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """While jobs wait: take over what is finished; wake a worker if the awake ones block."""
        # Asked first: a worker that still saw jobs has left its notice by then, and told nobody.
        over = not self._jobs and self._awake <= 1
        if self._notices:
            self._deliver()
        if over:
            self._looking = False
            return
        now = time.monotonic()
        self._judge(now)
        asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _judge(self, now: float) -> None:
        """Wake one more worker, or rest one, by how much of the time the awake ones used."""
        elapsed, self._last_look = now - self._last_look, now
        loop_cpu = time.thread_time()
        left_to_workers = elapsed - (loop_cpu - self._last_loop_cpu)
        self._last_loop_cpu = loop_cpu
        used = sum(worker.used() for worker in tuple(self._workers))
        if used > BLOCKED_SHARE * max(left_to_workers, 0.0):
            self._blocked_since = now
        blocked_for = now - self._blocked_since
        if (
            (blocked_for >= BLOCKED_SECONDS and left_to_workers >= elapsed / 2)
            or blocked_for >= SURELY_BLOCKED_SECONDS
            or now - self._last_taken >= PATIENCE_SECONDS
        ):
            self._trial.cancel()
            self._wake_another(now)
        elif left_to_workers > elapsed / 4:
            share = min(used / left_to_workers, 1.0)
            change = self._trial.look(share, jobs_wait=bool(self._jobs))
            if change > 0:
                self._wake_another(now)
            elif change < 0 and self._awake > 1:
                self._to_rest = 1
                self._target = self._awake - 1

    def _told(self) -> None:
        self._loop_told = False
        self._deliver()

    def _deliver(self) -> None:
        notices = self._notices
        while notices:
            notices.popleft().deliver()

    def _sweep(self) -> None:
        """Expire what is over its deadline, queued or running."""
        oldest = time.monotonic() - self._deadline_seconds
        discarded: list[Job] = []
        with self._lock:
            while self._jobs and self._jobs[0][0] < oldest:
                discarded.append(self._jobs.popleft()[1])
            late = [w for w in self._workers if w.job and w.since < oldest and not w.stuck]
            for worker in late:
                # Still busy with what nobody waits for: another takes its place.
                if worker.job is not None and worker.job.expire():
                    worker.stuck = True
                    self._stuck += 1
            more = bool(self._jobs) or any(worker.job for worker in self._workers)
        for job in discarded:
            job.discard()
            job.expire()
        if self._stuck:
            self._wake_another(time.monotonic())
        if more:
            asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        else:
            self._sweeping = False

    # --- in a worker's thread -------------------------------------------------------------------

    def notify(self, job: Job, *, urgent: bool) -> None:
        """Have the loop call `job.deliver()` soon.

        Args:
            job: A job that has something for the loop.
            urgent: Wake the loop for it, instead of leaving it to the next look.
        """
        self._notices.append(job)
        # Where jobs wait, the loop looks every millisecond and takes what it finds.
        if self._loop_told or (not urgent and self._jobs and self._gil):
            return
        self._loop_told = True
        self._call_soon(self._told)

    def _call_soon(self, function: Callable[[], object]) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(function)
        except RuntimeError:
            logger.debug("a worker ended after the event loop had closed")

    def _work(self, worker: _Worker) -> None:
        worker.clock = time.pthread_getcpuclockid(threading.get_ident())
        while True:
            job = self._take(worker)
            if job is None:
                return
            job.run()

    def _take(self, worker: _Worker) -> Job | None:
        """The worker's next job, after sleep if need be; None at its end."""
        while True:
            with self._lock:
                if worker.job is not None:
                    worker.job = None
                    self._busy -= 1
                    self.counters.served += 1
                if worker.stuck:
                    worker.stuck = False
                    self._stuck -= 1
                surplus = len(self._workers) > self._size_limit()
                rests = self._to_rest > 0 and self._awake > 1 and not self._closing
                self._to_rest = 0
                if self._jobs and not surplus and not rests:
                    self._last_taken = time.monotonic()
                    worker.since, worker.job = self._jobs.popleft()
                    worker.job.waited = self._last_taken - worker.since
                    self._busy += 1
                    return worker.job
                self._awake -= 1
                if self._closing or surplus:
                    self._leave(worker)
                    return None
                self._idle.append(worker)
            worker.wake.acquire()

    def _leave(self, worker: _Worker) -> None:
        """The worker's end. The lock is held."""
        self._workers.discard(worker)
        if not self._workers and self._all_gone is not None:
            self._call_soon(self._all_gone.set)
