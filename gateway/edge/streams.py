"""Ends event streams and WebSockets when the process stops serving.

They have no end of their own: without this, one open browser tab keeps a process for as long as it
may drain. Clients reconnect by themselves, to another process.
"""

from __future__ import annotations

import asyncio

from gateway.exchange import Exchange, Running
from gateway.health import Health

LOOK_SECONDS = 0.1


class EndStreams:
    """Ends them, cleanly, when the process stops, and those that begin after that.

    Args:
        health: Tells of the stop.
        running: The exchanges.
    """

    def __init__(self, health: Health, running: Running) -> None:
        self._health = health
        self._running = running
        health.on_stop.append(self._end_all)

    async def keep_ending(self) -> None:
        """Look for those that begin after the stop, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._health.stopping:
                self._end_all()

    def _end_all(self) -> None:
        # The signal arrives between any two steps of the loop, or in a thread beside it.
        for exchange in self._known():
            if exchange.is_stream and not exchange.complete:
                exchange.end()

    def _known(self) -> list[Exchange]:
        while True:
            try:
                return list(self._running)
            except RuntimeError:  # one was added meanwhile
                continue
