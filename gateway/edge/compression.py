"""Compresses answers of text with zstd, brotli or gzip, by the library starlette-compress.

Never a stream of events, whose pieces have to arrive as they are sent, and never twice.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_compress import CompressMiddleware, remove_compress_type

MINIMUM_BYTES = 1024


class Compression:
    """The library's middleware, for requests alone.

    Args:
        app: What the request goes to.
    """

    def __init__(self, app: ASGIApp) -> None:
        # The library keeps its types for the whole process; this one is never compressed here.
        remove_compress_type("text/event-stream")
        self.app = app
        self._compressing = CompressMiddleware(app, minimum_size=MINIMUM_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress what is answered."""
        await self._compressing(scope, receive, send)
