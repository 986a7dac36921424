"""Ends event streams when the process is told to stop.

A server-sent event stream has no end of its own: without this, one open browser tab keeps a
process for as long as it may drain. The browser reconnects by itself, to another process.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any, TypeGuard

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.exchange import exchange_of
from gateway.health import Health


class EndEventStreams:
    """Ends `text/event-stream` answers, cleanly, when the drain begins.

    Args:
        app: What the request goes to.
        health: Tells of the drain.
    """

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self.app = app
        self._health = health
        self._streams: set[asyncio.Task[Any]] = set()
        health.on_drain.append(self._end_all)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and end what streams events when the drain begins."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        # The request's own task: a service may stream from another one.
        task = asyncio.current_task()
        exchange.observers.append(functools.partial(self._remember_stream, task))
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._is_ending(task):
                raise
            task.uncancel()
        if self._is_ending(task) and not exchange.complete:
            # Whether the cancellation came through or the service took it for the client's leave.
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _remember_stream(self, task: asyncio.Task[Any] | None, message: Message) -> None:
        if task is None or not _is_event_stream(message):
            return
        self._streams.add(task)
        task.add_done_callback(self._streams.discard)
        if self._health.draining:
            task.cancel()

    def _is_ending(self, task: asyncio.Task[Any] | None) -> TypeGuard[asyncio.Task[Any]]:
        return self._health.draining and task in self._streams

    def _end_all(self) -> None:
        # The signal arrives between any two steps of the loop; the streams are ended in one.
        for stream in tuple(self._streams):
            stream.get_loop().call_soon_threadsafe(stream.cancel)


def _is_event_stream(message: Message) -> bool:
    for name, value in message.get("headers", ()):
        if name.lower() == b"content-type":
            return bool(value.lower().startswith(b"text/event-stream"))
    return False
