"""One request and its answer: the record that everything said about a request refers to."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("gateway.exchange")

Outcome = Literal["ok", "client left", "timeout", "rejected", "error"]

_KEY = "gateway.exchange"
# Where a server tells more of its connection than ASGI has words for.
CONNECTION = "gateway.connection"
_HEADER = b"x-request-id"
_VALID = re.compile(rb"[A-Za-z0-9._~:+/=-]{1,128}")
# W3C Trace Context, section 3.2.2. A later version may have more fields.
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


_SWITCHING_PROTOCOLS = 101
_FORBIDDEN = 403
_SERVER_ERROR = 500
_GOING_AWAY = 1001  # RFC 6455, section 7.4.1


class Connection(Protocol):
    """What a server tells of the connection that a request came on."""

    @property
    def disconnected(self) -> bool:
        """Whether the client has left."""

    @property
    def waits_for_client(self) -> bool:
        """Whether the client has to take something before more of the answer is taken."""


class Exchange:
    """One request and its answer.

    `send` is wrapped once, for the exchange; whoever wants to see an answer begin, or to add to its
    headers, is an observer: one for all exchanges is given to the middleware, one for this exchange
    alone is added to `observers`.

    Args:
        request_id: The request's ID, the same in every message about it.
        scope: The request, as it came.
        task: The task that answers it.

    Attributes:
        method: The request's method; `WEBSOCKET` for a handshake.
        path: Decoded, with the mount's prefix, as it came.
        query: The query string, as it came; nothing logs it unless asked to.
        fields: The request's headers by name, as they came; of several alike the last.
        repeats: Whether a header came more than once.
        websocket: Whether it is a WebSocket.
        answer_fields: The answer's headers by name, likewise, as its service gave them.
        client: The client's address, without its port; empty where it has none.
        trace_id: Of the `traceparent` that came with it, or of the span that was opened for it;
            32 hexadecimal digits, or empty.
        mount: The name of the mount that answers; empty where none does.
        stack: What the mount's service is made with: "Flask", "FastAPI", "WSGI", "ASGI"; empty
            where no mount answers.
        root_path: Where that mount is, as the client sees it.
        route: The service's own template of the route that matched, `/items/<int:item_id>`; empty
            where none did or the service does not say.
        status: The answer's status; 0 where none began.
        bytes_in: Bytes of the request's body that were received.
        bytes_out: Bytes of the answer's body that were handed to the server.
        started: When the request was complete up to its body (`time.perf_counter`, seconds).
        first_byte: When the answer began; 0.0 where it did not.
        ended: When the last piece of the answer was handed to the server, or there was nobody to
            hand it to.
        waited: Seconds that the request waited for a thread.
        outcome: How it ended.
        answered: Whether the answer has begun, after which nobody can begin another.
        complete: Whether the answer has ended.
        ending: Whether `end` was called.
        expired: Whether `expire` was called.
        forwarded: Whether the request came with headers as a proxy sets them.
        last_received: When the last piece of the body arrived; 0.0 where none did.
        last_sent: When the last piece of the answer was handed to the server.
        resumed: When another service was asked, in place of one that was too late; else 0.0.
        decision: Of the switch that it passed, who answers and why; None where it passed none.
        observers: Called with the `http.response.start` message, outermost last.
        connection: What the server tells of it; None where it does not, and at the end.
    """

    # What most requests never change is set here, once for all of them.
    trace_id = mount = stack = route = root_path = ""
    status = bytes_in = bytes_out = 0
    first_byte = last_received = last_sent = ended = waited = resumed = 0.0
    outcome: Outcome = "ok"
    answered = complete = ending = expired = forwarded = repeats = websocket = False
    answer_fields: Mapping[bytes, bytes] = MappingProxyType({})
    decision: object = None

    def __init__(
        self,
        request_id: str,
        scope: Scope,
        fields: Mapping[bytes, bytes],
        task: asyncio.Task[Any] | None = None,
    ) -> None:
        self.request_id = request_id
        self.fields = fields
        self._task = task
        self.connection: Connection | None = scope.get(CONNECTION)
        if scope["type"] == "websocket":
            self.websocket = True
            self.method = "WEBSOCKET"
        else:
            self.method = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        client = scope.get("client")
        self.client: str = client[0] if client else ""
        self.started = time.perf_counter()
        self.observers: list[Callable[[Message], None]] = []

    def end(self) -> None:
        """End the answer here, cleanly, whatever the service does. From any thread."""
        if not self.ending:
            self.ending = True
            self._cancel()

    def expire(self) -> None:
        """Its time is up: what has not begun is answered by the gateway, the rest is broken off."""
        self.expired = True
        self.outcome = "timeout"
        self._cancel()

    def resume(self) -> None:
        """Another service answers after all, with the time that its mount has for it."""
        self.expired = False
        self.outcome = "ok"
        self.resumed = time.perf_counter()

    def close(self) -> None:
        """It is over: nothing can end it any more."""
        # What a service does after its answer takes none of the client's time.
        self.ended = self.last_sent if self.complete and self.last_sent else time.perf_counter()
        self._task = None
        self.connection = None

    @property
    def is_stream(self) -> bool:
        """Whether its answer has no end of its own: a WebSocket, or server-sent events."""
        content_type = self.answer_fields.get(b"content-type", b"")
        return self.websocket or content_type[:17].lower() == b"text/event-stream"

    @property
    def client_left(self) -> bool:
        """Whether the client has left, as far as can be known: a server may not tell."""
        return self.connection is None or self.connection.disconnected

    def take_back_cancellation(self) -> bool:
        """Go on after a cancellation, if it was ours; False where it was somebody else's."""
        if self._task is None or not (self.ending or self.expired):
            return False
        self._task.uncancel()
        return True

    def _cancel(self) -> None:
        task = self._task  # it may be over in the next moment: this may be another thread
        if task is not None:
            # The service may send from a task of its own; this is the request's.
            task.get_loop().call_soon_threadsafe(task.cancel)


