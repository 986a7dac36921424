"""The report: the catalogue in figures, and the one rule by which both stacks cache it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import combinations, pairwise
from statistics import median
from typing import Any, Protocol

from services.catalog.models import CENT, Revision
from services.catalog.schemas import Likeness, PriceBand, Report

# Comparing all names with all names grows with the square of their number.
COMPARED_ITEMS = 100
ALIKE = 0.8
BAND_EDGES = [Decimal(edge) for edge in ("0", "10", "25", "50", "100")]

# How both stacks keep reports, so that through Redis each finds those of the other.
CACHE_SECONDS = 300
CACHE_PREFIX = "catalog:"
# A cache that hangs costs less than the report; retries would only add to it.
REDIS_OPTIONS = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0, "retry": None}

log = logging.getLogger(__name__)


class ReportRow(Protocol):
    """What the report needs to know of an item."""

    @property
    def id(self) -> int:
        """The item's id."""

    @property
    def name(self) -> str:
        """The item's name."""

    @property
    def price(self) -> Decimal:
        """The price of one."""

    @property
    def stock(self) -> int:
        """How many there are."""


class ReportCache(Protocol):
    """What flask_caching.Cache and cachelib's caches have in common."""

    def get(self, key: str) -> Any:
        """Return what is kept under the key, or none."""

    def set(self, key: str, value: Any) -> Any:
        """Keep a value under the key."""


def build(items: Sequence[ReportRow]) -> Report:
    """Build the report.

    Args:
        items: The whole catalogue, newest first.

    Returns:
        The catalogue in figures.
    """
    prices = [item.price for item in items]
    return Report(
        count=len(items),
        total_stock=sum(item.stock for item in items),
        inventory_value=sum((item.price * item.stock for item in items), start=Decimal("0.00")),
        min_price=min(prices, default=None),
        median_price=median(prices).quantize(CENT) if prices else None,
        max_price=max(prices, default=None),
        price_bands=list(_price_bands(prices)),
        possible_duplicates=sorted(
            _likenesses(items[:COMPARED_ITEMS]), key=lambda pair: (-pair.likeness, pair.items)
        ),
    )


def read_through(
    cache: ReportCache, revision: Revision, build: Callable[[], Report]
) -> tuple[Report, bool]:
    """Return the report from the cache, or build it and keep it there.

    The key holds the revision that the database is at, so that a write by either stack, in any
    process, leaves the old report behind. A cache that fails is one that has nothing.

    Args:
        cache: Where reports are kept.
        revision: What the database is at.
        build: Builds the report.

    Returns:
        The report, and whether it came from the cache.
    """
    key = f"report:{revision.epoch}:{revision.value}"
    try:
        if (kept := cache.get(key)) is not None:
            return Report.model_validate(kept), True
    except Exception:
        log.warning("The report cache could not be read", exc_info=True)
    report = build()
    try:
        cache.set(key, report.model_dump(mode="json", by_alias=True))
    except Exception:
        log.warning("The report cache could not be written", exc_info=True)
    return report, False


def _price_bands(prices: Sequence[Decimal]) -> Iterator[PriceBand]:
    for low, high in pairwise([*BAND_EDGES, None]):
        assert low is not None  # noqa: S101 - only the last edge is open
        count = sum(low <= price and (high is None or price < high) for price in prices)
        yield PriceBand(from_=low, below=high, count=count)


def _likenesses(items: Sequence[ReportRow]) -> Iterator[Likeness]:
    for first, second in combinations(reversed(items), 2):
        matcher = SequenceMatcher(None, first.name.lower(), second.name.lower())
        # The quick ratio is an upper bound, and saves most pairs the slow one.
        if matcher.quick_ratio() >= ALIKE and (ratio := matcher.ratio()) >= ALIKE:
            yield Likeness(
                items=(first.id, second.id),
                names=(first.name, second.name),
                likeness=round(ratio, 3),
            )
