"""When one more of a pool's workers is to be awake, and when one less: judged by the clocks.

Only with a GIL: without one, and where threads have no clock of their own, each job wakes a worker.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence

from gateway.bridge.trial import Trial

# While jobs wait, the loop looks this often how the awake workers fare. One millisecond is what
# the loop's timers resolve.
LOOK_SECONDS = 0.001
# And this often while workers are awake and no job waits: only to know how they have fared.
IDLE_LOOK_SECONDS = 0.02
# Awake workers that used less of the time than this, while the loop left it to them, are blocked.
BLOCKED_SHARE = 0.05
BLOCKED_SECONDS = 0.0015
# Workers that used nothing at all for so long are blocked even where the loop was busy throughout:
# one that waits for the GIL gets it within two switch intervals.
SURELY_BLOCKED_SECONDS = 0.012
# However busy the awake workers are, jobs do not wait for ever for one that computes: for so long
# at least, and longer where most jobs take long, as another thread is no gain there.
LEAST_PATIENCE_SECONDS = 0.03
PATIENCE_SECONDS = 0.25
PATIENCE_JOBS = 2
# How long most take, as long as nothing is known, and the weight of one job in that.
FIRST_USUAL_SECONDS = 0.05
SMOOTHING = 0.1
# Below this use of the processor, awake workers can only be blocked: the next job wakes another.
IDLE_SHARE = 0.3
# A sample of that use that is older says nothing about now.
SAMPLE_SECONDS = 0.05


def takes_turns() -> bool:
    """Whether threads take turns here, and can be watched doing so."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return gil and hasattr(time, "pthread_getcpuclockid")


class Clock:
    """What one thread has used of the processor; nothing before `start`."""

    __slots__ = ("_clock", "_seconds")

    def __init__(self) -> None:
        self._clock: int | None = None
        self._seconds = 0.0  # at the last look

    def start(self) -> None:
        """Be the clock of the thread that calls."""
        try:
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
        except OSError:  # it looks as if it was blocked, so that more workers are woken
            self._clock = None

    def used(self) -> float:
        """CPU seconds used since the last call."""
        if self._clock is None:
            return 0.0
        before = self._seconds
        try:
            self._seconds = time.clock_gettime(self._clock)
        except OSError:  # the thread has ended meanwhile
            return 0.0
        return self._seconds - before


class Watched:
    """A worker, as far as it is watched.

    Attributes:
        clock: Its thread's.
        taken: When it took its job; 0 where it has none.
    """

    __slots__ = ("clock", "taken")

    def __init__(self) -> None:
        self.clock = Clock()
        self.taken = 0.0


class Watch:
    """Judges how a pool's awake workers fare.

    All but `note_ended` is called on the event loop.

    Attributes:
        last_taken: When a worker last took a job, or was woken for one.
    """

    def __init__(self) -> None:
        self.last_taken = 0.0
        self._usual_seconds = FIRST_USUAL_SECONDS  # that jobs take
        self._blocked_since = 0.0
        self._last_look = self._last_loop_cpu = 0.0
        self._last_sample = self._last_process_cpu = 0.0
        self._trial = Trial()

    def note_woken(self, now: float) -> None:
        """One more is awake: it is judged from now on."""
        self.last_taken = self._blocked_since = now

    def note_ended(self, seconds: float) -> None:
        """A job is over that a worker had for so long. The pool's lock is held."""
        # A single long one says little about the others.
        seconds = min(seconds, PATIENCE_SECONDS)
        self._usual_seconds += SMOOTHING * (seconds - self._usual_seconds)

    def idles(self, now: float) -> bool:
        """Whether the whole process used so little that whoever is awake must be blocked."""
        elapsed = now - self._last_sample
        if elapsed < LOOK_SECONDS:
            return False
        cpu = time.process_time()
        used = cpu - self._last_process_cpu
        self._last_sample, self._last_process_cpu = now, cpu
        return elapsed < SAMPLE_SECONDS and used < IDLE_SHARE * elapsed

    def start(self, now: float, workers: Sequence[Watched]) -> None:
        """Begin to look."""
        self._last_look = self._blocked_since = now
        self._last_loop_cpu = time.thread_time()
        for worker in workers:
            worker.clock.used()

    def look(self, now: float, workers: Sequence[Watched], *, jobs_wait: bool) -> int:
        """How many more workers are to be awake: one, none, or one less."""
        elapsed, self._last_look = now - self._last_look, now
        loop_cpu = time.thread_time()
        left_to_workers = elapsed - (loop_cpu - self._last_loop_cpu)
        self._last_loop_cpu = loop_cpu
        used = sum(worker.clock.used() for worker in workers)
        if used > BLOCKED_SHARE * max(left_to_workers, 0.0):
            self._blocked_since = now
        if not jobs_wait:
            return 0
        patience = self._patience()
        ages = [now - worker.taken for worker in workers if worker.taken]
        old = sum(age >= patience for age in ages)
        blocked_for = now - self._blocked_since
        if (
            (blocked_for >= BLOCKED_SECONDS and left_to_workers >= elapsed / 2)
            or blocked_for >= SURELY_BLOCKED_SECONDS
            # The more compute already, the less another helps.
            or now - self.last_taken >= min(patience * max(old, 1), PATIENCE_SECONDS)
        ):
            self._trial.cancel()
            return 1
        if left_to_workers <= elapsed / 4:
            return 0
        # Those that have had a job for long do not take the next one: two others have to be left.
        return self._trial.look(used / left_to_workers, may_rest=len(ages) - old > 1)

    def can_spare(self, now: float, workers: Sequence[Watched]) -> bool:
        """Whether jobs go on being taken with one worker less."""
        patience = self._patience()
        return sum(now - worker.taken < patience for worker in workers if worker.taken) > 1

    def _patience(self) -> float:
        usual = PATIENCE_JOBS * self._usual_seconds
        return min(max(usual, LEAST_PATIENCE_SECONDS), PATIENCE_SECONDS)
