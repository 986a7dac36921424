"""One WSGI call: made in a worker's thread, its answer sent by the event loop.

A small answer crosses over once, whole. A larger one is streamed: the thread may be ahead of the
client by a bounded number of bytes, waits there, and ends when nobody listens any more.

PEP 3333: "The start_response() Callable", "Handling the Content-Length Header", "Buffering and
Streaming", "Error Handling".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

from gateway.bridge.body import BodyStream
from gateway.bridge.environ import Environ
from gateway.bridge.headers import HeaderEncoder, Headers
from gateway.bridge.pool import WorkerPool
from gateway.problems import Expired

logger = logging.getLogger("gateway.bridge")

WSGIApp = Callable[..., Iterable[bytes]]
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType]

# How many bytes of a stream may wait for the client before the thread waits, too.
STREAM_BYTES = 512 * 1024
# Smaller chunks of a stream are sent together.
_JOINED_BYTES = 64 * 1024

# RFC 9110, section 6.4.1. Servers compare what is sent with a Content-Length, so it goes, too.
_BODILESS = frozenset({204, 304})


class Abandoned(Exception):
    """Nobody waits for the answer any more. Raised to an application that calls `write`."""


class ShortAnswer(Exception):
    """The application announced more than it gave; the server must not call that whole."""


@dataclass(frozen=True, eq=False)
class Application:
    """A WSGI application and what its calls share.

    Attributes:
        app: The application.
        encoder: For the headers of its answers.
        pool: Whose workers call it.
    """

    app: WSGIApp
    encoder: HeaderEncoder
    pool: WorkerPool


def _length(values: Sequence[bytes]) -> int:
    for value in values:
        if not value.isdigit() or value != values[0]:
            raise ValueError(f"{values!r} is no Content-Length")
    return int(values[0])


def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks of a stream as they are sent: small ones together, a huge one in parts.

    A client has to take each piece in time, and not all of what an application may yield at once.
    """
    small: list[bytes] = []
    size = 0
    for chunk in chunks:
        if size + len(chunk) > _JOINED_BYTES and small:
            yield b"".join(small)
            small, size = [], 0
        if len(chunk) > STREAM_BYTES:
            view = memoryview(chunk)
            for start in range(0, len(chunk), STREAM_BYTES):
                yield bytes(view[start : start + STREAM_BYTES])
        else:
            small.append(chunk)
            size += len(chunk)
    if small:
        yield b"".join(small)


