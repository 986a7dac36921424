"""uvicorn's httptools protocol with the limits that a front door needs, and strict about framing.

What only the connection can see is decided here: time, sizes, the request line, the framing, `Host`
and the order of answers. What a path or a field *means* is for the ASGI middleware behind it.

A refusal is answered in its turn, after the requests before it, and the connection is closed.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.protocol.head import (
    NEVER_TRAILERS,
    BadRequest,
    RequestLimits,
    check_codings,
    check_hosts,
    check_line,
    is_method,
    origin_form,
    too_large,
    unknown_method,
    wrong_version,
)
from gateway.protocol.taking import reset, taken

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["ConnectionCounts", "FrontDoorProtocol", "RequestLimits"]


@dataclass
class ConnectionCounts:
    """What the connections of one process have seen; published by telemetry.

    Attributes:
        open: Connections now, WebSockets included.
        refused: Requests refused before the edge saw them, by status.
        crowded_out: Waiting connections that were closed for newer ones.
        not_taking: Connections that were closed as their client took nothing of its answer.
    """

    open: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    crowded_out: int = 0
    not_taking: int = 0


_LIMITS: Final = RequestLimits()
_IDLE, _HEAD, _BODY = range(3)
# The parser keeps what it has of an unfinished line to itself, so its food is counted: in slices,
# because one slice is how precise the count is.
_SLICE: Final = 64 * 1024
# In a drain: how long a connection that has just been accepted may take to send its request.
_FRESH_SECONDS: Final = 0.5
# Size line and line ends of one chunk. What is more (extensions, zeros) counts as header bytes.
_CHUNK_FRAME: Final = 16

_DECISIVE: Final = frozenset({b"host", b"transfer-encoding", b"content-length", b"expect"})


class FrontDoorProtocol(HttpToolsProtocol):
    """One connection. Its limits are the `request_limits` of uvicorn's configuration object."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits: RequestLimits = getattr(config, "request_limits", _LIMITS)
        self._counts: ConnectionCounts = getattr(config, "connection_counts", ConnectionCounts())
        # Connections without a request, the one that waits longest first.
        self._waiting: OrderedDict[FrontDoorProtocol, None] = vars(server_state).setdefault(
            "waiting", OrderedDict()
        )
        if self.ws_protocol_class is not None:
            self.ws_protocol_class = _counting(cast("Hashable", self.ws_protocol_class))
        self._most_unread = self._limits.header_bytes + self._limits.target_bytes + 1024
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._deaf = False  # what arrives is thrown away
        self._lingers = False  # nothing more is sent, either
        self._draining = False
        self._refusal: BadRequest | None = None  # to be answered after what runs
        self._unread = 0  # bytes of this message so far that were no body
        # Of the message:
        self._phase = _IDLE
        self._hosts: list[bytes] = []
        self._codings: list[bytes] = []
        self._has_length = False
        self._trailers = self._trailer_bytes = 0
        self._replays = False  # parsed once more, without `Upgrade`

    # --- The connection -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._counts.open += 1
        if not self._fits():
            refusal = BadRequest(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections.")
            self._count(refusal)
            self._answer(refusal)
            return
        self._waiting[self] = None
        self._start_deadline(self._limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts.open -= 1
        self._waiting.pop(self, None)
        self._stop_deadline()
        self._stop_write_deadline()
        self._deaf = True
        self._unset_keepalive_if_required()  # uvicorn: not after an error
        self.pipeline.clear()
        running = self._running
        if running is not None and not running.response_complete:
            # uvicorn tells the last request of a pipeline, which may not be the one that runs.
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._draining = True
        if self._running is None and not self._deaf:
            # Accepted, and nothing read yet: its request may be on its way, and was not refused.
            self._start_deadline(min(self._limits.header_seconds, _FRESH_SECONDS))
        else:
            super().shutdown()

    def _fits(self) -> bool:
        """Whether there is room for this connection, once those that only wait made some.

        The newest is not refused as long as another only waits: else whoever opens as many as there
        may be, and says nothing, shuts everybody out.
        """
        while len(self.connections) > self._limits.connections:
            if not self._close_longest_waiting():
                return False
        return True

    def _close_longest_waiting(self) -> bool:
        """Close the connection that has waited longest without a request, if there is one."""
        for _ in range(len(self._waiting)):
            oldest, _ = self._waiting.popitem(last=False)
            if not oldest._lingers and oldest.transport.get_write_buffer_size():  # noqa: SLF001
                # It still takes its last answer, for which it has the time to write.
                self._waiting[oldest] = None
                continue
            self.connections.discard(oldest)
            if not oldest._lingers:  # noqa: SLF001
                self._counts.crowded_out += 1
            oldest._deaf = True  # noqa: SLF001
            oldest.transport.abort()
            return True
        return False

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_deadline(self, seconds: float) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(seconds, self._end_of_time)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_of_time(self) -> None:
        self._deadline = None
        if self._lingers:
            if self.transport.get_write_buffer_size():
                # An answer before the refusal; there is another deadline for that.
                self._start_deadline(self._limits.linger_seconds)
            else:
                self.transport.abort()
        elif self._phase == _BODY or (self._phase == _IDLE and not self._unread):
            self._close()  # answered already, or nothing was asked
        else:
            detail = f"The header fields took longer than {self._limits.header_seconds:g} seconds."
            if self._draining:
                detail = "The server stops, and the header fields were not complete."
            self._refuse(BadRequest(HTTPStatus.REQUEST_TIMEOUT, detail))

    # --- What leaves --------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_write_deadline()
        self._watch_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._running is not None and not self._running.response_complete:
            self._stop_write_deadline()
        # Else nothing more comes, and the rest is watched on.

    def _watch_end(self) -> None:
        """Nothing more comes: have what is left taken in time, too."""
        if self._write_deadline is None and self.transport.get_write_buffer_size():
            self._watch_writing()

    def _watch_writing(self) -> None:
        self._write_deadline = self.loop.call_later(
            self._limits.write_seconds, self._check_writing, taken(self.transport)
        )

    def _check_writing(self, before: int) -> None:
        """Whether the client has taken anything of what waits for it."""
        self._write_deadline = None
        if not self.transport.get_write_buffer_size():
            return
        if taken(self.transport) > before:
            self._watch_writing()
            return
        self._counts.not_taking += 1
        reset(self.transport)

    def _stop_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    # --- What arrives -------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if len(data) <= _SLICE or (self._phase == _BODY and not self._codings):
            self._feed(data)
        else:
            view = memoryview(data)
            for start in range(0, len(data), _SLICE):
                if not self._deaf:
                    self._feed(view[start : start + _SLICE])
        cycle = self.cycle
        if not self._deaf and (cycle is None or cycle.response_complete):
            self._wait()

    def _wait(self) -> None:
        """No request runs: for the rest of one there is a deadline, for the next one another."""
        if self._phase == _IDLE and not self._unread:
            self._stop_deadline()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        elif self._deadline is None:
            self._unset_keepalive_if_required()
            self._start_deadline(self._limits.header_seconds)

    def _feed(self, data: bytes | memoryview) -> None:
        self._unread += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._replays:
                self.handle_websocket_upgrade()
                return
            self._ignore_upgrade()
            rest = data[upgrade.args[0] :]
            if rest and not self._deaf:
                self._feed(rest)
        except httptools.HttpParserError as error:
            self._refuse(self._explain(error, data))
        else:
            if self._unread > self._most_unread:
                self._refuse(too_large(self._limits))
            elif self._unread < 0:
                # Many small chunks are no credit for one long line.
                self._unread = 0

    def _explain(self, error: httptools.HttpParserError, data: bytes | memoryview) -> BadRequest:
        if isinstance(error.__context__, BadRequest):
            return error.__context__
        if isinstance(error, httptools.HttpParserInvalidMethodError):
            # Where the line is cut, or is not the first in the data, it is simply bad.
            method = bytes(data).lstrip(b"\r\n").partition(b" ")[0]
            if self._unread == len(data) and is_method(method):
                return unknown_method()
        if str(error) == "Invalid HTTP version":
            return wrong_version()
        return BadRequest(HTTPStatus.BAD_REQUEST, "The request is not valid HTTP/1.1.")

    # --- Callbacks of the parser --------------------------------------------------------------

    def on_message_begin(self) -> None:
        HttpToolsProtocol.on_message_begin(self)
        self._phase = _HEAD
        self._replays = False
        self._hosts = []
        self._has_length = False
        if self._codings:
            self._codings = []
            self._trailers = self._trailer_bytes = 0

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self._limits.target_bytes:
            raise BadRequest(
                HTTPStatus.REQUEST_URI_TOO_LONG,
                f"At most {self._limits.target_bytes} bytes of target.",
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        headers = self.headers
        if self._phase == _BODY:
            self._on_trailer(name, value)
            return
        if len(headers) >= self._limits.header_fields:
            raise too_large(self._limits)
        value = value.rstrip()  # the parser strips only what is before
        headers.append((name, value))
        if name in _DECISIVE:
            if name == b"host":
                self._hosts.append(value)
            elif name == b"expect":
                if value.lower() != b"100-continue":
                    raise BadRequest(HTTPStatus.EXPECTATION_FAILED, "Only 100-continue is known.")
                self.expect_100_continue = True
            elif name == b"content-length":
                self._has_length = True
            else:
                self._codings.append(value)

    def _on_trailer(self, name: bytes, value: bytes) -> None:
        # uvicorn would add it to the head, which others have checked by then.
        self._trailers += 1
        self._trailer_bytes += len(name) + len(value) + 4
        limits = self._limits
        if self._trailers > limits.header_fields or self._trailer_bytes > limits.header_bytes:
            raise too_large(self._limits)
        if name in NEVER_TRAILERS:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "A trailer must not frame or route a request.")

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        self._check_head(version)
        upgrades = parser.should_upgrade()
        if upgrades and not self._should_upgrade():
            self._replays = True
            return
        if upgrades:
            self._check_handshake()
        elif len(self.pipeline) >= self._limits.pipelined:
            raise BadRequest(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests at once.")
        HttpToolsProtocol.on_headers_complete(self)
        self._phase = _BODY
        self._stop_deadline()
        self._waiting.pop(self, None)
        if upgrades:
            return
        if self._has_length or self._codings:
            self.cycle.transport = cast(asyncio.Transport, _LingeringTransport(self))
        if version == "1.0":
            self.cycle.waiting_for_100_continue = False
        if self._draining:
            self.cycle.keep_alive = False

    def _check_head(self, version: str) -> None:
        method = self.parser.get_method()
        check_line(version, method)
        # At most one byte for each is counted and may not have been sent: a space.
        if self._unread + len(self.headers) > self._limits.header_bytes:
            size = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self._limits.header_bytes:
                raise too_large(self._limits)
        check_hosts(self._hosts, version)
        self.url = origin_form(self.url, method, self.scheme or "http", self._hosts)
        if self._codings:
            check_codings(self._codings, version)

    def _check_handshake(self) -> None:
        if self._busy:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "A WebSocket does not wait behind a request.")
        if any(name in NEVER_TRAILERS and name != b"host" for name, _ in self.headers):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "A WebSocket handshake has no body.")

    def on_chunk_header(self) -> None:
        """Called by the parser for each chunk."""
        self._unread -= _CHUNK_FRAME

    def on_body(self, body: bytes) -> None:
        self._unread -= len(body)
        HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        if self._replays:
            return
        HttpToolsProtocol.on_message_complete(self)
        self._phase = _IDLE
        self._unread = 0

    # --- Upgrades -----------------------------------------------------------------------------

    def _should_upgrade(self) -> bool:
        # RFC 9110, section 7.8: not in HTTP/1.0.
        return self.parser.get_http_version() == "1.1" and super()._should_upgrade()

    def handle_websocket_upgrade(self) -> None:
        # From here on the connection is another protocol's.
        self._deaf = True
        self._stop_write_deadline()
        super().handle_websocket_upgrade()

    def _ignore_upgrade(self) -> None:
        """Parse the head again without `Upgrade`.

        At an upgrade the parser skips the body, and would take it for the next request.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        lines = [b"%s %s HTTP/%s\r\n" % (method, self.url, version.encode())]
        lines += [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._unread = 0
        self._feed(b"".join(lines) + b"\r\n")

    # --- Answers ------------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        if not self.flow.write_paused:
            self._stop_write_deadline()  # that of the answer before
        context = contextvars.Context() if self.config.reset_contextvars else None
        task = self.loop.create_task(cycle.run_asgi(app), context=context)
        task.add_done_callback(self._on_task_done)
        self.tasks.add(task)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if self.transport.is_closing():
            self._watch_end()  # what ended without an answer, or within one, is watched, too

    def on_response_complete(self) -> None:
        if self._lingers:
            self.server_state.total_requests += 1
            return
        HttpToolsProtocol.on_response_complete(self)
        # Either the next has begun, or the timer of a kept connection.
        if self.timeout_keep_alive_task is None:
            if self.transport.is_closing():
                self._watch_end()
            return
        self._watch_end()
        if self._refusal is not None:
            self._answer(self._refusal)
            return
        self._waiting[self] = None
        if self._phase != _IDLE or self._unread:
            self._wait()

    def _refuse(self, refusal: BadRequest) -> None:
        self._deaf = True
        self._stop_deadline()
        self._count(refusal)
        if self._phase == _BODY:
            cycle = self.cycle
            if not self._busy:
                self._close()  # another answer would be taken for that to the next request
                return
            cycle.keep_alive = False
            if self.pipeline:
                self.pipeline[0] = (cycle, cast(ASGI3Application, refusal))
                cycle.more_body = False
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self._close()  # another answer would be taken for a part of the first
                return
        elif self._busy:
            self._refusal = refusal
            return
        self._answer(refusal)

    def _count(self, refusal: BadRequest) -> None:
        """Count it, and log it for those who look for it: a flood must not fill the log."""
        if refusal.status >= HTTPStatus.BAD_REQUEST:
            self._counts.refused[refusal.status] += 1
        self.logger.debug(
            "refused request %s: %d, %s", refusal.request_id, refusal.status, refusal.detail
        )

    def _answer(self, refusal: BadRequest) -> None:
        self._unset_keepalive_if_required()
        body = self._phase == _IDLE or self.parser.get_method() != b"HEAD"
        self.transport.write(refusal.encode(self.server_state.default_headers, body=body))
        self._close()

    def _close(self) -> None:
        """Close so that the client can read what was written (RFC 9112, section 9.6)."""
        self._deaf = True
        self._unset_keepalive_if_required()
        if not self.transport.is_closing():
            self._lingers = True
            self._waiting[self] = None
            if self.transport.can_write_eof():
                self.flow.resume_reading()
                self.transport.write_eof()
                self._start_deadline(self._limits.linger_seconds)
            else:
                self.transport.close()  # TLS: with a farewell, and a time to wait for the other
        self._watch_end()

    @property
    def lingers(self) -> bool:
        """Whether nothing more is sent, and what arrives is thrown away."""
        return self._lingers

    def close_after_answer(self) -> None:
        """Close, as the answer says; gently where the client is still sending its body."""
        if self._phase == _IDLE and not self._unread:
            self.transport.close()
        else:
            self._close()


class _LingeringTransport:
    """The transport of a request with a body, which may be answered before all of it is here.

    To close at once would have the client's system throw away the answer unread.
    """

    def __init__(self, protocol: FrontDoorProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write

    def is_closing(self) -> bool:
        return self._protocol.lingers or self._protocol.transport.is_closing()

    def close(self) -> None:
        self._protocol.close_after_answer()


@functools.cache
def _counting(websocket_protocol: Any) -> Any:
    """A protocol of WebSockets that takes its connections off the count when they are lost."""

    class Counting(websocket_protocol):  # type: ignore[misc]
        def connection_lost(self, exc: Exception | None) -> None:
            counts = getattr(self.config, "connection_counts", None)
            if counts is not None:
                counts.open -= 1
            super().connection_lost(exc)

    return Counting
