"""Limits a request's body in size and time, whatever it announces and whoever reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.exchange import announces_body, exchange_of
from gateway.problems import BodyTimeout, BodyTooLarge, Refusal, announces_too_much, refuse


@dataclass(frozen=True)
class BodyRules:
    """What a mount accepts of a body.

    Attributes:
        max_bytes: A larger one is refused; 0 for no limit.
        idle_seconds: How long it may stall.
        total_seconds: How long it may take.
    """

    max_bytes: int
    idle_seconds: float
    total_seconds: float


class BodyLimit:
    """Answers 413 to a body that is too large and 408 to one that is too slow.

    For services that read the body themselves; the bridge does the same for those that it serves.
    A service that makes something else of the error does not get its answer out.

    Args:
        app: The service.
        rules: What it accepts.
    """

    def __init__(self, app: ASGIApp, rules: BodyRules) -> None:
        self.app = app
        self._rules = rules

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass on what has no body; watch the others."""
        if scope["type"] != "http" or not announces_body(exchange_of(scope)):
            return self.app(scope, receive, send)
        announced = exchange_of(scope).fields.get(b"content-length", b"")
        if announces_too_much(announced, self._rules.max_bytes):
            return refuse(BodyTooLarge(), scope, receive, send)
        return _Watch(self._rules, receive, send).run(self.app, scope)


class _Watch:
    """The body of one request."""

    def __init__(self, rules: BodyRules, receive: Receive, send: Send) -> None:
        self._rules = rules
        self._receive = receive
        self._send = send
        self._total = 0
        self._more = True
        self._answered = False
        self._refusal: Refusal | None = None
        self._deadline = asyncio.get_running_loop().time() + rules.total_seconds

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            # Also where the service has made another error of it, or a group.
            if self._refusal is None or self._answered:
                raise
        if self._refusal is not None and not self._answered:
            raise self._refusal

    async def receive(self) -> Message:
        if self._refusal is not None:
            raise self._refusal  # once more: the service did not believe it
        if not self._more:
            return await self._receive()  # the client's departure
        left = self._deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(self._rules.idle_seconds, left)):
                message = await self._receive()
        except TimeoutError:
            raise self._refuse(BodyTimeout()) from None
        if message["type"] == "http.request":
            self._total += len(message.get("body", b""))
            self._more = message.get("more_body", False)
            if self._rules.max_bytes and self._total > self._rules.max_bytes:
                raise self._refuse(BodyTooLarge())
        return message

    async def send(self, message: Message) -> None:
        if self._refusal is not None and not self._answered:
            raise self._refusal
        self._answered = True
        await self._send(message)

    def _refuse(self, refusal: Refusal) -> Refusal:
        self._refusal = refusal
        return refusal
