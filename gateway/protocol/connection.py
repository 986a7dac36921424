"""One connection: time, sizes, the request line, the framing, `Host` and the order of answers.

What only the connection can see is decided here. What a path or a field *means* is for the ASGI
middleware behind it. A refusal is answered in its turn, after the requests before it, and the
connection is closed.
"""

from __future__ import annotations

import asyncio
import contextvars
import urllib.parse
from collections.abc import Hashable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import httptools
from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.protocol.answering import Cycle
from gateway.protocol.closing import LingeringTransport, counting
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
from gateway.protocol.room import ConnectionCounts, Room
from gateway.protocol.taking import WriteDeadline, nothing_is_owed

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_LIMITS: Final = RequestLimits()
_IDLE, _HEAD, _BODY = range(3)
# The parser keeps what it has of an unfinished line to itself, so its food is counted: in slices,
# because one slice is how precise the count is.
_SLICE: Final = 64 * 1024
# In a drain: how long a connection that has just been accepted may take to send its request.
_FRESH_SECONDS: Final = 2.0
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
        self._room: Room = vars(server_state).setdefault(
            "room", Room(server_state.connections, self._counts)
        )
        if self.ws_protocol_class is not None:
            self.ws_protocol_class = counting(cast("Hashable", self.ws_protocol_class))
        self._most_unread = self._limits.header_bytes + self._limits.target_bytes + 1024
        self._deadline: asyncio.TimerHandle | None = None
        self._writing = WriteDeadline(self.loop, self._limits.write_seconds, self._counts)
        self._running: Cycle | None = None
        self._resting_since: float | None = None
        self._deaf = False  # what arrives is thrown away
        self._lingers = False  # nothing more is sent, either
        self._lost = False
        self._settled = False  # closing, and the client had everything at the last look
        self._draining = False
        self._refusal: BadRequest | None = None  # to be answered after what runs
        self._unread = 0  # bytes of this message so far that were no body
        self._shared = False  # some of them were not counted: they came with the message before
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
        # Each request begins with this one, whichever request was answered before.
        self._context = contextvars.copy_context()
        self._counts.open += 1
        if not self._room.fits(self._limits.connections):
            refusal = BadRequest(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections.")
            self._count(refusal)
            self._answer(refusal)
            return
        self._room.wait(self)
        self._start_deadline(self._limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._counts.open -= 1
        self._room.leave(self)
        self._stop_deadline()
        self._writing.stop()
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
        elif self._busy:
            self.cycle.keep_alive = False
        else:
            self._part()

    def still_takes(self) -> bool:
        """Whether the client still takes its last answer, for which it has the time to write."""
        return not self._lingers and bool(self.transport.get_write_buffer_size())

    def make_room(self) -> bool:
        """Close at once; return whether anybody loses something by it."""
        self.connections.discard(self)
        self._deaf = True
        self.transport.abort()
        return not self._lingers

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
        if self.transport.is_closing():
            # Twice, as what was acknowledged may have made room for more that is on its way.
            settled, self._settled = self._settled, nothing_is_owed(self.transport)
            if settled and self._settled:
                self.transport.abort()
            else:
                self._start_deadline(self._limits.linger_seconds)
        elif self._lingers:
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

    def _rest(self) -> None:
        """Nothing runs, nothing is on its way: the connection is kept for a while.

        With one timer for many rests: to set one after each answer and to cancel it at the next
        request would cost each request as much as a header.
        """
        self._resting_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._start_keepalive(self.timeout_keep_alive)

    def _start_keepalive(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._resting_since is None:
            return  # it is used; the next rest sets another timer
        left = self._resting_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._start_keepalive(left)
        elif not self.transport.is_closing():
            self._part()

    def _part(self) -> None:
        """Close, with nothing more to say.

        TLS says farewell, and would wait for the client's as long as for the rest of an answer.
        """
        self.transport.close()
        if self.scheme == "https":
            self._start_deadline(self._limits.linger_seconds)

    # --- What leaves --------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing.start(self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._running is not None and not self._running.response_complete:
            self._writing.stop()
        # Else nothing more comes, and the rest is watched on.

    # --- What arrives -------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._resting_since = None
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
            self._rest()
        elif self._deadline is None:
            self._start_deadline(self._limits.header_seconds)

    def _feed(self, data: bytes | memoryview) -> None:
        if self._phase == _IDLE:
            self._shared = False
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
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
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
        method = parser.get_method()
        target = self._check_head(method, version)
        upgrades = parser.should_upgrade()
        if upgrades and not self._should_upgrade():
            self._replays = True
            return
        if upgrades:
            self._check_handshake()
        elif len(self.pipeline) >= self._limits.pipelined:
            raise BadRequest(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests at once.")
        self.scope = self._scope(method, version, target)
        self._phase = _BODY
        self._stop_deadline()
        self._room.leave(self)
        if not upgrades:
            self._begin(version)

    def _check_head(self, method: bytes, version: str) -> bytes:
        """Refuse what is not sound; return the target as path and query."""
        check_line(version, method)
        # At most one byte for each is counted and may not have been sent: a space.
        if self._shared or self._unread + len(self.headers) > self._limits.header_bytes:
            size = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self._limits.header_bytes:
                raise too_large(self._limits)
        check_hosts(self._hosts, version)
        self.url = origin_form(self.url, method, self.scheme or "http", self._hosts)
        if self._codings:
            check_codings(self._codings, version)
        return self.url

    def _scope(self, method: bytes, version: str, target: bytes) -> HTTPScope:
        raw_path, _, query = target.partition(b"?")
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": method.decode("ascii"),
            "root_path": "",
            "path": urllib.parse.unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": self.app_state.copy(),
        }

    def _begin(self, version: str) -> None:
        """Have the request answered, after those before it."""
        transport = self.transport
        if self._has_length or self._codings:
            transport = cast(asyncio.Transport, LingeringTransport(self))
        modern = version == "1.1"
        before = self.cycle
        self.cycle = cycle = Cycle(
            self.scope,
            transport,
            self.flow,
            self.logger,
            self.server_state.default_headers,
            # RFC 9110, section 10.1.1: not to an HTTP/1.0 client.
            expects_100_continue=self.expect_100_continue and modern,
            keep_alive=modern and not self._draining and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
            on_end=self._on_end,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

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
        self._shared = True

    # --- Upgrades -----------------------------------------------------------------------------

    def _should_upgrade(self) -> bool:
        # RFC 9110, section 7.8: not in HTTP/1.0.
        return self.parser.get_http_version() == "1.1" and super()._should_upgrade()

    def handle_websocket_upgrade(self) -> None:
        # From here on the connection is another protocol's.
        self._deaf = True
        self._writing.stop()
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
        self._running = cast(Cycle, cycle)
        if not self.flow.write_paused:
            self._writing.stop()  # that of the answer before
        task = self.loop.create_task(cycle.run_asgi(app), context=self._context.copy())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _on_end(self) -> None:
        """The application has returned."""
        if self.transport.is_closing() and not self._lost:
            # What ended without an answer, or within one, is watched, too.
            self._writing.watch_end(self.transport)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._lingers:
            return
        transport = self.transport
        if transport.is_closing():
            self._writing.watch_end(transport)
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._writing.watch_end(transport)
        if self._refusal is not None:
            self._answer(self._refusal)
            return
        self._room.wait(self)
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
            self._room.wait(self)
            if self.transport.can_write_eof():
                self.flow.resume_reading()
                self.transport.write_eof()
                self._start_deadline(self._limits.linger_seconds)
            else:
                self._part()
        self._writing.watch_end(self.transport)

    @property
    def lingers(self) -> bool:
        """Whether nothing more is sent, and what arrives is thrown away."""
        return self._lingers

    def close_after_answer(self) -> None:
        """Close, as the answer says; gently where the client is still sending its body."""
        if self._phase == _IDLE and not self._unread:
            self._part()
        else:
            self._close()
