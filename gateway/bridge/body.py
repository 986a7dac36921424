"""The request's body: received on the event loop, read in the worker's thread.

`spool` receives all of it before a thread is taken: in memory, then in a temporary file. A slow or
stalled upload holds no thread, and a truncated one never reaches the application. `BodyStream`
hands it over as it arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import math
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import BinaryIO, cast

from starlette.types import Message, Receive

from gateway.problems import BodyTimeout, BodyTooLarge, Refusal, announces_too_much

logger = logging.getLogger("gateway.bridge")

_PIECE = 1024 * 1024
# As much of a streamed body is received before the application reads it.
_AHEAD = 64 * 1024


class ClientLeft(OSError):
    """The client closed the connection before its request was complete."""

    def __init__(self) -> None:
        super().__init__("the client left before its request was complete")


class NoRoom(Refusal):
    """The body could not be kept: the disk is full, most likely."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    detail = "There is no room for the body now."
    headers = MappingProxyType({"Connection": "close"})


@dataclass(frozen=True)
class BodyLimits:
    """What a mount accepts of a body.

    Attributes:
        memory_bytes: Kept in memory; what is larger goes to a temporary file.
        max_bytes: Refused above this; 0 for no limit.
        idle_seconds: How long the client may send nothing.
        total_seconds: How long the whole body may take.
    """

    memory_bytes: int
    max_bytes: int
    idle_seconds: float
    total_seconds: float

    def check(self, size: int) -> None:
        """Refuse a body of this size, announced or counted.

        Raises:
            BodyTooLarge: It is larger than the limit.
        """
        if self.max_bytes and size > self.max_bytes:
            raise BodyTooLarge

    def check_announced(self, length: str) -> None:
        """Refuse a body by the size that it announces, before any of it is read.

        Raises:
            BodyTooLarge: It announces more than is accepted.
        """
        if announces_too_much(length.encode("latin-1"), self.max_bytes):
            raise BodyTooLarge


class _Spool:
    """What has arrived of a body: in memory, then in a file."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._file: _File | None = None
        self._pieces: list[bytes] = []
        self._held = self._total = 0

    def add(self, chunk: bytes) -> bool:
        """Take a chunk; True where it is time to write."""
        self._total += len(chunk)
        self._limits.check(self._total)
        self._held += len(chunk)
        self._pieces.append(chunk)
        # A file is written in larger pieces than it is received.
        return self._held > (_PIECE if self._file else self._limits.memory_bytes)

    async def finish(self) -> BinaryIO:
        pieces = self._pieces
        if self._file is None:
            return io.BytesIO(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        await self.write()
        return self._file.rewound()

    def discard(self) -> None:
        if self._file is not None:
            self._file.discard()

    async def write(self) -> None:
        """Write what is held in memory."""
        if self._file is None:
            self._file = _File()
        try:
            await asyncio.to_thread(self._file.write, b"".join(self._pieces))
        except OSError as error:
            logger.error("a body could not be kept in a temporary file: %s", error)  # noqa: TRY400
            raise NoRoom from error
        self._pieces.clear()
        self._held = 0


class _File:
    """A temporary file. Whatever may wait for the disk is done in the thread that writes."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()  # guards what follows, and is never held during a write
        self._writing = False
        self._discarded = False

    def write(self, data: bytes) -> None:
        """Append, in a thread.

        Raises:
            OSError: It was not kept.
        """
        with self._lock:
            if self._discarded:
                return
            self._writing = True
        try:
            if self._file is None:
                self._file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
            self._file.write(data)
            self._file.flush()  # or a full disk would show later
        except OSError:
            self._close()
            raise
        finally:
            self._written()

    def rewound(self) -> BinaryIO:
        """The file, from its start."""
        file = cast(BinaryIO, self._file)
        file.seek(0)
        return file

    def discard(self) -> None:
        """Close it, on the event loop; what is being written, when that is done."""
        with self._lock:
            self._discarded = True
            if self._writing:
                return  # closing would wait for the write, and all requests with it
        self._close()

    def _written(self) -> None:
        with self._lock:
            self._writing = False
            discarded = self._discarded
        if discarded:
            self._close()

    def _close(self) -> None:
        # What a full disk did not take is written once more on closing.
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()


async def spool(receive: Receive, limits: BodyLimits) -> BinaryIO:
    """Receive a whole body.

    Returns:
        The body, positioned at its start. The caller closes it.

    Raises:
        ClientLeft: The client closed the connection before the end.
        BodyTooLarge: It is larger than the limit.
        BodyTimeout: It stalled, or took too long.
        NoRoom: It could not be kept.
    """
    spooled = _Spool(limits)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limits.total_seconds
    try:
        async with asyncio.timeout(min(limits.idle_seconds, limits.total_seconds)) as idle:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft  # noqa: TRY301
                if spooled.add(message.get("body", b"")):
                    # For a slow disk the client is not to blame, so its deadlines stand still.
                    idle.reschedule(None)
                    began = loop.time()
                    await spooled.write()
                    deadline += loop.time() - began
                more = message.get("more_body", False)
                idle.reschedule(min(loop.time() + limits.idle_seconds, deadline))
        return await spooled.finish()
    except TimeoutError:
        spooled.discard()
        raise BodyTimeout from None
    except BaseException:
        spooled.discard()
        raise


