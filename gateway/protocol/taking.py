"""What a client has taken of what was sent to it, and what to do with one that takes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios
from typing import Final, Protocol

from gateway.protocol.room import ConnectionCounts

# struct tcp_info of Linux, since 4.1: tcpi_bytes_acked, which any later version has there, too.
_ACKNOWLEDGED: Final = struct.Struct("=120xQ")
_NO_LINGERING: Final = struct.pack("ii", 1, 0)


class Transport(Protocol):
    """As much of a transport as is needed here."""

    def get_extra_info(self, name: str) -> socket.socket | None:
        """What is known of the connection, by name."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the operating system has not taken yet."""

    def abort(self) -> None:
        """Close at once."""


def taken(transport: Transport) -> int:
    """A number that grows when the client takes something of what waits for it.

    The bytes that it has acknowledged, where that can be known. What is left in the transport moves
    too late: only when a good part of the operating system's own buffer, megabytes perhaps, is free
    again; with TLS it is no measure at all. It has to do for Unix sockets and other systems.
    """
    if sys.platform == "linux":
        connection = transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError, ValueError, struct.error):  # no TCP, or gone
                info = connection.getsockopt(
                    socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.size
                )
                return int(_ACKNOWLEDGED.unpack(info)[0])
    return -transport.get_write_buffer_size()


def reset(transport: Transport) -> None:
    """Close at once, and let the operating system forget what waits, too.

    It would go on offering its part for minutes, in memory that nobody counts.
    """
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError, ValueError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
    transport.abort()


def nothing_is_owed(transport: Transport) -> bool:
    """Whether the client has acknowledged everything; False where that cannot be known."""
    if sys.platform == "linux":
        connection = transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError, ValueError, struct.error):
                # SIOCOUTQ, tcp(7): what is not sent, or not acknowledged.
                waiting = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4)
                return waiting == b"\0" * 4 and not transport.get_write_buffer_size()
    return False


class WriteDeadline:
    """Resets a connection whose client takes nothing of what waits for it.

    Args:
        loop: Where the time is kept.
        seconds: How long it may take nothing.
        counts: Where it is counted.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, counts: ConnectionCounts
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._counts = counts
        self._timer: asyncio.TimerHandle | None = None

    def start(self, transport: Transport) -> None:
        """From now on, the client has to take something in time."""
        self.stop()
        self._timer = self._loop.call_later(self._seconds, self._check, transport, taken(transport))

    def watch_end(self, transport: Transport) -> None:
        """Nothing more is sent: have what is left taken in time, too."""
        if self._timer is None and transport.get_write_buffer_size():
            self.start(transport)

    def stop(self) -> None:
        """It need not."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, transport: Transport, before: int) -> None:
        self._timer = None
        if not transport.get_write_buffer_size():
            return
        if taken(transport) > before:
            self.start(transport)
            return
        self._counts.not_taking += 1
        reset(transport)
