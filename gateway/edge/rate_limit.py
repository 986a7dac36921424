"""Limits how often one client, user or key may ask.

Counted by the library `limits`, in this process or in Redis, over a sliding window. Answers carry
the fields of the IETF's draft "RateLimit header fields for HTTP".
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import cast

from limits import RateLimitItem
from limits.aio.storage import Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.storage import storage_from_string
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.exchange import exchange_of
from gateway.problems import Refusal, refuse

logger = logging.getLogger("gateway.edge")

# A store that does not answer in this time counts as gone: a limit is no reason to wait.
STORE_SECONDS = 0.5
# While it is gone, it is asked again this often and not by every request.
_RETRY_SECONDS = 1.0


class TooMany(Refusal):
    """The limit is used up."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    detail = "Too many requests. Try again when the time in Retry-After has passed."

    def __init__(self, retry_seconds: int, fields: dict[str, str]) -> None:
        super().__init__()
        self.headers = MappingProxyType({"Retry-After": str(retry_seconds), **fields})


class CannotCount(Refusal):
    """The store is gone, and the limit is to hold all the same."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    detail = "Requests cannot be counted now, and this service is served only where they are."
    headers = MappingProxyType({"Retry-After": "1"})


@dataclass(frozen=True)
class RateLimitPolicy:
    """One limit.

    Attributes:
        limit: How many in which time.
        name: What is counted together: a mount's name, or the gateway's.
        fail_open: Whether requests pass where they cannot be counted.
    """

    limit: RateLimitItem
    name: str
    fail_open: bool = True


class RateLimits:
    """The store of counts, shared by all mounts.

    Args:
        url: "memory://", or "redis://..." for all processes together.
    """

    def __init__(self, url: str) -> None:
        options = {} if url == "memory://" else _REDIS_OPTIONS
        store = storage_from_string(f"async+{url}", **options)  # type: ignore[arg-type]
        self._limiter = SlidingWindowCounterRateLimiter(cast(Storage, store))
        self._gone_until = 0.0

    async def count(self, item: RateLimitItem, *key: str) -> tuple[bool, int, int] | None:
        """Count one request.

        Returns:
            Whether it is within the limit, how many are left, and in how many seconds the window
            is over; None where the store is gone.
        """
        if time.monotonic() < self._gone_until:
            return None
        try:
            async with asyncio.timeout(STORE_SECONDS):
                allowed = await self._limiter.hit(item, *key)
                stats = await self._limiter.get_window_stats(item, *key)
        except Exception as error:
            # Whatever the client of the store raises: none of it may fail the request.
            if not self._gone_until:
                logger.exception("rate limits: the store is gone")
            else:
                logger.debug("rate limits: the store is still gone: %s", error)
            self._gone_until = time.monotonic() + _RETRY_SECONDS
            return None
        if self._gone_until:
            logger.warning("rate limits: the store is back")
            self._gone_until = 0.0
        return allowed, stats.remaining, max(math.ceil(stats.reset_time - time.time()), 0)


_REDIS_OPTIONS = {
    "socket_connect_timeout": STORE_SECONDS,
    "socket_timeout": STORE_SECONDS,
    "implementation": "redispy",
}


class RateLimit:
    """Answers 429 above the limit.

    Args:
        app: What the request goes to.
        policy: The limit.
        limits: Where it is counted.
        identify: Who asks: a key or a user; empty for nobody known, who counts by address.
    """

    def __init__(
        self,
        app: ASGIApp,
        policy: RateLimitPolicy,
        limits: RateLimits,
        identify: Callable[[Scope], str],
    ) -> None:
        self.app = app
        self._policy = policy
        self._limits = limits
        self._identify = identify
        self._item = policy.limit
        window = self._item.get_expiry()
        self._stated = f'"{policy.name}";q={self._item.amount};w={window}'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count, then pass on or refuse."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        counted = await self._limits.count(self._item, self._policy.name, self._key(scope))
        if counted is None:
            if not self._policy.fail_open:
                await refuse(CannotCount(), scope, receive, send)
                return
            await self.app(scope, receive, send)
            return
        allowed, left, seconds = counted
        fields = {
            "RateLimit-Policy": self._stated,
            "RateLimit": f'"{self._policy.name}";r={left};t={seconds}',
        }
        if not allowed:
            await refuse(TooMany(max(seconds, 1), fields), scope, receive, send)
            return

        def add(message: Message) -> None:
            MutableHeaders(scope=message).update(fields)

        exchange_of(scope).observers.append(add)
        await self.app(scope, receive, send)

    def _key(self, scope: Scope) -> str:
        if who := self._identify(scope):
            # A key is a secret as often as not; the store need not know it.
            return "key:" + hashlib.sha256(who.encode()).hexdigest()[:32]
        return "client:" + exchange_of(scope).client
