"""One request and its answer: the record that everything said about a request refers to."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY = "gateway.exchange"
_HEADER = b"x-request-id"
_VALID = re.compile(rb"[A-Za-z0-9._~:+/=-]{1,128}")


class Exchange:
    """One request and its answer.

    `send` is wrapped once, for the exchange; whoever wants to see an answer begin, or to add to its
    headers, is an observer of it.

    Args:
        request_id: The request's ID, the same in every message about it.

    Attributes:
        answered: Whether the answer has begun, after which nobody can begin another.
        complete: Whether the answer has ended.
        route: The service's own template of the route that matched, `/items/<int:item_id>`; empty
            where none did or the service does not say.
        observers: Called with the `http.response.start` message, outermost last.
    """

    __slots__ = ("answered", "complete", "observers", "request_id", "route")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.answered = False
        self.complete = False
        self.route = ""
        self.observers: list[Callable[[Message], None]] = []


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
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # Not a secret: an ID only has to be unique, and the kernel's generator costs a call each.
        self._random_bits = random.Random().getrandbits  # noqa: S311

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the exchange of one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        identifier = self._identify(scope)
        exchange = scope[_KEY] = Exchange(identifier.decode())

        async def send_observed(message: Message) -> None:
            kind = message["type"]
            if kind == "http.response.body":
                exchange.complete = not message.get("more_body", False)
            elif kind == "http.response.start":
                exchange.answered = True
                for observe in exchange.observers:
                    observe(message)
                # What they hold may hold the exchange: no cycle is left for the collector.
                exchange.observers.clear()
                headers = [h for h in message.get("headers", ()) if h[0] != _HEADER]
                headers.append((_HEADER, identifier))
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_observed)

    def _identify(self, scope: Scope) -> bytes:
        """The request's ID, which its headers carry from here on."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        given = [value for name, value in headers if name == _HEADER]
        if given:
            if len(given) == 1 and _VALID.fullmatch(given[0]):
                return given[0]
            headers = [header for header in headers if header[0] != _HEADER]
        identifier = b"%032x" % self._random_bits(128)
        scope["headers"] = [*headers, (_HEADER, identifier)]
        return identifier
