"""Requests that no ordinary client sends, and what a strict front door answers to each.

What a case expects is what the RFCs say. Where they leave a choice, `why` says which way is taken
here, and for what reason; two statuses mean that both are right and nothing depends on which.
"""

from __future__ import annotations

from typing import Final

from tests.live.raw import (
    chunk,
    coding,
    connection,
    expect,
    field,
    host,
    length,
    limit,
    method,
    size,
    target,
    time,
    upgrade,
    version,
)
from tests.live.raw.case import Case

_MODULES = (
    length,
    coding,
    chunk,
    host,
    method,
    version,
    target,
    field,
    size,
    limit,
    connection,
    expect,
    upgrade,
    time,
)
CASES: Final[list[Case]] = [case for module in _MODULES for case in module.GROUP.cases]