# The exchange that the running code belongs to, in the event loop and in the threads of services.
current_exchange: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)


Running = dict[Exchange, None]


@dataclass(frozen=True)
class Observers:
    """Whoever wants to know of every exchange.

    What they raise is logged and fails nothing.

    Attributes:
        opened: Called with the exchange and the request's scope, before anything else sees it.
        answered: Called with the exchange and the `http.response.start` message, whose headers
            are a list of their own.
        closed: Called with exchanges after their end: those of one step of the event loop together,
            when their answers are out. What is done for many at a time costs each less. Called
            again for the rest where it raises.
        running: Every exchange that is open, the oldest first, for those who look now and then.
    """

    opened: Sequence[Callable[[Exchange, Scope], None]] = ()
    answered: Sequence[Callable[[Exchange, Message], None]] = ()
    closed: Sequence[Callable[[Iterable[Exchange]], None]] = ()
    running: Running = field(default_factory=dict)


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that a request belongs to.

    Raises:
        LookupError: No `ExchangeMiddleware` has opened one.
    """
    try:
        exchange: Exchange = scope[_KEY]
    except KeyError:
        raise LookupError("the request has passed no ExchangeMiddleware") from None
    return exchange


def announces_body(exchange: Exchange) -> bool:
    """Whether the request says that it has a body (RFC 9112, section 6)."""
    fields = exchange.fields
    return fields.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in fields


def note_mount(scope: Scope, name: str, stack: str) -> None:
    """Tell the exchange, if one is open, which mount answers, at the scope's root path."""
    exchange: Exchange | None = scope.get(_KEY)
    if exchange is not None:
        exchange.mount, exchange.stack = name, stack
        exchange.root_path = scope["root_path"]


