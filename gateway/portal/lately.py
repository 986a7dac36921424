"""What the overview's page makes of its last minutes; `static/overview.js` does alike (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

_MINUTE = 60


def errors_lately(overview: Mapping[str, Any]) -> int:
    """How many requests of the last minute ended badly; `static/overview.js` counts alike.

    The steps of the charts are without the one that is open, the listed errors are the last ones
    only: what either knows has happened.
    """
    began = datetime.fromisoformat(overview["started"])
    recent = began + timedelta(seconds=overview["uptime_seconds"] - _MINUTE)
    listed = sum(datetime.fromisoformat(one["time"]) >= recent for one in overview["errors"])
    step = overview["step_seconds"]
    steps = slice(-(_MINUTE // step), None)
    rates = (sum(mount["history"]["errors_per_second"][steps]) for mount in overview["mounts"])
    counted: int = round(sum(rates) * step)
    return max(listed, counted)


def steps_shown(overview: Mapping[str, Any]) -> int:
    """How many steps the charts have: since the start, within 2 and 15 minutes."""
    step = overview["step_seconds"]
    lived = overview["uptime_seconds"] // step + 1
    return int(min(max(lived, 2 * _MINUTE // step), 15 * _MINUTE // step))
