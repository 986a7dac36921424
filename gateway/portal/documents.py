"""Documents of the portal's API: made once in a while, and answered as JSON."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

UNCACHED = {"Cache-Control": "no-store"}
# However many look, the workers and the database are asked as often as this.
_FRESH_SECONDS = 1.0


class Fresh:
    """A document that is made once in a while, however many look.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._make = make
        self._last: tuple[float, dict[str, Any]] | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> dict[str, Any]:
        """The last one, if it is fresh."""
        async with self._lock:
            if self._last is None or time.monotonic() - self._last[0] >= _FRESH_SECONDS:
                document = await self._make()
                self._last = time.monotonic(), document
            return self._last[1]

    def forget(self) -> None:
        """Make another one the next time."""
        self._last = None


async def json_answer(document: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A document as an answer."""
    # In ASCII, which has a word for all that a string may hold; beside the event loop, as it may be
    # long.
    text = await asyncio.to_thread(json.dumps, document, separators=(",", ":"))
    return Response(text, status, UNCACHED, "application/json")
