"""The server's side of ASGI, in process: sends a request in pieces, collects the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

SECONDS = 10.0


@dataclass
class Answer:
    """What the application sent.

    Attributes:
        status: 0 where nothing was sent.
        complete: Whether the last message said that nothing follows.
    """

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    messages: list[Message] = field(default_factory=list)

    def header(self, name: bytes) -> bytes | None:
        """The value of a header, if it is there."""
        return dict(self.headers).get(name)


def scope_of(
    path: str = "/",
    *,
    method: str = "GET",
    headers: Iterable[tuple[bytes, bytes]] = (),
    query: bytes = b"",
    root_path: str = "",
    raw_path: bytes | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An HTTP scope as uvicorn makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode() if raw_path is None else raw_path,
        "query_string": query,
        "root_path": root_path,
        "headers": [(b"host", b"example.test"), *headers],
        "client": ("203.0.113.9", 54321),
        "server": ("example.test", 80),
        "extensions": {},
        **more,
    }


async def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Poll until a condition holds.

    Raises:
        TimeoutError: It did not within the time.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it comes to hold in a thread, which sets no event
            await asyncio.sleep(0.001)


class Exchange:
    """One request to an application, under the test's control.

    Args:
        app: The application.
        scope: The request.
        body: The pieces that the client sends.
        leaves: Whether the client leaves after the last piece instead of ending the body.
        stalls: Whether it sends nothing more after the last piece.
    """

    def __init__(
        self,
        app: ASGIApp,
        scope: dict[str, Any],
        body: Sequence[bytes] = (),
        *,
        leaves: bool = False,
        stalls: bool = False,
    ) -> None:
        self.answer = Answer()
        self.reads = asyncio.Event()  # cleared: the client takes nothing
        self.reads.set()
        self.left = asyncio.Event()
        self.progress = asyncio.Event()
        self._app = app
        self._scope = scope
        pieces = list(body)
        ends = not (leaves or stalls)
        self._incoming: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": not ends or n < len(pieces) - 1}
            for n, piece in enumerate(pieces)
        ]
        if not pieces and ends:
            self._incoming.append({"type": "http.request", "body": b"", "more_body": False})
        if leaves:
            self.left.set()

    async def run(self) -> Answer:
        """Call the application to its end."""
        await self._app(self._scope, self._receive, self._send)
        return self.answer

    async def _receive(self) -> Message:
        if self._incoming:
            return self._incoming.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self.reads.wait()
        answer = self.answer
        answer.messages.append(message)
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = list(message.get("headers", ()))
        else:
            answer.body += message.get("body", b"")
            answer.complete = not message.get("more_body", False)
        self.progress.set()


async def ask(app: ASGIApp, path: str = "/", body: Sequence[bytes] = (), **options: Any) -> Answer:
    """Send one request and return the whole answer."""
    leaves = options.pop("leaves", False)
    headers = list(options.pop("headers", ()))
    if body and not any(name in {b"content-length", b"transfer-encoding"} for name, _ in headers):
        headers.append((b"content-length", str(sum(map(len, body))).encode()))
    scope = scope_of(path, headers=headers, **options)
    return await Exchange(app, scope, body, leaves=leaves).run()
