"""An ASGI application that cancels the bridge within it: the pool is whole all the same."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.bridge import Bridge, BridgeLimits
from gateway.bridge.pool import WorkerPool
from tests.bridge import abused_app
from tests.bridge.machines import is_whole, threads_of
from tests.bridge.strangers import Strangers, get, post, rest_of
from tests.live.serving import wait_until

THREADS = 4
MANY = 10 * THREADS


class _Impatient:
    """Cancels what does not end in a moment."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.cancelled = 0
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/ok":
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self.app(scope, receive, send)
        except TimeoutError:
            self.cancelled += 1


@contextlib.contextmanager
def _serving(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """The application under uvicorn, in a thread."""
    config = uvicorn.Config(app, port=0, lifespan="on", ws="none", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        host, port = server.servers[0].sockets[0].getsockname()
        yield host, port
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def _check_whole(pool: WorkerPool) -> None:
    """Within a second all threads are free and each iterable was closed."""
    opened = abused_app.opened
    wait_until(
        lambda: is_whole(pool) and all(chunks.closed for chunks in opened),
        1.0,
        lambda: f"busy {pool.busy}, queued {pool.queued}, {[each.closed for each in opened]}",
    )
    assert len(threads_of(pool.name)) <= THREADS


@pytest.mark.parametrize("at_once", [THREADS, MANY], ids=["running", "running and queued"])
@pytest.mark.parametrize(
    ("request_", "buffering"),
    [
        (get("/endless"), "spool"),
        (get("/trickle"), "spool"),
        (get("/sleep/0.2"), "spool"),
        (post("/upload", b"some of it", "Content-Length: 1000"), "stream"),
    ],
    ids=["fast answers", "slow answers", "late answers", "uploads"],
)
def test_cancelled_requests_leave_the_pool_whole(
    request_: bytes, buffering: str, at_once: int
) -> None:
    """Ten times as many as there are threads: all are free, and each iterable was closed once."""
    abused_app.opened.clear()
    limits = BridgeLimits(threads=THREADS, buffering="stream" if buffering == "stream" else "spool")
    bridge = Bridge(abused_app.web, f"cancelled-{at_once}", limits)
    impatient = _Impatient(bridge, 0.1)
    with _serving(impatient) as address:
        strangers = Strangers(address)
        for _ in range(MANY // at_once):
            connections = [strangers.connect(request_) for _ in range(at_once)]
            for connection in connections:
                rest_of(connection)
            strangers.leave()
        assert impatient.cancelled == MANY
        _check_whole(bridge.pool)
        for _ in range(2 * THREADS):
            assert rest_of(strangers.connect(get("/ok", last=True))).endswith(b"ok")
        strangers.leave()
    # An upload that is broken off has no answer.
    assert {chunks.closed for chunks in abused_app.opened} == (
        {1} if buffering == "spool" else set()
    )
    assert bridge.pool.counters.served >= 2 * THREADS
    assert not threads_of(bridge.pool.name)