def note_route(scope: Scope, template: str) -> None:
    """Tell the exchange, if one is open, which route of the service matched."""
    exchange: Exchange | None = scope.get(_KEY)
    if exchange is not None:
        exchange.route = template


def note_wait(scope: Scope, seconds: float) -> None:
    """Tell the exchange, if one is open, how long the request waited for a thread."""
    exchange: Exchange | None = scope.get(_KEY)
    if exchange is not None:
        exchange.waited = seconds


class ExchangeMiddleware:
    """Opens each request's exchange, shows its ID to the service and returns it to the client.

    A client's own `X-Request-ID` is kept where it is short and plain; else a new one takes its
    place, so that what reaches logs is never of a stranger's making.

    Args:
        app: What the request goes to.
        observers: Of every exchange.
    """

    def __init__(self, app: ASGIApp, observers: Observers | None = None) -> None:
        self.app = app
        self._observers = observers or Observers()
        self._ended: list[Exchange] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        # Not a secret: an ID only has to be unique, and the kernel's generator costs a call each.
        self._random_bits = random.Random().getrandbits  # noqa: S311

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Open the exchange of one request, and close it."""
        if scope["type"] == "lifespan":
            return self.app(scope, receive, send)
        return self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._open(scope)
        identifier = exchange.request_id.encode()

        def send_observed(message: Message) -> Awaitable[None]:
            kind = message["type"]
            if kind == "http.response.body":
                exchange.bytes_out += len(message.get("body", b""))
                exchange.last_sent = time.perf_counter()
                exchange.complete = not message.get("more_body", False)
            elif kind == "http.response.start":
                self._begin(exchange, message, identifier)
                return _send_start(exchange, message, send)
            elif kind.startswith("websocket."):
                _note_websocket(exchange, message)
            # Not awaited here: one coroutine less for each message.
            return send(message)

        try:
            await self.app(scope, _counting(exchange, receive), send_observed)
            if exchange.ending:
                # The service took the cancellation for the client's leave.
                await _end_answer(exchange, send)
        except asyncio.CancelledError:
            if not exchange.take_back_cancellation():
                exchange.outcome = "timeout"  # the drain's
                raise
            if exchange.ending:
                await _end_answer(exchange, send)
            # Else broken off: the server closes the connection, so that the client knows.
        except BaseException:
            exchange.outcome = "error"
            raise
        finally:
            self._close(exchange, scope)

    def _open(self, scope: Scope) -> Exchange:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        fields = dict(headers)
        exchange = Exchange(self._identify(scope, fields), scope, fields, asyncio.current_task())
        if len(fields) != len(headers):
            exchange.repeats = True
        if b"traceparent" in fields:
            exchange.trace_id = _trace_id(fields[b"traceparent"])
        scope[_KEY] = exchange
        current_exchange.set(exchange)
        self._observers.running[exchange] = None
        for opened in self._observers.opened:
            self._tell(opened, exchange, scope)
        return exchange

    def _begin(self, exchange: Exchange, message: Message, identifier: bytes) -> None:
        exchange.first_byte = time.perf_counter()
        exchange.status = message["status"]
        exchange.answered = True
        headers = message["headers"] = list(message.get("headers", ()))
        fields = dict(headers)
        if headers and not b"".join(fields).islower():
            # ASGI wants names in lower case; not every service knows.
            headers = message["headers"] = [(name.lower(), value) for name, value in headers]
            fields = dict(headers)
        exchange.answer_fields = fields
        for answered in self._observers.answered:
            self._tell(answered, exchange, message)
        if exchange.observers:
            for observe in exchange.observers:
                self._tell(observe, message)
            # What they hold may hold the exchange: no cycle is left for the collector.
            exchange.observers.clear()
        if _HEADER in fields:
            headers = [header for header in message["headers"] if header[0] != _HEADER]
            message["headers"] = headers
        message["headers"].append((_HEADER, identifier))

    def _close(self, exchange: Exchange, scope: Scope) -> None:
        self._observers.running.pop(exchange, None)
        if not exchange.route:
            exchange.route = route_of(scope, exchange.root_path)
        if exchange.outcome == "ok":
            if exchange.status >= _SERVER_ERROR:
                exchange.outcome = "error"
            elif not exchange.complete and exchange.status != _SWITCHING_PROTOCOLS:
                exchange.outcome = "client left" if exchange.client_left else "error"
        exchange.close()
        loop = asyncio.get_running_loop()
        if not self._ended or loop is not self._loop:
            self._loop = loop
            loop.call_soon(self._tell_ended)
        self._ended.append(exchange)

    def _tell_ended(self) -> None:
        ended, self._ended = self._ended, []
        for closed in self._observers.closed:
            rest = iter(ended)
            for _ in range(len(ended) + 1):
                # One that it fails for is passed over; it goes on with the next.
                if self._tell(closed, rest):
                    break

    def _tell(self, observe: Callable[..., None], *what: Any) -> bool:
        try:
            observe(*what)
        except Exception:
            # What is told of a request must not fail it.
            logger.exception("a request could not be observed")
            return False
        return True

    def _identify(self, scope: Scope, fields: Mapping[bytes, bytes]) -> str:
        """The request's ID, which its headers carry from here on."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if _HEADER in fields:
            given = [value for name, value in headers if name == _HEADER]
            if len(given) == 1 and _VALID.fullmatch(given[0]):
                return given[0].decode()
            headers = [header for header in headers if header[0] != _HEADER]
        identifier = f"{self._random_bits(128):032x}"
        scope["headers"] = [*headers, (_HEADER, identifier.encode())]
        return identifier