class Call:
    """One call of the application, between a worker's thread and the event loop.

    The thread runs `run`; the loop awaits `answered`, then reads `status`, `headers` and `body`
    where `complete`, else takes the stream with `take`.

    Args:
        application: What is called.
        environ: Its environ.
        answered: Done once there is something to answer.
        body: Closed when the application has ended, by whoever ends it.
        upload: The same, where it is still being received.
    """

    # What most calls never change is set here, once for all of them.
    status = 0
    headers: Headers
    headers_sent = False  # to the loop: from here on they cannot be replaced
    body = b""
    complete = False
    error: BaseException | None = None
    content_length: int | None = None
    sent = 0
    left = False
    waited = 0.0  # seconds for a thread
    _bodiless = False  # RFC 9110, 6.4.1: whatever the application yields
    _streaming = False
    _abandoned = False
    _ended = False

    def __init__(
        self,
        application: Application,
        environ: Environ,
        answered: asyncio.Future[None],
        body: BinaryIO,
        upload: BodyStream | None = None,
    ) -> None:
        self.answered = answered
        self._application = application
        self._environ = environ
        self._body = body
        self._upload = upload
        self._context = copy_context()  # the request's, so that the application sees them

    # --- in the worker's thread -----------------------------------------------------------------

    def run(self) -> None:
        """Call the application and hand over its answer. Never raises."""
        try:
            if not self._abandoned:
                self._context.run(self._run)
        except BaseException as error:  # noqa: BLE001 - the loop raises it, where the request is
            self._fail(error)
        finally:
            self._close_body()

    def _run(self) -> None:
        iterable = self._application.app(self._environ, self._start_response)
        try:
            if isinstance(iterable, (list, tuple)) and not self.headers_sent:
                self._answer_whole(b"".join(iterable))
                return
            for chunk in iterable:
                if not self._put(chunk) if chunk else self._abandoned:
                    break
                if self._bodiless:
                    break
            self._finish()
        finally:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExceptionInfo | None = None,
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self.headers_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a cycle through the frame would keep the traceback
        elif self.status:
            raise AssertionError("start_response was called twice without exc_info")
        code = self._application.encoder.status(status)
        encoded = self._application.encoder.encode(headers)
        lengths = [value for name, value in encoded if name == b"content-length"]
        self.content_length = _length(lengths) if lengths else None
        if len(lengths) > 1 or (lengths and code in _BODILESS):
            encoded = [header for header in encoded if header[0] != b"content-length"]
            if code not in _BODILESS:
                encoded.append((b"content-length", lengths[0]))
        self.headers = encoded
        self.status = code
        self._bodiless = code in _BODILESS or self._environ["REQUEST_METHOD"] == "HEAD"
        return self._write

    def _write(self, chunk: bytes) -> None:
        """The `write` callable, for applications that push."""
        if chunk and not self._bodiless and not self._put(chunk):
            raise Abandoned("nobody waits for the answer any more")

    def _answer_whole(self, body: bytes) -> None:
        self._need_status()
        if self._bodiless:
            body = b""
        elif self.content_length is None:
            self.headers.append((b"content-length", b"%d" % len(body)))
        else:
            self._need_length(len(body))
            body = self._cut(body)
        self._complete(body)

    def _put(self, chunk: bytes) -> bool:
        """Take one non-empty chunk; False where nobody wants more."""
        if not isinstance(chunk, bytes):
            raise TypeError(f"the application yielded {type(chunk).__name__}, not bytes")
        if not self.headers_sent:
            self._need_status()
            if self._bodiless:
                return False
            length = self.content_length
            if length is not None and len(chunk) >= length:
                # All of it: it leaves before the application's own end and `close`.
                self._complete(self._cut(chunk))
                return True
            self._open_stream()
        elif self.complete:
            self._report_surplus(len(chunk))
            return False
        return self._push(self._cut(chunk))

    def _finish(self) -> None:
        if self.complete:
            return
        if not self.headers_sent:
            self._need_status()
            if not self._bodiless:
                self._need_length(0)
                if self.content_length is None:
                    self.headers.append((b"content-length", b"0"))
            self._complete(b"")
            return
        self._need_length(self.sent)
        with self._lock:
            self._ended = True
        self._application.pool.notify(self, urgent=True)

    def _need_length(self, sent: int) -> None:
        if self.content_length is not None and sent < self.content_length and not self._abandoned:
            raise ShortAnswer(
                f"the answer to {self._environ['REQUEST_METHOD']} {self._environ['RAW_URI']} has "
                f"{sent} bytes and says that it has {self.content_length}"
            )

    def _complete(self, body: bytes) -> None:
        self.body = body
        self.sent = len(body)
        self.complete = self.headers_sent = True
        self._application.pool.notify(self, urgent=False)

    def _need_status(self) -> None:
        if not self.status:
            raise AssertionError("the application answered without calling start_response")

    def _cut(self, chunk: bytes) -> bytes:
        """The part of a chunk that the announced length still allows."""
        if self.content_length is None:
            return chunk
        room = self.content_length - self.sent
        if len(chunk) > room:
            self._report_surplus(len(chunk) - room)
            chunk = chunk[:room]
        return chunk

    def _report_surplus(self, count: int) -> None:
        logger.error(
            "the answer to %s %s is longer than its Content-Length of %s: cut off %d bytes",
            self._environ["REQUEST_METHOD"],
            self._environ["RAW_URI"],
            self.content_length,
            count,
        )

    def _open_stream(self) -> None:
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._has_space: threading.Event | None = None
        self._more: asyncio.Event | None = None
        # Last: the loop looks at the others once it sees these.
        self._streaming = self.headers_sent = True

    def _push(self, chunk: bytes) -> bool:
        if not chunk:
            return not self._abandoned
        self.sent += len(chunk)
        with self._lock:
            tell = not self._chunks
            self._chunks.append(chunk)
            self._size += len(chunk)
            full = self._size >= STREAM_BYTES
            if full:
                self._has_space = threading.Event()
        if tell:
            self._application.pool.notify(self, urgent=True)
        space = self._has_space
        if full and space is not None and not self._abandoned:
            space.wait()
        return not self._abandoned

    def _fail(self, error: BaseException) -> None:
        if self.complete or self._abandoned:
            # The client has its answer, or has left; only the log can still learn of it.
            if not isinstance(error, Abandoned):
                logger.error(
                    "error after the end of the answer to %s %s",
                    self._environ["REQUEST_METHOD"],
                    self._environ["RAW_URI"],
                    exc_info=error,
                )
            return
        if not isinstance(error, Exception) or isinstance(error, StopIteration):
            # In the event loop these would end more than this request. Their own words are in
            # the cause: they may be whatever an application makes of them, an error included.
            wrapped = RuntimeError(f"the application raised {type(error).__name__}")
            wrapped.__cause__ = error
            error = wrapped
        self.error = error
        self._ended = True
        self._application.pool.notify(self, urgent=True)

    # --- on the event loop ----------------------------------------------------------------------

    def deliver(self) -> None:
        """Wake whoever awaits the answer, or more of it."""
        if not self.answered.done():
            self.answered.set_result(None)
        elif self._streaming and self._more is not None:
            self._more.set()

    def expire(self, oldest: float) -> bool:
        """The deadline for the answer's beginning has passed for what began before `oldest`.

        Returns:
            Whether nobody waits for the call any more: expired, or given up before.
        """
        if self._abandoned:
            return True
        if self.answered.done() or self.headers_sent:
            return False
        # An upload has its own deadlines; the application's time begins with what it has read.
        if self._upload is not None and self._upload.busy_since > oldest:
            return False
        self._abandoned = True
        self._application.pool.counters.timed_out += 1
        self.error = Expired()
        self.answered.set_result(None)
        return True

    def raise_early(self) -> None:
        """Raise what there is instead of an answer, if that is so."""
        if self.error is not None and not self._streaming:
            raise self._taken_error()

    def _taken_error(self) -> BaseException:
        # Not kept: through the frames that it went through it has this call. Without a cycle
        # nothing is left to the collector, which would stop all threads.
        error, self.error = self.error, None
        if not isinstance(error, Expired):
            self._application.pool.counters.served += 1
        return error or AssertionError("there is none")

    def abandon(self) -> None:
        """Nobody waits any more: the thread stops at its next chunk."""
        self._abandoned = True
        if self._streaming:
            with self._lock:
                if self._has_space is not None:
                    self._has_space.set()

    def discard(self) -> None:
        """The application will not be called."""
        self._close_body()

    def _close_body(self) -> None:
        # An application may have detached it, and a disk that is full tells of it again.
        with contextlib.suppress(Exception):
            self._body.close()

    def leave(self) -> None:
        """The client has left the stream."""
        self.left = True
        self.abandon()
        if self._more is not None:
            self._more.set()

    async def take(self) -> tuple[Sequence[bytes], bool]:
        """What the stream has now, waiting for it if need be, and whether that was the last.

        Raises:
            BaseException: The application's error, after what came before it was taken.
        """
        while True:
            if self._more is None:
                self._more = asyncio.Event()
            self._more.clear()
            with self._lock:
                chunks, ended = self._chunks, self._ended
                self._chunks = deque()
                self._size = 0
                if self._has_space is not None:
                    self._has_space.set()
                    self._has_space = None
            if chunks:
                return chunks, ended and self.error is None
            if self.error is not None:
                raise self._taken_error()
            if ended or self.left:
                return (), True
            await self._more.wait()
