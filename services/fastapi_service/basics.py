"""The smallest answers."""

import asyncio

from fastapi import APIRouter

router = APIRouter(tags=["basics"])


@router.get("/")
async def say_hello() -> dict[str, str]:
    """Say hello."""
    return {"Hello": "World"}


@router.get("/async")
async def wait_a_second() -> dict[str, float]:
    """Wait for one second; a thousand clients who wait at once hold nobody up."""
    await asyncio.sleep(1)
    return {"waited_seconds": 1.0}
