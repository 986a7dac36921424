"""The time that coroutines keep the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import time

import anyio
import pytest

from gateway.switch.shadows.loop_time import ChildTasks, LoopTime


async def test_what_computes_counts_and_what_waits_does_not() -> None:
    """And all goes as it would without."""
    loop_time = LoopTime()

    async def works() -> str:
        time.sleep(0.02)  # noqa: ASYNC251 - that is what is timed
        await asyncio.sleep(0.2)
        time.sleep(0.02)  # noqa: ASYNC251 - that is what is timed
        return "done"

    assert await loop_time.of(works()) == "done"
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
        await loop_time.of(works())


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

    task = asyncio.create_task(loop_time.of(works()))
    await asyncio.sleep(0.01)
    task.cancel()
    assert await task == "taken back"
    assert seen == ["cancelled"]


async def test_one_that_never_began_is_closed() -> None:
    """As any coroutine of a task that was cancelled before its first step: without a warning."""
    loop_time = LoopTime()

    async def works() -> None:
        raise AssertionError("it must not begin")

    task = asyncio.create_task(loop_time.of(works()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert loop_time.seconds < 0.01


async def test_what_takes_more_than_is_free_is_charged_step_by_step() -> None:
    """While it goes on, and nothing twice."""
    charged: list[float] = []
    loop_time = LoopTime(0.03, charged.append)

    async def works() -> None:
        for _ in range(3):
            time.sleep(0.02)  # noqa: ASYNC251 - that is what is timed
            await asyncio.sleep(0)

    await loop_time.of(works())
    assert len(charged) >= 2
    assert sum(charged) == pytest.approx(loop_time.seconds - 0.03)


@pytest.mark.parametrize("before", [None, asyncio.Task])
async def test_child_tasks_count_while_it_is_wanted(before: type | None) -> None:
    """Those of anyio, too, which looks at the coroutine; and others do not."""
    loop = asyncio.get_running_loop()
    loop_time, children = LoopTime(), ChildTasks()
    if before is not None:
        loop.set_task_factory(lambda loop, coroutine, **more: before(coroutine, loop=loop, **more))
    there = loop.get_task_factory()

    async def computes() -> None:
        time.sleep(0.02)  # noqa: ASYNC251 - that is what is timed
        await anyio.sleep(0.1)

    async def works() -> None:
        async with anyio.create_task_group() as group:
            with anyio.move_on_after(5):
                group.start_soon(computes)
                await asyncio.create_task(computes())

    try:
        children.begin(loop)
        children.begin(loop)
        context = contextvars.copy_context()
        loop_time.mark(context)
        other = asyncio.create_task(computes())
        await asyncio.create_task(loop_time.of(works()), context=context)
        await other
        assert 0.04 <= loop_time.seconds < 0.06
        children.end(loop)
        assert loop.get_task_factory() is there
    finally:
        loop.set_task_factory(None)
