"""What a process can tell of itself: memory, threads, and how late its event loop is."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOOK_SECONDS = 1.0
# How long a stall is told: longer than between two looks at the portal.
_TOLD_SECONDS = 10.0


@dataclass(frozen=True)
class ProcessFigures:
    """Of this process, now."""

    memory_bytes: int
    descriptors: int
    threads: int


def process_figures() -> ProcessFigures | None:
    """Of this process; None where the system does not tell, as only Linux does."""
    try:
        status = Path("/proc/self/statm").read_text().split()
        return ProcessFigures(
            int(status[1]) * os.sysconf("SC_PAGE_SIZE"),
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            len(os.listdir("/proc/self/task")),  # noqa: PTH208
        )
    except (OSError, ValueError):
        return None


async def loop_lags(seconds: float) -> AsyncIterator[float]:
    """How late the event loop is, in seconds: once in so many, without end."""
    loop = asyncio.get_running_loop()
    while True:
        # From now on, also after a late one: what was missed is in it, and it stands as long.
        due = loop.time() + seconds
        await asyncio.sleep(seconds)
        yield max(loop.time() - due, 0.0)


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Worker:
    """This process, as one of those that serve.

    Attributes:
        pid: Its number.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lags: deque[tuple[float, float]] = deque(maxlen=int(_TOLD_SECONDS / _LOOK_SECONDS))
        self._started = time.monotonic()

    async def watch(self) -> None:
        """Look at the event loop, until cancelled."""
        async for late in loop_lags(_LOOK_SECONDS):
            self._lags.append((time.monotonic(), late))

    @property
    def lag_seconds(self) -> float:
        """How late its event loop was, at the most, in the last ten seconds."""
        since = time.monotonic() - _TOLD_SECONDS
        return max((late for when, late in self._lags if when >= since), default=0.0)

    def figures(self) -> dict[str, Any]:
        """What it tells of itself, as JSON."""
        figures = process_figures()
        return {
            "pid": self.pid,
            "memory_bytes": figures.memory_bytes if figures else 0,
            "threads": figures.threads if figures else 0,
            "uptime_seconds": time.monotonic() - self._started,
            "event_loop_lag_seconds": self.lag_seconds,
        }
