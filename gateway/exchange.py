"""One request and its answer: the record that everything said about a request refers to."""

from __future__ import annotations

import os
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY = "gateway.request_id"
_HEADER = b"x-request-id"
_VALID = re.compile(rb"[A-Za-z0-9._~:+/=-]{1,128}")


def request_id(scope: Scope) -> str:
    """The request's ID; empty where no exchange was opened."""
    identifier: str = scope.get(_KEY, "")
    return identifier


class ExchangeMiddleware:
    """Gives each request an ID, shows it to the service and returns it to the client.

    A client's own `X-Request-ID` is kept where it is short and plain; else a new one takes its
    place, so that what reaches logs is never of a stranger's making.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the exchange of one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        headers: list[tuple[bytes, bytes]] = scope["headers"]
        given = [value for name, value in headers if name == _HEADER]
        if len(given) == 1 and _VALID.fullmatch(given[0]):
            identifier = given[0]
        else:
            identifier = os.urandom(16).hex().encode()
            if given:
                headers = [header for header in headers if header[0] != _HEADER]
            scope["headers"] = [*headers, (_HEADER, identifier)]
        scope[_KEY] = identifier.decode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = [h for h in message.get("headers", ()) if h[0].lower() != _HEADER]
                message["headers"] = [*answered, (_HEADER, identifier)]
            await send(message)

        await self.app(scope, receive, send_with_id)
