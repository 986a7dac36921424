"""Counts of requests in the memory of this process, bounded in number and in cost."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict

from limits.aio.storage import MemoryStorage

logger = logging.getLogger("gateway.edge")

# One client has up to two: this window's, and that of the window before.
MOST_COUNTS = 100_000
_WARNING_SECONDS = 60.0


class MemoryCounts(MemoryStorage):
    """The library's store, which looks at every count at every request; this one at a few.

    Clients choose keys, by their addresses or by a header. What one request costs must not grow
    with how many there are, and neither may the memory: beyond the bound, the count that would end
    soonest is forgotten for each new one. Its client then has its limit anew.

    Args:
        most: How many counts are kept.
    """

    # Else the class would take the library's place for everyone who asks for that scheme.
    STORAGE_SCHEME = None  # type: ignore[assignment]

    def __init__(self, most: int = MOST_COUNTS) -> None:
        super().__init__()
        self._most = most
        # Windows of one length end in the order in which they began, so that each of these has its
        # next to end at its front. There are as many as limits have different windows.
        self._ends: dict[float, OrderedDict[str, float]] = {}
        self._warned = -_WARNING_SECONDS

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count `amount` more, in a window of `expiry` seconds; return the sum."""
        now = time.time()
        ends = self._ends.setdefault(expiry, OrderedDict())
        if ends.get(key, 0.0) <= now:
            ends.pop(key, None)
            self.storage.pop(key, None)
            self._make_room(now)
            ends[key] = now + expiry
            self.storage[key] = 0
        self.storage[key] += amount
        return self.storage[key]

    async def decr(self, key: str, amount: int = 1) -> int:
        """Take back."""
        if key not in self.storage:
            return 0
        self.storage[key] = max(self.storage[key] - amount, 0)
        return self.storage[key]

    async def get(self, key: str) -> int:
        """A count; 0 where there is none. What is over has a key that nobody asks for again."""
        return self.storage.get(key, 0)

    def _make_room(self, now: float) -> None:
        """Forget what is over, two of a length at most for each new count; then what must go."""
        for ends in self._ends.values():
            for _ in range(2):
                if ends and next(iter(ends.values())) <= now:
                    self._forget_first(ends)
        if len(self.storage) >= self._most:
            soonest = min(
                filter(None, self._ends.values()), key=lambda ends: next(iter(ends.values()))
            )
            self._forget_first(soonest)
            if time.monotonic() - self._warned >= _WARNING_SECONDS:
                self._warned = time.monotonic()
                logger.warning(
                    "rate limits: more than %d counts; those that end soonest are forgotten",
                    self._most,
                )

    def _forget_first(self, ends: OrderedDict[str, float]) -> None:
        key, _ = ends.popitem(last=False)
        self.storage.pop(key, None)
