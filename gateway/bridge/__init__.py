"""The bridge: a WSGI application as an ASGI one.

A request whose body is absent or small is read on the event loop, handed to a thread once, and its
finished answer handed back once. Only streaming pays for streaming.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

from starlette.types import Message, Receive, Scope, Send

from gateway.bridge.body import (
    BodyLimits,
    BodyStream,
    ClientLeft,
    spool,
)
from gateway.bridge.environ import Environ, EnvironBuilder
from gateway.bridge.files import FileWrapper
from gateway.bridge.headers import HeaderEncoder
from gateway.bridge.pool import WorkerPool
from gateway.bridge.responder import (
    STREAM_BYTES,
    Application,
    Call,
    WSGIApp,
    pieces,
)
from gateway.exchange import note_wait
from gateway.problems import GaveUp, Refusal

__all__ = ["Bridge", "BridgeLimits"]

_STREAM_BUFFER_BYTES = 64 * 1024


@dataclass(frozen=True)
class BridgeLimits:
    """What one mount's requests may take.

    Attributes:
        threads: Threads of the mount's own pool; with 1, none ever calls beside another.
        queue: Requests that may wait for one; the next is refused with 503.
        buffering: "spool": the whole body before a thread; "stream": as it arrives.
        memory_bytes: Of a spooled body; the rest goes to a temporary file.
        max_body_bytes: A larger body is refused with 413; 0 for no limit.
        body_idle_seconds: How long an upload may stall.
        body_seconds: How long an upload may take.
        response_seconds: How long until the answer begins; then 504. 0 for no limit.
        write_seconds: How long a client may take nothing of its answer.
        drain_seconds: How long the threads may take to finish at the end.
    """

    threads: int = 10
    queue: int = 100
    buffering: Literal["spool", "stream"] = "spool"
    memory_bytes: int = 1024 * 1024
    max_body_bytes: int = 1024 * 1024 * 1024
    body_idle_seconds: float = 30.0
    body_seconds: float = 600.0
    response_seconds: float = 60.0
    write_seconds: float = 60.0
    drain_seconds: float = 20.0


class Bridge:
    """A WSGI application, called from a pool of threads of its own.

    Args:
        app: The application.
        name: The mount's, for threads and messages.
        limits: What its requests may take.
        multiprocess: Whether other processes serve it, too (`wsgi.multiprocess`).
    """

    def __init__(
        self,
        app: WSGIApp,
        name: str,
        limits: BridgeLimits | None = None,
        *,
        multiprocess: bool = False,
    ) -> None:
        self._limits = limits or BridgeLimits()
        self._body_limits = BodyLimits(
            self._limits.memory_bytes,
            self._limits.max_body_bytes,
            self._limits.body_idle_seconds,
            self._limits.body_seconds,
        )
        self._environ = EnvironBuilder(
            multiprocess=multiprocess,
            multithread=self._limits.threads > 1,
            file_wrapper=FileWrapper,
        )
        self.pool = WorkerPool(
            name, self._limits.threads, self._limits.queue, self._limits.response_seconds
        )
        self._application = Application(app, HeaderEncoder(name), self.pool)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        environ = self._environ.build(scope)
        # RFC 9112, section 6: a request brings a body if its framing headers say so.
        length = environ.get("CONTENT_LENGTH", "0")
        if length == "0" and "HTTP_TRANSFER_ENCODING" not in environ:
            await self._answer(environ, io.BytesIO(), receive, send)
            return
        self._body_limits.check_announced(length)
        if self._limits.buffering == "stream":
            stream = BodyStream(receive, self._body_limits, asyncio.get_running_loop())
            body = cast(BinaryIO, io.BufferedReader(stream, _STREAM_BUFFER_BYTES))
            try:
                await self._answer(environ, body, receive, send, stream)
            finally:
                stream.abandon()
            return
        self.pool.check_room()  # before all of an upload is taken for nothing
        try:
            body = await spool(receive, self._body_limits)
        except ClientLeft:
            self.pool.counters.left_early += 1
            return
        await self._answer(environ, body, receive, send)

    async def _answer(
        self,
        environ: Environ,
        body: BinaryIO,
        receive: Receive,
        send: Send,
        stream: BodyStream | None = None,
    ) -> None:
        """Have the application called and send what it answers.

        `stream` is the body where the application still receives it.
        """
        environ["wsgi.input"] = body
        answered = asyncio.get_running_loop().create_future()
        call = Call(self._application, environ, answered, body, stream)
        try:
            self.pool.submit(call)
        except Refusal:
            call.discard()
            raise
        ended = False
        try:
            await call.answered
            if call.error is not None:
                call.raise_early()
            note_wait(environ["asgi.scope"], call.waited)
            start = {"type": "http.response.start", "status": call.status, "headers": call.headers}
            if call.complete and len(call.body) <= STREAM_BYTES:
                await send(start)
                await send({"type": "http.response.body", "body": call.body})
                ended = True
            elif call.complete:
                await self._send_whole(start, call.body, send)
                ended = True
            else:
                loop = asyncio.get_running_loop()
                departure = stream.start() if stream else loop.create_task(_departure(receive))
                ended = await self._stream(start, call, departure, send)
            self.pool.counters.served += ended
        finally:
            call.error = None  # or it would keep the call, and the call it
            if not ended and not call.complete:
                call.abandon()
                if self.pool.cancel(call):
                    call.discard()

    async def _send_whole(self, start: Message, body: bytes, send: Send) -> None:
        """Send what is complete and large in pieces, each of which has to be taken in time."""
        await self._send(start, send)
        sent = 0
        for piece in pieces([body]):
            sent += len(piece)
            more = sent < len(body)
            await self._send({"type": "http.response.body", "body": piece, "more_body": more}, send)
            await asyncio.sleep(0)  # `send` need not wait; others do

    async def _stream(
        self, start: Message, call: Call, departure: asyncio.Task[None], send: Send
    ) -> bool:
        """Send chunks as they come, until the end or until the client leaves.

        Returns:
            Whether all was sent.
        """
        departure.add_done_callback(lambda task: None if task.cancelled() else call.leave())
        try:
            await self._send(start, send)
            ended = False
            while not ended:
                chunks, ended = await call.take()
                rest = pieces(chunks)
                piece: bytes | None = next(rest, b"")
                while piece is not None:
                    if call.left:
                        self.pool.counters.left_early += 1
                        return False
                    following = next(rest, None)
                    more = following is not None or not ended
                    await self._send(
                        {"type": "http.response.body", "body": piece, "more_body": more}, send
                    )
                    piece = following
                    # Neither `take` nor `send` has to wait where both are fast; others do.
                    await asyncio.sleep(0)
            return True
        finally:
            departure.cancel()

    async def _send(self, message: Message, send: Send) -> None:
        try:
            async with asyncio.timeout(self._limits.write_seconds):
                await send(message)
        except TimeoutError:
            self.pool.counters.left_early += 1
            raise GaveUp("the client took nothing of its answer in time") from None

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.pool.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if await self.pool.close(self._limits.drain_seconds):
            await send({"type": "lifespan.shutdown.complete"})
        else:
            message = f"{self.pool.busy} of its threads still run"
            await send({"type": "lifespan.shutdown.failed", "message": message})


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
