"""Drives ASGI applications in process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp, Message


class LifespanFailed(Exception):
    """The application answered a lifespan event with a failure."""


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """Start an application as a server would, and stop it afterwards; yields its state."""
    events: asyncio.Queue[Message] = asyncio.Queue()
    answers: asyncio.Queue[Message] = asyncio.Queue()
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}
    task = asyncio.create_task(_call(app, scope, events, answers))

    async def exchange(event: str) -> None:
        await events.put({"type": event})
        answer = await asyncio.wait_for(answers.get(), 10)
        if answer["type"].endswith(".failed"):
            await task
            raise LifespanFailed(answer.get("message", ""))

    await exchange("lifespan.startup")
    try:
        yield state
    finally:
        await exchange("lifespan.shutdown")
        await asyncio.wait_for(task, 10)


async def _call(app: ASGIApp, scope: Any, events: Any, answers: Any) -> None:
    await app(scope, events.get, answers.put)


@asynccontextmanager
async def client_of(app: ASGIApp, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running application, in process."""
    raising = options.pop("raise_app_exceptions", True)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=raising)
    async with (
        running(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway.test", **options) as client,
    ):
        yield client
