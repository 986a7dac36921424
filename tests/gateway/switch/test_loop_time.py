"""The time that coroutines keep the event loop."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.switch.shadows.loop_time import LoopTime


async def test_what_computes_counts_and_what_waits_does_not() -> None:
    """And all goes as it would without."""
    loop_time = LoopTime()

    async def works() -> str:
        time.sleep(0.02)  # noqa: ASYNC251 - that is what is timed
        await asyncio.sleep(0.2)
        time.sleep(0.02)  # noqa: ASYNC251 - that is what is timed
        return "done"

    assert await loop_time.of(works) == "done"
    assert 0.04 <= loop_time.seconds < 0.2


async def test_errors_pass_both_ways() -> None:
    """What is awaited raises within, and what is not caught there, without."""
    loop_time = LoopTime()

    async def fails() -> None:
        raise LookupError("within")

    async def works() -> None:
        with pytest.raises(LookupError):
            await asyncio.gather(fails())
        raise ValueError("without")

    with pytest.raises(ValueError, match="without"):
        await loop_time.of(works)


async def test_a_cancellation_reaches_the_coroutine() -> None:
    """Which may clean up, and take it back."""
    loop_time, seen = LoopTime(), []

    async def works() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("cancelled")
        await asyncio.sleep(0)
        return "taken back"

    task = asyncio.create_task(loop_time.of(works))
    await asyncio.sleep(0.01)
    task.cancel()
    assert await task == "taken back"
    assert seen == ["cancelled"]
