"""A legacy service that answers at once, and a candidate that misbehaves in every way there is."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import FastAPI, Response
from flask import Flask

SLEEP_SECONDS = 0.05
COMPUTE_SECONDS = 0.005
LARGE_BYTES = 50 * 1024 * 1024

legacy = Flask(__name__)
candidate = FastAPI()


# What the candidate does instead is in the name; `gone` is asked at an address where nobody is.
@legacy.get("/small")
@legacy.get("/sleeps")
@legacy.get("/raises")
@legacy.get("/hangs")
@legacy.get("/large")
@legacy.get("/cookies")
@legacy.get("/computes")
@legacy.get("/gone")
def small() -> dict[str, Any]:
    """Answer at once."""
    return {"id": 1, "name": "chair", "tags": ["wood", "oak"], "in_stock": True}


@candidate.get("/small")
async def same() -> dict[str, Any]:
    """Answer at once."""
    return {"id": 1, "name": "chair", "tags": ["wood", "oak"], "in_stock": True}


@candidate.get("/sleeps")
async def sleeps() -> dict[str, Any]:
    """Answer late."""
    await asyncio.sleep(SLEEP_SECONDS)
    return await same()


@candidate.get("/raises")
async def raises() -> None:
    """Answer with an error."""
    raise RuntimeError("as it is meant to")


@candidate.get("/hangs")
async def hangs() -> None:
    """Never answer."""
    await asyncio.sleep(3600)


@candidate.get("/large")
async def large() -> Response:
    """Answer with much more than anybody asked for."""
    return Response(_LARGE, media_type="application/octet-stream")


@candidate.get("/cookies")
async def cookies(response: Response) -> dict[str, Any]:
    """Answer with cookies that no client may see."""
    for number in range(20):
        response.set_cookie(f"leaked{number}", "x" * 100)
    return await same()


@candidate.get("/computes")
async def computes() -> dict[str, Any]:
    """Keep the event loop for as long as it takes: what nothing in one process can hide."""
    until = time.thread_time() + COMPUTE_SECONDS
    while time.thread_time() < until:
        sum(range(100))
    return await same()


_LARGE = bytes(LARGE_BYTES)
