"""Ends exchanges whose service does not begin its answer in time, or stops in the middle of it.

One look at all that run, several times a second, costs a request less than a timer of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.exchange import Running

LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Deadlines:
    """A mount's deadlines.

    Attributes:
        response_seconds: How long until an answer begins; then 504. 0 for no limit.
        idle_seconds: How long an answer that has begun may stand still; then it is broken off. 0
            for no limit.
    """

    response_seconds: float
    idle_seconds: float


class Sweeper:
    """Keeps the deadlines.

    WebSockets have none. While a body arrives, its own limits hold.

    Args:
        mounts: The deadlines of each mount that has some, by its name.
        running: The exchanges.
    """

    def __init__(self, mounts: Mapping[str, Deadlines], running: Running) -> None:
        self._mounts = mounts
        self._running = running

    async def sweep(self) -> None:
        """Keep looking, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look(time.perf_counter())

    def look(self, now: float) -> None:
        """End what is over its time."""
        for exchange in list(self._running):
            deadlines = self._mounts.get(exchange.mount)
            if deadlines is None or exchange.websocket or exchange.expired or exchange.ending:
                continue
            if exchange.complete:
                continue  # what a service does after its whole answer is its own affair
            if exchange.answered:
                if exchange.connection is not None and exchange.connection.waits_for_client:
                    continue  # it is the client that takes its time: the server looks after that
                since, limit = max(exchange.last_sent, exchange.first_byte), deadlines.idle_seconds
            else:
                since = max(exchange.started, exchange.last_received, exchange.resumed)
                limit = deadlines.response_seconds
            if limit and now - since > limit:
                exchange.expire()
