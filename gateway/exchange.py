"""One request and its answer: the record that everything said about a request refers to."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY = "gateway.exchange"
_HEADER = b"x-request-id"
_VALID = re.compile(rb"[A-Za-z0-9._~:+/=-]{1,128}")


class Exchange:
    """One request and its answer.

    `send` is wrapped once, for the exchange; whoever wants to see an answer begin, or to add to its
    headers, is an observer: one for all exchanges is given to the middleware, one for this exchange
    alone is added to `observers`.

    Args:
        request_id: The request's ID, the same in every message about it.
        task: The task that answers it.

    Attributes:
        answered: Whether the answer has begun, after which nobody can begin another.
        complete: Whether the answer has ended.
        ending: Whether `end` was called.
        route: The service's own template of the route that matched, `/items/<int:item_id>`; empty
            where none did or the service does not say.
        observers: Called with the `http.response.start` message, outermost last.
    """

    __slots__ = (
        "__weakref__",
        "_task",
        "answered",
        "complete",
        "ending",
        "observers",
        "request_id",
        "route",
    )

    def __init__(self, request_id: str, task: asyncio.Task[Any] | None = None) -> None:
        self.request_id = request_id
        self._task = task
        self.answered = False
        self.complete = False
        self.ending = False
        self.route = ""
        self.observers: list[Callable[[Message], None]] = []

    def end(self) -> None:
        """End the answer here, cleanly, whatever the service does. From any thread."""
        self.ending = True
        if self._task is not None:
            # The service may send from a task of its own; this is the request's.
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)


# Called with the exchange and the `http.response.start` message.
AnswerObserver = Callable[[Exchange, Message], None]


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


def note_route(scope: Scope, template: str) -> None:
    """Tell the exchange, if one is open, which route of the service matched."""
    exchange: Exchange | None = scope.get(_KEY)
    if exchange is not None:
        exchange.route = template


class ExchangeMiddleware:
    """Opens each request's exchange, shows its ID to the service and returns it to the client.

    A client's own `X-Request-ID` is kept where it is short and plain; else a new one takes its
    place, so that what reaches logs is never of a stranger's making.

    Args:
        app: What the request goes to.
        observers: Called where an answer begins, before the exchange's own observers.
    """

    def __init__(self, app: ASGIApp, observers: Sequence[AnswerObserver] = ()) -> None:
        self.app = app
        self._observers = observers
        # Not a secret: an ID only has to be unique, and the kernel's generator costs a call each.
        self._random_bits = random.Random().getrandbits  # noqa: S311

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the exchange of one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        identifier = self._identify(scope)
        task = asyncio.current_task()
        exchange = scope[_KEY] = Exchange(identifier.decode(), task)

        def send_observed(message: Message) -> Awaitable[None]:
            kind = message["type"]
            if kind == "http.response.body":
                exchange.complete = not message.get("more_body", False)
            elif kind == "http.response.start":
                self._begin(exchange, message, identifier)
            # Not awaited here: one coroutine less for each message.
            return send(message)

        try:
            await self.app(scope, receive, send_observed)
        except asyncio.CancelledError:
            if not exchange.ending or task is None:
                raise
            task.uncancel()
        if exchange.ending and exchange.answered and not exchange.complete:
            # Whether the cancellation came through or the service took it for the client's leave.
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _begin(self, exchange: Exchange, message: Message, identifier: bytes) -> None:
        exchange.answered = True
        for observe in self._observers:
            observe(exchange, message)
        if exchange.observers:
            for observe_this in exchange.observers:
                observe_this(message)
            # What they hold may hold the exchange: no cycle is left for the collector.
            exchange.observers.clear()
        headers = [header for header in message.get("headers", ()) if header[0] != _HEADER]
        headers.append((_HEADER, identifier))
        message["headers"] = headers

    def _identify(self, scope: Scope) -> bytes:
        """The request's ID, which its headers carry from here on."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if _HEADER in dict(headers):
            given = [value for name, value in headers if name == _HEADER]
            if len(given) == 1 and _VALID.fullmatch(given[0]):
                return given[0]
            headers = [header for header in headers if header[0] != _HEADER]
        identifier = b"%032x" % self._random_bits(128)
        scope["headers"] = [*headers, (_HEADER, identifier)]
        return identifier
