"""One request and its answer: the record that everything said about a request refers to."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY = "gateway.exchange"
_HEADER = b"x-request-id"
_VALID = re.compile(rb"[A-Za-z0-9._~:+/=-]{1,128}")


@dataclass(slots=True)
class Exchange:
    """One request and its answer.

    Attributes:
        request_id: The request's ID, the same in every message about it.
        answered: Whether the answer has begun, after which nobody can begin another.
    """

    request_id: str = ""
    answered: bool = False


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that a request belongs to; an empty one where none was opened."""
    exchange: Exchange | None = scope.get(_KEY)
    return exchange or Exchange()


class ExchangeMiddleware:
    """Opens each request's exchange, shows its ID to the service and returns it to the client.

    A client's own `X-Request-ID` is kept where it is short and plain; else a new one takes its
    place, so that what reaches logs is never of a stranger's making.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # Not a secret: an ID only has to be unique, and the kernel's generator costs a call each.
        self._generator = random.Random()  # noqa: S311

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the exchange of one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        identifier = self._identify(scope)
        exchange = scope[_KEY] = Exchange(identifier.decode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.answered = True
                answered = [h for h in message.get("headers", ()) if h[0].lower() != _HEADER]
                answered.append((_HEADER, identifier))
                message["headers"] = answered
            await send(message)

        await self.app(scope, receive, send_with_id)

    def _identify(self, scope: Scope) -> bytes:
        """The request's ID, which its headers carry from here on."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        given = [value for name, value in headers if name == _HEADER]
        if len(given) == 1 and _VALID.fullmatch(given[0]):
            return given[0]
        identifier = b"%032x" % self._generator.getrandbits(128)
        others = [header for header in headers if header[0] != _HEADER] if given else headers
        scope["headers"] = [*others, (_HEADER, identifier)]
        return identifier
