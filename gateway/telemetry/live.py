"""Rate, errors and duration of the last 15 minutes, per mount and route, for those who look.

What has ended is counted once, under its route and method. These counts move on to the window of
their mount and to the last minutes of their route with the route's first request of a later window,
or when somebody looks: never all at once while nobody does. Windows are numbered by the monotonic
clock, which all processes of a machine share, so that those of several workers are merged by their
numbers.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.exchange import Exchange
from gateway.histogram import (
    BUCKETS_BY_LOGARITHM,
    FIRST_BUCKET,
    SHORTEST_SECONDS,
    add,
    bucket_of,
)

STEP_SECONDS = 5
WINDOWS = 180
ROUTES_KEPT = 2000
MORE = "(more)"
# Routes keep coarser windows: there may be many of them.
_COARSE = 60
_COARSE_KEPT = 3
_NO_WINDOW = -1
# Others are "other", as a stranger may send any.
KNOWN_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "WEBSOCKET"}
)
_FAILED = frozenset({"error", "timeout"})
_SERVER_ERROR = 500
# What takes longer may be a stream, whose length says nothing of how soon it was answered.
_SOON = 1.0


def has_failed(exchange: Exchange) -> bool:
    """Whether its server is to blame for how it ended."""
    return exchange.status >= _SERVER_ERROR or exchange.outcome in _FAILED


class _Series:
    """What has ended under one route and method."""

    __slots__ = (
        *("coarse", "counts", "errors", "method", "mount"),
        *("route", "total", "total_errors", "window"),
    )

    def __init__(self, mount: str, route: str, method: str) -> None:
        self.mount, self.route, self.method = mount, route, method
        # What has not moved on yet, all of one window.
        self.window = _NO_WINDOW
        self.counts: dict[int, int] = defaultdict(int)
        self.errors = 0
        # What has.
        self.total = self.total_errors = 0
        self.coarse: dict[int, Figures] = {}


@dataclass
class Figures:
    """How many have ended, how many of them failed, and how long they took.

    Attributes:
        count: All.
        errors: The failed ones among them.
        buckets: How many took how long; see `histogram`.
    """

    count: int = 0
    errors: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, count: int, errors: int, pairs: Iterable[Sequence[int]]) -> None:
        """Count others, too."""
        self.count += count
        self.errors += errors
        add(self.buckets, pairs)


class Live:
    """The figures of one process. Its `closed` is an observer of exchanges.

    Args:
        clock: Seconds, the same in all processes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._series: dict[tuple[str, str, str], _Series] = {}
        # Those with counts that have not moved on.
        self._waiting: dict[_Series, None] = {}
        self._mounts: dict[str, dict[int, Figures]] = {}

    def closed(self, exchanges: Iterable[Exchange]) -> None:
        """They are over."""
        window = int(self._clock() // STEP_SECONDS)
        series_of, log = self._series.get, math.log
        for exchange in exchanges:
            series = series_of((exchange.mount, exchange.route, exchange.method))
            if series is None:
                series = self._new_series(exchange)
            if series.window != window:
                self._move_on(series)
                series.window = window
                self._waiting[series] = None
            seconds = exchange.ended - exchange.started
            if SHORTEST_SECONDS < seconds < _SOON:
                series.counts[int(log(seconds) * BUCKETS_BY_LOGARITHM + FIRST_BUCKET)] += 1
            else:
                series.counts[bucket_of(_until_answer(exchange, seconds))] += 1
            if exchange.status >= _SERVER_ERROR or exchange.outcome in _FAILED:
                series.errors += 1

    def snapshot(self, since: int = 0) -> dict[str, Any]:
        """What `merge` merges, as JSON.

        Args:
            since: The first window that is wanted. The last one is still open.
        """
        now = self._clock()
        self._move_all_on()
        first = max(since, int(now // STEP_SECONDS) - WINDOWS)
        mounts = {
            mount: [[number, *_told(windows[number])] for number in windows if number >= first]
            for mount, windows in self._mounts.items()
        }
        return {"now": now, "started": self._started, "mounts": mounts}

    def routes(self) -> list[list[Any]]:
        """What `merge_routes` merges, as JSON: a row for each route and method."""
        now = self._clock()
        self._move_all_on()
        slot = int(now // STEP_SECONDS) // _COARSE - _COARSE_KEPT + 1
        seconds = now - max(slot * _COARSE * STEP_SECONDS, self._started)
        return [
            [
                *(series.mount, series.route, series.method),
                *(series.total, series.total_errors),
                *(seconds, *_told(_since(slot, series.coarse))),
            ]
            for series in self._series.values()
        ]

    def _new_series(self, exchange: Exchange) -> _Series:
        """Where such a request is counted: labels have bounds, as those of metrics have."""
        mount, route, method = exchange.mount, exchange.route, exchange.method
        method = method if method in KNOWN_METHODS else "other"
        if len(self._series) >= ROUTES_KEPT:
            # Of mounts there are as many as the settings name.
            route, method = MORE, ""
        key = (mount, route, method)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series(*key)
            self._mounts.setdefault(mount, {})
        return series

    def _move_all_on(self) -> None:
        for series in self._waiting:
            self._move_on(series)
        self._waiting.clear()

    def _move_on(self, series: _Series) -> None:
        """Add what a series has counted to its mount's window and to its own last minutes."""
        if not series.counts:
            return
        windows = self._mounts[series.mount]
        of_mount = windows.get(series.window)
        if of_mount is None:
            of_mount = windows[series.window] = Figures()
            _forget_before(max(windows) - WINDOWS, windows)
        slot = series.window // _COARSE
        recent = series.coarse.get(slot)
        if recent is None:
            recent = series.coarse[slot] = Figures()
            _forget_before(slot - _COARSE_KEPT + 1, series.coarse)
        count, pairs = sum(series.counts.values()), series.counts.items()
        of_mount.add(count, series.errors, pairs)
        recent.add(count, series.errors, pairs)
        series.total += count
        series.total_errors += series.errors
        series.window, series.errors = _NO_WINDOW, 0
        series.counts.clear()


@dataclass(frozen=True)
class Merged:
    """The windows of all workers.

    Attributes:
        now: When they were told, on the monotonic clock, in seconds; 0.0 where nobody told any.
        started: When the first of the workers began to count.
        mounts: Window by its number, by mount.
    """

    now: float
    started: float
    mounts: Mapping[str, Mapping[int, Figures]]

    @property
    def window(self) -> int:
        """The window that is open."""
        return int(self.now // STEP_SECONDS)


def merge(snapshots: Iterable[Mapping[str, Any]]) -> Merged:
    """The figures of several workers as those of one."""
    now, started = 0.0, math.inf
    mounts: dict[str, dict[int, Figures]] = {}
    for snapshot in snapshots:
        now = max(now, snapshot["now"])
        started = min(started, snapshot["started"])
        for mount, windows in snapshot["mounts"].items():
            merged = mounts.setdefault(mount, {})
            for number, count, errors, pairs in windows:
                merged.setdefault(number, Figures()).add(count, errors, pairs)
    return Merged(now, min(started, now), mounts)


@dataclass
class RouteFigures:
    """What all workers know of one route and method.

    Attributes:
        requests: Since the start.
        errors: The failed ones among them.
        seconds: How long `recent` has been counted.
        recent: Of the last 10 to 15 minutes.
    """

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    recent: Figures = field(default_factory=Figures)


def merge_routes(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, str, str], RouteFigures]:
    """The figures of all workers, by mount, route and method."""
    merged: dict[tuple[str, str, str], RouteFigures] = {}
    for mount, route, method, requests, errors, seconds, *recent in rows:
        figures = merged.setdefault((mount, route, method), RouteFigures())
        figures.requests += requests
        figures.errors += errors
        figures.seconds = max(figures.seconds, seconds)
        figures.recent.add(*recent)
    return merged


def _told(figures: Figures) -> list[Any]:
    return [figures.count, figures.errors, [list(pair) for pair in figures.buckets.items()]]


def _since(first: int, numbered: Mapping[int, Figures]) -> Figures:
    total = Figures()
    for number, figures in numbered.items():
        if number >= first:
            total.add(figures.count, figures.errors, figures.buckets.items())
    return total


def _forget_before(first: int, numbered: dict[int, Figures]) -> None:
    for old in [number for number in numbered if number < first]:
        del numbered[old]


def _until_answer(exchange: Exchange, seconds: float) -> float:
    """How long an answer took; of a stream of events or a WebSocket, until it began."""
    if exchange.first_byte and exchange.is_stream:
        return exchange.first_byte - exchange.started
    return seconds
