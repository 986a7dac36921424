"""Ends event streams when the process is told to stop.

A server-sent event stream has no end of its own: without this, one open browser tab keeps a
process for as long as it may drain. The browser reconnects by itself, to another process.
"""

from __future__ import annotations

import weakref

from starlette.types import Message

from gateway.exchange import Exchange
from gateway.health import Health


class EndEventStreams:
    """Ends `text/event-stream` answers, cleanly, when the drain begins: an observer of exchanges.

    Args:
        health: Tells of the drain.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._streams: weakref.WeakSet[Exchange] = weakref.WeakSet()
        health.on_drain.append(self._end_all)

    def __call__(self, exchange: Exchange, message: Message) -> None:
        """Remember an answer that streams events; end it at once where the drain has begun."""
        for name, value in message.get("headers", ()):
            if name.lower() == b"content-type":
                if value[:17].lower() == b"text/event-stream":
                    self._streams.add(exchange)
                    if self._health.draining:
                        exchange.end()
                return

    def _end_all(self) -> None:
        # The signal arrives between any two steps of the loop; the streams are ended in one.
        for exchange in tuple(self._streams):
            exchange.end()
