"""The shadows of a process: which requests have one, and when; whatever happens, nobody waits.

A sample of the requests, a bounded queue, a few at once, a deadline for each, and a breaker for
each route: what does not fit is dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections import deque
from collections.abc import Hashable
from typing import Final

from gateway.config import SwitchSettings
from gateway.switch.evidence import Evidence
from gateway.switch.shadows.breaker import Breakers
from gateway.switch.shadows.loop_time import ChildTasks, LoopTime
from gateway.switch.shadows.sampling import TOKEN_SECONDS, Sampler
from gateway.switch.shadows.shadow import Comparing, Shadow, ShadowRun

logger = logging.getLogger("gateway.switch")

_MOMENT_SECONDS: Final = 0.1


class Shadows:
    """All shadows of one process.

    Only so many requests a second are shadowed: what that takes of the event loop stays a small
    share, however many come.

    Args:
        settings: How many, how long, how large.
        evidence: Where their outcomes are counted.
    """

    def __init__(self, settings: SwitchSettings, evidence: Evidence) -> None:
        self._settings = settings
        self._evidence = evidence
        self._waiting: deque[Shadow] = deque()
        self._running: set[asyncio.Task[None]] = set()
        rate = settings.shadows_per_second
        self._sampler = Sampler(rate, max(settings.shadows, round(rate)))
        self._breakers = Breakers()
        self._open = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._comparing = Comparing()
        self._children = ChildTasks()

    def leaves_out(self, route: Hashable) -> str:
        """Whether a request is not to be shadowed: the name of what it counts as; empty: it is.

        Args:
            route: Its route.
        """
        now = time.monotonic()
        # First: what is dropped is then dropped of the sample, and can be weighed against it.
        if not self._sampler.takes(route, now):
            return "unsampled requests"
        if self._breakers.is_open(route, now):
            return "dropped breaker open"
        return "dropped queue full" if self._is_full else ""

    def would_leave_out(self, route: Hashable) -> str:
        """The same of a request that cannot be compared anyway: it takes no other's place."""
        return "" if self._sampler.would_take(route, time.monotonic()) else "unsampled requests"

    def put(self, shadow: Shadow) -> None:
        """Have it asked, if there is room; return at once."""
        if not self._open:
            self._evidence.count(shadow.period, "dropped draining")
        elif self._is_full:
            self._evidence.count(shadow.period, "dropped queue full")
        elif self._breakers.is_open(shadow.route, now := time.monotonic()):
            self._evidence.count(shadow.period, "dropped breaker open")
        else:
            self._breakers.let_through(shadow.route, now)
            self._waiting.append(shadow)
            # Not in the middle of an answer: who sends it has the rest of it to do.
            asyncio.get_running_loop().call_soon(self._begin)

    @property
    def _is_full(self) -> bool:
        most = self._settings.shadows + self._settings.shadow_queue
        return len(self._running) + len(self._waiting) >= most

    def _begin(self) -> None:
        """Begin what may begin."""
        while self._open and self._waiting and len(self._running) < self._settings.shadows:
            self._start(self._waiting.popleft())

    def is_asking(self, name: str) -> bool:
        """Whether threads work for shadows at this moment: a service's, or those that compare."""
        return bool(self._comparing.in_thread) or any(
            task.get_name() == name for task in self._running
        )

    def stop(self) -> None:
        """Ask nobody any more: the services are about to stop. From any thread."""
        self._open = False
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(self._end)

    async def keep(self) -> None:
        """Until cancelled; then end those that run."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._loop.create_future()
        finally:
            self._open = False
            self._end()
            if self._running:
                await asyncio.wait(self._running, timeout=_MOMENT_SECONDS)
            self._comparing.stop()

    def _end(self) -> None:
        for shadow in self._waiting:
            self._evidence.count(shadow.period, "dropped draining")
        self._waiting.clear()
        for task in self._running:
            task.cancel()

    def _start(self, shadow: Shadow) -> None:
        run = ShadowRun(shadow, self._settings, self._evidence, self._breakers, self._comparing)
        loop_time = LoopTime(TOKEN_SECONDS, self._sampler.took)
        loop_time.mark(shadow.context)
        loop = asyncio.get_running_loop()
        self._children.begin(loop)
        task = loop.create_task(
            loop_time.of(run.run()), name=shadow.other.name, context=shadow.context
        )
        self._running.add(task)
        task.add_done_callback(functools.partial(self._ended, run))

    def _ended(self, run: ShadowRun, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._running:
            self._children.end(task.get_loop())
        if task.cancelled():
            run.count_outcome("dropped draining")
        elif error := task.exception():
            run.count_outcome("dropped gateway error")
            logger.error("a shadow failed in the gateway itself", exc_info=error)
        self._begin()
