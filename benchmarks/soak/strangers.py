"""Raw connections, for what no library sends."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from random import Random
from types import TracebackType
from typing import Self

from benchmarks.soak.tally import UnexpectedError

# Longer than any of the gateway's deadlines in this soak, with time for a busy machine.
LET_GO_SECONDS = 20.0
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Stranger:
    """One connection of somebody who does not behave.

    Args:
        port: Of the gateway, at 127.0.0.1.
        chance: Where it comes from: each is a client of its own.
        receive_bytes: What the system keeps of an answer that is not read; 0 for its default.
    """

    def __init__(self, port: int, chance: Random, receive_bytes: int = 0) -> None:
        self._port = port
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if receive_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        # All of 127.0.0.0/8 is this machine (Linux).
        self._socket.bind((f"127.{chance.randint(1, 250)}.{chance.randint(0, 250)}.1", 0))
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(LET_GO_SECONDS):
                await self._loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        except BaseException:
            self._socket.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A reset, as of a machine that is switched off and on again; it also leaves nothing behind.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    async def send(self, data: bytes) -> bool:
        """Send all of it; whether somebody still took it."""
        try:
            async with asyncio.timeout(LET_GO_SECONDS):
                await self._loop.sock_sendall(self._socket, data)
        except (ConnectionResetError, BrokenPipeError):
            return False
        except TimeoutError:
            raise UnexpectedError(f"nothing was taken for {LET_GO_SECONDS:g} s") from None
        return True

    def finish(self) -> None:
        """Say that nothing more will be sent."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it is closed already

    async def receive(self, most: int) -> bytes:
        """What has arrived, or arrives next; empty at the end."""
        try:
            async with asyncio.timeout(LET_GO_SECONDS):
                return await self._loop.sock_recv(self._socket, most)
        except ConnectionResetError:
            return b""
        except TimeoutError:
            raise UnexpectedError(
                f"the connection was neither answered nor closed for {LET_GO_SECONDS:g} s"
            ) from None

    async def rest(self) -> tuple[bytes, int]:
        """Read until it is closed: the first bytes, and how many there were."""
        first, count = b"", 0
        while data := await self.receive(256 * 1024):
            first = first if len(first) > 1024 else first + data
            count += len(data)
        return first, count

    async def answer(self) -> str:
        """The status of the first answer, "closed" without one; waits until it is closed."""
        first, _ = await self.rest()
        if not first:
            return "closed"
        if found := _STATUS.match(first):
            return found[1].decode()
        raise UnexpectedError(f"this is no answer: {first[:100]!r}")
