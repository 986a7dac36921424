"""Compresses answers of text with zstd, brotli or gzip, by the library starlette-compress.

Never a stream of events, whose pieces have to arrive as they are sent, and never twice.
"""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, remove_compress_type

MINIMUM_BYTES = 1024
# Travels with the start of an answer that came with an entity tag and was not encoded.
_TAGGED = "gateway.tagged"


class Compression:
    """The library's middleware, for requests alone.

    Args:
        app: What the request goes to.
    """

    def __init__(self, app: ASGIApp) -> None:
        # The library keeps its types for the whole process; this one is never compressed here.
        remove_compress_type("text/event-stream")
        self.app = app
        self._compressing = CompressMiddleware(self._call, minimum_size=MINIMUM_BYTES)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Compress what is answered."""
        if scope["type"] != "http":
            return self.app(scope, receive, send)

        def send_weakened(message: Message) -> Awaitable[None]:
            if message.pop(_TAGGED, False):
                _weaken(message)
            return send(message)

        return self._compressing(scope, receive, send_weakened)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        def send_noted(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", ()))
                names = {name for name, _ in headers}
                if b"etag" in names and b"content-encoding" not in names:
                    message[_TAGGED] = True
            return send(message)

        await self.app(scope, receive, send_noted)


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
