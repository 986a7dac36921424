"""One side of a switch, made of an application, and requests for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.switch.records import Side
from gateway.switch.rules import RouteSet
from gateway.switch.sides import SideService

Header = tuple[bytes, bytes]


def side_of(app: ASGIApp, side: Side = "candidate", **more: Any) -> SideService:
    """A service that answers everything, with no edge."""
    return SideService(side, "api", "ASGI", app, app, RouteSet([(("*",), "/*")]), **more)


def request(method: str = "GET", path: str = "/api/items", *headers: Header, **more: Any) -> Scope:
    """A request as a switch sees it, at its prefix."""
    return {
        "type": "http",
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "/api",
        "client": ("192.0.2.7", 1234),
        "headers": [(b"host", b"shop.example"), *headers],
        **more,
    }


def start(status: int = 200, *headers: Header) -> Message:
    """The start of an answer."""
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def piece(body: bytes = b"", more: bool = False) -> Message:
    """A piece of an answer's body."""
    return {"type": "http.response.body", "body": body, "more_body": more}


def read(body: bytes = b"", more: bool = False) -> Message:
    """A piece of a request's body."""
    return {"type": "http.request", "body": body, "more_body": more}


def answering(*messages: Message, reads: bool = True) -> ASGIApp:
    """A service that reads a body, and then says this."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while reads and (await receive()).get("more_body", False):
            pass
        for message in messages:
            await send(dict(message))

    return app


class Client:
    """Takes an answer, and sends what it is given of a request's body."""

    def __init__(self, *bodies: Message) -> None:
        self.sent: list[Message] = []
        self._bodies: Sequence[Message] = bodies or (read(),)
        self._at = 0

    async def receive(self) -> Message:
        """The next of its messages; then it stays."""
        self._at += 1
        if self._at > len(self._bodies):
            await asyncio.get_running_loop().create_future()
        return self._bodies[self._at - 1]

    async def send(self, message: Message) -> None:
        """Take a message."""
        self.sent.append(message)

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Of the answer."""
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        """Of the answer."""
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def values(headers: Iterable[tuple[str, str]], wanted: str) -> list[str]:
    """The values of a header in a copy."""
    return [value for name, value in headers if name == wanted]