def route_of(scope: Scope, root_path: str) -> str:
    """The template of the route that an ASGI service has left in the scope; empty for none.

    Args:
        scope: The request, after its service.
        root_path: Of the mount: a part of the service that is mounted within it adds to that.
    """
    # FastAPI's own: the route of a router that was included knows nothing of its prefix.
    included = scope.get("fastapi") or {}
    route = included.get("effective_route_context") or scope.get("route")
    template = getattr(route, "path", "")
    if not template or not isinstance(template, str):
        return ""
    within: str = scope.get("root_path", "").removeprefix(root_path)
    return within + template


def _trace_id(traceparent: bytes) -> str:
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1].decode() if match else ""


def _counting(exchange: Exchange, receive: Receive) -> Receive:
    """`receive`, counting the body's bytes where one is announced (RFC 9112, section 6)."""
    if not announces_body(exchange):
        return receive

    async def receive_counted() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            exchange.bytes_in += len(message.get("body", b""))
            exchange.last_received = time.perf_counter()
        return message

    return receive_counted


def _note_websocket(exchange: Exchange, message: Message) -> None:
    kind = message["type"]
    if kind == "websocket.accept":
        exchange.status = _SWITCHING_PROTOCOLS
        exchange.answered = True
        exchange.first_byte = time.perf_counter()
    elif kind == "websocket.close":
        exchange.status = exchange.status or _FORBIDDEN  # on the wire, before an accept
        exchange.complete = True
    elif kind == "websocket.http.response.start":
        exchange.status = message["status"]
        exchange.complete = True


async def _send_start(exchange: Exchange, message: Message, send: Send) -> None:
    try:
        await send(message)
    except BaseException:
        # The server would not have it: nothing has begun, and another answer may.
        exchange.answered = False
        exchange.status = 0
        raise


async def _end_answer(exchange: Exchange, send: Send) -> None:
    """Complete what has begun."""
    if not exchange.answered or exchange.complete:
        return
    exchange.complete = True
    if exchange.status == _SWITCHING_PROTOCOLS:
        await send({"type": "websocket.close", "code": _GOING_AWAY})
    else:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
