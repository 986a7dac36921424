"""Ends event streams when the process is told to stop.

A server-sent event stream has no end of its own: without this, one open browser tab keeps a
process for as long as it may drain. The browser reconnects by itself, to another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
        self._streams: set[asyncio.Task[object]] = set()
        health.on_drain.append(self._end_all)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and end what streams events when the drain begins."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        watched = _Watched(send, self._remember)
        try:
            await self.app(scope, receive, watched.send)
        except asyncio.CancelledError:
            if watched.stream is None or not self._health.draining:
                raise
            watched.stream.uncancel()
        finally:
            if watched.stream is not None:
                self._streams.discard(watched.stream)
        if watched.stream is not None and not watched.complete and self._health.draining:
            # Whether the cancellation came through or the service took it for the client's leave.
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _remember(self, stream: asyncio.Task[object]) -> None:
        self._streams.add(stream)
        if self._health.draining:
            stream.cancel()

    def _end_all(self) -> None:
        # The signal arrives between any two steps of the loop; the streams are ended in one.
        for stream in tuple(self._streams):
            stream.get_loop().call_soon_threadsafe(stream.cancel)


class _Watched:
    """The answer of one request, watched for being a stream of events."""

    def __init__(self, send: Send, remember: Callable[[asyncio.Task[object]], None]) -> None:
        self.stream: asyncio.Task[object] | None = None
        self.complete = False
        self._send = send
        self._remember = remember

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if _is_event_stream(message) and (task := asyncio.current_task()):
                self.stream = task
                self._remember(task)
        elif self.stream is not None:
            self.complete = not message.get("more_body", False)
        await self._send(message)


def _is_event_stream(message: Message) -> bool:
    for name, value in message.get("headers", ()):
        if name.lower() == b"content-type":
            return bool(value.lower().startswith(b"text/event-stream"))
    return False
