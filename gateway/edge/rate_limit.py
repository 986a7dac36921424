"""Limits how often one client, user or key may ask.

Counted by the library `limits`, in this process or in Redis, over a sliding window. Answers carry
the fields of the IETF's draft "RateLimit header fields for HTTP".
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import ipaddress
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, cast

from limits import RateLimitItem
from limits.aio.storage import SlidingWindowCounterSupport, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.storage import storage_from_string
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.edge.counts import MemoryCounts
from gateway.edge.proxies import unmapped
from gateway.exchange import exchange_of
from gateway.problems import Refusal, refuse

logger = logging.getLogger("gateway.edge")

# A store that does not answer in this time counts as gone: a limit is no reason to wait.
STORE_SECONDS = 0.5
# While it is gone, it is asked again this often and not by every request.
_RETRY_SECONDS = 1.0
# IPv4 addresses as a translator writes them (RFC 6052, section 2.1).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


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
        local = url == "memory://"
        store: Storage = MemoryCounts() if local else _redis(url)
        self._limiter = SlidingWindowCounterRateLimiter(store)
        self._store = cast(SlidingWindowCounterSupport, store)
        # What is in memory is never waited for; no timer for each request then.
        self._patience = None if local else STORE_SECONDS
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
            async with asyncio.timeout(self._patience):
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


def counted_address(address: str) -> str:
    """What counts as one client: an IPv4 address, or the IPv6 network that one client has.

    Whoever has an IPv6 address has a /64 of them (RFC 4291, section 2.5.4). What stands for an IPv4
    address, mapped (section 2.5.5.2) or translated (RFC 6052), counts as that.

    Args:
        address: As the exchange has it: empty over a Unix socket.
    """
    if ":" not in address:
        return address
    try:
        parsed = unmapped(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed in _TRANSLATED:
        return str(ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF))
    return f"{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"


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
        return "client:" + counted_address(exchange_of(scope).client)
