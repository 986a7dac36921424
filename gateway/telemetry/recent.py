"""The records of the last requests, kept in memory for whoever looks one up.

A record is what the access line says, and no more: no header, and no query string unless those are
logged. What is kept of a request is made into a record when somebody asks for it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from gateway.exchange import Exchange
from gateway.telemetry.lines import spelled_time
from gateway.telemetry.live import has_failed
from gateway.telemetry.logs import access_fields, is_probe

ERRORS_KEPT = 50
_NAMES = (
    "request_id", "path", "query", "method", "status", "mount", "stack", "route", "client",
    "outcome", "bytes_in", "bytes_out", "started", "first_byte", "ended", "waited", "answered",
    "trace_id",
)  # fmt: skip
_ID, _PATH, _QUERY = 0, 1, 2
_LONGEST = 1024
_OF_ERRORS = ("time", "request_id", "mount", "method", "path", "route", "status", "outcome")

_Kept = tuple[float, tuple[Any, ...]]


class RecentRequests:
    """The last requests of one process. Its `closed` is an observer of exchanges.

    Args:
        limit: How many; 0 to keep none, of the failed ones neither.
        query_strings: Whether to keep them; they may hold what is nobody's business.
        clock: Seconds since 1970.
    """

    def __init__(
        self, limit: int, *, query_strings: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._query_strings = query_strings
        self._clock = clock
        self._kept: deque[_Kept] = deque(maxlen=limit)
        self._errors: deque[_Kept] = deque(maxlen=min(limit, ERRORS_KEPT))
        self._values: Callable[[Exchange], tuple[Any, ...]] = attrgetter(*_NAMES)

    def closed(self, exchanges: Iterable[Exchange]) -> None:
        """They are over."""
        if not self._kept.maxlen:
            return
        now = self._clock()
        for exchange in exchanges:
            if exchange.stack == "gateway" and is_probe(exchange):
                continue
            values = self._values(exchange)
            if values[_QUERY] or len(values[_PATH]) > _LONGEST:
                values = self._cut(values)
            self._kept.append((now, values))
            if has_failed(exchange):
                self._errors.append((now, values))

    def record(self, request_id: str) -> dict[str, Any] | None:
        """The last record with this ID, as JSON; None where it is not known (any more)."""
        # The listed errors may be older than all the rest.
        for now, values in chain(reversed(self._kept), reversed(self._errors)):
            if values[_ID] == request_id:
                return self._told(now, values)
        return None

    def errors(self) -> list[dict[str, Any]]:
        """Those of the last requests that failed, the newest first, as JSON."""
        told = (self._told(now, values) for now, values in reversed(self._errors))
        return [{name: record[name] for name in _OF_ERRORS} for record in told]

    def _cut(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Without the query string, where those are not logged, and no longer than anybody reads.

        Of strangers' making, thousands of these would be much memory.
        """
        query = values[_QUERY][:_LONGEST] if self._query_strings else b""
        return values[_ID], values[_PATH][:_LONGEST], query, *values[_QUERY + 1 :]

    def _told(self, now: float, values: tuple[Any, ...]) -> dict[str, Any]:
        # What an exchange's access line is made from is all there.
        exchange: Any = SimpleNamespace(**dict(zip(_NAMES, values, strict=True)))
        told = {
            "time": spelled_time(now),
            "request_id": exchange.request_id,
            **access_fields(exchange, self._query_strings),
        }
        return {**told, "trace_id": exchange.trace_id} if exchange.trace_id else told
