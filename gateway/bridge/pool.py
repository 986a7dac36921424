"""A mount's threads: few awake at a time, as many as block.

Python code of all threads takes turns with one lock, the GIL, and the event loop is one more that
waits for its turn. So a second worker is woken when the first is *blocked* and not when it
*computes* (`waking`), an awake worker takes job after job, and what is finished goes back in
batches with one wake-up of the loop. Without a GIL there is nothing to take turns for: each job
wakes a worker.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable

from gateway.bridge.jobs import Closing, Counters, Job, Saturated
from gateway.bridge.waking import IDLE_LOOK_SECONDS, LOOK_SECONDS, Watch, Watched, takes_turns

logger = logging.getLogger("gateway.bridge")

# How often deadlines are looked at.
SWEEP_SECONDS = 0.1


class _Worker(Watched):
    """One thread of the pool."""

    __slots__ = ("job", "since", "stuck", "wake")

    def __init__(self) -> None:
        super().__init__()
        self.wake = threading.Lock()
        self.wake.acquire()
        self.job: Job | None = None
        self.since = 0.0  # when the job was submitted
        self.stuck = False


class WorkerPool:
    """A bounded number of threads behind a bounded queue.

    Args:
        name: The mount's, for thread names and messages.
        threads: How many work at most. Stuck ones are replaced, up to as many again; but a single
            one is not: an application that is not safe for threads is never in two at once.
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
        self._takes_turns = takes_turns()
        self._watch = Watch()
        self._look_timer: asyncio.TimerHandle | None = None
        self._looks_often = False
        self._sweeping = False
        # Workers put notices in, the loop takes them out.
        self._notices: deque[Job] = deque()
        self._loop_told = False
        self._lock = threading.Lock()  # guards what follows
        self._jobs: deque[tuple[float, Job]] = deque()
        self._idle: list[_Worker] = []
        # Replaced, not changed: the loop looks at all of them without the lock.
        self._workers: tuple[_Worker, ...] = ()
        self._awake = self._busy = 0
        self._target = 1  # as many are woken without waiting to see how the others fare
        self._to_rest = False
        self._stuck = 0
        self._closing = False
        self._all_gone: asyncio.Event | None = None

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
            self._refuse_without_room()
            self._jobs.append((now, job))
            alone = self._awake == 0
            if self._awake < self._target or not self._takes_turns:
                self._wake_one(now)
                if not self._workers:
                    # Not one thread could be started.
                    self._jobs.pop()
                    self.counters.rejected += 1
                    raise Saturated
        if not alone and self._takes_turns:
            if self._watch.idles(now):
                self._wake_another(now)
            if not self._looks_often:
                self._look_soon(now)
        if self._deadline_seconds and not self._sweeping:
            self._sweeping = True
            loop.call_later(SWEEP_SECONDS, self._sweep)

    def check_room(self) -> None:
        """Ask before a job is prepared at some cost; `submit` asks again.

        Raises:
            Saturated: There is no room for one now.
        """
        with self._lock:
            self._refuse_without_room()

    def cancel(self, job: Job) -> bool:
        """Take a job out of the queue; False where a worker has it already."""
        with self._lock:
            for entry in self._jobs:
                if entry[1] is job:
                    self._jobs.remove(entry)
                    return True
        return False

    def open(self) -> None:
        """Take jobs, also after a `close`: a service may start again in the same process."""
        with self._lock:
            self._closing = False
            self._all_gone = None

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
            self._loop_told = self._sweeping = False
            self._look_timer, self._looks_often = None, False
            self._notices.clear()

    def _refuse_without_room(self) -> None:
        """Raise where one more job is too many. The lock is held."""
        # Jobs that a thread is free to take do not wait.
        waiting = len(self._jobs) + self._busy - self._size_limit()
        if self._closing or waiting >= self._queue_limit:
            self.counters.rejected += 1
            raise Closing if self._closing else Saturated

    def _size_limit(self) -> int:
        """Threads allowed now: those asked for, and one for each stuck one, within a bound."""
        return self.threads + min(self._stuck, self.threads if self.threads > 1 else 0)

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
            self._workers += (worker,)
            self._awake += 1
            try:
                thread.start()
            except RuntimeError as error:
                # The system allows no more. Those that there are go on.
                self._remove(worker)
                self._awake -= 1
                logger.error('mount "%s": cannot start a thread: %s', self.name, error)  # noqa: TRY400
        self._watch.note_woken(now)

    def _wake_another(self, now: float) -> None:
        """Wake one more than are awake, for a job that waits; from now on it takes so many."""
        with self._lock:
            if self._jobs:
                self._wake_one(now)
                self._target = max(self._awake, 1)

    def _look_soon(self, now: float) -> None:
        """Look how the awake ones fare, as a job waits."""
        if self._look_timer is None:
            self._watch.start(now, self._workers)
        else:
            self._look_timer.cancel()
        self._look_in(LOOK_SECONDS)

    def _look_in(self, seconds: float) -> None:
        self._looks_often = seconds == LOOK_SECONDS
        self._look_timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Take over what is finished; while jobs wait, wake or rest a worker if that is better."""
        self._look_timer, self._looks_often = None, False
        # Asked first: a worker that still saw jobs has left its notice by then, and told nobody.
        jobs_wait = bool(self._jobs)
        over = not jobs_wait and self._awake <= 1
        if self._notices:
            self._deliver()
        if over:
            return
        # First, so that nothing that fails below ends the looking.
        self._look_in(LOOK_SECONDS if jobs_wait else IDLE_LOOK_SECONDS)
        now = time.monotonic()
        change = self._watch.look(now, self._workers, jobs_wait=jobs_wait)
        if change > 0:
            self._wake_another(now)
        elif change < 0:
            self._rest_one(now)

    def _rest_one(self, now: float) -> None:
        """Have the next worker that is done sleep, where others are left to take jobs."""
        with self._lock:
            if self._watch.can_spare(now, self._workers):
                self._to_rest = True
                self._target = self._awake - 1
            else:
                self._target = max(min(self._target, self._awake), 1)

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
                if worker.job is not None and worker.job.expire(oldest):
                    worker.stuck = True
                    self._stuck += 1
            more = bool(self._jobs) or any(worker.job for worker in self._workers)
        for job in discarded:
            job.discard()
            job.expire(math.inf)  # whatever it would have waited for later
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
        if self._loop_told or (not urgent and self._jobs and self._takes_turns):
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
        if self._takes_turns:
            worker.clock.start()
        while self._take(worker):
            self._run(worker)

    def _run(self, worker: _Worker) -> None:
        try:
            if worker.job is not None:
                worker.job.run()
        except BaseException:
            # It says that it never raises. If it does, that ends the job and not the worker.
            logger.exception('mount "%s": a job failed in its thread', self.name)

    def _take(self, worker: _Worker) -> bool:
        """Give the worker its next job, after sleep if need be; False at its end."""
        while True:
            with self._lock:
                now = time.monotonic()
                # Dropped without the lock: with it may go what an application does at an end.
                done, worker.job = worker.job, None
                if done is not None:
                    self._busy -= 1
                    self._watch.note_ended(now - worker.taken)
                    worker.taken = 0.0
                if worker.stuck:
                    worker.stuck = False
                    self._stuck -= 1
                surplus = len(self._workers) > self._size_limit()
                rests = self._to_rest and self._awake > 1 and not self._closing
                self._to_rest = False
                if self._jobs and not surplus and not rests:
                    self._watch.last_taken = worker.taken = now
                    worker.since, worker.job = self._jobs.popleft()
                    worker.job.waited = now - worker.since
                    self._busy += 1
                    return True
                self._awake -= 1
                if self._closing or surplus:
                    self._leave(worker)
                    return False
                self._idle.append(worker)
            del done  # a sleeping worker keeps nothing of a request alive
            worker.wake.acquire()

    def _leave(self, worker: _Worker) -> None:
        """The worker's end. The lock is held."""
        self._remove(worker)
        if not self._workers and self._all_gone is not None:
            self._call_soon(self._all_gone.set)

    def _remove(self, worker: _Worker) -> None:
        self._workers = tuple(other for other in self._workers if other is not worker)
