"""Which requests are shadowed: some of each route, and of all together so many a second (pure)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

_ROUTES: Final = 5000
# What a sample may take for its one token; one per cent of the time by default.
TOKEN_SECONDS: Final = 0.001
# What stands still for longer (a machine that sleeps) does not keep all samples away for longer.
_MOST_SECONDS: Final = 600.0
# After so long without a sample a route goes before all that had one.
_LONG_SECONDS: Final = 60.0


class Sampler:
    """Chooses requests before anybody has answered them, so that none is left out for its answer.

    A bucket of tokens, one for each sample, and more for one that took long. A route may overdraw
    it, by the more the longer it had no sample, and by what comes in within a second at most: else
    the busiest would have them all.

    Args:
        per_second: Samples, in the long run.
        at_once: Samples after a pause; at least one.
    """

    def __init__(self, per_second: float, at_once: int) -> None:
        self._per_second = per_second
        self._most = float(max(at_once, 1))
        self._tokens = self._most
        self._counted_at = 0.0
        self._last: OrderedDict[Hashable, float] = OrderedDict()

    def takes(self, route: Hashable, now: float) -> bool:
        """Whether a request is a sample.

        Args:
            route: What it is a sample of.
            now: In seconds, by a clock that does not go back.
        """
        if not self.would_take(route, now):
            return False
        self._tokens -= 1.0
        self._last[route] = now
        self._last.move_to_end(route)
        if len(self._last) > _ROUTES:
            self._last.popitem(last=False)
        return True

    def would_take(self, route: Hashable, now: float) -> bool:
        """Whether a request would be one. Arguments as of `takes`."""
        come_in = (now - self._counted_at) * self._per_second
        self._tokens = min(self._most, self._tokens + come_in)
        self._counted_at = now
        without = now - self._last.get(route, now - _LONG_SECONDS)
        overdraft = self._per_second * min(without / _LONG_SECONDS, 1.0)
        return self._tokens + overdraft >= 1.0

    def took(self, seconds: float) -> None:
        """Charge for what a sample took beyond `TOKEN_SECONDS`.

        Args:
            seconds: Of the time that all share.
        """
        tokens = self._tokens - seconds / TOKEN_SECONDS
        self._tokens = max(tokens, -self._per_second * _MOST_SECONDS)
