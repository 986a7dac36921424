"""What a worker tells of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from gateway.telemetry import process
from gateway.telemetry.process import Worker, loop_lags


async def test_a_long_stall_is_told_and_stands_as_long_as_any() -> None:
    """What comes after it is no sooner for that, and does not take its place at once."""
    lags = loop_lags(0.1)
    asyncio.get_running_loop().call_later(0.05, time.sleep, 0.4)
    assert await anext(lags) >= 0.3
    seen = time.monotonic()
    assert await anext(lags) < 0.3
    assert time.monotonic() - seen >= 0.09


async def test_a_worker_tells_the_longest_stall_of_the_last_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who looks seldom sees it, and it is forgotten then."""
    now = 1000.0

    async def lags(seconds: float) -> AsyncIterator[float]:
        nonlocal now
        for late in (0.001, 2.0, 0.002, 0.003):
            now += seconds + late
            yield late

    monkeypatch.setattr(process, "loop_lags", lags)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    worker = Worker()
    assert worker.figures()["event_loop_lag_seconds"] == 0
    await worker.watch()
    assert worker.figures()["event_loop_lag_seconds"] == 2.0
    now += 8.5
    assert worker.figures()["event_loop_lag_seconds"] == 0.003
    now += 10
    assert worker.figures()["event_loop_lag_seconds"] == 0
