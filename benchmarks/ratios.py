"""What is claimed: a ratio of medians, and how far single rounds were from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Ratio:
    """How a contender's figures compare with a baseline's.

    Attributes:
        of_medians: The contender's median over the baseline's.
        low: The least of the ratios that single rounds gave.
        high: The greatest of them. The ratio of medians is never outside of the two.
    """

    of_medians: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_figure(self.of_medians)} ({_figure(self.low)}..{_figure(self.high)})"


def ratio(contender: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """Compare figures that were measured in the same rounds.

    Args:
        contender: One figure per round.
        baseline: The figures of the same rounds, all above zero.

    Raises:
        ValueError: The rounds differ in number, there is none, or a baseline is not above zero.
    """
    if not baseline or min(baseline) <= 0:
        raise ValueError("a ratio needs at least one round and baselines above zero")
    per_round = [ours / theirs for ours, theirs in zip(contender, baseline, strict=True)]
    return Ratio(median(contender) / median(baseline), min(per_round), max(per_round))


def _figure(value: float) -> str:
    """Two digits that matter, and none that do not."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
