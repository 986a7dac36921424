"""Many lifespans behind one: order, failure, state, and services without any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.health import Health
from gateway.lifespan import LifespanMiddleware, ServiceLifespan
from gateway.mounts import Mount, MountTable
from tests.gateway.asgi import LifespanFailed, running

Log = list[str]


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the lifespan does not reach the rest of the gateway")


def gateway(
    *services: tuple[str, ASGIApp], health: Health | None = None, **deadlines: float
) -> Any:
    lifespans = [ServiceLifespan(name, app) for name, app in services]
    middleware = LifespanMiddleware(
        nothing,
        lifespans,
        health or Health(),
        deadlines.get("startup_seconds", 5),
        deadlines.get("drain_seconds", 5),
    )
    return middleware, {lifespan.name: lifespan.state for lifespan in lifespans}


def recording(log: Log, name: str, **faults: Exception) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        log.append(f"start {name}")
        if "start" in faults:
            raise faults["start"]
        yield {"from": name}
        log.append(f"stop {name}")
        if "stop" in faults:
            raise faults["stop"]

    return FastAPI(lifespan=lifespan)


async def test_services_start_in_mount_order_and_stop_in_reverse() -> None:
    """A later service may rely on an earlier one for all its life."""
    log: Log = []
    app, _ = gateway(*((name, recording(log, name)) for name in "abc"))
    async with running(app):
        assert log == ["start a", "start b", "start c"]
        log.clear()
    assert log == ["stop c", "stop b", "stop a"]


async def test_state_is_kept_apart() -> None:
    """What one service's lifespan yields is that service's alone."""
    log: Log = []
    app, states = gateway(("a", recording(log, "a")), ("b", recording(log, "b")))
    async with running(app) as of_the_server:
        assert states == {"a": {"from": "a"}, "b": {"from": "b"}}
        assert of_the_server == {}


async def test_a_failing_start_stops_what_was_started_and_says_why() -> None:
    """Nothing is left half up, and the reason is the service's own."""
    log: Log = []
    health = Health()
    failing = recording(log, "b", start=RuntimeError("no database"))
    app, _ = gateway(
        ("a", recording(log, "a")), ("b", failing), ("c", recording(log, "c")), health=health
    )
    with pytest.raises(
        LifespanFailed, match='service "b" did not start: RuntimeError: no database'
    ):
        async with running(app):
            pytest.fail("it started")
    assert log == ["start a", "start b", "stop a"]
    assert not health.ready


async def test_a_failing_stop_does_not_keep_others_from_stopping() -> None:
    """All services are stopped, and the failure is reported."""
    log: Log = []
    failing = recording(log, "b", stop=RuntimeError("half written"))
    app, _ = gateway(("a", recording(log, "a")), ("b", failing))
    with pytest.raises(LifespanFailed, match='"b" did not stop cleanly: RuntimeError: half'):
        async with running(app):
            pass
    assert log[-2:] == ["stop b", "stop a"]


