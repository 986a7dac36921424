"""One request's way through the application, and its answer's way out: uvicorn's, less its detours.

uvicorn looks at each header of each answer with two expressions and builds its line anew. Most
answers have the same few, so a line is checked and built once, and remembered.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.exchange import CONNECTION
from gateway.protocol.taking import reset

# RFC 9110, sections 5.1 and 5.5. In lower case, as ASGI has names.
_is_name: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_is_value: Final = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*").fullmatch
# They decide how the answer is framed, or what becomes of the connection.
_DECISIVE: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_MOST_REMEMBERED: Final = 256
_MOST_DIGITS: Final = 18
_NO_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Cycle(RequestResponseCycle):
    """Answers one request.

    Args:
        scope: The request.
        transport: Where the answer goes.
        flow: Says whether the client keeps up.
        default_headers: Of every answer.
        keep_alive: Whether the connection stays open after the answer.
        on_response: Called when the answer is complete.
        on_end: Called when the application has returned.
    """

    # What most requests never change is set here, once for all of them.
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    _bodiless = False

    def __init__(  # noqa: PLR0913
        self,
        scope: Any,
        transport: asyncio.Transport,
        flow: FlowControl,
        logger: logging.Logger,
        default_headers: list[tuple[bytes, bytes]],
        *,
        expects_100_continue: bool,
        keep_alive: bool,
        on_response: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        # Not uvicorn's own: it would set everything once more.
        self.scope = scope
        self.transport = transport
        self.flow = flow
        self.logger = logger
        self.default_headers = default_headers
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects_100_continue
        self.message_event = asyncio.Event()
        self.body = bytearray()
        self.on_response = on_response
        self._on_end = on_end
        scope[CONNECTION] = self

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Have the request answered, whatever the application does."""
        try:
            # What it returns is of no use to anybody.
            await app(self.scope, self.receive, self.send)
        except BaseException:
            self.logger.exception("the application raised")
            await self._give_up()
        else:
            if not self.response_complete and not self.disconnected:
                # What was begun was broken off on purpose, as a rule, and told of there.
                level = logging.DEBUG if self.response_started else logging.ERROR
                self.logger.log(level, "the application has not completed its answer")
                await self._give_up()
        finally:
            self._on_end()
            # No cycle is left for the collector.
            self.on_response = self._on_end = _nothing
            cast(dict[str, Any], self.scope).pop(CONNECTION, None)

    async def _give_up(self) -> None:
        """Say that it failed where that can still be said, and else break off."""
        if not self.response_started:
            await self.send_500_response()
        elif self.chunked_encoding is None and not self._bodiless:
            # To such a client a close would be the end of a whole answer.
            reset(self.transport)
        elif not self.response_complete:
            self.transport.close()

    @property
    def waits_for_client(self) -> bool:
        """Whether the client has to take something before more of the answer is taken."""
        return self.flow.write_paused

    async def send(self, message: Any) -> None:
        """Send a part of the answer.

        Raises:
            RuntimeError: It is none, or not its turn.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != "http.response.start":
                raise RuntimeError(f"the answer has to begin, and {kind!r} is no beginning")
            self._begin(message["status"], message.get("headers", ()))
        elif self.response_complete or kind != "http.response.body":
            raise RuntimeError(f"{kind!r} is no part of an answer that has begun or is complete")
        else:
            self._go_on(message.get("body", b""), more_body=message.get("more_body", False))

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if status < HTTPStatus.OK:
            raise RuntimeError(f"{status} is not the status of an answer")
        lines = [STATUS_LINE[status]]
        self._bodiless = status in _NO_BODY or self.scope["method"] == "HEAD"
        length: bytes | None = None
        closes = not self.keep_alive
        for name, value in (*self.default_headers, *headers):
            if name in _DECISIVE:
                # How the answer is framed, and what becomes of the connection, is decided here.
                if name == b"content-length":
                    length = _length(value, length)
                elif name == b"connection":
                    closes = closes or b"close" in _tokens(value)
                continue
            lines.append(
                _line(name, value) if len(value) <= _MOST_REMEMBERED else _new_line(name, value)
            )
        if length is not None and status != HTTPStatus.NO_CONTENT:
            lines.append(b"content-length: %b\r\n" % length)
            self.expected_content_length = int(length)
            self.chunked_encoding = False
        elif not self._bodiless:
            if self.scope["http_version"] == "1.1":
                self.chunked_encoding = True
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                closes = True  # RFC 9112, section 6.3: that is how such a client knows the end
        lines.append(b"connection: close\r\n\r\n" if closes else b"\r\n")
        head = b"".join(lines)
        # Up to here another answer could be sent in the place of this one.
        self.keep_alive = not closes
        self.response_started = True
        self.waiting_for_100_continue = False
        self.transport.write(head)

    def _go_on(self, body: bytes, *, more_body: bool) -> None:
        if self._bodiless:
            pass  # RFC 9110, sections 6.4.1 and 9.3.2: whatever the application says
        elif self.chunked_encoding:
            content = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            self.transport.write(content if more_body else content + b"0\r\n\r\n")
        elif self.chunked_encoding is None:
            self.transport.write(body)  # until the connection is closed
        else:
            self._count(len(body), more_body=more_body)
            self.transport.write(body)
        if not more_body:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()

    def _count(self, size: int, *, more_body: bool) -> None:
        self.expected_content_length -= size
        if self.expected_content_length < 0:
            raise RuntimeError("the answer is longer than its Content-Length")
        if self.expected_content_length and not more_body:
            raise RuntimeError("the answer is shorter than its Content-Length")


def _length(value: bytes, before: bytes | None) -> bytes:
    """The length that the answer announces (RFC 9110, section 8.6).

    Raises:
        RuntimeError: It is none, or another than before.
    """
    if not value.isdigit() or len(value) > _MOST_DIGITS or before not in {None, value}:
        raise RuntimeError(f"{value!r} is not the one Content-Length of the answer")
    return value


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip() for token in value.lower().split(b",")]


def _new_line(name: bytes, value: bytes) -> bytes:
    """A header's line.

    Raises:
        RuntimeError: It is not a header.
    """
    if not _is_name(name):
        raise RuntimeError(f"{name!r} is not a header's name in lower case (ASGI)")
    if not _is_value(value):
        raise RuntimeError(f"the value of the header {name!r} has control characters")
    return b"%b: %b\r\n" % (name, value)


_line: Final = functools.lru_cache(4096)(_new_line)


def _nothing() -> None:
    """What is called when nothing is to be done any more."""
