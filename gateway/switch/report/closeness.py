"""Values that are not the same and hardly differ: instants of one moment, rounding (pure)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

# Two numbers that are closer differ by how they were computed.
_ROUNDING: Final = 1e-9
_SHORTEST_INSTANT: Final = len("2026-11-22T10:00")
_LONGEST_INSTANT: Final = 64


def are_close_instants(first: Any, second: Any, seconds: float) -> bool:
    """Whether both are dates with a time, in ISO 8601 or as HTTP writes them, and close."""
    one, other = _instant(first), _instant(second)
    return one is not None and other is not None and abs((one - other).total_seconds()) <= seconds


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str) or not _SHORTEST_INSTANT <= len(value) <= _LONGEST_INSTANT:
        return None
    try:
        iso = value[0].isdigit()
        found = datetime.fromisoformat(value) if iso else parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def rounding_of(first: Any, second: Any) -> float:
    """How far apart two numbers may be that differ by rounding; 0 where they differ by more."""
    if not (isinstance(first, int | float) and isinstance(second, int | float)):
        return 0.0
    most = max(abs(first), abs(second)) * _ROUNDING
    return float(f"{2 * most:.1g}") if abs(first - second) <= most else 0.0
