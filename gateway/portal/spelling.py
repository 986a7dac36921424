"""Numbers as the portal's pages spell them; `static/figures.js` spells them alike (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_NONE = "\u2013"
_GAP = "\u00a0"  # a number and its unit stay on one line
_KIB = 1024
# Below these a number is spelled with one digit more.
_ALMOST_ONE, _ALMOST_TEN = 0.995, 9.95
_LEAST = 0.01


def seconds(value: float | None) -> str:
    """A time that somebody waited: `0.42 ms`, `12 ms`, `1.2 s`."""
    if value is None:
        return _NONE
    if value >= _ALMOST_ONE:
        return f"{_short(value)}{_GAP}s"
    return f"{_short(value * 1000)}{_GAP}ms"


def rate(value: float | None) -> str:
    """Requests per second: `0.25 req/s`, `1,250 req/s`."""
    return _NONE if value is None else f"{_short(value)}{_GAP}req/s"


def share(value: float | None) -> str:
    """A part of a whole, 0 to 1: `2.5 %`."""
    return _NONE if value is None else f"{_short(value * 100)}{_GAP}%"


def size(value: float) -> str:
    """Bytes: `12 KiB`, `1.2 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if value < _KIB:
            return f"{_short(value)}{_GAP}{unit}"
        value /= _KIB
    return f"{_short(value)}{_GAP}GiB"


def duration(seconds: float) -> str:
    """How long something has been going on: `42 s`, `12 min`, `3 h 12 min`, `5 d 3 h`."""
    minutes, hours, days = (int(seconds // part) for part in (60, 3600, 86400))
    if days:
        return f"{days}{_GAP}d {hours % 24}{_GAP}h"
    if hours:
        return f"{hours}{_GAP}h {minutes % 60}{_GAP}min"
    return f"{minutes}{_GAP}min" if minutes else f"{int(seconds)}{_GAP}s"


def setting(what: Mapping[str, Any]) -> str:
    """A setting's value, in JSON, which is nearly TOML; a secret is masked already."""
    value = what["value"]
    return str(value) if what["secret"] else json.dumps(value, ensure_ascii=False, default=str)


def _short(number: float) -> str:
    """As many digits as anybody reads."""
    if number == 0:
        return "0"
    if number < _LEAST:
        return f"<{_LEAST}"
    digits = 2 if number < _ALMOST_ONE else 1 if number < _ALMOST_TEN else 0
    return f"{number:,.{digits}f}"
