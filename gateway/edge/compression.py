"""Compresses answers of text with zstd, brotli or gzip, by the library starlette-compress.

Never a stream of events, never what says that it is not to be changed, and never twice. What comes
in pieces is compressed piece by piece, and each piece arrives when it is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, remove_compress_type

MINIMUM_BYTES = 1024
# Travels with the start of an answer that came with an entity tag and was not encoded.
_TAGGED = "gateway.tagged"
# The way past the library, in the scope of a request.
_PAST = "gateway.past_compression"


class Compression:
    """The library's middleware, for requests alone.

    Args:
        app: What the request goes to.
    """

    def __init__(self, app: ASGIApp) -> None:
        # The library keeps its types for the whole process; this one is never compressed here.
        remove_compress_type("text/event-stream")
        self.app = app
        self._compressing = _FlushedCompression(self._call, minimum_size=MINIMUM_BYTES)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Compress what is answered."""
        if scope["type"] != "http":
            return self.app(scope, receive, send)

        def send_weakened(message: Message) -> Awaitable[None]:
            if message.pop(_TAGGED, False):
                _weaken(message)
            return send(message)

        scope[_PAST] = send
        return self._compressing(scope, receive, send_weakened)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        past: Send = scope.pop(_PAST)
        chosen = send

        def send_noted(message: Message) -> Awaitable[None]:
            nonlocal chosen
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", ()))
                if _is_fixed(headers):
                    chosen = past
                    return past(message)
                names = {name for name, _ in headers}
                if b"etag" in names and b"content-encoding" not in names:
                    message[_TAGGED] = True
            return chosen(message)

        await self.app(scope, receive, send_noted)


class _FlushedCompression(CompressMiddleware):
    """The library's, with no piece of an answer held back until there are more.

    The library flushes streams of events alone. A client that waits for a line of a log, or for the
    head of a page, would wait for what fills the compressor.
    """

    __slots__ = ()

    def __init__(self, app: ASGIApp, minimum_size: int) -> None:
        super().__init__(app, minimum_size=minimum_size)
        for responder in (self._zstd, self._brotli, self._gzip):
            if responder is not None:
                responder.create_encoder = _flushed(responder.create_encoder)


class _FlushedEncoder:
    """One of the library's encoders, flushed after each piece.

    Args:
        encoder: What compresses.
    """

    __slots__ = ("_encoder", "finish")

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.finish: Callable[[], Iterable[bytes]] = encoder.finish

    def feed(self, data: bytes, flush: bool) -> Iterable[bytes]:
        """Compress a piece, to its end."""
        pieces: Iterable[bytes] = self._encoder.feed(data, True)
        return pieces


def _flushed(create: Callable[[int], Any]) -> Callable[[int], _FlushedEncoder]:
    return lambda content_length: _FlushedEncoder(create(content_length))


def _is_fixed(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether an answer is to stay as it is: `no-transform` (RFC 9110, section 7.7)."""
    return any(
        name == b"cache-control"
        and any(part.strip() == b"no-transform" for part in value.lower().split(b","))
        for name, value in headers
    )


def _weaken(message: Message) -> None:
    """Make a strong entity tag weak where the answer was compressed (RFC 9110, section 8.8.3.3).

    Else a download that is resumed plainly would continue a compressed one.
    """
    headers = message["headers"]
    if any(name == b"content-encoding" for name, _ in headers):
        message["headers"] = [
            (name, b"W/" + value if name == b"etag" and not value.startswith(b"W/") else value)
            for name, value in headers
        ]
