"""One request to the gateway from within its own process, as a server would hand it over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

# As much of an answer is kept; who has more to say is not listened to.
MOST_BYTES = 1024 * 1024
# A service that is told to end has so long; after that nobody waits for it.
_GRACE_SECONDS = 1.0


@dataclass
class Reply:
    """What came back.

    Attributes:
        status: 0 where nothing did.
        headers: As they were sent.
        body: What was kept of it.
        seconds: From the request to the end of the answer, or to where it was given up.
        complete: Whether the answer ended as it should.
        cut: Why not all of it was taken, in words; else empty.
        fault: What the service failed to do, in words; else empty.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    seconds: float = 0.0
    complete: bool = False
    cut: str = ""
    fault: str = ""

    def header(self, wanted: str) -> str:
        """The value of a header; empty where there is none."""
        return next((value for name, value in self.headers if name.lower() == wanted), "")


class InProcess:
    """Sends requests to an ASGI application.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # The event loop keeps no task that nobody refers to.
        self._left_behind: set[asyncio.Task[None]] = set()

    async def ask(
        self, request: httpx.Request, scope: Mapping[str, Any], root_path: str, seconds: float
    ) -> Reply:
        """Send one request and take its answer.

        Args:
            request: The request, with all its headers.
            scope: What its ASGI scope has besides: the client, the server.
            root_path: Where the application is, as far as it does not know.
            seconds: How long the whole answer may take.
        """
        asking = _Asking(self._app, request, scope, root_path)
        # A task and a context of its own, as a server's: a deadline cancels this and nothing else.
        task = asyncio.create_task(asking.run(), context=Context())
        self._left_behind.add(task)
        task.add_done_callback(self._left_behind.discard)
        try:
            await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        reply = asking.reply
        if not task.done() and not reply.complete:
            verb = "end its answer" if reply.status else "answer"
            reply.fault = f"did not {verb} within {seconds:g} seconds"
            task.cancel()
            await asyncio.wait({task}, timeout=_GRACE_SECONDS)
            reply.complete = False
        elif not (reply.complete or reply.cut):
            reply.fault = "broke its answer off" if reply.status else "gave no answer"
        if not reply.complete and not reply.cut:
            reply.seconds = time.perf_counter() - asking.started
        return reply


class _Asking:
    """One request on its way."""

    def __init__(
        self, app: ASGIApp, request: httpx.Request, scope: Mapping[str, Any], root_path: str
    ) -> None:
        self.reply = Reply()
        self.started = time.perf_counter()
        self._app = app
        self._request = request
        self._scope = scope
        self._transport = httpx.ASGITransport(
            self._call, raise_app_exceptions=False, root_path=root_path
        )

    async def run(self) -> None:
        try:
            await self._transport.handle_async_request(self._request)
        except AssertionError:
            # The transport's own, of an application that returns without an answer. What there was
            # of it is in the reply.
            return

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.update(self._scope)
        self.started = time.perf_counter()

        async def take(message: Message) -> None:
            if self.reply.cut:
                raise ClientDisconnected
            if self._take(message):
                # To the service this client has left, and so it has.
                message = {"type": "http.response.body", "body": b"", "more_body": False}
                await send(message)
                raise ClientDisconnected
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}  # it is kept once
            await send(message)

        await self._app(scope, receive, take)

    def _take(self, message: Message) -> bool:
        """Keep a part of the answer; whether it is the last that is wanted."""
        reply = self.reply
        reply.seconds = time.perf_counter() - self.started
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = tuple(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message["headers"]
            )
            if reply.header("content-type").lower().startswith("text/event-stream"):
                reply.cut = "a stream of events: status and headers only"
        elif message["type"] == "http.response.body":
            piece = message.get("body", b"")
            if len(reply.body) + len(piece) > MOST_BYTES:
                reply.cut = f"more than {MOST_BYTES // 1024} KiB: status and headers only"
                piece = piece[: MOST_BYTES - len(reply.body)]
            reply.body += piece if self._request.method != "HEAD" else b""
            reply.complete = not reply.cut and not message.get("more_body", False)
        return bool(reply.cut)
