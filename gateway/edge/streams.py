"""Ends event streams and WebSockets when the process stops serving.

They have no end of their own: without this, one open browser tab keeps a process for as long as it
may drain. Clients reconnect by themselves, to another process.
"""

from __future__ import annotations

import weakref

from starlette.types import Message, Scope

from gateway.exchange import Exchange
from gateway.health import Health


class EndStreams:
    """Ends them, cleanly: an observer of exchanges.

    Args:
        health: Tells of the drain.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._streams: weakref.WeakSet[Exchange] = weakref.WeakSet()
        health.on_stop.append(self._end_all)

    def opened(self, exchange: Exchange, scope: Scope) -> None:
        """Remember a WebSocket."""
        if scope["type"] == "websocket":
            self._remember(exchange)

    def answered(self, exchange: Exchange, message: Message) -> None:
        """Remember an answer that streams events."""
        if exchange.answer_fields.get(b"content-type", b"")[:17].lower() == b"text/event-stream":
            self._remember(exchange)

    def _remember(self, exchange: Exchange) -> None:
        self._streams.add(exchange)
        if self._health.stopping:
            exchange.end()

    def _end_all(self) -> None:
        # The signal arrives between any two steps of the loop, or in a thread beside it.
        for exchange in self._known():
            if not exchange.complete:
                exchange.end()

    def _known(self) -> list[Exchange]:
        while True:
            try:
                return list(self._streams)
            except RuntimeError:  # one was added meanwhile
                continue
