"""Durations in buckets of a bounded relative width, so that those of several workers add up (pure).

Each bucket is wider than the one before by the same factor. A duration that is told by the middle
of its bucket is wrong by `RELATIVE_ERROR` at most, whether it is of microseconds or of hours
(C. Masson, J. E. Rim, H. K. Lee: DDSketch, VLDB 2019, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

RELATIVE_ERROR = 0.04
SHORTEST_SECONDS = 1e-6
LONGEST_SECONDS = 86400.0

_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
# The bucket of a duration is `int(log(seconds) * BUCKETS_BY_LOGARITHM + FIRST_BUCKET)`.
BUCKETS_BY_LOGARITHM = 1 / math.log(_GROWTH)
FIRST_BUCKET = -math.log(SHORTEST_SECONDS) * BUCKETS_BY_LOGARITHM
# From the lower end of a bucket to what is wrong by as much at both ends.
_MIDDLE = 2 * _GROWTH / (_GROWTH + 1)


def bucket_of(seconds: float) -> int:
    """The bucket of a duration; what is shorter or longer than there are buckets is in the last."""
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        seconds = SHORTEST_SECONDS if seconds < SHORTEST_SECONDS else LONGEST_SECONDS
    return int(math.log(seconds) * BUCKETS_BY_LOGARITHM + FIRST_BUCKET)


def seconds_of(bucket: int) -> float:
    """The duration that a bucket stands for, in as many digits as it is worth."""
    return float(f"{math.exp((bucket - FIRST_BUCKET) / BUCKETS_BY_LOGARITHM) * _MIDDLE:.4g}")


def quantiles(counts: Mapping[int, int], shares: Sequence[float]) -> list[float | None]:
    """The durations that these shares of all are not longer than.

    Args:
        counts: How many durations are in each bucket.
        shares: From 0 to 1, in rising order.

    Returns:
        One duration in seconds for each share: of the one whose rank is that share of their number,
        rounded up. None where there are no durations.
    """
    total = sum(counts.values())
    if not total:
        return [None] * len(shares)
    found: list[float | None] = []
    buckets = iter(sorted(counts))
    bucket = next(buckets)
    below = counts[bucket]
    for share in shares:
        rank = max(math.ceil(share * total), 1)
        while below < rank:
            bucket = next(buckets)
            below += counts[bucket]
        found.append(seconds_of(bucket))
    return found


def add(counts: dict[int, int], pairs: Iterable[Sequence[int]]) -> None:
    """Add durations to others, given as pairs of a bucket and a number."""
    for bucket, number in pairs:
        counts[bucket] = counts.get(bucket, 0) + number
