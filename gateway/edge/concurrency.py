"""Refuses requests above a number that run at the same time, so that those that run can end."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from http import HTTPStatus
from types import MappingProxyType

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.edge.proxies import path_within
from gateway.problems import Refusal, refuse


class TooManyRunning(Refusal):
    """As many requests as may run at the same time do."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    detail = "The gateway is at its limit of requests. Try again soon."
    headers = MappingProxyType({"Retry-After": "1"})


class ConcurrencyLimit:
    """Answers 503 above the limit, at once.

    Args:
        app: What the request goes to.
        limit: Requests and WebSockets of this process that may run at the same time.
        exempt: Paths that always pass: probes.
    """

    def __init__(self, app: ASGIApp, limit: int, exempt: Sequence[str] = ()) -> None:
        self.app = app
        self._limit = limit
        self._exempt = frozenset(exempt)
        self._running = 0

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass on while there is room."""
        if scope["type"] == "lifespan" or path_within(scope) in self._exempt:
            return self.app(scope, receive, send)
        if self._running >= self._limit:
            return refuse(TooManyRunning(), scope, receive, send)
        return self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._running -= 1
