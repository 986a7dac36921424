"""The last 15 minutes of each mount as points of a chart.

A window that is over does not change. Its points are kept, so that a look costs what is new, and
not all workers' figures of 15 minutes each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.histogram import quantiles
from gateway.telemetry.live import STEP_SECONDS, WINDOWS, Figures, Merged

SHARES = (0.5, 0.95, 0.99)
SHARE_NAMES = ("p50_seconds", "p95_seconds", "p99_seconds")
# What the figures of the last minute are made of, before the window that is open.
RECENT_WINDOWS = 60 // STEP_SECONDS


@dataclass(frozen=True)
class _Point:
    count: int = 0
    requests_per_second: float = 0.0
    errors_per_second: float = 0.0
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    p99_seconds: float | None = None


_NOTHING = _Point()
_NAMES = ("requests_per_second", "errors_per_second", *SHARE_NAMES)


class History:
    """The points of all mounts."""

    def __init__(self) -> None:
        self._points: dict[str, dict[int, _Point]] = {}
        self._known_until = 0

    def since(self, now: float) -> int:
        """From which window on figures are wanted, by the monotonic clock."""
        window = int(now // STEP_SECONDS)
        # The last ones again, also those of a worker that did not answer the last time.
        return max(window - WINDOWS, min(self._known_until, window - RECENT_WINDOWS))

    def add(self, merged: Merged, *, whole: bool = True) -> None:
        """Take over what is new; the window that is open comes again, with more in it.

        Args:
            merged: What the workers tell.
            whole: Whether all of them have. Otherwise the same is wanted once more.
        """
        for mount, windows in merged.mounts.items():
            points = self._points.setdefault(mount, {})
            points.update(
                (number, _point(figures))
                for number, figures in windows.items()
                # Counts only grow: with less in it, it is the answer of fewer workers.
                if figures.count >= points.get(number, _NOTHING).count
            )
            for old in [number for number in points if number < merged.window - WINDOWS]:
                del points[old]
        if whole:
            self._known_until = max(self._known_until, merged.window)

    def of(self, mount: str, window: int) -> dict[str, list[Any]]:
        """A mount's points before the window that is open, the oldest first, by what they show."""
        points: Mapping[int, _Point] = self._points.get(mount, {})
        row = [points.get(number, _NOTHING) for number in range(window - WINDOWS, window)]
        return {name: [getattr(point, name) for point in row] for name in _NAMES}


def last_minute(merged: Merged, mount: str) -> dict[str, Any]:
    """A mount's rate of the last 10 s, its errors and percentiles of the last 60 s."""
    windows = merged.mounts.get(mount, {})
    rate = _total(windows, lambda number: number >= merged.window - 2)
    recent = _total(windows, lambda number: number >= merged.window - RECENT_WINDOWS)
    seconds = merged.now - (merged.window - 2) * STEP_SECONDS
    # Of a process that has just begun, the time that it had.
    seconds = max(min(seconds, merged.now - merged.started), 1.0)
    return {
        "requests_per_second": rate.count / seconds,
        "error_rate": recent.errors / recent.count if recent.count else 0.0,
        **percentiles(recent.buckets),
    }


def percentiles(buckets: Mapping[int, int]) -> dict[str, float | None]:
    """The three of them, by their names."""
    return dict(zip(SHARE_NAMES, quantiles(buckets, SHARES), strict=True))


def _total(windows: Mapping[int, Figures], wanted: Callable[[int], bool]) -> Figures:
    total = Figures()
    for number, figures in windows.items():
        if wanted(number):
            total.add(figures.count, figures.errors, figures.buckets.items())
    return total


def _point(figures: Figures) -> _Point:
    return _Point(
        figures.count,
        figures.count / STEP_SECONDS,
        figures.errors / STEP_SECONDS,
        *quantiles(figures.buckets, SHARES),
    )
