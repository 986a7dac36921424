"""Requests within the process end as those of a server do."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from gateway.portal.in_process import InProcess

OUTER: ContextVar[str] = ContextVar("outer", default="")
REQUEST = httpx.Request("GET", "http://gateway.test/")


class Hanging:
    """Never answers; notes what it sees."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(OUTER.get())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise


async def ask(app: Any, seconds: float = 0.1) -> Any:
    return await InProcess(app).ask(REQUEST, {"client": None, "server": None}, "", seconds)


async def test_a_service_is_cancelled_at_the_deadline() -> None:
    """And it runs in a context of its own, where nothing is left of the request that asked."""
    app = Hanging()
    OUTER.set("of the portal's request")
    reply = await ask(app)
    assert reply.fault == "did not answer within 0.1 seconds"
    assert app.seen == ["", "cancelled"]


async def test_a_service_is_cancelled_with_whoever_asked() -> None:
    """Nobody waits for it any more."""
    app = Hanging()
    asking = asyncio.create_task(ask(app, 10))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0.01)
    assert app.seen == ["", "cancelled"]


async def test_an_application_that_returns_without_an_answer_gave_none() -> None:
    """Which is told, and nothing is raised."""

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    reply = await ask(silent)
    assert (reply.status, reply.fault) == (0, "gave no answer")
