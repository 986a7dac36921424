"""What is remembered from one request to the next has a bound: strangers choose names."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from gateway.bridge.headers import HeaderEncoder
from tests.bridge.driver import ask
from tests.bridge.machines import bridged

AT_ONCE = 500
ROUNDS = 20
# Much less than ten thousand names take, and much more than counting takes.
ALLOWED_BYTES = 200_000

Numbered = Callable[[int], list[tuple[str, str]]]


def _names(start: int) -> list[tuple[str, str]]:
    return [(f"X-{number}", "1") for number in range(start, start + AT_ONCE)]


def _values(start: int) -> list[tuple[str, str]]:
    return [("X-Name", f"{number:30}") for number in range(start, start + AT_ONCE)]


@pytest.mark.parametrize("numbered", [_names, _values])
@pytest.mark.parametrize("side", ["request", "answer"])
async def test_ever_new_headers_take_no_memory(side: str, numbered: Numbered) -> None:
    """Neither a client's headers nor an application's make the process grow."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start = int(environ["QUERY_STRING"])
        start_response("200 OK", numbered(start) if side == "answer" else [])
        return [b"ok"]

    async def send(rounds: range) -> None:
        for number in rounds:
            start = number * AT_ONCE
            headers = [
                (name.lower().encode(), value.encode())
                for name, value in (numbered(start) if side == "request" else [])
            ]
            assert (await ask(bridge, query=b"%d" % start, headers=headers)).status == 200

    async with bridged(app, threads=1) as bridge:
        await send(range(10))  # as many as are remembered, and more
        gc.collect()
        tracemalloc.start()
        try:
            await send(range(10, 10 + ROUNDS))
            gc.collect()
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert grown < ALLOWED_BYTES


def test_what_changes_with_each_answer_is_not_remembered() -> None:
    """Sessions' cookies are nobody's to keep, and what differs leaves room for what does not."""
    encoder = HeaderEncoder("mount")
    changing = ["Set-Cookie", "ETag", "Content-Length", "Location"]
    headers = [(name, "5") for name in [*changing, "X-Same"]]
    assert len(encoder.encode(headers)) == 5
    assert list(encoder._pairs) == [("X-Same", "5")]
