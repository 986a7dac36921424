"""How large a body may be, and how long it may take."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message

from gateway.problems import BodyTimeout, BodyTooLarge
from tests.bridge.driver import Exchange, ask, scope_of
from tests.bridge.inputs import CHUNKED, KINDS, App, read_until_error
from tests.bridge.machines import bridged

LIMIT = 1000


def _limited(kind: str, **more: Any) -> dict[str, Any]:
    return {**KINDS[kind], "max_body_bytes": LIMIT, **more}


@pytest.mark.parametrize("headers", [CHUNKED, []], ids=["chunked", "announced"])
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_up_to_the_limit_is_accepted(kind: str, size: int, headers: Any) -> None:
    """The limit is what may be sent, not the first that may not."""
    app = App()
    async with bridged(app, **_limited(kind)) as bridge:
        pieces = [b"x" * 400, b"x" * (size - 400)]
        assert (await ask(bridge, "/", pieces, method="POST", headers=headers)).status == 200
    assert app.seen == b"x" * size


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_that_announces_one_byte_too_many_is_not_read(kind: str) -> None:
    """413 before anything is received, and without a thread."""
    app = App()
    async with bridged(app, **_limited(kind)) as bridge:
        headers = [(b"content-length", str(LIMIT + 1).encode())]
        exchange = Exchange(bridge, scope_of(method="POST", headers=headers), [b"x"])
        with pytest.raises(BodyTooLarge):
            await exchange.run()
        assert len(exchange._incoming) == 1
    assert app.calls == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_length_that_is_no_number_is_not_believed(kind: str) -> None:
    """A digit of another alphabet fails nothing; what arrives is counted."""
    app = App()
    async with bridged(app, **_limited(kind)) as bridge:
        headers = [(b"content-length", "²".encode("latin-1"))]
        assert (
            await ask(bridge, "/", [b"x" * LIMIT], method="POST", headers=headers)
        ).status == 200


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_spooled_body_one_byte_over_the_limit_is_refused(kind: str) -> None:
    """413 where the bytes are counted as they come, and nobody is called."""
    app = App()
    async with bridged(app, **_limited(kind)) as bridge:
        with pytest.raises(BodyTooLarge):
            await ask(bridge, "/", [b"x" * LIMIT, b"x"], method="POST", headers=CHUNKED)
    assert app.calls == 0


async def test_a_streamed_body_one_byte_over_the_limit_raises_to_its_reader() -> None:
    """The application cannot take it for a whole one, whatever it reads."""
    app = App(lambda file: read_until_error(file, [("read", 10)]))
    async with bridged(app, **_limited("stream")) as bridge:
        await ask(bridge, "/", [b"x" * LIMIT, b"x"], method="POST", headers=CHUNKED)
    got, errors = app.seen
    assert got == [b"x" * 10]
    assert "larger" in str(errors[0])


Receive = Callable[[], Awaitable[Message]]


def _slowly(seconds: float, pieces: int) -> Receive:
    """A client that sends a byte every so often, and then nothing."""
    left = iter(range(pieces))

    async def receive() -> Message:
        if next(left, None) is None:
            await asyncio.sleep(math.inf)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": b"x", "more_body": True}

    return receive


async def _refused(limits: dict[str, Any], receive: Receive, app: App) -> BaseException | None:
    async def send(message: Message) -> None:
        pass

    async with bridged(app, **limits) as bridge:
        try:
            await bridge(scope_of(method="POST", headers=CHUNKED), receive, send)
        except (OSError, BodyTimeout) as error:
            return error
    return None


# How often a piece comes, how many come, and the deadlines.
STALLS: dict[str, tuple[float, int, dict[str, float]]] = {
    "it never begins": (0, 0, {"body_idle_seconds": 0.05}),
    "it stops": (0, 3, {"body_idle_seconds": 0.05}),
    # Each piece is in time; the whole is not.
    "it trickles": (0.005, 10**9, {"body_idle_seconds": 5.0, "body_seconds": 0.08}),
    "it never begins, and may idle for longer than it may take": (
        0,
        0,
        {"body_idle_seconds": 60.0, "body_seconds": 0.05},
    ),
}


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("kind", KINDS)
async def test_an_upload_has_deadlines(kind: str, stall: str) -> None:
    """A stalled upload and an endless one both end: 408, or an `OSError` to who reads it."""
    seconds, pieces, deadlines = STALLS[stall]
    app = App()
    error = await _refused(_limited(kind, **deadlines), _slowly(seconds, pieces), app)
    if kind == "stream":
        assert isinstance(error, OSError)
        assert "in time" in str(error)
    else:
        assert isinstance(error, BodyTimeout)
        assert app.calls == 0


@pytest.mark.parametrize("kind", ["memory", "stream"])
async def test_an_upload_may_take_longer_than_it_may_stall(kind: str) -> None:
    """Each piece begins the time anew in which the next one has to come."""
    pieces = 13

    async def receive() -> Message:
        nonlocal pieces
        await asyncio.sleep(0.1)
        pieces -= 1
        return {"type": "http.request", "body": b"x", "more_body": pieces > 0}

    app = App()
    assert await _refused(_limited(kind, body_idle_seconds=1.0), receive, app) is None
    assert app.seen == b"x" * 13