class BodyStream(io.RawIOBase):
    """The body as it arrives; wrap it in `io.BufferedReader` for all that a file can do.

    The worker's thread reads; the event loop receives a little ahead of it and no more, so that a
    client is slowed down by an application that reads slowly. After the end of the body the loop
    goes on receiving: what comes is the client's departure.

    Args:
        receive: The request's ASGI receive.
        limits: What the mount accepts.
        loop: The event loop that `receive` belongs to.

    Attributes:
        busy_since: When the application last got something of it; infinity while it waits for that.
    """

    def __init__(
        self, receive: Receive, limits: BodyLimits, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__()
        self._receive = receive
        self._limits = limits
        self._loop = loop
        self._deadline = loop.time() + limits.total_seconds
        self._rest = memoryview(b"")
        self._lock = threading.Lock()  # guards what follows
        self._chunks: deque[bytes] = deque()
        self._size = self._total = 0
        self._ended = False
        self._failure: str | None = None  # why there is not all of it
        self._cause: Exception | None = None
        self._arrived = threading.Event()
        self._space = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._abandoned = False
        self.busy_since = 0.0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer with what there is, waiting for at least one byte or the end.

        Raises:
            OSError: The client left, or was too slow, or sent too much: what was read is not a
                whole body.
        """
        if not self._rest:
            self.busy_since = math.inf
            try:
                self._rest = memoryview(self._next_chunk())
            finally:
                self.busy_since = time.monotonic()
        view = memoryview(buffer)  # type: ignore[arg-type]
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def start(self) -> asyncio.Task[None]:
        """Begin to receive; on the event loop.

        Returns:
            The task that receives. It ends with the client's departure, or with a failure.
        """
        if self._task is None:
            self._task = self._loop.create_task(self._run())
        return self._task

    def abandon(self) -> None:
        """Let a waiting reader go: the request is over. Called on the event loop."""
        if self._task is not None:
            self._task.cancel()
        # Both at once, or a reader that looks in between clears what it should see.
        with self._lock:
            self._abandoned = True
            self._cause = None
            self._arrived.set()

    def _next_chunk(self) -> bytes:
        """Wait in the worker's thread for what comes next; empty at the end."""
        while True:
            with self._lock:
                if self._chunks:
                    chunk = self._chunks.popleft()
                    was_full = self._size >= _AHEAD
                    self._size -= len(chunk)
                    break
                if self._failure is not None:
                    # Anew each time: an error that is kept would keep what it went through.
                    cause, self._cause = self._cause, None
                    raise (OSError(self._failure) if self._failure else ClientLeft()) from cause
                if self._ended:
                    return b""
                if self._abandoned:
                    raise ClientLeft
                self._arrived.clear()
            if self._task is None:
                self._loop.call_soon_threadsafe(self._start_late)
            self._arrived.wait()
        if was_full:
            self._loop.call_soon_threadsafe(self._space.set)
        return chunk

    def _start_late(self) -> None:
        if not self._abandoned:
            self.start()

    async def _run(self) -> None:
        try:
            await self._receive_all()
        except asyncio.CancelledError:
            self._fail("")
            raise
        except Exception as error:  # noqa: BLE001 - the reader raises it
            self._fail(*_told_of(error))
            if not isinstance(error, ClientLeft):
                await self._loop.create_future()  # the client may still want its answer
        else:
            while (await self._receive())["type"] != "http.disconnect":
                pass

    async def _receive_all(self) -> None:
        while not self._ended:
            while self._size >= _AHEAD:
                self._space.clear()
                await self._space.wait()
            left = self._deadline - self._loop.time()
            try:
                async with asyncio.timeout(min(self._limits.idle_seconds, left)):
                    message = await self._receive()
            except TimeoutError:
                raise OSError("the body did not arrive in time") from None
            self._accept(message)

    def _accept(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunk = message.get("body", b"")
        self._total += len(chunk)
        try:
            self._limits.check(self._total)
        except BodyTooLarge as error:
            raise OSError(error.detail) from None
        with self._lock:
            if chunk:
                self._chunks.append(chunk)
                self._size += len(chunk)
            self._ended = not message.get("more_body", False)
        self._arrived.set()

    def _fail(self, failure: str, cause: Exception | None = None) -> None:
        with self._lock:
            self._failure = failure
            if not self._abandoned:
                self._cause = cause
        self._arrived.set()


def _told_of(error: Exception) -> tuple[str, Exception | None]:
    """What a reader is told: nothing more of a client that left; and what was the cause."""
    if isinstance(error, ClientLeft):
        return "", None
    if isinstance(error, OSError):
        return str(error), None
    return f"the body could not be received: {error}", error