async def _raises(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"


async def _raises_after_receiving(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise KeyError(scope["type"])


async def _returns(scope: Scope, receive: Receive, send: Send) -> None: ...


async def _completes_and_returns(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


@pytest.mark.parametrize(
    "app", [_raises, _raises_after_receiving, _returns, _completes_and_returns]
)
async def test_a_service_without_lifespan_support_is_fine(app: ASGIApp) -> None:
    """The ASGI specification says: continue without it."""
    log: Log = []
    health = Health()
    root, _ = gateway(("plain", app), ("a", recording(log, "a")), health=health)
    async with running(root):
        assert health.ready
    assert log == ["start a", "stop a"]


async def test_a_start_that_never_answers_fails_in_time() -> None:
    """A service that swallows the lifespan does not hang the process."""

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            await receive()

    app, _ = gateway(("silent", silent), startup_seconds=0.05)
    with pytest.raises(LifespanFailed, match=r'"silent" did not start within 0\.05 s'):
        async with running(app):
            pytest.fail("it started")


async def test_a_stop_that_never_answers_ends_in_time() -> None:
    """A service that does not stop does not hold the others, nor the process."""
    log: Log = []

    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await asyncio.Event().wait()

    app, _ = gateway(("a", recording(log, "a")), ("stuck", stuck), drain_seconds=0.05)
    with pytest.raises(LifespanFailed, match='"stuck" did not stop within'):
        async with running(app):
            pass
    assert log == ["start a", "stop a"]


async def test_a_service_that_exits_at_its_start_fails_like_any_other() -> None:
    """`sys.exit` in a service's start is a reason, and the others are stopped."""
    log: Log = []

    async def exits(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise SystemExit("no licence")

    app, _ = gateway(("a", recording(log, "a")), ("b", exits))
    with pytest.raises(LifespanFailed, match='"b" did not start: SystemExit: no licence'):
        async with running(app):
            pytest.fail("it started")
    assert log == ["start a", "stop a"]


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next() -> None:
    """A start that is reported twice does not make the stop look done."""
    log: Log = []

    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(0.3)
        log.append("stopped")
        await send({"type": "lifespan.shutdown.complete"})

    app, _ = gateway(("twice", twice))
    async with running(app):
        pass
    assert log == ["stopped"]


async def test_a_lifespan_that_dies_later_makes_the_service_not_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A broken background task of a service is seen, in the log and by the load balancer."""
    health = Health()
    die = asyncio.Event()

    async def mortal(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await die.wait()
        raise RuntimeError("lost the queue")

    app, _ = gateway(("mortal", mortal), health=health)
    async with running(app):
        ready = [health.ready]
        die.set()
        await asyncio.sleep(0.01)
        ready.append(health.ready)
    assert ready == [True, False]
    assert "lost the queue" in caplog.text


async def test_each_service_gets_a_share_of_the_time_to_stop() -> None:
    """One that never stops leaves time to those that were started before it."""
    log: Log = []
    health = Health()

    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await asyncio.Event().wait()

    app, _ = gateway(("a", recording(log, "a")), ("stuck", stuck), health=health, drain_seconds=60)
    with pytest.raises(LifespanFailed, match='"stuck" did not stop'):
        async with running(app):
            health.drain(2.0)
    assert log == ["start a", "stop a"]
    assert health.left(2.0) > 0


async def test_readiness_follows_the_lifespans() -> None:
    """Ready once all have started; not from the moment that they stop."""
    seen: list[bool] = []
    health = Health()

    def watching() -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            yield
            seen.append(health.ready)

        return lifespan

    app, _ = gateway(("a", FastAPI(lifespan=watching())), health=health)
    async with running(app):
        seen.append(health.ready)
    assert seen == [True, False]


async def test_a_cancelled_gateway_stops_its_services() -> None:
    """A server that gives up on the lifespan leaves nothing running."""
    log: Log = []
    app, _ = gateway(("a", recording(log, "a")))
    events: asyncio.Queue[Any] = asyncio.Queue()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    await events.put({"type": "lifespan.startup"})
    task = asyncio.create_task(app({"type": "lifespan"}, events.get, answers.put))
    await answers.get()
    task.cancel()
    await asyncio.wait({task})
    assert log == ["start a", "stop a"]


async def test_the_service_reads_its_state_from_its_requests() -> None:
    """The state reaches `request.state` of that service."""
    service = recording([], "a")

    @service.get("/")
    async def read(request: Request) -> Any:
        return request.state._state

    lifespan = ServiceLifespan("a", service)
    root = Starlette(
        routes=[MountTable([Mount("/a", service, state=lifespan.state)], otherwise=nothing)],
        middleware=[Middleware(LifespanMiddleware, [lifespan], Health(), 5, 5)],
    )
    async with (
        running(root),
        httpx.AsyncClient(transport=httpx.ASGITransport(root), base_url="http://x") as client,
    ):
        assert (await client.get("/a/")).json() == {"from": "a"}


def beside(*background: Callable[[], Coroutine[Any, Any, None]]) -> LifespanMiddleware:
    """A gateway without services, and what runs beside it."""
    return LifespanMiddleware(nothing, [], Health(), 5, 5, background=background)


async def test_what_runs_beside_the_requests_begins_again_where_it_fails(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told at once with its traceback, and once for each time; what returns is left alone."""
    monkeypatch.setattr("gateway.lifespan._AGAIN_SECONDS", 0.05)
    begun: Log = []
    told: list[str] = []
    third = asyncio.Event()

    async def failing() -> None:
        begun.append("failing")
        if len(told) == 2:
            third.set()
            await asyncio.Event().wait()
        told.append(caplog.text)
        raise RuntimeError("no figures")

    async def returning() -> None:
        begun.append("returning")

    async with running(beside(failing, returning)), asyncio.timeout(10):
        await third.wait()
    assert sorted(begun) == ["failing"] * 3 + ["returning"]
    assert [text.count("RuntimeError: no figures") for text in told] == [0, 1]
    assert caplog.text.count("failing failed") == 2
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2


async def test_what_fails_at_its_end_does_not_begin_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process stops, and the log has the reason."""
    monkeypatch.setattr("gateway.lifespan._AGAIN_SECONDS", 0)
    begun: Log = []

    async def closing() -> None:
        begun.append("closing")
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError("the store is gone")

    async with running(beside(closing)):
        await asyncio.sleep(0)
    assert begun == ["closing"]
    assert "the store is gone" in caplog.text
