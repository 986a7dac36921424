"""As many requests at the same time as are allowed."""

from __future__ import annotations

import asyncio
import threading

import pytest
from fastapi import FastAPI, WebSocket
from flask import Flask

from tests.gateway.edge.driving import Answer, Front, front, service

LIMIT = 3


class Held:
    """Services whose requests end when they are told to."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.waiting = asyncio.Event()
        self.web = Flask("web")
        self.api = FastAPI()
        self.web.add_url_rule("/", view_func=self._wait)
        self.api.get("/")(self._poll)
        self.api.get("/raise")(self._raise)
        self.api.websocket("/ws")(self._ws)

    def _wait(self) -> str:
        self.release.wait(20)
        return "ok"

    async def _poll(self) -> str:
        await self.waiting.wait()
        return "ok"

    def end(self) -> None:
        self.release.set()
        self.waiting.set()

    async def _raise(self) -> str:
        raise RuntimeError("of the service")

    async def _ws(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()


async def hold(gateway: Front, path: str) -> list[asyncio.Task[Answer]]:
    tasks = [asyncio.create_task(gateway.get(path)) for _ in range(LIMIT)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in tasks)
    return tasks


@pytest.mark.parametrize("path", ["/web/", "/api/"])
async def test_the_next_request_is_refused_at_once_and_there_is_room_again(path: str) -> None:
    """As many as are allowed run, one more gets 503, whichever stack; probes always pass."""
    held = Held()
    services = service(held.web, "web", "wsgi"), service(held.api, "api")
    async with front(*services, edge={"concurrency": LIMIT}) as gateway:
        running = await hold(gateway, path)
        for other in ("/web/", "/api/", "/nothing", "/_gateway/metrics"):
            refused = await gateway.get(other)
            assert refused.status == 503
            assert refused.header("retry-after") == "1"
            assert refused.json["detail"].startswith("The gateway is at its limit")
        assert (await gateway.get("/_gateway/livez")).status == 200
        assert (await gateway.get("/_gateway/readyz")).status == 200
        held.end()
        assert [(await task).status for task in running] == [200] * LIMIT
        assert [(await gateway.get(path)).status for _ in range(2 * LIMIT)] == [200] * 2 * LIMIT


async def test_probes_pass_below_a_public_prefix_too() -> None:
    """A gateway that is full is alive, also where its paths are longer."""
    held = Held()
    edge, server = {"concurrency": LIMIT}, {"root_path": "/apps"}
    async with front(service(held.api, "api"), edge=edge, server=server) as gateway:
        running = await hold(gateway, "/apps/api/")
        assert (await gateway.get("/apps/_gateway/livez")).status == 200
        assert (await gateway.get("/_gateway/livez")).status == 200
        held.end()
        await asyncio.gather(*running)


async def test_websockets_count_and_give_back_their_place() -> None:
    """An open one takes a place; refused, its handshake is closed; closed, its place is free."""
    held = Held()
    async with front(service(held.api, "api"), edge={"concurrency": 1}) as gateway:
        async with gateway.websocket("/api/ws") as first:
            assert (await first.next())["type"] == "websocket.accept"
            async with gateway.websocket("/api/ws") as second:
                assert (await second.next())["type"] == "websocket.close"
            assert (await gateway.get("/api/nothing")).status == 503
        assert (await gateway.get("/api/nothing")).status == 404


async def test_a_request_that_fails_or_is_cancelled_gives_back_its_place() -> None:
    """Whatever ends it."""
    held = Held()
    async with front(service(held.api, "api"), edge={"concurrency": 1}) as gateway:
        for _ in range(3):
            assert (await gateway.get("/api/raise")).status == 500
            task = asyncio.create_task(gateway.get("/api/"))
            await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0.02)
        assert (await gateway.get("/api/nothing")).status == 404
