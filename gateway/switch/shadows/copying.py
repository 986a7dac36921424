"""Copies a request and its answer while a service reads the one and sends the other.

Nothing is read ahead, nothing is held back, and nothing is kept beyond the caps.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.exchange import announces_body, exchange_of

logger = logging.getLogger("gateway.switch")

COPY: Final = "gateway.copy"

Headers = tuple[tuple[str, str], ...]


class AnswerCopy:
    """What a service answers, up to a cap.

    Args:
        cap: Bytes of body that are kept at most.

    Attributes:
        status: Of the answer; 0 where none began.
        headers: Of the answer.
        complete: Whether it came to its end, or as far as is wanted.
        absent: Why its body is not there; empty where it is.
    """

    def __init__(self, cap: int) -> None:
        self.status = 0
        self.headers: Headers = ()
        self.complete = False
        self.absent = ""
        self._cap = cap
        self._size = 0
        self._pieces: list[bytes] = []

    def begin(self, message: Message) -> None:
        """The start of the answer, with its headers as the client gets them."""
        self.status = message["status"]
        self.headers = tuple(
            # In lower case, which not every service sends.
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in message.get("headers", ())
        )
        self.absent = _why_without_body(self.status, dict(self.headers))

    def add(self, message: Message) -> bool:
        """A piece of its body; whether it is the last."""
        if self.complete:
            return False
        body = message.get("body", b"")
        if body and not self.absent:
            self._size += len(body)
            if self._size > self._cap:
                self.absent = "an answer over the cap: status and headers only"
            else:
                self._pieces.append(bytes(body))
        if self.absent:
            self._pieces.clear()
        self.complete = not message.get("more_body", False)
        return self.complete

    @property
    def body(self) -> bytes | None:
        """All of it, decoded from its `Content-Encoding`; None where it is not there."""
        if self.absent:
            return None
        body = b"".join(self._pieces)
        coding = dict(self.headers).get("content-encoding", "").lower()
        if not body or coding in {"", "identity"}:
            return body
        decoded = _decoded(body, self._cap) if coding in {"gzip", "x-gzip", "deflate"} else None
        if decoded is None:
            self.absent = f"a body encoded as {coding[:20]}: status and headers only"
        return decoded


class RequestCopy:
    """What a service reads of a request's body, up to a cap.

    Args:
        cap: Bytes that are kept at most.

    Attributes:
        why_not: Why it is not there; empty where it is.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._size = 0
        self._pieces: list[bytes] = []
        self._over = False
        self._whole = False

    def add(self, message: Message) -> None:
        """What the service received."""
        if message["type"] != "http.request":
            return
        body = message.get("body", b"")
        self._size += len(body)
        if self._size > self._cap:
            self._over = True
            self._pieces.clear()
        elif body:
            self._pieces.append(bytes(body))
        self._whole = not message.get("more_body", False)

    @property
    def why_not(self) -> str:
        """Why it cannot be sent again; empty where it can."""
        if self._over:
            return "a request body over the cap"
        return "" if self._whole else "a request body that the service did not read to its end"

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


class ExchangeCopy:
    """A request and its answer, as one service saw them.

    Args:
        request_cap: Bytes of the request's body that are kept at most.
        answer_cap: Likewise of the answer's.
        done: Called when the last byte of the answer has been handed to the server.

    Attributes:
        request: The request's body; None where none is announced.
        answer: The answer.
        seconds: From the request to the end of the answer.
    """

    def __init__(
        self, request_cap: int, answer_cap: int, done: Callable[[ExchangeCopy], None]
    ) -> None:
        self.request: RequestCopy | None = None
        self.answer = AnswerCopy(answer_cap)
        self.seconds = 0.0
        self._request_cap = request_cap
        self._done = done

    async def around(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the service answer, and copy."""
        exchange = exchange_of(scope)
        started = time.perf_counter()
        outer = len(exchange.observers)

        async def send_copied(message: Message) -> None:
            if message["type"] == "http.response.start":
                # What the service's own layers add to its headers when they leave, they add here.
                self.answer.begin(observed(message, exchange.observers[outer:]))
                await send(message)
                return
            await send(message)
            if message["type"] == "http.response.body" and self.answer.add(message):
                self.seconds = time.perf_counter() - started
                try:
                    self._done(self)
                except Exception:
                    # The service that sends this has done nothing wrong.
                    logger.exception("an answer could not be handed on for comparison")

        await app(scope, self._copying(scope, receive), send_copied)

    def _copying(self, scope: Scope, receive: Receive) -> Receive:
        if not announces_body(exchange_of(scope)):
            return receive
        request = self.request = RequestCopy(self._request_cap)

        async def receive_copied() -> Message:
            message = await receive()
            request.add(message)
            return message

        return receive_copied


def observed(message: Message, observers: Iterable[Callable[[Message], None]]) -> Message:
    """A copy of the start of an answer, with what observers add to its headers.

    One that fails adds nothing, as when the answer goes to a client.
    """
    copied = {**message, "headers": list(message.get("headers", ()))}
    for observe in observers:
        try:
            observe(copied)
        except Exception:
            logger.debug("a copy of an answer could not be observed", exc_info=True)
    return copied


class Tap:
    """Stands around a service, where a copy is taken of those exchanges that ask for one.

    Args:
        app: The service.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass on."""
        copy: ExchangeCopy | None = scope.get(COPY)
        if copy is None:
            return self.app(scope, receive, send)
        return copy.around(self.app, scope, receive, send)


_PARTIAL_CONTENT = 206
_STREAMS = ("text/event-stream", "application/x-ndjson", "application/jsonl", "multipart/")


def _why_without_body(status: int, headers: dict[str, str]) -> str:
    """Why nobody wants the body: it may have no end, or be part of something."""
    kind = headers.get("content-type", "").lower()
    if kind.startswith(_STREAMS):
        return "a stream: status and headers only"
    if status == _PARTIAL_CONTENT:
        return "a range: status and headers only"
    if "accept-ranges" in headers or "attachment" in headers.get("content-disposition", ""):
        return "a file: status and headers only"
    return ""


def _decoded(body: bytes, cap: int) -> bytes | None:
    """A body without its coding (RFC 9110, section 8.4.1); None where it is none, or too large."""
    decoder = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # zlib's format or gzip's
    try:
        decoded = decoder.decompress(body, cap + 1)
    except zlib.error:
        return None
    whole = decoder.eof and not decoder.unused_data  # which would be more of it
    return decoded if whole and len(decoded) <= cap else None
