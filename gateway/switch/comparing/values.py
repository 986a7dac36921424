"""When two JSON values that are not the same may count as the same, each by a rule of its own.

Every function takes two values that differ and any JSON value for each.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.switch.comparing.differences import Missing

# Longer than any date or number that is written to be read.
_LONGEST = 64
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,4})?", re.ASCII)

_NAMES = {
    Missing: "nothing",
    type(None): "null",
    bool: "a boolean",
    str: "a string",
    int: "a whole number",
    Decimal: "a whole number",  # of more digits than Python reads
    float: "a number with a fraction",
    list: "a list",
    dict: "an object",
}


def is_same(first: Any, second: Any) -> bool:
    """Whether two values, not both objects or both lists, are the same.

    Types count: 1 is neither 1.0, which a client may refuse to take for an integer, nor true.
    """
    if type(first) is not type(second) or isinstance(first, dict | list):
        return False
    # A NaN, which some write though JSON has none, is not equal to itself.
    return bool(first == second or (first != first and second != second))  # noqa: PLR0124


def is_number(value: Any) -> bool:
    """Whether it is a number. To Python, true is one."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def are_close(first: Any, second: Any, tolerance: float) -> bool:
    """Whether two numbers differ by no more than `tolerance`; with 0, whether 1 is 1.0."""
    if not (is_number(first) and is_number(second)):
        return False
    if first == second:
        return True
    try:
        return abs(float(first) - float(second)) <= tolerance
    except OverflowError:
        return False


def are_uuids(first: Any, second: Any) -> bool:
    """Whether both are UUIDs, any."""
    return all(
        isinstance(value, str) and len(value) <= _LONGEST and _UUID.fullmatch(value)
        for value in (first, second)
    )


def are_same_instant(first: Any, second: Any) -> bool:
    """Whether both name one instant, in ISO 8601 or as HTTP writes dates (RFC 9110, 5.6.7).

    A time without a zone is UTC, and a date is its midnight, as Flask writes both. Where one is in
    the form that has whole seconds only, fractions do not count.
    """
    one, other = _instant(first), _instant(second)
    if one is None or other is None:
        return False
    if one[1] and other[1]:
        return one[0] == other[0]
    return one[0].replace(microsecond=0) == other[0].replace(microsecond=0)


def _instant(value: Any) -> tuple[datetime, bool] | None:
    """An instant, and whether its form has room for fractions of a second."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        return None
    try:
        precise = value[0].isdigit()
        found = datetime.fromisoformat(value) if precise else parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)), precise


def is_same_decimal(first: Any, second: Any) -> bool:
    """Whether one is a number and the other the same number as text: 1.1 and "1.10"."""
    text, number = (first, second) if isinstance(first, str) else (second, first)
    if not isinstance(text, str) or not is_number(number):
        return False
    if len(text) > _LONGEST or not _DECIMAL.fullmatch(text):
        return False
    try:
        return Decimal(text) == Decimal(str(number))
    except ValueError:  # an integer of more digits than Python writes
        return False


def type_name(value: Any) -> str:
    """What sort of value it is, in words."""
    return _NAMES[type(value)]
