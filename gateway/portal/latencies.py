"""Two series of latencies to their medians, and how sure their ratio is (pure)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# The standard normal quantile of 97.5 %, over the square root of 2: see `Latencies.of`.
_DEVIATIONS = 1.96 / math.sqrt(2)
# The clock's own step: nothing takes less.
_LEAST_SECONDS = 1e-9


@dataclass(frozen=True)
class Latencies:
    """How long two services took for the same.

    Attributes:
        medians: Of each, in seconds.
        ratio: The second median over the first.
        spread: Between which two ratios the true one is, with about 95 % confidence.
    """

    medians: tuple[float, float]
    ratio: float
    spread: tuple[float, float]

    @classmethod
    def of(cls, first: Sequence[float], second: Sequence[float]) -> Latencies:
        """The figures of two series, in seconds, each with one latency at least.

        Each median lies between two latencies of its own sorted series whatever the distribution
        (order statistics: how many of n latencies are below the true median is binomial, n/2 give
        or take half the square root of n), so that outliers move nothing and nothing is drawn at
        random: the same series give the same figures. The ratio is lowest where the second median
        is at its lower bound and the first at its upper one. Both rarely err that far at once: two
        independent errors add up as squares, so each median is given bounds narrower by the square
        root of 2 than for 95 % alone. Below six latencies they are the least and the most.
        """
        medians = statistics.median(first), statistics.median(second)
        low = [_bounds(series)[0] for series in (first, second)]
        high = [_bounds(series)[1] for series in (first, second)]
        return cls(
            medians,
            _ratio(medians[1], medians[0]),
            (_ratio(low[1], high[0]), _ratio(high[1], low[0])),
        )


def _bounds(series: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(series)
    count = len(ordered)
    low = max(math.floor((count - _DEVIATIONS * math.sqrt(count)) / 2) - 1, 0)
    return ordered[low], ordered[count - 1 - low]


def _ratio(second: float, first: float) -> float:
    return max(second, _LEAST_SECONDS) / max(first, _LEAST_SECONDS)
