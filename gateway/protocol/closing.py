"""How connections end: after an answer to a request that is still coming, and as WebSockets."""

from __future__ import annotations

import asyncio
import functools
from typing import Any, Protocol


class Closing(Protocol):
    """A connection that can be closed gently."""

    transport: asyncio.Transport

    @property
    def lingers(self) -> bool:
        """Whether nothing more is sent, and what arrives is thrown away."""

    def close_after_answer(self) -> None:
        """Close, as the answer says."""


class LingeringTransport:
    """The transport of a request with a body, which may be answered before all of it is here.

    To close at once would have the client's system throw away the answer unread.
    """

    def __init__(self, protocol: Closing) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._protocol.lingers or self._protocol.transport.is_closing()

    def close(self) -> None:
        """Close, once the client has had the time to read what was sent."""
        self._protocol.close_after_answer()

    def abort(self) -> None:
        """Close at once."""
        self._protocol.transport.abort()

    def get_extra_info(self, name: str) -> Any:
        """What is known of the connection, by name."""
        return self._protocol.transport.get_extra_info(name)

    def get_write_buffer_size(self) -> int:
        """Bytes that the operating system has not taken yet."""
        return self._protocol.transport.get_write_buffer_size()


@functools.cache
def counting(websocket_protocol: Any) -> Any:
    """A protocol of WebSockets that takes its connections off the count when they are lost."""

    class Counting(websocket_protocol):  # type: ignore[misc]
        def connection_lost(self, exc: Exception | None) -> None:
            counts = getattr(self.config, "connection_counts", None)
            if counts is not None:
                counts.open -= 1
            super().connection_lost(exc)

    return Counting
