"""Stops the shadows of routes whose other service only fails (pure)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

_FAILURES: Final = 5
_OPEN_SECONDS: Final = 30.0
_ROUTES: Final = 5000


class Breakers:
    """Repeated failures open a route's breaker for a while; then one shadow may try again."""

    def __init__(self) -> None:
        self._routes: OrderedDict[Hashable, _Breaker] = OrderedDict()

    def is_open(self, route: Hashable, now: float) -> bool:
        """Whether nothing of a route is let through now.

        Args:
            route: Which.
            now: In seconds, by a clock that does not go back.
        """
        breaker = self._routes.get(route)
        return breaker is not None and breaker.failures >= _FAILURES and now < breaker.closed_from

    def let_through(self, route: Hashable, now: float) -> None:
        """One is: where it is a trial, the next are not until it was seen what became of it."""
        breaker = self._routes.get(route)
        if breaker is not None and breaker.failures >= _FAILURES:
            breaker.closed_from = now + _OPEN_SECONDS

    def note(self, route: Hashable, *, failed: bool, now: float) -> None:
        """What became of one."""
        if not failed:
            self._routes.pop(route, None)
            return
        breaker = self._routes.setdefault(route, _Breaker())
        self._routes.move_to_end(route)
        if len(self._routes) > _ROUTES:
            self._routes.popitem(last=False)
        breaker.failures += 1
        breaker.closed_from = now + _OPEN_SECONDS


@dataclass(slots=True)
class _Breaker:
    """Of one route.

    Attributes:
        failures: In a row.
        closed_from: When it will be closed, where there were enough of them.
    """

    failures: int = 0
    closed_from: float = 0.0
