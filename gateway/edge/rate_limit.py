"""Limits how often one client, user or key may ask.

Counted by the library `limits`, in this process or in Redis, over a sliding window. Answers carry
the fields of the IETF's draft "RateLimit header fields for HTTP".
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, cast

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, SlidingWindowCounterSupport, Storage
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
        store: Storage = _Memory() if url == "memory://" else _redis(url)
        self._limiter = SlidingWindowCounterRateLimiter(store)
        self._store = cast(SlidingWindowCounterSupport, store)
        self._gone_until = 0.0

    async def close(self) -> None:
        """Close the connections to the store, if there are any."""
        client = getattr(getattr(self._store, "bridge", None), "storage", None)
        if client is not None:
            await client.aclose()

    async def close_at_end(self) -> None:
        """Wait to be cancelled, and close: for what runs as long as the process serves."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.close()

    async def count(self, item: RateLimitItem, *key: str) -> tuple[bool, int, int] | None:
        """Count one request.

        Returns:
            Whether it is within the limit, how many are left, and in how many seconds the window
            is over; None where the store is gone.
        """
        if self._gone_until:
            now = time.monotonic()
            if now < self._gone_until:
                return None
            # This request asks whether it is back; the others do not wait for the answer.
            self._gone_until = now + _RETRY_SECONDS
        try:
            async with asyncio.timeout(STORE_SECONDS):
                allowed = await self._limiter.hit(item, *key)
                counts = await self._store.get_sliding_window(item.key_for(*key), item.get_expiry())
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
        return allowed, *_left(item.amount, item.get_expiry(), counts)


def _redis(url: str) -> Storage:
    # Imported where it is wanted: the package is an extra.
    retry = importlib.import_module("redis.asyncio.retry").Retry
    no_wait = importlib.import_module("redis.backoff").NoBackoff
    options: dict[str, Any] = {
        "socket_connect_timeout": STORE_SECONDS,
        "socket_timeout": STORE_SECONDS,
        "implementation": "redispy",
        # A kept connection may be one to a Redis that has gone since: that alone is no failure.
        "retry": retry(no_wait(), 1),
    }
    return cast(Storage, storage_from_string(f"async+{url}", **options))


def _left(amount: int, window: float, counts: tuple[int, float, int, float]) -> tuple[int, int]:
    """How many are left, and in how many seconds there are more.

    The window before counts by the share of it that a sliding one would still cover, so its weight
    falls all the time; the present one begins to when it is over.

    Args:
        amount: How many in one window.
        window: Its seconds.
        counts: Requests of the window before, and for how many seconds they still count; requests
            of this one, and the same, which is a whole window longer than it lasts.
    """
    before, before_left, now, now_left = counts
    left = max(amount - math.floor(before * before_left / window) - now, 0)
    seconds = max(now_left - window, 0.0)
    if not left and now < amount:
        # Until the weight of the one before leaves room for one.
        seconds = min(before_left - (amount - now) * window / before, seconds)
    return left, math.floor(max(seconds, 0.0)) + (not left or not seconds.is_integer())


class _Memory(MemoryStorage):
    """The library's, which looks at every key at every request; this one now and then.

    Clients choose keys: what one request costs must not grow with how many there are.
    """

    STORAGE_SCHEME = None  # type: ignore[assignment]
    _LEAST_KEYS = 1000

    def __init__(self) -> None:
        super().__init__()
        self._swept_at = self._LEAST_KEYS

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count."""
        now = time.time()
        if self.expirations.get(key, 0.0) <= now:
            self.storage[key] = 0
            self.expirations[key] = now + expiry
            if len(self.expirations) >= self._swept_at:
                self._sweep(now)
        self.storage[key] += amount
        return self.storage[key]

    async def decr(self, key: str, amount: int = 1) -> int:
        """Take back."""
        self.storage[key] = max(self.storage[key] - amount, 0)
        return self.storage[key]

    def _sweep(self, now: float) -> None:
        for key in [key for key, end in self.expirations.items() if end <= now]:
            del self.expirations[key]
            self.storage.pop(key, None)
        # Once for as many new keys as are left: a constant for each of them.
        self._swept_at = max(2 * len(self.expirations), self._LEAST_KEYS)


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
            message.setdefault("headers", [])
            MutableHeaders(scope=message).update(fields)

        exchange_of(scope).observers.append(add)
        await self.app(scope, receive, send)

    def _key(self, scope: Scope) -> str:
        if who := self._identify(scope):
            # A key is a secret as often as not; the store need not know it.
            return "key:" + hashlib.sha256(who.encode()).hexdigest()[:32]
        return "client:" + exchange_of(scope).client
