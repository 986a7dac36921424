"""The switch interval follows what runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway import switching
from gateway.exchange import Exchange, Running
from gateway.switching import SwitchInterval

SHORT = 0.0007


@asynccontextmanager
async def kept(running: Running) -> AsyncIterator[None]:
    """An interval that is kept, for the mount "web"."""
    task = asyncio.create_task(SwitchInterval(SHORT, ["web"], running).keep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def exchange(mount: str) -> Exchange:
    one = Exchange("id", {"type": "http", "method": "GET", "path": "/", "headers": []}, {})
    one.mount = mount
    return one


async def until_it_is(seconds: float) -> None:
    async with asyncio.timeout(10):
        while abs(sys.getswitchinterval() - seconds) > 1e-6:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)


async def test_it_is_short_while_a_wsgi_service_works() -> None:
    """And the usual one again when none has worked for a while, and at the end."""
    usual = sys.getswitchinterval()
    running: Running = {}
    async with kept(running):
        request = exchange("web")
        running[request] = None
        await until_it_is(SHORT)
        del running[request]
        await asyncio.sleep(2 * switching.LOOK_SECONDS)
        assert abs(sys.getswitchinterval() - SHORT) < 1e-6  # the next one may come at once
        await until_it_is(usual)
        running[request] = None
        await until_it_is(SHORT)
    assert sys.getswitchinterval() == usual


async def test_other_services_do_not_change_it() -> None:
    """Their event loop shares nothing with threads that compute."""
    usual = sys.getswitchinterval()
    async with kept({exchange("api"): None}):
        await asyncio.sleep(4 * switching.LOOK_SECONDS)
        assert sys.getswitchinterval() == usual
